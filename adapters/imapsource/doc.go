// Package imapsource reads an IMAP server: it lists mailboxes, opens them with
// EXAMINE and fetches with BODY.PEEK, so that nothing on the server changes; Change alone, which somebody has asked for, opens with SELECT.
// It decides nothing: what a difference to the log means is the business of
// commands.
//
// It speaks IMAP itself (ADR 17), since no library survives what real servers
// send. A framer (wire.go, answer.go) reads lines and counted literals with a deadline
// for each read and a bound for each line; a tolerant reader of tokens (token.go)
// takes from an answer what was asked for, and an answer that it cannot read costs
// itself and no other. A session (session.go) sends commands and reads until they
// are done, in the goroutine of whoever asks. A Conn (conn.go) heals: it connects
// again, and after each FETCH the UIDs that came are compared with those that were
// asked for (fetch.go). What is not healed so is an error, never a gap.
package imapsource
