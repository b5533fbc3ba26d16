package meilitest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// predicate is a filter that was read.
type predicate func(doc map[string]any) bool

// maxDepth is how deep the rules of the real parser may go into one another.
const maxDepth = 150

// parser reads the grammar of filters: OR, AND, NOT, parentheses, comparisons and IN. Values are
// words of letters, digits, "_", "-" and "."; quoted ones are not needed.
type parser struct {
	server     *Server
	index      *index
	uid        string
	text, rest string
	code       string // of errors
	failure    *failure
}

func (p *parser) parse() (predicate, *failure) {
	out := p.or(0)
	if p.space(); p.failure == nil && p.rest != "" {
		p.fail("filter %q, of which %q is left", p.text, p.rest)
	}
	return out, p.failure
}

// fail is for what the real server would say in words that are not recorded.
func (p *parser) fail(format string, args ...any) {
	if p.failure == nil {
		p.failure = p.server.unknown(format, args...)
	}
}

func (p *parser) space() { p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace) }

// symbol takes a symbol if it is next.
func (p *parser) symbol(text string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, text)
	if ok {
		p.rest = rest
	}
	return ok
}

// keyword takes a keyword if it is the next word.
func (p *parser) keyword(text string) bool {
	before := p.rest
	if p.word() == text {
		return true
	}
	p.rest = before
	return false
}

func (p *parser) word() string {
	p.space()
	n := strings.IndexFunc(p.rest, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_' && r != '-' && r != '.'
	})
	if n < 0 {
		n = len(p.rest)
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

func (p *parser) tooDeep(depth int) bool {
	if depth > maxDepth && p.failure == nil {
		p.failure = invalid(http.StatusBadRequest, p.code, "The filter exceeded the maximum depth limit. "+
			"Try rewriting the filter so that it contains fewer nested conditions.")
	}
	return p.failure != nil
}

func (p *parser) or(depth int) predicate {
	if p.tooDeep(depth) {
		return nil
	}
	list := []predicate{p.and(depth + 1)}
	for p.failure == nil && p.keyword("OR") {
		list = append(list, p.and(depth+1))
	}
	return func(doc map[string]any) bool {
		return slices.ContainsFunc(list, func(f predicate) bool { return f(doc) })
	}
}

func (p *parser) and(depth int) predicate {
	if p.tooDeep(depth) {
		return nil
	}
	list := []predicate{p.not(depth + 1)}
	for p.failure == nil && p.keyword("AND") {
		list = append(list, p.not(depth+1))
	}
	return func(doc map[string]any) bool {
		return !slices.ContainsFunc(list, func(f predicate) bool { return !f(doc) })
	}
}

func (p *parser) not(depth int) predicate {
	if p.tooDeep(depth) {
		return nil
	}
	if p.keyword("NOT") {
		of := p.not(depth + 1)
		return func(doc map[string]any) bool { return !of(doc) }
	}
	if p.symbol("(") {
		out := p.or(depth + 2)
		if p.failure == nil && !p.symbol(")") {
			p.fail("filter %q without a closing parenthesis", p.text)
		}
		return out
	}
	return p.condition()
}

func (p *parser) condition() predicate {
	attr := p.word()
	if attr == "" {
		p.fail("filter %q at %q", p.text, p.rest)
		return nil
	}
	if !p.filterable(attr) {
		return nil
	}
	if p.keyword("IN") {
		values := p.list()
		return func(doc map[string]any) bool {
			return slices.ContainsFunc(values, func(v string) bool { return compares(doc[attr], "=", v) })
		}
	}
	for _, operator := range []string{"<=", ">=", "!=", "<", ">", "="} {
		if p.symbol(operator) {
			value := p.word()
			if value == "" {
				p.fail("filter %q without a value before %q", p.text, p.rest)
			}
			return func(doc map[string]any) bool { return compares(doc[attr], operator, value) }
		}
	}
	p.fail("filter %q at %q", p.text, p.rest)
	return nil
}

func (p *parser) filterable(attr string) bool {
	filterable := p.index.settings.FilterableAttributes
	if p.failure == nil && len(filterable) == 0 {
		p.failure = invalid(http.StatusBadRequest, p.code, "Index `%s`: Attribute `%s` is not filterable. "+
			"This index does not have configured filterable attributes.", p.uid, attr)
	}
	if p.failure == nil && !slices.Contains(filterable, attr) {
		p.fail("filter on %s, which is not filterable,", attr)
	}
	return p.failure == nil
}

func (p *parser) list() (values []string) {
	if !p.symbol("[") {
		p.fail("IN of %q without [", p.text)
		return nil
	}
	for p.failure == nil && !p.symbol("]") {
		v := p.word()
		if v == "" {
			p.fail("list of %q at %q", p.text, p.rest)
		}
		values = append(values, v)
		p.symbol(",")
	}
	return values
}

// compares compares a field with a value, as a number and as text; of a list, one element does.
func compares(field any, operator, value string) bool {
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		number = math.NaN()
	}
	switch field := field.(type) {
	case []any:
		if operator == "!=" {
			return !compares(field, "=", value)
		}
		return slices.ContainsFunc(field, func(v any) bool { return compares(v, operator, value) })
	case json.Number:
		n, err := field.Float64()
		return err == nil && compareNumbers(n, operator, number)
	case string, bool:
		equal := foldText(fmt.Sprint(field)) == foldText(value)
		return operator == "=" && equal || operator == "!=" && !equal
	}
	return operator == "!="
}

func compareNumbers(a float64, operator string, b float64) bool {
	switch operator {
	case "<=":
		return a <= b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case ">":
		return a > b
	case "!=":
		return a != b
	}
	return a == b
}
