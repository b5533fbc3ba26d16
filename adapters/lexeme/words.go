package lexeme

import (
	"iter"
	"unicode/utf8"
)

// A Word is a word of a text. Text is what it is compared by: folded, at most
// MaxWord octets. Start and End are the octets of the original text from its
// first character to its last mark. The position of a word is its index among the
// words of its text; who puts fields one after another leaves a gap between them,
// so that no phrase goes over the end of a field.
type Word = struct {
	Text       string
	Start, End int
}

// Words gives the words of text in order. Pairs of characters overlap, and a
// symbol such as ﷺ gives several words with the same Start and End. The strings
// may share the memory of text.
func Words(text string) iter.Seq[Word] {
	return func(yield func(Word) bool) {
		cut(text, func(p piece) bool { return yield(Word{p.text, p.start, p.end}) })
	}
}

// A kind says how a piece came out of its run.
type kind uint8

const (
	whole kind = iota // a word between separators
	pair              // two characters that are neighbours
	tail              // the last character of a run of several
	alone             // the only character of a run
)

// A piece is a word with what Query and Highlight have to know of it.
type piece struct {
	text       string
	start, end int
	kind       kind
	first      int // pair: octets of text that are its first character
	middle     int // pair: where its second character begins in the original
}

// cut gives the pieces of text until yield returns false.
func cut(text string, yield func(piece) bool) {
	c := cutter{text: text, yield: yield}
	for i := 0; i < len(text) && !c.done; {
		i = c.plain(i)
		i = c.mixed(i)
	}
	c.finish()
}

// What an octet is to the fast path.
const (
	octetWord  = 1 << iota // small letter or digit
	octetUpper             // capital letter
	octetMore              // part of a character beyond ASCII
)

var octets = func() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case c >= utf8.RuneSelf:
			t[i] = octetMore
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			t[i] = octetWord
		case 'A' <= c && c <= 'Z':
			t[i] = octetWord | octetUpper
		}
	}
	return t
}()

// A cutter is the state between two characters of a text.
type cutter struct {
	text  string
	yield func(piece) bool
	done  bool // yield wants no more

	shape      shape // the word, or the last two characters of a run of pairs
	open       class // letter: in a word; packed: in a run of pairs; separator: between
	start, end int   // of the word, or of the last character of the run, in text
	prior      int   // where the character before it begins
	long       bool  // the run has more than one character
}

// plain cuts words of nothing but ASCII, from i on, and returns where a word with
// other characters begins, or the end.
func (c *cutter) plain(i int) int {
	text := c.text
	for {
		for i < len(text) && octets[text[i]] == 0 {
			i++
		}
		start, seen := i, uint8(0)
		for i < len(text) {
			o := octets[text[i]]
			if o&octetWord == 0 {
				break
			}
			seen |= o
			i++
		}
		if i < len(text) && text[i] >= utf8.RuneSelf && !separates(text[i:]) {
			return start
		}
		if i > start && !c.ascii(start, i, seen&octetUpper != 0) || i == len(text) {
			return len(text)
		}
		if i == start { // a separator beyond ASCII
			_, size := utf8.DecodeRuneInString(text[i:])
			i += size
		}
	}
}

// separates tells whether text begins with a separator.
func separates(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return pageOf(r).entries[r&0xFF].class() == separator
}

// ascii gives a word of ASCII.
func (c *cutter) ascii(start, end int, upper bool) bool {
	text := c.text[start:min(end, start+MaxWord)]
	if upper {
		b := c.shape.buf[:0]
		for i := range len(text) {
			o := text[i]
			if octets[o]&octetUpper != 0 {
				o |= 0x20
			}
			b = append(b, o)
		}
		c.shape.buf = b[:0]
		text = string(b)
	}
	c.done = !c.yield(piece{text: text, start: start, end: end})
	return !c.done
}

// mixed cuts words of any characters, from i on, and returns where the fast path
// may go on: between two words, at an octet of ASCII.
func (c *cutter) mixed(i int) int {
	text := c.text
	for from := i; i < len(text) && !c.done; {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		} else if c.open == separator && i > from {
			return i
		}
		p := pageOf(r)
		e := p.entries[r&0xFF]
		switch {
		case e.class() == separator:
			c.finish()
		case e.several() || e.alone():
			c.several(p, e, i, i+size)
		default:
			c.feed(e.class(), e.rune(), i, i+size)
		}
		i += size
	}
	return i
}

// several cuts what one character of the text, from start to end, is spelled with.
func (c *cutter) several(p *page, e entry, start, end int) {
	if e.alone() {
		c.finish()
	}
	if e.several() {
		for _, r := range p.several[e.rune()] {
			x := pageOf(r).entries[r&0xFF]
			c.feed(x.class(), x.rune(), start, end)
		}
	} else {
		c.feed(e.class(), e.rune(), start, end)
	}
	if e.alone() {
		c.finish()
	}
}
