package meilitest

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// foldText is how text is compared: small letters without accents.
func foldText(text string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(text) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// Positions between words: after a space, and after what ends a sentence or an element.
const (
	softGap = 1
	hardGap = 8
)

// positions are those of each word in one attribute.
type positions map[string][]int

// cut cuts the text of an attribute. Other separators than those which the adapter writes, and
// scripts without spaces, are not known here.
func (s *Server) cut(value any) positions {
	out := positions{}
	at := 0
	var add func(value any)
	add = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, v := range value {
				add(v)
			}
		case string:
			if len(out) > 0 {
				at += hardGap
			}
			at = s.cutText(value, at, out)
		}
	}
	add(value)
	return out
}

func (s *Server) cutText(text string, at int, into positions) (last int) {
	for i, sentence := range strings.Split(text, ". ") {
		if i > 0 {
			at += hardGap - softGap
		}
		for j, word := range strings.Split(sentence, " ") {
			if strings.ContainsFunc(word, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.N, unicode.M) }) ||
				strings.ContainsFunc(word, func(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Thai) }) {
				s.unknown("text %q", word)
			}
			if i+j > 0 {
				at += softGap
			}
			if word = foldText(word); word != "" && at < 1<<16 {
				into[word] = append(into[word], at)
			}
		}
	}
	return at
}

// term is a part of a query: a phrase, or a word.
type term struct {
	words  []string
	phrase bool
	prefix bool
}

// maxTerms is how many terms of a query are looked at.
const maxTerms = 10

// terms reads a query of words and phrases.
func (s *Server) terms(q string) []term {
	var out []term
	for i, part := range strings.Split(q, `"`) {
		words := strings.Fields(foldText(part))
		if strings.ContainsFunc(part, func(r rune) bool { return r != ' ' && !unicode.In(r, unicode.L, unicode.N, unicode.M) }) {
			s.unknown("query %q", q)
		}
		switch {
		case len(words) == 0:
		case i%2 == 1:
			out = append(out, term{words: words, phrase: true})
		default:
			for _, w := range words {
				out = append(out, term{words: []string{w}})
			}
		}
	}
	if n := len(out); n > 0 && !out[n-1].phrase && !strings.HasSuffix(q, " ") {
		out[n-1].prefix = true
	}
	return out[:min(len(out), maxTerms)]
}

// typos is how many a word may have.
func (t *typoTolerance) typos(word string) int {
	n := len([]rune(word))
	switch {
	case !t.Enabled || n < t.MinWordSizeForTypos.OneTypo || t.DisableOnNumbers && isNumber(word):
		return 0
	case n < t.MinWordSizeForTypos.TwoTypos:
		return 1
	}
	return 2
}

func isNumber(word string) bool {
	return !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsDigit(r) })
}

// alike reports whether a word of a document is the one asked for, or begins with it, with at most
// n typos. A wrong first letter counts for two.
func alike(word, asked string, prefix bool, n int) bool {
	a, w := []rune(asked), []rune(word)
	ends := []int{len(w)}
	if prefix {
		ends = ends[:0]
		for i := max(0, len(a)-n); i <= min(len(w), len(a)+n); i++ {
			ends = append(ends, i)
		}
	}
	return slices.ContainsFunc(ends, func(end int) bool {
		if max(end-len(a), len(a)-end) > n || end == 0 {
			return false
		}
		d := distance(a, w[:end])
		return d == 0 || d+boolInt(a[0] != w[0]) <= n
	})
}

func boolInt(is bool) int {
	if is {
		return 1
	}
	return 0
}

// distance is that of Damerau and Levenshtein: letters inserted, deleted, exchanged, swapped.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+boolInt(a[i-1] != b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
