package lexeme

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// alike are letters and signs that readers take for others, beyond what NFKC, case
// folding and dropped marks make equal. Small letters only.
var alike = map[rune]string{
	'æ': "ae", 'œ': "oe", 'ø': "o", 'ɵ': "o", 'ł': "l", 'ƚ': "l", 'đ': "d", 'ð': "d", 'ɖ': "d", 'ɗ': "d",
	'ħ': "h", 'ŧ': "t", 'ƭ': "t", 'þ': "th", 'ı': "i", 'ɨ': "i", 'ȷ': "j", 'ɉ': "j", 'ŋ': "n", 'ĸ': "k",
	'ƀ': "b", 'ɓ': "b", 'ȼ': "c", 'ƈ': "c", 'ɇ': "e", 'ƒ': "f", 'ǥ': "g", 'ɠ': "g", 'ƙ': "k", 'ƥ': "p",
	'ɍ': "r", 'ʉ': "u", 'ʋ': "v", 'ɏ': "y", 'ƴ': "y", 'ƶ': "z", 'ⱥ': "a", 'ⱦ': "t",

	'\u0649': "\u064A", '\u06CC': "\u064A", // alef maksura and Farsi yeh: yeh
	'\u06A9': "\u0643",                                         // keheh: kaf
	'\u0629': "\u0647", '\u06C1': "\u0647", '\u06D5': "\u0647", // ta marbuta, heh goal, ae: heh
	'\u0671': "\u0627", // alef wasla: alef

	// Seen by Fold only.
	'‘': "'", '’': "'", '‛': "'", 'ʼ': "'", 'ʻ': "'", '“': `"`, '”': `"`, '‟': `"`,
	'‐': "-", '‑': "-", '‒': "-", '–': "-", '—': "-", '―': "-", '−': "-",
}

// fold is full case folding. It has no state.
var fold = cases.Fold()

// maxSpellings is more than any character needs, as a test has it.
const maxSpellings = 8

// spell returns what r is compared by, with its marks, in any order.
func spell(r rune) string {
	s := string(r)
	for range maxSpellings {
		next := respell(s)
		if next == s {
			break
		}
		s = next
	}
	return s
}

func respell(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch same, isAlike := alike[r]; {
		case invisible(r):
		case isAlike:
			b.WriteString(same)
		case unicode.IsMark(r):
			b.WriteString(norm.NFD.String(string(r)))
		case unicode.Is(unicode.Nd, r):
			b.WriteByte(digit(r))
		case unicode.Is(unicode.Cherokee, r): // it folds to capitals, which cases folds back
			b.WriteRune(unicode.ToUpper(r))
		case r >= 0x3131 && r <= 0x318E: // a jamo that is written alone is no part of a syllable
			b.WriteRune(r)
		case r >= 0xFFA1 && r <= 0xFFDC && unicode.IsLetter(r):
			b.WriteRune(wideJamo(r))
		default:
			plain := norm.NFKD.String(string(r))
			if plain == string(r) { // else its marks are to be seen before they are folded: ᾳ is α, not αι
				plain = fold.String(plain)
			}
			b.WriteString(plain)
		}
	}
	return b.String()
}

// digit returns the ASCII digit for a decimal digit: they come in tens, in order.
func digit(r rune) byte {
	for _, t := range unicode.Nd.R16 {
		if r <= rune(t.Hi) {
			return '0' + byte((r-rune(t.Lo))%10)
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r <= rune(t.Hi) {
			return '0' + byte((r-rune(t.Lo))%10)
		}
	}
	return '0'
}

// wideJamo returns the jamo of which r is the half-width form.
func wideJamo(r rune) rune {
	if r <= 0xFFBE {
		return r - 0xFFA1 + 0x3131
	}
	n := r - 0xFFC2 // vowels come in eights, of which six are used
	return 0x314F + n/8*6 + n%8
}

// compatible tells symbols that stand in text like the letters they are made of:
// radicals of Han, and units and words in a square (㎏, ㍿).
func compatible(r rune) bool {
	return r >= 0x2E80 && r <= 0x2FDF || r >= 0x3300 && r <= 0x33FF
}

// standsAlone tells whether r, which is not a letter but is spelled with some,
// makes a word of its own: ①, ½, ℃, not x² and not ㎏.
func standsAlone(r rune) bool {
	if unicode.IsLetter(r) || unicode.IsMark(r) || unicode.In(r, unicode.Nd, unicode.Nl) || compatible(r) {
		return false
	}
	superscript := r == '²' || r == '³' || r == '¹' || r >= 0x2070 && r <= 0x2089
	return !superscript
}
