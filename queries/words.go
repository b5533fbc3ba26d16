package queries

import (
	"strings"
	"unicode"

	"github.com/imap2api/imap2api/domain"
)

// Words is a plain search, without regard to case: each term must occur.
type Words []Term

// Term is words that follow one another. The last is the beginning of a word of
// the message, unless the term was in double quotes.
type Term struct {
	Text  string // folded, words joined by one space
	Whole bool
}

// ParseWords reads a search. It never fails; what has no letters or digits is left out.
func ParseWords(q string) Words {
	var out Words
	for i, part := range strings.Split(domain.Fold(q), `"`) {
		fields := strings.Fields(part)
		quoted := i%2 == 1
		if quoted {
			fields = []string{part}
		}
		for _, field := range fields {
			if words := strings.FieldsFunc(field, notWord); len(words) > 0 {
				out = append(out, Term{strings.Join(words, " "), quoted})
			}
		}
	}
	return out
}

func notWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }

// Match reports whether every term occurs in subject, people, text or names of attachments.
func (w Words) Match(c *domain.Content) bool {
	var b strings.Builder
	add := func(text string) {
		for _, word := range strings.FieldsFunc(domain.Fold(text), notWord) {
			b.WriteByte(' ')
			b.WriteString(word)
		}
		b.WriteString(" \n") // no term goes over the end of a field
	}
	add(c.Subject)
	for _, people := range [][]domain.Address{c.From, c.To, c.Cc, c.Bcc} {
		for _, a := range people {
			add(a.Name)
			add(a.Addr)
		}
	}
	for _, a := range c.Attachments {
		add(a.FileName)
	}
	add(c.Text)
	all := b.String()
	for _, t := range w {
		find := " " + t.Text
		if t.Whole {
			find += " "
		}
		if !strings.Contains(all, find) {
			return false
		}
	}
	return true
}
