package mailparse

import (
	"bytes"
)

// decodeWords returns an unfolded value as text: encoded words are decoded (RFC
// 2047), also where they are not allowed, raw octets are UTF-8 or else
// windows-1252, and control characters are gone.
func decodeWords(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if !bytes.Contains(b, []byte("=?")) {
		return cleanLine(guessText(b))
	}
	d := wordDecoder{s: wordScanner{b: b}}
	pos := 0
	for {
		start, end, w, ok := d.s.next(pos)
		if !ok {
			break
		}
		d.literal(b[pos:start])
		d.word(w)
		pos = end
	}
	d.flush()
	return cleanLine(append(d.out, guessText(b[pos:])...))
}

// A word is one encoded word of RFC 2047: "=?charset?encoding?text?=".
type word struct {
	charset  []byte
	encoding byte // B or Q
	text     []byte
}

// A wordDecoder joins neighbours of one character set before it decodes them: some
// senders split a character over two words.
type wordDecoder struct {
	s       wordScanner
	out     []byte
	pending []byte
	charset string
	open    bool // pending has the octets of at least one word
}

// literal appends text between words; white space between two words is dropped
// (RFC 2047 section 6.2).
func (d *wordDecoder) literal(b []byte) {
	if d.open && len(bytes.TrimLeft(b, " \t")) == 0 {
		return
	}
	d.flush()
	d.out = append(d.out, guessText(b)...)
}

func (d *wordDecoder) word(w word) {
	if d.open && d.charset != string(w.charset) {
		d.flush()
	}
	d.open, d.charset = true, string(w.charset)
	if w.encoding == 'B' {
		d.pending, _ = decodeBase64(d.pending, w.text)
		return
	}
	for i := 0; i < len(w.text); i++ {
		c := w.text[i]
		if c == '_' {
			c = ' '
		}
		if c == '=' && i+2 < len(w.text) {
			if hi, lo := unhex(w.text[i+1]), unhex(w.text[i+2]); hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		d.pending = append(d.pending, c)
	}
}

func (d *wordDecoder) flush() {
	if d.open {
		text, _ := toUTF8(d.charset, d.pending, nil)
		d.out = append(d.out, text...)
	}
	d.pending, d.open = d.pending[:0], false
}

// A wordScanner finds encoded words, in time that grows with the length of b only.
type wordScanner struct {
	b   []byte
	end int // of the last "?=" that was found; len(b) if there are no more
}

// next returns the first encoded word at pos or behind it.
func (s *wordScanner) next(pos int) (start, end int, w word, ok bool) {
	for {
		i := bytes.Index(s.b[pos:], []byte("=?"))
		if i < 0 {
			return 0, 0, w, false
		}
		pos += i
		if end, w, ok := s.at(pos); ok {
			return pos, end, w, true
		}
		pos++
	}
}

// at reads the encoded word that starts at pos.
func (s *wordScanner) at(pos int) (end int, w word, ok bool) {
	head := s.b[pos+2 : min(len(s.b), pos+2+64)]
	i := bytes.IndexByte(head, '?')
	if i <= 0 || i+2 >= len(head) || head[i+2] != '?' || bytes.IndexByte(head[:i], ' ') >= 0 {
		return 0, w, false
	}
	w.charset, w.encoding = head[:i], head[i+1]&^0x20
	if w.encoding != 'B' && w.encoding != 'Q' {
		return 0, w, false
	}
	from := pos + 2 + i + 3
	if s.end < from {
		if s.end = len(s.b); bytes.Contains(s.b[from:], []byte("?=")) {
			s.end = from + bytes.Index(s.b[from:], []byte("?="))
		}
	}
	if s.end == len(s.b) {
		return 0, w, false
	}
	w.text = s.b[from:s.end]
	if bytes.Contains(w.text, []byte("=?")) { // another word starts: this one was not finished
		return 0, w, false
	}
	return s.end + 2, w, true
}
