package postgres

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// MaxSteps is how many documents a walk tests at most.
const MaxSteps = maxSteps

// SearchSteps returns how many documents are tested for a page that ends with the nth hit before
// the words are looked up; 0: they are looked up at once.
func (r *SearchReader) SearchSteps(ctx context.Context, f queries.MessageFilter, nth int) (int, error) {
	s := newDocumentSearch(r.lexer, f)
	var expected, sampled int64
	if s.condition.query == "" || s.condition.expect == nil {
		return 0, nil
	}
	err := r.read(ctx, s.frequencies(&expected, &sampled))
	return walkSteps(expected, sampled, nth), err
}

// FindBy finds a page by one plan only: by words, by a walk of steps or, for 0, of all. It reports
// whether a walk filled the page.
func (r *SearchReader) FindBy(ctx context.Context, plan string, f queries.MessageFilter, offset, limit, steps int) ([]domain.MessageID, bool, error) {
	s := newDocumentSearch(r.lexer, f)
	var out found
	questions := []question{bitmapsOnly, s.byWords(&out, offset, limit)}
	if plan == "walk" {
		questions = []question{s.walk(&out, offset, limit, steps)}
	}
	err := r.read(ctx, questions...)
	return out.ids, len(out.ids) == limit, err
}

// SearchStatements returns the statements of a search by the names of their plans, for a look at
// these, and the one that comes before those by words.
func (r *SearchReader) SearchStatements(f queries.MessageFilter, offset, limit, steps int) (before string, plans map[string]Statement) {
	s := newDocumentSearch(r.lexer, f)
	var out found
	plans = map[string]Statement{}
	for name, q := range map[string]question{"words": s.byWords(&out, offset, limit), "count": s.count(&out.total), "walk": s.walk(&out, offset, limit, steps)} {
		plans[name] = Statement{q.sql, q.args}
	}
	return bitmapsOnly.sql, plans
}

// Statement is one with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

func (s Statement) String() string { return fmt.Sprintf("%s %v", s.SQL, s.Args) }
