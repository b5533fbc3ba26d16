package mailparse

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// A mediaType is a parsed Content-Type, or Content-Disposition, with its parameters.
type mediaType struct {
	media  string // lower case; "" if there is none
	params []param
}

// A param is one parameter. RFC 2231 splits long ones into numbered sections.
type param struct {
	name    string // lower case, without asterisks
	value   string // without quotes
	section int    // -1 for a parameter in one piece
	encoded bool   // percent-encoded, and in section 0 with a charset before it
}

func (t *mediaType) is(prefix string) bool { return strings.HasPrefix(t.media, prefix) }

// param returns the plain value of a parameter; of several the first counts.
func (t *mediaType) param(name string) string {
	for i := range t.params {
		if t.params[i].name == name && t.params[i].section <= 0 && !t.params[i].encoded {
			if t.params[i].section == 0 {
				break
			}
			return t.params[i].value
		}
	}
	return string(t.extended(name))
}

// text returns the decoded value of a parameter with text for people: by RFC 2231,
// or by RFC 2047, which is not allowed there but common.
func (t *mediaType) text(name string) string {
	if v := t.extended(name); v != nil {
		return decodeWords(v)
	}
	return decodeWords([]byte(t.param(name)))
}

// extended joins and decodes the sections of a parameter (RFC 2231 sections 3 and
// 4) to UTF-8; nil if it has none.
func (t *mediaType) extended(name string) []byte {
	var parts []param
	for _, p := range t.params {
		if p.name == name && (p.section >= 0 || p.encoded) {
			parts = append(parts, p)
		}
	}
	if parts == nil {
		return nil
	}
	slices.SortStableFunc(parts, func(a, b param) int { return a.section - b.section })
	charset, out := "", []byte{}
	for i, p := range parts {
		if i > 0 && p.section == parts[i-1].section {
			continue
		}
		if p.encoded && i == 0 {
			var ok bool
			if charset, p.value, ok = cutCharset(p.value); !ok {
				charset = ""
			}
		}
		if p.encoded {
			out = percentDecode(out, p.value)
			continue
		}
		out = append(out, p.value...)
	}
	out, _ = toUTF8(charset, out, nil)
	return out
}

// cutCharset splits charset'language'value.
func cutCharset(v string) (charset, value string, ok bool) {
	charset, rest, ok := strings.Cut(v, "'")
	if !ok {
		return "", v, false
	}
	_, value, ok = strings.Cut(rest, "'")
	if !ok {
		return "", v, false
	}
	return charset, value, true
}

// percentDecode appends v to dst; percent signs that encode nothing stay.
func percentDecode(dst []byte, v string) []byte {
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if hi, lo := unhex(v[i+1]), unhex(v[i+2]); hi < 16 && lo < 16 {
				dst = append(dst, hi<<4|lo)
				i += 2
				continue
			}
		}
		dst = append(dst, v[i])
	}
	return dst
}

// parseType reads a Content-Type or Content-Disposition (RFC 2045 section 5.1, RFC
// 2183 section 2) and takes what it can get: without quotes, with comments, with
// parameters that have no value or no separator.
func parseType(v []byte) mediaType {
	var t mediaType
	if len(v) == 0 {
		return t
	}
	s := paramScanner{b: v}
	t.media = s.media()
	for s.pos < len(v) {
		p, ok := s.param()
		if ok {
			t.params = append(t.params, p)
		}
	}
	return t
}

// media reads the type, with a subtype or, as in a disposition, without; "" if the
// value starts with a parameter instead.
func (s *paramScanner) media() string {
	major := s.token()
	if s.peek() == '=' {
		s.pos = 0
		return ""
	}
	if s.peek() != '/' {
		return major
	}
	s.pos++
	return major + "/" + s.token()
}

// token reads a token in lower case, and white space around it.
func (s *paramScanner) token() string {
	rest := bytes.TrimLeft(s.b[s.pos:], " \t\"")
	name := token(string(rest[:min(len(rest), 256)]))
	rest = bytes.TrimLeft(rest[len(name):], " \t")
	s.pos = len(s.b) - len(rest)
	return strings.ToLower(name)
}

// A paramScanner reads parameters from the front of b.
type paramScanner struct {
	b        []byte
	pos      int
	unclosed bool // a comment was not closed, so parentheses mean nothing here
}

// skip passes over white space, semicolons and comments.
func (s *paramScanner) skip() {
	for s.pos < len(s.b) {
		switch c := s.b[s.pos]; {
		case c == ' ' || c == '\t' || c == ';' || c == ',':
			s.pos++
		case c == '(' && !s.unclosed:
			end := skipComment(s.b, s.pos)
			if s.unclosed = end == 0; !s.unclosed {
				s.pos = end
			}
		default:
			return
		}
	}
}

func (s *paramScanner) peek() byte {
	if s.pos < len(s.b) {
		return s.b[s.pos]
	}
	return 0
}

// param reads name and value of one parameter.
func (s *paramScanner) param() (p param, ok bool) {
	s.skip()
	start := s.pos
	for s.pos < len(s.b) && s.b[s.pos] != '=' && s.b[s.pos] != ';' {
		s.pos++
	}
	name := strings.ToLower(string(bytes.TrimSpace(s.b[start:s.pos])))
	if i := strings.LastIndexAny(name, " \t"); i >= 0 {
		name = name[i+1:]
	}
	if s.peek() != '=' {
		return p, false
	}
	s.pos++
	p = splitParam(name)
	p.value, _ = s.value()
	return p, p.name != ""
}

// splitParam takes the asterisks of RFC 2231 from a name.
func splitParam(name string) param {
	p := param{name: name, section: -1}
	if rest, ok := strings.CutSuffix(name, "*"); ok {
		p.name, p.encoded = rest, true
	}
	if base, number, ok := strings.Cut(p.name, "*"); ok {
		if n, err := strconv.Atoi(number); err == nil && n >= 0 {
			p.name, p.section = base, n
		}
	}
	return p
}

// value reads a token or quoted string up to the next semicolon. White space in a
// token without quotes belongs to it: file names are written so.
func (s *paramScanner) value() (string, bool) {
	for s.pos < len(s.b) && isBlank(s.b[s.pos]) {
		s.pos++
	}
	if s.peek() == '"' {
		if v, end := unquote(s.b, s.pos); end > 0 {
			s.pos = end
			return v, true
		}
		s.pos++
	}
	start := s.pos
	for s.pos < len(s.b) && s.b[s.pos] != ';' {
		if s.b[s.pos] == '(' && s.pos > start && isBlank(s.b[s.pos-1]) {
			break
		}
		s.pos++
	}
	v := string(bytes.Trim(s.b[start:s.pos], " \t\""))
	return v, v != ""
}

// unquote reads the quoted string at pos. A backslash quotes only a quote and a
// backslash: others stand in Windows paths. Without a closing quote end is 0.
func unquote(b []byte, pos int) (v string, end int) {
	out := make([]byte, 0, 64)
	for i := pos + 1; i < len(b); i++ {
		switch {
		case b[i] == '"':
			return string(out), i + 1
		case b[i] == '\\' && i+1 < len(b) && (b[i+1] == '"' || b[i+1] == '\\'):
			i++
		}
		out = append(out, b[i])
	}
	return "", 0
}

// skipComment returns the position behind the comment at pos, which may be nested
// (RFC 5322 section 3.2.2); 0 if it is not closed.
func skipComment(b []byte, pos int) int {
	depth := 0
	for i := pos; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
