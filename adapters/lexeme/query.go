package lexeme

import (
	"unicode"
	"unicode/utf8"
)

// A Term is what a client asks for, as words that follow one another. If Prefix
// is set, the last one is the beginning of a word. No words: there was no letter
// and no digit, and the term says nothing.
type Term = struct {
	Words  []string
	Prefix bool
}

// minPrefix is how many letters a word must have to match by its beginning.
const minPrefix = 3

// Query cuts what a client asks for: a free word, or with whole the inside of a
// phrase. The last word matches by its beginning if it has three letters or
// digits or more and is no phrase. In scripts that are cut into pairs there is no
// whole word: there, a phrase too matches wherever it occurs. So Prefix is set for
// one character, and after pairs where marks could follow the last letter.
func Query(value string, phrase bool) Term {
	var t Term
	last := whole
	cut(value, func(p piece) bool {
		t.Words = append(t.Words, p.text)
		last = p.kind
		return true
	})
	n := len(t.Words)
	switch {
	case n == 0:
	case last == whole:
		t.Prefix = !phrase && letters(t.Words[n-1]) >= minPrefix
	case last == alone:
		t.Prefix = true
	default: // a tail, after its pair
		t.Prefix = !composes(t.Words[n-1])
		t.Words = t.Words[:n-1]
	}
	return t
}

// letters counts the letters and digits of a word, not its marks.
func letters(word string) int {
	n := 0
	for _, r := range word {
		if !unicode.IsMark(r) {
			n++
		}
	}
	return n
}

// composes tells whether the marks of a character would be composed with it, so
// that it is not the beginning of another.
func composes(character string) bool {
	r, _ := utf8.DecodeRuneInString(character)
	return unicode.In(r, composing...)
}
