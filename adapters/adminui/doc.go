// Package adminui is the pages: mail, IMAP servers, events, read models, webhooks, users,
// for people with a browser. They are made on the server of the same commands and queries
// that the API drives; every form works without scripts. It does not know the API.
package adminui
