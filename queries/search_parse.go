package queries

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxTerms   = 100 // of a search; what comes after is ignored
	maxNesting = 32  // groups in one another; the brackets of deeper ones are ignored
)

// ParseSearch reads a search in the language of api.md section 12; ages in it count back from
// now. It never fails: what cannot be read as an operator is text, brackets without a partner
// are ignored, and what has neither letter nor digit is left out. What it returns is to be
// given to Resolve.
//
// A quotation mark without a partner begins words that follow one another to the end of the
// search, the last one by its beginning: it is a phrase that is still being typed. OR and AND
// with nothing on one side are words.
func ParseSearch(q string, now time.Time) Condition {
	p := parser{q: printable(q), now: now.UTC()}
	return tidy(All(p.clauses(inAnywhere)))
}

// printable returns valid UTF-8 with a space for each control character.
func printable(q string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r // a broken octet comes as U+FFFD
	}, q)
}

// parser reads a search from left to right. Its methods return nil for what is left out.
type parser struct {
	q       string
	at      int // octets read
	now     time.Time
	terms   int
	open    []byte // the closing brackets of the groups that are open
	ignored int    // opening brackets that were ignored, whose partners are too
}

// clauses reads up to the end of the group; op is what words are read by.
func (p *parser) clauses(op operator) []Condition {
	var out []Condition
	for first := true; p.more(); first = false {
		if !first {
			p.keyword("AND")
		}
		if c := p.clause(op); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// more reports whether a clause follows, and goes there.
func (p *parser) more() bool {
	for p.terms < maxTerms {
		p.space()
		if p.at == len(p.q) {
			return false
		}
		c := p.q[p.at]
		switch {
		case c != ')' && c != '}':
			return true
		case p.ignored > 0:
			p.ignored--
		case slices.Contains(p.open, c): // of this group, or of one around it that ends here as well
			return false
		}
		p.at++
	}
	return false
}

func (p *parser) clause(op operator) Condition {
	var out Any
	for {
		if c := p.unary(op); c != nil {
			out = append(out, c)
		}
		p.space()
		if !p.keyword("OR") {
			break
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// keyword reads OR or AND if more follows that it can join to what came before.
func (p *parser) keyword(word string) bool {
	after, ok := cutKeyword(p.q[p.at:], word)
	if !ok || p.terms == maxTerms {
		return false
	}
	next := strings.TrimLeftFunc(after, unicode.IsSpace)
	if !begins(next) {
		return false
	}
	for _, other := range []string{"OR", "AND"} {
		if _, ok := cutKeyword(next, other); ok {
			return false
		}
	}
	p.at = len(p.q) - len(next)
	return true
}

func cutKeyword(text, word string) (after string, ok bool) {
	after, ok = strings.CutPrefix(text, word)
	next, _ := utf8.DecodeRuneInString(after)
	return after, ok && (after == "" || isBorder(next))
}

// begins reports whether text begins with something to search for.
func begins(text string) bool {
	next, _ := utf8.DecodeRuneInString(text)
	return text != "" && next != ')' && next != '}' && !unicode.IsSpace(next)
}

func (p *parser) unary(op operator) Condition {
	negative := p.q[p.at] == '-' && begins(p.q[p.at+1:])
	if negative {
		p.at++
	}
	c := p.atom(op)
	if c == nil || !negative {
		return c
	}
	return Not{c}
}

func (p *parser) atom(op operator) Condition {
	start := p.at
	inner := p.operator()
	if inner == nil {
		inner = op
	}
	if p.isGroup() {
		return p.group(inner)
	}
	v := p.operand()
	if c, ok := p.term(inner, v); ok {
		return c
	}
	written := operand{text: p.q[start:p.at], now: p.now}
	if c, ok := p.term(op, written); ok {
		return c
	}
	c, _ := p.term(inAnywhere, written)
	return c
}

// term returns what op makes of v, and false if op cannot read it.
func (p *parser) term(op operator, v operand) (Condition, bool) {
	if v.text == "" { // a phrase of nothing
		return nil, true
	}
	c, ok := op(v)
	if c != nil && ok {
		p.terms++
	}
	return c, ok
}

func (p *parser) isGroup() bool { return p.q[p.at] == '(' || p.q[p.at] == '{' }

func (p *parser) group(op operator) Condition {
	braces := p.q[p.at] == '{'
	p.at++
	if len(p.open) == maxNesting {
		p.ignored++
		return nil
	}
	closing := byte(')')
	if braces {
		closing = '}'
	}
	p.open = append(p.open, closing)
	clauses := p.clauses(op)
	p.open = p.open[:len(p.open)-1]
	if p.at < len(p.q) && p.q[p.at] == closing {
		p.at++
	}
	switch {
	case clauses == nil:
		return nil
	case braces:
		return Any(clauses)
	}
	return All(clauses)
}

// operator reads the name of an operator that a value follows, nil if there is none.
func (p *parser) operator() operator {
	rest := p.q[p.at:]
	colon := strings.IndexByte(rest[:min(len(rest), len("deliveredto:"))], ':')
	if colon < 0 || !begins(rest[colon+1:]) {
		return nil
	}
	op := operators[strings.ToLower(rest[:colon])]
	if op != nil {
		p.at += colon + 1
	}
	return op
}

// operand reads a phrase or a word.
func (p *parser) operand() operand {
	if p.q[p.at] == '"' {
		text, after, closed := strings.Cut(p.q[p.at+1:], `"`)
		p.at = len(p.q) - len(after)
		return operand{text: strings.TrimSpace(text), quoted: true, whole: closed, now: p.now}
	}
	rest := p.q[p.at:]
	end := bracketed(rest)
	if i := strings.IndexFunc(rest[end:], isBorder); i >= 0 {
		end += i
	} else {
		end = len(rest)
	}
	p.at += end
	return operand{text: rest[:end], now: p.now}
}

// bracketed returns how long the address or Message-ID in angle brackets is that text begins
// with, since it may have other brackets in it; 0 if there is none.
func bracketed(text string) int {
	if text[0] != '<' {
		return 0
	}
	text = text[:min(len(text), 1000)] // a line of a header ends there (RFC 5322 section 2.1.1)
	end := strings.IndexFunc(text, func(r rune) bool { return r == '>' || r == '"' || unicode.IsSpace(r) })
	if end < 0 || text[end] != '>' {
		return 0
	}
	return end
}

func (p *parser) space() {
	p.at = len(p.q) - len(strings.TrimLeftFunc(p.q[p.at:], unicode.IsSpace))
}

// isBorder reports whether a word ends before r.
func isBorder(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`(){}"`, r) }
