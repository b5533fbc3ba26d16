// Package oauth speaks OAuth 2.0 (RFC 6749) with those who give access to mailboxes: Google, Microsoft, or
// one that the operator names. It redeems codes with PKCE (RFC 7636), refreshes and revokes tokens. It keeps
// none of them, and does not log in to mail servers.
package oauth
