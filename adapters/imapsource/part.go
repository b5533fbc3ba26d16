package imapsource

import (
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/imap2api/imap2api/domain"
)

// part is what one answer to FETCH says of a message. Servers may say it in
// several (RFC 9051 section 7.5.2).
type part struct {
	uid      domain.UID
	hasFlags bool
	flags    []domain.Flag
	hasDate  bool
	date     time.Time // zero if the server's could not be read
	modSeq   domain.ModSeq
	size     int64 // RFC822.SIZE, 0 if not said
	hasBody  bool  // and all its octets were read
	body     []byte
	bodySize int64 // octets of the literal, more than len(body) if cut
	partial  bool  // the body is a part by the server's words
	tooLarge bool  // to be read to its end: the connection was closed instead
	taken    int64 // octets of the budget
}

// merge adds what another answer for the same message says.
func (p *part) merge(q part) {
	if q.hasFlags {
		p.hasFlags, p.flags = true, q.flags
	}
	if q.hasDate {
		p.hasDate, p.date = true, q.date
	}
	if q.hasBody && !p.hasBody {
		p.hasBody, p.body, p.bodySize, p.partial = true, q.body, q.bodySize, q.partial
	}
	p.modSeq = max(p.modSeq, q.modSeq)
	p.size = max(p.size, q.size)
	p.taken += q.taken
}

// readPart reads an answer without a body.
func readPart(msg *imapclient.FetchMessageData) part {
	return readItems(msg, func(*part, imapclient.FetchItemDataBodySection) {})
}

// readItems reads an answer to its end; body is called for each body section.
func readItems(msg *imapclient.FetchMessageData, body func(*part, imapclient.FetchItemDataBodySection)) part {
	var p part
	for item := msg.Next(); item != nil; item = msg.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			p.uid = domain.UID(item.UID)
		case imapclient.FetchItemDataFlags:
			p.hasFlags, p.flags = true, flagsOf(item.Flags)
		case imapclient.FetchItemDataInternalDate:
			p.hasDate, p.date = true, dateOf(item.Time)
		case imapclient.FetchItemDataModSeq:
			p.modSeq = domain.ModSeq(item.ModSeq)
		case imapclient.FetchItemDataRFC822Size:
			p.size = item.Size
		case imapclient.FetchItemDataBodySection:
			if item.Literal != nil { // nil: NIL, the message was expunged by another session
				body(&p, item)
			}
		}
	}
	return p
}

func flagsOf(given []imap.Flag) []domain.Flag {
	if len(given) == 0 {
		return nil
	}
	flags := make([]domain.Flag, len(given))
	for i, f := range given {
		flags[i] = domain.Flag(f)
	}
	return domain.Flags(flags)
}
