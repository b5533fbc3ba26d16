// Package archive writes mail as files that other programs read: mbox, Maildir and lines of
// JSON. What is written appears under its name when all of it is there, or not at all.
//
// It reads no mail and knows no account.
package archive
