package mailparse

import (
	"bytes"
	"html"
)

// htmlText derives text from HTML (api.md D34): blocks are lines, paragraphs have
// an empty line between them, list items a hyphen, and cells of a row a space.
// Scripts, styles and comments are left out. b is clean UTF-8, and so is the
// result. Each octet is looked at a fixed number of times; over may end the work.
func htmlText(b []byte, over func() bool) []byte {
	t := texter{b: b, out: make([]byte, 0, len(b)/3+16)}
	for steps := 0; t.pos < len(b) && (steps&0xfff != 0xfff || !over()); steps++ {
		i := bytes.IndexByte(b[t.pos:], '<')
		if i < 0 {
			i = len(b) - t.pos
		}
		t.text(b[t.pos : t.pos+i])
		if t.pos += i; t.pos < len(b) {
			t.markup()
		}
	}
	t.out = bytes.TrimRight(t.out, " \n")
	if len(t.out) > 0 {
		t.out = append(t.out, '\n')
	}
	return t.out
}

// A texter writes the text of HTML.
type texter struct {
	b      []byte
	pos    int
	out    []byte
	breaks int             // line ends due before the next text
	space  bool            // a space is due
	pre    int             // depth of pre
	noEnd  map[string]bool // what is not closed behind pos
}

// text writes text between tags, with its entities decoded.
func (t *texter) text(s []byte) {
	if bytes.IndexByte(s, '&') >= 0 {
		s = cleanBody(nil, validText(html.UnescapeString(string(s))))
	}
	for len(s) > 0 {
		n := 0
		for n < len(s) && !isSpaceAt(s, n) {
			n++
		}
		if n > 0 {
			t.word(s[:n])
			s = s[n:]
			continue
		}
		width := 1
		if s[0] == 0xc2 {
			width = 2
		}
		switch {
		case t.pre == 0:
			t.space = true
		case s[0] == '\n':
			t.breaks++
		default:
			t.word([]byte{' '})
		}
		s = s[width:]
	}
}

func validText(s string) []byte {
	b, _ := validUTF8([]byte(s))
	return b
}

// isSpaceAt reports whether white space, or a space that does not break, is at i.
func isSpaceAt(s []byte, i int) bool {
	switch s[i] {
	case ' ', '\n', '\t', '\r', '\f':
		return true
	case 0xc2:
		return i+1 < len(s) && s[i+1] == 0xa0
	}
	return false
}

// word writes characters without white space, after the breaks that are due.
func (t *texter) word(s []byte) {
	switch {
	case len(t.out) == 0:
	case t.breaks > 0:
		for range min(t.breaks, 2) {
			t.out = append(t.out, '\n')
		}
	case t.space:
		t.out = append(t.out, ' ')
	}
	t.breaks, t.space = 0, false
	t.out = append(t.out, s...)
}

// lines makes sure that the next text starts n line ends further on.
func (t *texter) lines(n int) {
	t.breaks, t.space = max(t.breaks, n), false
}

// markup reads what starts with a less-than sign: a tag, a comment, or text.
func (t *texter) markup() {
	rest := t.b[t.pos:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		t.skipPast("-->", 4)
	case len(rest) > 1 && (rest[1] == '!' || rest[1] == '?'):
		t.skipPast(">", 2)
	case len(rest) > 1 && isLetter(rest[1]):
		t.tag(rest[1:], false)
	case len(rest) > 2 && rest[1] == '/' && isLetter(rest[2]):
		t.tag(rest[2:], true)
	default:
		t.text(rest[:1])
		t.pos++
	}
}

// skipPast moves behind the next end mark, or behind a start of n octets if there
// is no end mark in the rest.
func (t *texter) skipPast(end string, n int) {
	if !t.noEnd[end] {
		if i := bytes.Index(t.b[t.pos+n:], []byte(end)); i >= 0 {
			t.pos += n + i + len(end)
			return
		}
		t.never(end)
	}
	t.pos += n
}

func (t *texter) never(end string) {
	if t.noEnd == nil {
		t.noEnd = map[string]bool{}
	}
	t.noEnd[end] = true
}

// tag reads a tag whose name is at the front of rest.
func (t *texter) tag(rest []byte, closing bool) {
	n := 0
	var buf [12]byte
	for n < len(rest) && (isLetter(rest[n]) || '0' <= rest[n] && rest[n] <= '9') {
		if n < len(buf) {
			buf[n] = lower(rest[n])
		}
		n++
	}
	name := buf[:min(n, len(buf))]
	t.skipTag()
	kind := tagKinds[string(name)]
	switch kind {
	case tagHidden:
		if !closing {
			t.skipContent(string(name))
		}
	case tagBreak:
		t.breaks++
		t.space = false
	case tagBlock:
		t.lines(1)
	case tagParagraph:
		t.lines(2)
	case tagCell:
		t.space = true
	case tagItem:
		if t.lines(1); !closing {
			t.word([]byte("-"))
			t.space = true
		}
	case tagPre:
		t.lines(1)
		t.pre = max(0, t.pre+1)
		if closing {
			t.pre = max(0, t.pre-2)
		}
	}
}

// skipTag moves behind the tag at pos; a greater-than sign in a quoted value does
// not end it. A tag that is not closed takes the rest, as in a browser.
func (t *texter) skipTag() {
	var quote byte
	for i := t.pos; i < len(t.b); i++ {
		c := t.b[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			t.pos = i + 1
			return
		case (c == '"' || c == '\'') && t.b[i-1] == '=':
			if t.noEnd[string(c)] || bytes.IndexByte(t.b[i+1:], c) < 0 {
				t.never(string(c))
				continue
			}
			quote = c
		}
	}
	t.pos = len(t.b)
}

// skipContent moves behind the end tag of an element whose content is no text.
func (t *texter) skipContent(name string) {
	end := "</" + name
	if t.noEnd[end] {
		return
	}
	for at := t.pos; ; {
		i := bytes.Index(t.b[at:], []byte("</"))
		if i < 0 {
			if name == "script" || name == "style" { // as a browser does
				t.pos = len(t.b)
			}
			t.never(end)
			return
		}
		at += i + 2
		if at+len(name) <= len(t.b) && bytes.EqualFold(t.b[at:at+len(name)], []byte(name)) {
			t.pos = at + len(name)
			t.skipPast(">", 0)
			return
		}
	}
}

// Kinds of elements.
const (
	_            = iota
	tagHidden    // its content is not text
	tagBreak     // br
	tagBlock     // starts and ends a line
	tagParagraph // with an empty line around it
	tagCell      // of a table
	tagItem      // of a list
	tagPre       // keeps its white space
)

var tagKinds = map[string]uint8{
	"script": tagHidden, "style": tagHidden, "title": tagHidden, "head": 0, "template": tagHidden, "noframes": tagHidden,
	"xml": tagHidden, "svg": tagHidden, "object": 0, "br": tagBreak, "hr": tagBlock,
	"div": tagBlock, "tr": tagBlock, "table": tagBlock, "ul": tagBlock, "ol": tagBlock, "dl": tagBlock, "dt": tagBlock,
	"dd": tagBlock, "section": tagBlock, "article": tagBlock, "header": tagBlock, "footer": tagBlock, "main": tagBlock,
	"nav": tagBlock, "aside": tagBlock, "address": tagBlock, "center": tagBlock, "form": tagBlock, "fieldset": tagBlock,
	"figure": tagBlock, "figcaption": tagBlock, "caption": tagBlock, "body": tagBlock, "html": tagBlock, "option": tagBlock,
	"p": tagParagraph, "h1": tagParagraph, "h2": tagParagraph, "h3": tagParagraph, "h4": tagParagraph, "h5": tagParagraph,
	"h6": tagParagraph, "blockquote": tagParagraph, "td": tagCell, "th": tagCell, "li": tagItem, "pre": tagPre,
}
