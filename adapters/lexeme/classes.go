package lexeme

import (
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// A class says what a character does to the word it stands in.
type class uint8

const (
	separator  class = iota
	ignored          // cannot be seen: as if it were not there
	letter           // letter or digit of an alphabet whose marks are dropped
	spelled          // letter of a script with spaces whose marks are kept
	packed           // letter of a script that is cut into pairs; its marks are kept
	jamoTail         // vowel or final consonant: part of the Hangul letter before it, else packed
	markPlain        // mark that is never moved or composed
	markPlaced       // mark with a combining class, which is never composed
	markJoined       // mark that may be moved or composed
)

// unspaced are the scripts that are cut into pairs: those with ideographs, those
// of Line_Break=SA in UAX #14, and Hangul.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul,
	unicode.Tangut, unicode.Nushu, unicode.Khitan_Small_Script, unicode.Yi,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
	unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Tham, unicode.Tai_Viet, unicode.Ahom,
	unicode.Javanese, unicode.Balinese,
}

// composing are scripts of unspaced whose marks have their own code points in
// NFC or are dropped. In all others a letter may be the beginning of another.
var composing = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul, kanaLetters,
}

// kanaLetters are the letters that kana share, which Unicode gives to no script:
// 〆, repeat marks of vertical text, the mark of a long vowel.
var kanaLetters = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x3006, Hi: 0x3006, Stride: 1}, {Lo: 0x3031, Hi: 0x3035, Stride: 1}, {Lo: 0x30FC, Hi: 0x30FC, Stride: 1}}}

// accented are the scripts whose marks are dropped. Common has the digits.
var accented = []*unicode.RangeTable{
	unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Hebrew, unicode.Arabic, unicode.Syriac,
	unicode.Armenian, unicode.Georgian, unicode.Coptic, unicode.Common, unicode.Inherited,
}

// classOf returns the class of a character as it is left by spell.
func classOf(r rune) class {
	switch {
	case invisible(r):
		return ignored
	case unicode.IsMark(r):
		return markClass(r)
	case isJamoTail(r):
		return jamoTail
	case !unicode.IsLetter(r) && !unicode.IsNumber(r), isApostrophe(r), isBullet(r):
		return separator
	case unicode.In(r, unspaced...), unicode.Is(kanaLetters, r):
		return packed
	case unicode.In(r, accented...):
		return letter
	}
	return spelled
}

// markClass tells marks that norm has to look at from those it would leave alone.
// Vowels and tones of Thai and Lao (combining classes 103 to 122) and viramas (9)
// are frequent and compose with nothing, but for the virama of Sinhala.
func markClass(r rune) class {
	p := norm.NFC.PropertiesString(string(r))
	switch ccc := p.CCC(); {
	case ccc == 103, ccc == 107, ccc == 118, ccc == 122, ccc == 9 && r != '\u0DCA':
		return markPlaced
	case ccc == 0 && p.BoundaryBefore() && norm.NFC.IsNormalString(string(r)):
		return markPlain
	}
	return markJoined
}

// invisible tells characters of Default_Ignorable_Code_Point (UAX #44), derived as
// the Unicode database does it, and the tatweel, which only stretches a word.
func invisible(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r == '\u0640', unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return true
	case r >= 0xFFF9 && r <= 0xFFFB, r >= 0x13430 && r <= 0x1343F: // annotations, joiners of hieroglyphs
		return false
	}
	return unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

func isJamoTail(r rune) bool {
	return r >= 0x1161 && r <= 0x11FF || r >= 0xD7B0 && r <= 0xD7FB
}

// isApostrophe tells letters that many write as an apostrophe, which separates:
// ʹ ʺ ʻ ʼ ʽ ʾ ʿ.
func isApostrophe(r rune) bool { return r >= 0x02B9 && r <= 0x02BF }

// isBullet tells numbers in black circles and the like, which mean nothing but their place.
func isBullet(r rune) bool { return r >= 0x2460 && r <= 0x2793 }
