package lexeme

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"orders@shop.example", "orders@shop.example"},
		{"Re: Crème  Brûlée\t(€5)", "re: creme brulee (€5)"},
		{"“It’s” – done…", `"it's" - done...`},
		{"a\u00A0 \u200B b\r\n", "a b "},
		{"ＦＷ：会議！", "fw:会議!"},
		{"Acme™ №5 ①", "acmetm no5 1"},
		{"ｶﾞｲﾄﾞ", "ガイド"},
		{"か\u3099 を", "が を"},
		{"Straße ﬁn", "strasse fin"},
		{"e\u0301te\u0301", "ete"},
		{"и\u0306", "й"},
		{"foo\u00ADbar", "foobar"},
		{"a\x00b\x7f", "a b "},
		{"a \u0301 b", "a b"},
		{"👍🏽", "👍🏽"},
		{"x\xffy", "x\uFFFDy"},
	} {
		if got := Fold(c.text); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestTrigrams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		want  []string
	}{
		{"", nil},
		{"Å", []string{"a"}},
		{"ab", []string{"ab", "b"}},
		{"ABC", []string{"abc", "bc", "c"}},
		{"aaaaa", []string{"aaa", "aa", "a"}},
		{"a@b.c", []string{"a@b", "@b.", "b.c", ".c", "c"}},
		{"会議の", []string{"会議の", "議の", "の"}},
	} {
		if diff := cmp.Diff(c.want, Trigrams(c.value)); diff != "" {
			t.Errorf("%q: %s", c.value, diff)
		}
	}
}

func TestPieces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		part   string
		want   []string
		prefix bool
	}{
		{"", nil, false},
		{"\u200B", nil, false},
		{"É", []string{"e"}, true},
		{"@b", []string{"@b"}, true},
		{"shop", []string{"sho", "hop"}, false},
	} {
		pieces, prefix := Pieces(c.part)
		if diff := cmp.Diff(c.want, pieces); diff != "" || prefix != c.prefix {
			t.Errorf("%q: %v %s", c.part, prefix, diff)
		}
	}
}

// Whatever a value contains is among its trigrams.
func TestPartsAreFound(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"Zoë <zoe@example.org>", "Ünïcödé", "会議の資料", "ภาษาไทย", "aaab", "x", "é–è"} {
		stored := Trigrams(value)
		runes := []rune(value)
		for from := range runes {
			for to := from + 1; to <= len(runes); to++ {
				part := string(runes[from:to])
				pieces, prefix := Pieces(part)
				for _, piece := range pieces {
					if !slices.ContainsFunc(stored, func(s string) bool { return s == piece || prefix && strings.HasPrefix(s, piece) }) {
						t.Errorf("%q in %q: no %q in %q", part, value, piece, stored)
					}
				}
				if !strings.Contains(Fold(value), Fold(part)) {
					t.Errorf("%q does not contain %q", Fold(value), Fold(part))
				}
			}
		}
	}
}
