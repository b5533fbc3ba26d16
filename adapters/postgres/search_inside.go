package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// A wordPart asks which words of a short field contain a part, or end with it.
type wordPart struct {
	class byte
	part  string
	ends  bool // the part is the end of the word
	begun bool // words that begin with the part are found anyway
}

// maxInside is how many words a part of a word is looked for as. One that is in more, such as a
// single letter, is looked for in the values of all documents.
const maxInside = 500

// shortFieldOf returns the place of a field in shortFields, -1 if it is none.
func shortFieldOf(in queries.SearchField) int {
	for i, f := range shortFields {
		if f.in == in {
			return i
		}
	}
	return -1
}

// line cuts a value into the words that a document has of it.
func (x searchCompiler) line(value string) (words []string) {
	for w := range x.lexer.Words(value) {
		words = append(words, w.Text)
	}
	return words
}

// partOf returns what has to be known of the first word of a text that is looked for inside words.
func (x searchCompiler) partOf(t queries.Text, words []string) wordPart {
	p := wordPart{class: shortFields[shortFieldOf(t.In)].class, part: words[0], ends: len(words) > 1}
	p.begun = !p.ends && t.Begins() && x.isWord(words[0])
	return p
}

// parts gathers what compile has to know of the words of short fields.
func (x searchCompiler) parts(c queries.Condition) (out []wordPart) {
	switch c := c.(type) {
	case queries.All:
		for _, part := range c {
			out = append(out, x.parts(part)...)
		}
	case queries.Any:
		for _, part := range c {
			out = append(out, x.parts(part)...)
		}
	case queries.Not:
		return x.parts(c.Of)
	case queries.Text:
		if words := x.line(c.Value); c.Inside && shortFieldOf(c.In) >= 0 && len(words) > 0 {
			return []wordPart{x.partOf(c, words)}
		}
	}
	return out
}

// inside widens words to any part of a field of shortFields: a word to the words that contain it; several to
// values that contain them, of which the index knows the words: the first one ends as asked, the last one begins so.
func (x searchCompiler) inside(t queries.Text, words searchCondition, field int) searchCondition {
	line := x.line(t.Value)
	if len(line) == 0 {
		return words
	}
	contains := sqlWith("strpos(d.parts["+strconv.Itoa(field+1)+"], ", strings.Join(line, " "), ") > 0")
	first := x.known[x.partOf(t, line)]
	switch {
	case len(first) > maxInside:
		return searchCondition{rest: []func(*statement){contains}}
	case len(first) == 0:
		return words
	case len(line) == 1:
		return x.widen(words, shortFields[field].class, first)
	}
	class := shortFields[field].class
	query := x.anyWordOf(class, first)
	for i, word := range line[1:] {
		query = joinQueries(query, x.quoted(class, word, i == len(line)-2), " & ")
	}
	words.query, words.rest = query, []func(*statement){contains}
	return words
}

// widen lets any word of a list be met too.
func (x searchCompiler) widen(words searchCondition, class byte, list []string) searchCondition {
	words.query = joinQueries(words.query, x.anyWordOf(class, list), " | ")
	if words.expect == nil {
		return words
	}
	expected := []expectation{words.expect}
	for _, word := range list {
		term := searchTerm{word, false}
		words.terms = append(words.terms, term)
		expected = append(expected, func(known map[searchTerm]int64) int64 { return known[term] })
	}
	words.expect = sumOf(expected)
	return words
}

// anyWordOf is met by any word of a list.
func (x searchCompiler) anyWordOf(class byte, list []string) string {
	var b strings.Builder
	for i, word := range list {
		if i > 0 {
			b.WriteString(" | ")
		}
		x.lexeme(&b, class, word, false)
	}
	return b.String()
}

func (x searchCompiler) quoted(class byte, word string, prefix bool) string {
	var b strings.Builder
	x.lexeme(&b, class, word, prefix)
	return b.String()
}

// sumOf is what is expected where any of several holds.
func sumOf(list []expectation) expectation {
	return func(known map[searchTerm]int64) (sum int64) {
		for _, e := range list {
			sum += e(known)
		}
		return sum
	}
}

// wordsWith finds words by parts of them; the trigrams of a part lead to few, which are compared.
const wordsWith = `
SELECT q.nth, w.word
FROM unnest($2::text[], $3::text[], $4::boolean[], $5::boolean[], $6::text[]) WITH ORDINALITY AS q (field, part, ends, begun, pieces, nth)
CROSS JOIN LATERAL (
	SELECT s.word
	FROM short_word s
	WHERE s.pieces @@ q.pieces::tsquery AND s.journal_id + 0 = $1 AND s.field = q.field
		AND CASE WHEN q.ends THEN right(s.word, length(q.part)) = q.part ELSE strpos(s.word, q.part) > 0 END
		AND NOT (q.begun AND starts_with(s.word, q.part))
	LIMIT $7) w`

// words finds the words of short fields that have the parts, more than maxInside of one if there are more.
func (r *SearchReader) words(ctx context.Context, x searchCompiler, journal events.JournalID, parts []wordPart) (map[wordPart][]string, error) {
	known := map[wordPart][]string{}
	var asked []wordPart
	var fields, texts, pieces []string
	var ends, begun []bool
	for _, p := range parts {
		query := x.pieces(p)
		if query == "" {
			continue
		}
		asked = append(asked, p)
		fields, texts, pieces = append(fields, string(p.class)), append(texts, p.part), append(pieces, query)
		ends, begun = append(ends, p.ends), append(begun, p.begun)
	}
	if len(asked) == 0 {
		return known, nil
	}
	args := []any{int64(journal), fields, texts, ends, begun, pieces, maxInside + 1}
	err := r.read(ctx, bitmapsOnly, question{lookup: true, sql: wordsWith, args: args, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var nth int
			var word string
			if err := rows.Scan(&nth, &word); err != nil {
				return fmt.Errorf("scan word: %w", err)
			}
			known[asked[nth-1]] = append(known[asked[nth-1]], word)
		}
		return rows.Err()
	}})
	if err != nil {
		return nil, fmt.Errorf("find words by %d parts: %w", len(asked), err)
	}
	return known, nil
}

// pieces returns the tsquery of what a word with the part must have; "": the part says nothing.
func (x searchCompiler) pieces(p wordPart) string {
	list, prefix := x.lexer.Pieces(p.part)
	var b strings.Builder
	for i, piece := range list {
		if i > 0 {
			b.WriteString(" & ")
		}
		x.lexeme(&b, p.class, piece, prefix)
	}
	return b.String()
}
