// Package sampleserver is an IMAP server with mail of its own: a few hundred letters in
// threads, folders and several languages, to which new ones arrive by themselves. It lets
// people try the program without a mailbox. All mail is made from the texts in this
// package and is the same each time, octet for octet. It listens on loopback only and
// knows one login; it is no server for anybody's mail.
package sampleserver
