package lexeme

import (
	"math/bits"
	"math/rand/v2"
	"unicode"
	"unicode/utf8"
)

// Fold returns text with its letters as Words compares them and all else in
// place: that text contains part, ignoring case and accents, is
// strings.Contains(Fold(text), Fold(part)). White space and control characters are
// one space, typographic quotes and dashes those of ASCII, the rest is as NFKC
// has it. A word may be as long as it likes.
func Fold(text string) string {
	if isFolded(text) {
		return text
	}
	f := folder{}
	f.shape.buf = make([]byte, 0, len(text)+len(text)/8)
	for _, r := range text {
		p := pageOf(r)
		e := p.entries[r&0xFF]
		if !e.several() {
			f.add(e.class(), e.rune())
			continue
		}
		for _, x := range p.several[e.rune()] {
			f.add(pageOf(x).entries[x&0xFF].class(), x)
		}
	}
	f.shape.close()
	return string(f.shape.buf)
}

// isFolded tells ASCII that Fold would leave alone.
func isFolded(text string) bool {
	space := false
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c >= 0x7F || octets[c]&octetUpper != 0 || space && c == ' ' {
			return false
		}
		space = c == ' '
	}
	return true
}

type folder struct {
	shape shape
	space bool // the last character was one
}

func (f *folder) add(c class, r rune) {
	if c == ignored {
		return
	}
	if c != separator {
		f.space = f.space && c >= markPlain // a mark after a space is dropped
		f.shape.add(c, r)
		return
	}
	if unicode.IsSpace(r) || unicode.IsControl(r) {
		if f.space {
			return
		}
		f.space, r = true, ' '
	} else {
		f.space = false
	}
	f.shape.begin(separator, r)
}

// Trigrams returns what a short value, such as a subject or an address, is found
// by when a client asks for a part of it: of Fold(value) each three characters
// (code points) that follow one another, then the last two, and the last one, each
// piece once. What Pieces gives of any part of value is among them.
func Trigrams(value string) []string {
	value = Fold(value)
	out := trigrams(value)
	n := len(value)
	for range 2 {
		_, size := utf8.DecodeLastRuneInString(value[:n])
		n -= size
	}
	if two := value[n:]; two != "" {
		_, size := utf8.DecodeRuneInString(two)
		if size < len(two) {
			out = append(out, two)
			two = two[size:]
		}
		out = append(out, two)
	}
	return out
}

// Pieces returns what a value must have among its Trigrams, all of it, to contain
// part. A part of one or two characters is no trigram: then prefix is set, and the
// one piece is the beginning of some piece of the value. The pieces say nothing
// of order, so what is found has to be compared by Fold; but what they do not find
// does not contain part. No pieces: part is empty or cannot be seen.
func Pieces(part string) (pieces []string, prefix bool) {
	part = Fold(part)
	switch n := utf8.RuneCountInString(part); {
	case n == 0:
		return nil, false
	case n < 3:
		return []string{part}, true
	}
	return trigrams(part), false
}

// trigrams returns each three characters of folded, in order, once.
func trigrams(folded string) []string {
	n := utf8.RuneCountInString(folded)
	if n < 3 {
		return nil
	}
	out := make([]string, 0, n)
	seen := make(runeSet, 1<<bits.Len(uint(2*n)))
	var a, b int // where the last two characters begin
	key, i := uint64(0), 0
	for c, r := range folded {
		key = key<<21&(1<<63-1) | uint64(r)
		if i++; i >= 3 && seen.add(key) {
			out = append(out, folded[a:c+utf8.RuneLen(r)])
		}
		a, b = b, c
	}
	return out
}

// spread is an odd number that nobody outside knows, so that no text can be made
// whose trigrams all fall on one place.
var spread = rand.Uint64() | 1

// A runeSet is a set of three runes each, in 63 bits. Its length is a power of two
// and at least twice what it holds.
type runeSet []uint64

// add tells whether key is new.
func (s runeSet) add(key uint64) bool {
	key |= 1 << 63 // no key is zero, which is an empty place
	mask := uint64(len(s) - 1)
	for i := key * spread >> (64 - bits.Len64(mask)); ; i = (i + 1) & mask {
		switch s[i] {
		case 0:
			s[i] = key
			return true
		case key:
			return false
		}
	}
}
