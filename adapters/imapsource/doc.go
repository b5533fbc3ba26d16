// Package imapsource reads an IMAP server: it lists mailboxes, opens them with
// EXAMINE and fetches with BODY.PEEK, so that nothing on the server changes.
// It decides nothing: what a difference to the log means is the business of
// commands.
//
// The package speaks through go-imap's client and does not trust it with three
// things. Connecting, STARTTLS and the login are a small dialogue of its own
// (opening.go), since errors there must be told apart and the library's ID and
// SASL answers have faults. Between socket and library sits a framer (wire.go)
// that sets deadlines, bounds lines, keeps what the server said and leaves out
// answers that nobody asked for and that the library dies of. And after each
// FETCH the UIDs that came are compared with those that were asked for
// (fetch.go): the library loses messages without an error where a server's
// answers are unusual. What is not healed so is an error, never a gap.
package imapsource
