// Package gmailapi answers as the Gmail API v1 does (api.md section 11), so that Google's own clients
// work on any mailbox: labels from folders and flags, histories from the journal.
//
// The package does not decide who may ask, how often, or how answers are cached and compressed: what
// mounts it does.
package gmailapi
