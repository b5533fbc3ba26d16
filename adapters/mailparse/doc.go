// Package mailparse reads the octets of a message (RFC 5322, RFC 2045 to 2049,
// RFC 2231, RFC 2047) into domain.Content, and gives the octets of attachments.
//
// Reading never fails and loses nothing: what is broken is read as far as it
// goes and named in Content.Defects. Work and memory grow with the size of the
// message and with nothing else, and a deadline ends what takes too long.
//
// The package does not fetch, store or thread mail, and it does not verify
// signatures.
package mailparse

// Version is the version of the parser. It is stored with what the parser said,
// and is raised when the same octets are read differently.
const Version = 1
