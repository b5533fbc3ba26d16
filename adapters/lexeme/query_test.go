package lexeme

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// finds tells what an engine has to find: a slow and plain reading of the rules.
func finds(text string, t Term) bool {
	words := wordsOf(text)
	n := len(t.Words)
	for i := 0; n > 0 && i+n <= len(words); i++ {
		ok := true
		for j, w := range t.Words {
			same := words[i+j] == w
			if t.Prefix && j == n-1 {
				same = strings.HasPrefix(words[i+j], w)
			}
			ok = ok && same
		}
		if ok {
			return true
		}
	}
	return false
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value  string
		phrase bool
		want   Term
	}{
		{"", false, Term{}},
		{"--", false, Term{}},
		{"👍", true, Term{}},
		{"Pineapple", false, Term{Words: []string{"pineapple"}, Prefix: true}},
		{"pine*", false, Term{Words: []string{"pine"}, Prefix: true}},
		{"pineapple", true, Term{Words: []string{"pineapple"}}},
		{"or", false, Term{Words: []string{"or"}}},
		{"été", false, Term{Words: []string{"ete"}, Prefix: true}},
		{"où", false, Term{Words: []string{"ou"}}},
		{"की", false, Term{Words: []string{"की"}}},
		{"orders@shop", false, Term{Words: []string{"orders", "shop"}, Prefix: true}},
		{"orders@sh", false, Term{Words: []string{"orders", "sh"}}},
		{"order. It will", true, Term{Words: []string{"order", "it", "will"}}},
		{"会", false, Term{Words: []string{"会"}, Prefix: true}},
		{"会", true, Term{Words: []string{"会"}, Prefix: true}},
		{"会議", true, Term{Words: []string{"会議"}}},
		{"会議の", false, Term{Words: []string{"会議", "議の"}}},
		{"会議、資料", false, Term{Words: []string{"会議", "議", "資料"}}},
		{"AWS会議", false, Term{Words: []string{"aws", "会議"}}},
		{"会議AWS", false, Term{Words: []string{"会議", "議", "aws"}, Prefix: true}},
		{"ไทย", false, Term{Words: []string{"ไท", "ทย"}, Prefix: true}},
	} {
		if diff := cmp.Diff(c.want, Query(c.value, c.phrase)); diff != "" {
			t.Errorf("%q: %s", c.value, diff)
		}
	}
}

func TestFinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query, text string
		phrase      bool
		want        bool
	}{
		{"자료", "회의자료", false, true},
		{"의", "회의자료", false, true},
		{"의자", "회의자료", true, true},
		{"회자", "회의자료", false, false},
		{"ไทย", "ภาษาไทย", false, true},
		{"ภาษา", "ภาษาไทย", true, true},
		{"ที", "ที่นี่", false, true},
		{"ทีน", "ที่นี่", false, false}, // a mark in the middle counts
		{"น้", "น้ำ", false, true},
		{"มน้", "มน้ำ", false, true},
		{"議", "会議の資料", true, true},
		{"料", "会議の資料", true, true},
		{"議資", "会議の資料", true, false},
		{"か", "がぎ", false, false},
		{"第3回", "次の第3回会議", false, true},
		{"neappl", "pineapple", false, false},
		{"pineap", "pineapple", false, true},
		{"pineap", "pineapple", true, false},
		{"or", "orders", false, false},
		{"мой", "мои", false, false},
		{"елка", "Ёлка", false, true},
		{"koln", "Köln", false, true},
		{"STRASSE", "Straße", true, true},
		{"istanbul", "İSTANBUL", true, true},
		{"5kg", "５㎏", true, true},
		{"donaudampf", "Donau\u00ADdampf", true, true},
		{"2024", "٢٠٢٤", true, true},
		{"row the in", "first in the row", true, false},
	} {
		if got := finds(c.text, Query(c.query, c.phrase)); got != c.want {
			t.Errorf("%q in %q: %v", c.query, c.text, got)
		}
	}
}
