package imapsource

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

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
	hasBody  bool
	body     []byte
	bodySize int64 // octets of the literal, more than len(body) if cut
	partial  bool  // the body is a part by the server's words
	header   []byte
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
}

// fetched reads an answer to FETCH (RFC 9051 section 7.5.2); body reads the value of BODY[]. Items
// that were not asked for are left out, whatever they hold.
func (a *answer) fetched(body func(p *part) error) (part, error) {
	var p part
	if !a.accept('(') {
		return p, a.bad("items of FETCH")
	}
	for !a.accept(')') {
		name := a.itemName()
		if name == "" || !isASCII(name) || a.ended() {
			return p, a.bad("item of FETCH")
		}
		if name == "UID" && p.uid > 0 || p.hasBody && bodyItem(name) { // a literal of the wrong length has swallowed the rest
			return p, a.bad("no second " + name)
		}
		if err := a.item(&p, name, body); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (a *answer) item(p *part, name string, body func(p *part) error) error {
	switch name {
	case "UID":
		n, ok := a.num(32)
		if !ok {
			return a.bad("UID")
		}
		p.uid = domain.UID(n)
	case "FLAGS":
		return a.flags(p)
	case "INTERNALDATE":
		value, _, err := a.str()
		p.hasDate, p.date = err == nil, dateOf(string(value))
		return err
	case "RFC822.SIZE":
		if n, ok := a.num(63); ok {
			p.size = int64(n)
			return nil
		}
		return a.skip(0)
	case "MODSEQ": // RFC 7162 section 3.1.4.2
		if a.accept('(') {
			n, ok := a.num(63)
			if p.modSeq = domain.ModSeq(n); !ok || !a.accept(')') {
				return a.bad("MODSEQ")
			}
			return nil
		}
		return a.skip(0)
	case "BODY[]", "BODY[]<0>", "RFC822":
		p.partial = strings.HasSuffix(name, ">")
		return a.body(p, body)
	case "BODY[HEADER.FIELDS (MESSAGE-ID)]":
		value, null, err := a.str()
		if !null {
			p.header = append([]byte{}, value...)
		}
		return err
	default:
		return a.skip(0)
	}
	return nil
}

func bodyItem(name string) bool { return name == "BODY[]" || name == "BODY[]<0>" || name == "RFC822" }

// body reads the value of BODY[]: a literal mostly, NIL if another session has expunged
// the message.
func (a *answer) body(p *part, read func(p *part) error) error {
	if a.isNext() && read != nil {
		p.bodySize = a.literal
		return read(p)
	}
	value, null, err := a.str()
	if err == nil && !null {
		p.hasBody, p.body, p.bodySize = true, value, int64(len(value))
	}
	return err
}

// itemName reads the name of an item in capitals, with its section.
func (a *answer) itemName() string {
	a.spaces()
	depth := 0
	for i, c := range a.rest {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth == 0 && (c == ' ' || c == '(' || c == ')' || c == '"'):
			return a.cutName(i)
		}
	}
	return a.cutName(len(a.rest))
}

func (a *answer) cutName(n int) string {
	name := a.rest[:n]
	a.rest = a.rest[n:]
	switch string(name) { // of every message
	case "UID":
		return "UID"
	case "FLAGS":
		return "FLAGS"
	}
	return strings.ReplaceAll(string(bytes.ToUpper(name)), `"`, "")
}

// flags reads a list of flags (RFC 9051 section 9, flag-list). Gmail has sent OIB-Seen-[Gmail]/All
// and InterMail quoted ones; others hold parentheses. What is no text is left out.
func (a *answer) flags(p *part) error {
	if !a.accept('(') {
		return a.bad("flags")
	}
	var flags []domain.Flag
	for !a.accept(')') {
		if a.ended() || a.isNext() {
			return a.bad("end of the flags")
		}
		flag, err := a.flag()
		if err != nil {
			return err
		}
		if flag != `` && flag != `\` && utf8.ValidString(flag) {
			flags = append(flags, domain.Flag(flag))
		}
	}
	p.hasFlags, p.flags = true, nil
	if len(flags) > 0 {
		p.flags = domain.Flags(flags)
	}
	return nil
}

func (a *answer) flag() (string, error) {
	if a.peek() == '"' {
		flag, err := a.quoted()
		return string(flag), err
	}
	depth := 0
	for i, c := range a.rest {
		switch {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ' ' && depth == 0, c == ')':
			flag := string(a.rest[:i])
			a.rest = a.rest[i:]
			return flag, nil
		}
	}
	return "", a.bad("end of a flag")
}

const dateLayout = "_2-Jan-2006 15:04:05 -0700" // RFC 9051 section 9, date-time

// dateOf reads an INTERNALDATE in UTC. Zones by name and missing seconds have been seen; of
// other zones' names the offset is not known. Zero is for what is no date at all, such as NIL
// or the thirty-first of February.
func dateOf(text string) time.Time {
	text = strings.TrimSpace(text)
	for _, zone := range []string{" GMT", " UTC", " UT", " Z"} {
		if day, ok := strings.CutSuffix(text, zone); ok {
			text = day + " +0000"
		}
	}
	for _, layout := range []string{dateLayout, "_2-Jan-2006 15:04 -0700", "_2-Jan-2006 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
