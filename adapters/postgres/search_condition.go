package postgres

import (
	"slices"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// searchCondition is a part of a search as Postgres is asked: what holds has to meet
// all three.
type searchCondition struct {
	query   string             // a tsquery that GIN finds; "": none
	without string             // a tsquery that must not be met; "": none
	rest    []func(*statement) // further conditions on document d
	terms   []searchTerm       // of query, to be looked up in frequency
	expect  expectation        // how many documents may match; nil: nothing is known
	few     bool               // rest holds for the documents of a thread or a Message-ID only
	// arms are conditions that together are this one, each found by GIN without reading what it
	// does not find by words alone; nil: there is no such split. For a moment two may find the same.
	arms []searchCondition
}

// An expectation is how many documents may match, by those that hold each term.
type expectation func(known map[searchTerm]int64) int64

// searchTerm is a word of a search whose documents are counted in frequency.
type searchTerm struct {
	word   string
	prefix bool
}

// searchCompiler makes conditions of a search in one journal.
type searchCompiler struct {
	lexer   Lexer
	journal string
}

func newSearchCompiler(lexer Lexer, journal events.JournalID) searchCompiler {
	return searchCompiler{lexer, strconv.FormatInt(int64(journal), 10)}
}

// sql is a condition without arguments.
func sqlText(text string) func(*statement) { return func(s *statement) { s.add(text) } }

// sqlWith is a condition with one argument.
func sqlWith(before string, value any, after string) func(*statement) {
	return func(s *statement) {
		s.add(before)
		s.arg(value)
		s.add(after)
	}
}

// whole writes all of c as one condition.
func (c searchCondition) whole(s *statement) {
	joinConditions(s, append(slices.Clone(c.rest), c.ofWords()...), " AND ", "true")
}

// words adds what is asked of words.
func (c searchCondition) words(s *statement) {
	for _, condition := range c.ofWords() {
		s.add("\n\tAND ")
		condition(s)
	}
}

// ofWords is what is asked of words. What must not be met is looked for in what GIN finds: while GIN
// moves the words of a document from its list of new ones to their places, some of them are at
// theirs and others are not, and it takes the document for one that lacks a word.
func (c searchCondition) ofWords() (out []func(*statement)) {
	if c.query != "" {
		query := c.query
		if c.without != "" {
			query = joinQueries(query, "!("+c.without+")", " & ")
		}
		out = append(out, sqlWith("d.words @@ ", query, "::tsquery"))
	}
	if c.without != "" {
		out = append(out, sqlWith("NOT (d.words @@ ", c.without, "::tsquery)"))
	}
	return out
}

// split takes c apart into what matches less what must not be met: both are found by GIN.
func (c searchCondition) split() (all, less searchCondition) {
	all, less = c, c
	all.without, less.without = "", ""
	less.query = joinQueries(c.query, c.without, " & ")
	if len(c.arms) > 0 {
		all.arms, less.arms = slices.Clone(c.arms), slices.Clone(c.arms)
		for i, arm := range c.arms {
			all.arms[i], less.arms[i] = arm.split()
		}
	}
	return all, less
}

func joinConditions(s *statement, parts []func(*statement), with, none string) {
	if len(parts) == 0 {
		s.add(none)
		return
	}
	s.add("(")
	for i, part := range parts {
		if i > 0 {
			s.add(with)
		}
		part(s)
	}
	s.add(")")
}

// compile returns c as Postgres is asked. Nil holds for everything.
func (x searchCompiler) compile(c queries.Condition) searchCondition {
	switch c := c.(type) {
	case nil:
		return searchCondition{}
	case queries.All:
		return x.all(c)
	case queries.Any:
		return x.any(c)
	case queries.Not:
		return negated(x.compile(c.Of))
	case queries.Text:
		return x.text(c)
	}
	out := searchCondition{rest: []func(*statement){plainCondition(c)}}
	switch c.(type) {
	case queries.MsgID, queries.InThread:
		out.few = true
	}
	return out
}

// maxArms bounds the parts of a search that is split.
const maxArms = 4

func (x searchCompiler) all(list queries.All) searchCondition {
	parts := make([]searchCondition, len(list))
	choices := [][]searchCondition{nil}
	for i, part := range list {
		parts[i] = x.compile(part)
		arms := parts[i].arms
		if len(arms)*len(choices) > maxArms || len(arms) == 0 {
			arms = parts[i : i+1]
		}
		var longer [][]searchCondition
		for _, choice := range choices {
			for _, arm := range arms {
				longer = append(longer, append(slices.Clone(choice), arm))
			}
		}
		choices = longer
	}
	out := allOf(parts)
	if len(choices) > 1 {
		out.arms = column(choices, allOf)
	}
	return out
}

// allOf holds where all parts do.
func allOf(parts []searchCondition) searchCondition {
	var out searchCondition
	for _, c := range parts {
		out.query = joinQueries(out.query, c.query, " & ")
		out.without = joinQueries(out.without, c.without, " | ")
		out.rest = append(out.rest, c.rest...)
		out.few = out.few || c.few
		out.terms = append(out.terms, c.terms...)
		out.expect = rarer(out.expect, c.expect)
	}
	return out
}

// rarer is what is expected where both must hold.
func rarer(a, b expectation) expectation {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	return func(known map[searchTerm]int64) int64 { return min(a(known), b(known)) }
}

func joinQueries(a, b, with string) string {
	if a == "" || b == "" {
		return a + b
	}
	return "(" + a + ")" + with + "(" + b + ")"
}

// any asks GIN for what all of its parts ask GIN for, and decides by the whole of each.
func (x searchCompiler) any(list queries.Any) searchCondition {
	var query string
	var wholes []func(*statement)
	var terms []searchTerm
	var expected []expectation
	found, exact := true, true
	for _, part := range list {
		c := x.compile(part)
		terms = append(terms, c.terms...)
		if c.expect != nil {
			expected = append(expected, c.expect)
		}
		found = found && c.query != ""
		exact = exact && c.without == "" && len(c.rest) == 0
		query = joinQueries(query, c.query, " | ")
		wholes = append(wholes, c.whole)
	}
	if len(list) == 0 || !found {
		return searchCondition{rest: []func(*statement){anyOf(wholes)}}
	}
	out := searchCondition{query: query, terms: terms}
	if len(expected) == len(list) {
		out.expect = func(known map[searchTerm]int64) (sum int64) {
			for _, e := range expected {
				sum += e(known)
			}
			return sum
		}
	}
	if !exact {
		out.rest = []func(*statement){anyOf(wholes)}
	}
	return out
}

func anyOf(parts []func(*statement)) func(*statement) {
	return func(s *statement) { joinConditions(s, parts, " OR ", "false") }
}

func negated(c searchCondition) searchCondition {
	if len(c.rest) == 0 && c.without == "" && c.query != "" {
		return searchCondition{without: c.query}
	}
	return searchCondition{rest: []func(*statement){func(s *statement) {
		s.add("NOT coalesce(")
		c.whole(s)
		s.add(", false)")
	}}}
}

// text asks for words that follow one another, or for a part of a short field.
func (x searchCompiler) text(t queries.Text) searchCondition {
	term := x.lexer.Query(t.Value, t.Whole)
	last := len(term.Words) - 1
	if last < 0 {
		return searchCondition{}
	}
	class, part := byte(anyWord), -1
	if t.In == queries.InSubject {
		class = subjectWord
	}
	for i, p := range searchParts {
		if p.in == t.In {
			class, part = p.class, i
		}
	}
	begins := term.Prefix || t.Begins() && x.isWord(term.Words[last])
	var phrase strings.Builder
	var out searchCondition
	for i, word := range term.Words {
		if i > 0 {
			phrase.WriteString(" <-> ")
		}
		x.lexeme(&phrase, class, word, begins && i == last)
		if t.In != queries.InDeliveredTo && t.In != queries.InList { // a word of another field is a word
			t := searchTerm{word, begins && i == last}
			out.terms = append(out.terms, t)
			out.expect = rarer(out.expect, func(known map[searchTerm]int64) int64 { return known[t] })
		}
	}
	out.query = phrase.String()
	if t.Inside && part >= 0 {
		return x.inside(t, out, part)
	}
	return out
}

// isWord tells a word between separators from a pair, which is nobody's beginning.
func (x searchCompiler) isWord(word string) bool {
	n := 0
	for range x.lexer.Words(word) {
		n++
	}
	return n == 1
}

// inside widens words to any part of a field of searchParts.
func (x searchCompiler) inside(t queries.Text, words searchCondition, field int) searchCondition {
	var line []string
	for w := range x.lexer.Words(t.Value) {
		line = append(line, w.Text)
	}
	pieces, prefix := x.lexer.Pieces(strings.Join(line, " "))
	if len(pieces) == 0 {
		return words
	}
	var all strings.Builder
	for i, piece := range pieces {
		if i > 0 {
			all.WriteString(" & ")
		}
		x.lexeme(&all, searchParts[field].pieces, piece, prefix)
	}
	exact := words.query
	contains := sqlWith("strpos(d.parts["+strconv.Itoa(field+1)+"], ", strings.Join(line, " "), ") > 0")
	part := all.String()
	return searchCondition{
		query: joinQueries(exact, part, " | "), terms: words.terms, expect: words.expect,
		arms: []searchCondition{{query: exact}, {query: joinQueries(part, "!("+exact+")", " & "), rest: []func(*statement){contains}}},
		rest: []func(*statement){anyOf([]func(*statement){contains, sqlWith("d.words @@ ", exact, "::tsquery")})},
	}
}

func (x searchCompiler) lexeme(b *strings.Builder, class byte, word string, prefix bool) {
	quoteLexeme(b, x.journal+string(class)+word)
	if prefix {
		b.WriteString(":*")
	}
}
