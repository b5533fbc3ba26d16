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
	known   map[wordPart][]string // what SearchReader.words found
}

func newSearchCompiler(lexer Lexer, journal events.JournalID) searchCompiler {
	return searchCompiler{lexer: lexer, journal: strconv.FormatInt(int64(journal), 10)}
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

func (x searchCompiler) all(list queries.All) searchCondition { return allOf(column(list, x.compile)) }

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
		out.expect = sumOf(expected)
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
	class, short := byte(anyWord), shortFieldOf(t.In)
	switch {
	case t.In == queries.InSubject:
		class = subjectWord
	case short >= 0:
		class = shortFields[short].class
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
	if t.Inside && short >= 0 {
		return x.inside(t, out, short)
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

func (x searchCompiler) lexeme(b *strings.Builder, class byte, word string, prefix bool) {
	quoteLexeme(b, x.journal+string(class)+word)
	if prefix {
		b.WriteString(":*")
	}
}
