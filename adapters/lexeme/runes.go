package lexeme

import (
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// An entry is what is known of one character: the one it is compared by, or the
// index of several, and the class.
type entry uint32

const (
	entryRune    entry = 1<<21 - 1
	entrySeveral       = 1 << 21 // the rune is an index of page.several
	entryAlone         = 1 << 22 // it is a word of its own
	entryClass         = 24      // bits to the class
)

func (e entry) class() class  { return class(e >> entryClass) }
func (e entry) rune() rune    { return rune(e & entryRune) }
func (e entry) several() bool { return e&entrySeveral != 0 }
func (e entry) alone() bool   { return e&entryAlone != 0 }

// A page is the entries of 256 characters.
type page struct {
	entries [256]entry
	several []string
}

// pages are made when a text first needs them, so that a program pays for the
// scripts of its mail only: 1 KB each, a fraction of a millisecond. Two
// goroutines that make the same page make it equal.
var pages [unicode.MaxRune>>8 + 1]atomic.Pointer[page]

func pageOf(r rune) *page {
	if p := pages[r>>8].Load(); p != nil {
		return p
	}
	return makePage(r >> 8)
}

func makePage(n rune) *page {
	p := &page{}
	for i := range p.entries {
		p.describe(n<<8 | rune(i))
	}
	pages[n].Store(p)
	return p
}

// isOneOfMany tells the common ideographs and the syllables of Hangul, which are as
// they are: there are forty thousand, and explain takes a while.
func isOneOfMany(r rune) bool {
	return r >= 0x3400 && r <= 0x4DBF || r >= 0x4E00 && r <= 0x9FFF || r >= 0xAC00 && r <= 0xD7A3
}

func (p *page) describe(r rune) {
	at := &p.entries[r&0xFF]
	if isOneOfMany(r) {
		*at = entry(packed)<<entryClass | entry(r)
		return
	}
	c, text := explain(r)
	*at = entry(c) << entryClass
	if c != separator && c != ignored && standsAlone(r) {
		*at |= entryAlone
	}
	if one, size := utf8.DecodeRuneInString(text); size == len(text) {
		*at |= entry(one) & entryRune
		return
	}
	*at |= entrySeveral | entry(len(p.several))
	p.several = append(p.several, text)
}

// explain returns the class of r and what it is compared by. If that is several
// characters, each of them is explained by itself, and the class says only
// whether there are letters among them.
func explain(r rune) (class, string) {
	if !utf8.ValidRune(r) {
		return separator, string(utf8.RuneError)
	}
	text := spell(r)
	if text == "" {
		return ignored, ""
	}
	if unicode.IsMark(r) {
		return markClass(r), string(r)
	}
	text = compose(text)
	if first, size := utf8.DecodeRuneInString(text); size == len(text) {
		if r == '™' || r == '℠' {
			return separator, text
		}
		return classOf(first), text
	}
	wordy := strings.ContainsFunc(text, func(x rune) bool {
		c := classOf(x)
		return c == letter || c == spelled || c == packed || c == jamoTail
	})
	if !wordy || r == '™' || r == '℠' {
		return separator, text
	}
	return letter, text
}

// compose returns text with the marks of its letters dropped or composed. Marks at
// its beginning belong to a letter before it: then all is left to the reader.
func compose(text string) string {
	if r, _ := utf8.DecodeRuneInString(text); unicode.IsMark(r) {
		return text
	}
	var s shape
	for _, r := range text {
		s.add(classOf(r), r)
	}
	s.close()
	return string(s.buf)
}
