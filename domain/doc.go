// Package domain owns the words of mail and the rules that need no I/O: ids,
// flags, comparing a mailbox with what its server shows, base subjects,
// message-ids and the placing of messages in threads. It knows nothing of
// events, databases, IMAP connections or HTTP.
package domain
