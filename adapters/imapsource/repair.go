package imapsource

import (
	"bytes"
	"strings"
	"time"
)

// unreadableDate stands for an INTERNALDATE that nobody can read. The library
// closes the connection at such a date; no mail is from the first day of the
// modified Julian calendar.
const unreadableDate = `"17-Nov-1858 00:00:00 +0000"`

const dateLayout = "_2-Jan-2006 15:04:05 -0700" // RFC 9051 section 9, date-time

// repair writes one answer to FETCH anew so that the library can read it: flags
// that are no atoms are left out, dates that are none replaced, items that were
// not asked for dropped, RFC822 called BODY[]. A line that it cannot read itself
// it leaves as it is.
type repair struct {
	in  []byte // what is left to read
	out []byte
}

// fetchLine repairs the first fragment of an answer, up to its end or a
// literal.
func (r *repair) fetchLine(line []byte) []byte {
	open := bytes.IndexByte(line, '(')
	if open < 0 {
		return line
	}
	r.in = line[open+1:]
	r.words(line[:open])
	r.out = append(r.out, " ("...)
	return r.items(line, true)
}

// numberLine repairs an answer of a number and a word.
func (r *repair) numberLine(line []byte) []byte {
	r.words(line)
	r.out = append(r.out, "\r\n"...)
	return r.out
}

// words begins the output with the words of a line, one space between them.
func (r *repair) words(line []byte) {
	r.out = r.out[:0]
	for word := range bytes.FieldsSeq(line) {
		if len(r.out) > 0 {
			r.out = append(r.out, ' ')
		}
		r.out = append(r.out, word...)
	}
}

// rest repairs what follows the literal of a body.
func (r *repair) rest(line []byte) []byte {
	r.in, r.out = line, r.out[:0]
	return r.items(line, false)
}

// items reads items up to the end of the line.
func (r *repair) items(line []byte, first bool) []byte {
	for {
		if n := len(r.in); n > 0 && r.in[0] == ' ' {
			r.in = bytes.TrimLeft(r.in, " ")
		}
		if bytes.HasPrefix(r.in, []byte(")")) {
			r.out = append(r.out, ')')
			if r.in = bytes.TrimLeft(r.in[1:], " "); !isLineEnd(r.in) {
				return line
			}
			r.out = append(r.out, r.in...)
			return r.out
		}
		mark := len(r.out)
		if !first {
			r.out = append(r.out, ' ')
		}
		keep, literal, ok := r.item()
		switch {
		case !ok:
			return line
		case literal:
			return r.out
		case !keep:
			r.out = r.out[:mark]
		default:
			first = false
		}
	}
}

func isLineEnd(b []byte) bool { return string(b) == "\r\n" || string(b) == "\n" }

// item reads one item and writes it; keep is false if it is to be left out,
// literal is true if the line ended with the mark of one.
func (r *repair) item() (keep, literal, ok bool) {
	name := r.name()
	if name == "" || len(r.in) == 0 || r.in[0] != ' ' {
		return false, false, false
	}
	r.in = bytes.TrimLeft(r.in, " ")
	if name == "RFC822" {
		name = "BODY[]"
	}
	mark := len(r.out)
	r.out = append(append(r.out, name...), ' ')
	switch {
	case name == "FLAGS":
		return true, false, r.flags()
	case name == "INTERNALDATE":
		return true, false, r.date()
	case name == "UID", name == "MODSEQ", strings.HasPrefix(name, "BODY["):
		value, literal, ok := r.value()
		r.out = append(r.out, value...)
		return true, literal, ok
	case name == "RFC822.SIZE":
		value, _, ok := r.value()
		number := len(value) > 0 && len(bytes.Trim(value, "0123456789")) == 0
		r.out = append(r.out, value...)
		return number, false, ok
	}
	_, literal, ok = r.value()
	if literal { // of an unknown item: the library must see its octets or nobody
		return false, false, false
	}
	r.out = r.out[:mark]
	return false, false, ok
}

// name reads the name of an item in upper case, with its section.
func (r *repair) name() string {
	depth := 0
	for i, c := range r.in {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c < ' ', depth == 0 && (c == ' ' || c == '(' || c == ')'):
			if c < ' ' {
				return ""
			}
			name := string(r.in[:i])
			r.in = r.in[i:]
			if at := strings.IndexByte(name, '['); at >= 0 {
				return strings.ToUpper(name[:at]) + name[at:]
			}
			return strings.ToUpper(name)
		}
	}
	return ""
}

// value reads an atom, a quoted string, a list or, at the end of the line, the
// mark of a literal.
func (r *repair) value() (value []byte, literal, ok bool) {
	depth, quoted := 0, false
	for i := 0; i < len(r.in); i++ {
		switch c := r.in[i]; {
		case c == '\r' || c == '\n':
			size, _, marked := literalMark(r.in)
			if !marked || size < 0 || depth > 0 || r.in[0] != '{' && r.in[0] != '~' {
				return nil, false, false
			}
			value, r.in = r.in, nil
			return value, true, true
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case (c == ' ' || c == ')') && depth == 0:
			value, r.in = r.in[:i], r.in[i:]
			return value, false, i > 0
		}
	}
	return nil, false, false
}

// flags reads a list of flags (RFC 9051 section 9, flag-list). Gmail has sent
// OIB-Seen-[Gmail]/All and InterMail quoted ones.
func (r *repair) flags() bool {
	if len(r.in) == 0 || r.in[0] != '(' {
		return false
	}
	end := bytes.IndexByte(r.in, ')')
	if end < 0 || bytes.ContainsAny(r.in[:end], "\r\n{") {
		return false
	}
	r.out = append(r.out, '(')
	first := true
	for flag := range bytes.FieldsSeq(r.in[1:end]) {
		if n := len(flag); n > 2 && flag[0] == '"' && flag[n-1] == '"' {
			flag = bytes.ReplaceAll(flag[1:n-1], []byte(`\\`), []byte(`\`))
		}
		if !isFlag(flag) {
			continue
		}
		if !first {
			r.out = append(r.out, ' ')
		}
		r.out, first = append(r.out, flag...), false
	}
	r.out = append(r.out, ')')
	r.in = r.in[end+1:]
	return true
}

func isFlag(flag []byte) bool {
	name := bytes.TrimPrefix(flag, []byte(`\`))
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`(){%*"\]`), c) >= 0 {
			return false
		}
	}
	return len(name) > 0
}

// date reads a date-time. Zones by name and missing seconds have been seen;
// what is no date at all, such as NIL or the thirty-first of February, is
// replaced.
func (r *repair) date() bool {
	value, literal, ok := r.value()
	if !ok || literal {
		return false
	}
	text := strings.TrimSpace(strings.Trim(string(value), `"`))
	if _, err := time.Parse(dateLayout, text); err == nil {
		r.out = append(r.out, value...)
		return true
	}
	// Of other names of zones the offset is not known.
	for _, zone := range []string{" GMT", " UTC", " UT", " Z"} {
		if day, ok := strings.CutSuffix(text, zone); ok {
			text = day + " +0000"
		}
	}
	for _, layout := range []string{dateLayout, "_2-Jan-2006 15:04 -0700", "_2-Jan-2006 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			r.out = t.AppendFormat(append(r.out, '"'), dateLayout)
			r.out = append(r.out, '"')
			return true
		}
	}
	r.out = append(r.out, unreadableDate...)
	return true
}
