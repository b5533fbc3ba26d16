package lexeme

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is how many marks a character keeps. No script needs ten; norm would
// cut in at thirty (UAX #15, stream-safe text).
const maxMarks = 24

const usualWord = 64 // octets; longer words are few

// A shape is a word in the making: characters one after another, in NFC, with the
// marks their script keeps. The zero value is empty.
type shape struct {
	buf    []byte
	last   int   // where the last character begins in buf
	class  class // of the letter of the last character; separator if there is none
	marks  int
	placed bool // its last mark has a combining class
	loose  bool // it may not be in NFC
}

// reset empties s and keeps its memory.
func (s *shape) reset() { *s = shape{buf: s.buf[:0]} }

// add appends a character that an entry names, or a mark to the last one.
func (s *shape) add(c class, r rune) {
	switch c {
	case markPlain, markPlaced, markJoined:
		s.mark(c, r)
	case jamoTail:
		s.jamo(r)
	case ignored:
	default:
		s.begin(c, r)
	}
}

// begin starts the next character.
func (s *shape) begin(c class, r rune) {
	s.close()
	if s.buf == nil {
		s.buf = make([]byte, 0, usualWord)
	}
	s.last, s.class, s.marks, s.placed = len(s.buf), c, 0, false
	s.buf = utf8.AppendRune(s.buf, r)
}

// jamo appends a vowel or a final consonant of Hangul.
func (s *shape) jamo(r rune) {
	if s.takesJamo() {
		s.mark(markJoined, r)
		return
	}
	s.begin(packed, r)
}

// takesJamo tells whether the last character is one of Hangul.
func (s *shape) takesJamo() bool {
	if s.class != packed {
		return false
	}
	first, _ := utf8.DecodeRune(s.buf[s.last:])
	return unicode.Is(unicode.Hangul, first)
}

// mark adds a mark to the last character. A mark with no letter before it is dropped.
func (s *shape) mark(c class, r rune) {
	switch s.class {
	case spelled, packed:
	case letter:
		if r == '\u0306' && string(s.buf[s.last:]) == "и" {
			s.buf = append(s.buf[:s.last], "й"...)
		}
		return
	default:
		return
	}
	if s.marks == maxMarks {
		return
	}
	s.marks++
	s.loose = s.loose || c == markJoined || c == markPlaced && s.placed
	s.placed = c == markPlaced
	s.buf = utf8.AppendRune(s.buf, r)
}

// close brings the last character into NFC. No other is touched: no letter composes
// with the one before it.
func (s *shape) close() {
	if !s.loose {
		return
	}
	s.loose = false
	if at := s.buf[s.last:]; !norm.NFC.IsNormal(at) {
		s.buf = append(s.buf[:s.last], norm.NFC.Bytes(at)...)
	}
}
