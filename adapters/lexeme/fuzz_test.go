package lexeme

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
)

// FuzzWords checks what holds for any octets: words lie in the text, are found by
// themselves, and do not depend on the normal form; fragments are valid text.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{
		"", "Crème brûlée", "会議の資料 第3回", "ภาษาไทย ที่นี่", "회의자료 ㅋㅋ", "ﷺ ㍿ ①½", "\u0301a\u200B\u3099か\u3099", "и\u0306и\u0301\u0306",
		"\xff\xe4\xbc会", "शक्ति क़", "ခေါ်ဆိုမှု", "ﾊﾞｶﾞ", strings.Repeat("xé", 200), "ᄀ\u1161\u11a8\u11a8", "İıſẞ", "a\u0345Ω\u0301\u0345",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 600 {
			return
		}
		checkText(t, text)
		if utf8.ValidString(text) && !norms(text) {
			if diff := cmp.Diff(wordsOf(norm.NFC.String(text)), wordsOf(norm.NFD.String(text))); diff != "" {
				t.Errorf("%+q: %s", text, diff)
			}
		}
		for _, fragment := range Highlight(text, []Term{Query(text, false), {Words: wordsOf(text)}}, Marks{Around: 5}) {
			if !utf8.ValidString(fragment) {
				t.Errorf("%+q: fragment %+q", text, fragment)
			}
		}
		for i, r := range text {
			part := text[i:min(len(text), i+7)]
			if r < utf8.RuneSelf && isPlain(part) && !strings.Contains(Fold(text), Fold(part)) {
				t.Errorf("%+q does not contain %+q", text, part)
			}
		}
	})
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// norms tells text with more marks on a letter than are kept, where the forms may differ.
func norms(text string) bool {
	marks := 0
	for _, r := range norm.NFD.String(text) {
		if c := classOf(r); c < jamoTail && c != ignored {
			marks = 0
		} else if marks++; marks > maxMarks/2 {
			return true
		}
	}
	return false
}
