package meili_test

import (
	"iter"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/imap2api/imap2api/adapters/meili"
)

// A real server, which the tests then use too. They make and remove indexes of their own there.
const (
	urlVariable = "IMAP2API_TEST_MEILISEARCH_URL"
	keyVariable = "IMAP2API_TEST_MEILISEARCH_API_KEY"
)

func realServer(t testing.TB) (url, key string) {
	t.Helper()
	url = os.Getenv(urlVariable)
	if url == "" {
		t.Fatalf("%s names no server", urlVariable)
	}
	return url, os.Getenv(keyVariable)
}

// words cuts text as simply as the tests allow: letters and digits, folded, without accents; of
// Han each pair and then the last one alone.
func words(text string) iter.Seq[meili.Word] {
	return func(yield func(meili.Word) bool) {
		folded := strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFD.String(cases.Fold().String(text)))
		for _, run := range strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
			for _, w := range pairs(run) {
				if !yield(meili.Word{Text: w}) {
					return
				}
			}
		}
	}
}

func pairs(run string) []string {
	if r, _ := utf8.DecodeRuneInString(run); !unicode.Is(unicode.Han, r) {
		return []string{run}
	}
	var out []string
	runes := []rune(run)
	for i := range runes {
		out = append(out, string(runes[i:min(i+2, len(runes))]))
	}
	return out
}

func query(value string, phrase bool) meili.Term {
	var t meili.Term
	for w := range words(value) {
		t.Words = append(t.Words, w.Text)
	}
	if n := len(t.Words); n > 0 {
		t.Prefix = !phrase && utf8.RuneCountInString(t.Words[n-1]) > 2
	}
	return t
}
