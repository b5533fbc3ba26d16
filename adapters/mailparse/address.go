package mailparse

import (
	"bytes"
	"slices"
	"strings"

	"github.com/imap2api/imap2api/domain"
)

// addresses reads an unfolded address list (RFC 5322 section 3.4) and takes what
// it can get. Group names and comments are no addresses and no names.
func addresses(v []byte, cl *clock) []domain.Address {
	if bytes.IndexByte(v, '@') < 0 && bytes.Contains(v, []byte("=?")) { // the whole list in words
		if decoded := decodeWords(v); strings.Contains(decoded, "@") {
			v = []byte(decoded)
		}
	}
	s := addressScanner{b: v, words: wordScanner{b: v}}
	for s.pos < len(v) && (len(s.list)&0xff != 0xff || !cl.over()) {
		s.step()
	}
	s.finish(true)
	return s.list
}

// recipients is addresses without names that have no address.
func recipients(v []byte, cl *clock) []domain.Address {
	list := slices.DeleteFunc(addresses(v, cl), func(a domain.Address) bool { return a.Addr == "" })
	if len(list) == 0 {
		return nil
	}
	return list
}

// An addressScanner reads one mailbox after another.
type addressScanner struct {
	b     []byte
	pos   int
	words wordScanner
	list  []domain.Address

	items    []item // of the mailbox at hand
	angle    []byte // what stands in its angle brackets
	hasAngle bool
	mark     int    // how many items stand before the angle brackets
	space    bool   // there was white space before pos
	held     string // a name without an address, which may be the first half of "Doe, John <j@example.org>"
	bare     bool   // held is a single word and could be an address without a domain

	noComment, noQuote bool // no more closing signs: the opening ones mean nothing
}

// An item is a word of a mailbox outside its angle brackets.
type item struct {
	text   []byte
	quoted bool
	space  bool // white space stands before it
	owned  bool // text is a copy that may grow
}

// step reads one token.
func (s *addressScanner) step() {
	c := s.b[s.pos]
	switch {
	case isBlank(c) || c == '\r' || c == '\n':
		s.space = true
		s.pos++
	case c == '(' && !s.noComment:
		if end := skipComment(s.b, s.pos); end > 0 {
			s.pos, s.space = end, true
			return
		}
		s.noComment = true
	case c == '"' && !s.noQuote:
		if text, end := unquote(s.b, s.pos); end > 0 {
			s.pos = end
			s.add([]byte(text), true)
			return
		}
		s.noQuote = true
		s.pos++
	case c == '<':
		s.readAngle()
	case c == '>' || c == ',' || c == ';':
		s.pos++
		if c != '>' {
			s.finish(c == ';')
		}
	case c == ':' && s.groupName():
		s.items = s.items[:0]
		s.pos++
	default:
		s.readAtom()
	}
}

func (s *addressScanner) add(text []byte, quoted bool) {
	s.items = append(s.items, item{text: text, quoted: quoted, space: s.space})
	s.space = false
}

// groupName reports whether what was read before a colon is the name of a group.
func (s *addressScanner) groupName() bool {
	for _, it := range s.items {
		if !it.quoted && bytes.IndexByte(it.text, '@') >= 0 {
			return false
		}
	}
	return !s.hasAngle && len(s.items) > 0
}

// readAtom reads up to the next special character. Encoded words are taken whole,
// as some hold commas that should not be there.
func (s *addressScanner) readAtom() {
	start := s.pos
	for s.pos < len(s.b) {
		c := s.b[s.pos]
		if c == '=' && s.pos+1 < len(s.b) && s.b[s.pos+1] == '?' {
			if end, _, ok := s.words.at(s.pos); ok {
				s.pos = end
				continue
			}
		}
		if c == '[' && s.pos > start && s.b[s.pos-1] == '@' { // a domain literal may hold colons
			if end := bytes.IndexByte(s.b[s.pos:min(len(s.b), s.pos+64)], ']'); end > 0 {
				s.pos += end + 1
				continue
			}
		}
		if s.pos > start && (isBlank(c) || strings.IndexByte(`<>,;:"`, c) >= 0 || c == '(' && !s.noComment) {
			break
		}
		s.pos++
	}
	s.add(s.b[start:s.pos], false)
}

// readAngle reads an address in angle brackets. If the closing one is missing, the
// address ends where another one starts.
func (s *addressScanner) readAngle() {
	if s.hasAngle { // without a separator: what stands between is the name of this one
		between := slices.Clone(s.items[s.mark:])
		s.items = s.items[:s.mark]
		s.finish(true)
		s.items = append(s.items, between...)
	}
	s.pos++
	for s.pos < len(s.b) && (s.b[s.pos] == '<' || isBlank(s.b[s.pos])) {
		s.pos++
	}
	start, at, quoted := s.pos, false, false
	for ; s.pos < len(s.b); s.pos++ {
		c := s.b[s.pos]
		if c == '>' && !quoted || c == '<' {
			break
		}
		if c == '"' && (quoted || bytes.IndexByte(s.b[s.pos+1:min(len(s.b), s.pos+256)], '"') >= 0) {
			quoted = !quoted
		}
		at = at || c == '@' && !quoted && s.pos > start
		if at && (c == ',' || c == ';') && s.b[start] != '@' {
			break
		}
	}
	s.angle, s.hasAngle, s.mark = s.b[start:s.pos], true, len(s.items)
	if s.pos < len(s.b) && s.b[s.pos] == '>' {
		s.pos++
	}
	s.space = true
}

// finish ends a mailbox. At a comma, a name without an address is held back, for
// it may belong to the next one.
func (s *addressScanner) finish(final bool) {
	if s.hasAngle {
		s.finishAngle()
	} else {
		s.finishBare()
	}
	if final {
		s.release()
	}
	s.items, s.angle, s.hasAngle, s.space = s.items[:0], nil, false, false
}

func (s *addressScanner) finishAngle() {
	name, addr := nameOf(s.items[:s.mark]), cleanAddress(s.angle)
	if name == "" {
		name = nameOf(s.items[s.mark:])
	}
	if s.held != "" {
		name = strings.TrimSuffix(s.held+", "+name, ", ")
		s.held = ""
	}
	if name != "" || addr != "" {
		s.list = append(s.list, domain.Address{Name: name, Addr: addr})
	}
}

// finishBare reads a mailbox without angle brackets: the words with an at sign are
// addresses, those before one are its name.
func (s *addressScanner) finishBare() {
	units := joinAround(s.items)
	from, found := 0, false
	for i, u := range units {
		if u.quoted || bytes.IndexByte(u.text, '@') < 0 {
			continue
		}
		s.release()
		found = true
		s.list = append(s.list, domain.Address{Name: nameOf(units[from:i]), Addr: cleanAddress(u.text)})
		from = i + 1
	}
	if found || len(units) == 0 {
		return
	}
	s.release()
	s.bare = len(units) == 1 && (!units[0].quoted || bytes.IndexByte(units[0].text, '@') > 0)
	s.held = nameOf(units)
}

// release adds the name that was held back.
func (s *addressScanner) release() {
	switch {
	case s.held == "":
	case s.bare && !strings.Contains(s.held, " "):
		s.list = append(s.list, domain.Address{Addr: s.held})
	default:
		s.list = append(s.list, domain.Address{Name: s.held})
	}
	s.held = ""
}
