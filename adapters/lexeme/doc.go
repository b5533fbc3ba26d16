// Package lexeme cuts text into the words that a search compares, and what a
// client asks for into the same words. It is the one place where this is
// decided: engines store what Words and Trigrams give and ask for what Query and
// Pieces give. It does not store, ask or rank, and does not know the search language.
//
// # Words
//
// A word is a run of letters, digits and marks. Everything else separates, an
// apostrophe and an underscore too. What cannot be seen (soft hyphens, joiners,
// direction marks, variation selectors) neither separates nor counts. Words are
// normalised by NFKC and full case folding (ß is ss), so that composed and
// decomposed, full-width and plain, Ⅷ and viii are equal; then what readers take
// for the same:
//
//   - Marks are dropped in alphabets where they are accents or points that may be
//     left out: Latin, Greek, Cyrillic, Hebrew, Arabic, Syriac. One exception: й
//     is a letter of its own, as in the root collation of CLDR; ё is е.
//   - Marks are kept where they spell: the voicing marks of kana, the vowels of
//     Thai, Lao, Khmer, Burmese, of Indic scripts and of all others.
//   - Latin letters that Unicode does not take apart: ø o, ł l, đ and ð d, ı i,
//     æ ae, œ oe, þ th and their like (letters.go). Umlauts are accents: ö is o, not oe.
//   - Arabic: alef with hamza or madda is alef; ى and ی are ي, ک is ك, ة is ه;
//     the tatweel is not there.
//   - Digits of any script are the digits 0 to 9.
//   - Symbols that stand for letters are words of their own (① is 1, № is no,
//     ½ is 1 and 2); ™ and ℠ separate. Jamo that stand alone (ㅋㅋ) stay what they are.
//
// In scripts written without spaces (Han, kana, Bopomofo, Thai, Lao, Khmer,
// Burmese and smaller ones) and in Hangul, whose compounds are written without
// them, a run gives each pair of neighbouring characters and then its last
// character alone. A character is a letter with its marks. So n characters are
// found as n-1 words that follow one another, and one character as the beginning
// of a word. Between such a run and letters of other scripts a word ends.
//
// # Limits
//
// A word has at most MaxWord octets, a character at most 24 marks; what is more
// is left out, in text and query alike. Work grows with the length of the text only.
// Octets that are not UTF-8 separate.
//
// Types are aliases of unnamed types, so that an engine can declare the same
// shape without importing this package.
package lexeme

// Version is the version of the rules. It is raised when the same text is cut
// differently; what was stored with another one has to be built again. A newer
// Unicode (unicode.Version, norm.Version) changes only characters that are new.
const Version = 1

// MaxWord is the longest word, in octets; longer ones are cut before a rune.
const MaxWord = 255
