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
	s, err := r.compile(ctx, f)
	if err != nil || s.condition.query == "" {
		return 0, err
	}
	return r.steps(ctx, s, nth)
}

// FindBy finds a page by one plan only: by words, by a walk of steps or, for 0, of all. It reports
// whether a walk filled the page.
func (r *SearchReader) FindBy(ctx context.Context, plan string, f queries.MessageFilter, offset, limit, steps int) ([]domain.MessageID, bool, error) {
	s, err := r.compile(ctx, f)
	if err != nil {
		return nil, false, err
	}
	var out found
	questions := []question{bitmapsOnly, s.byWords(&out, offset, limit)}
	if plan == "walk" {
		questions = []question{s.walk(&out, offset, limit, steps)}
	}
	err = r.read(ctx, questions...)
	return out.ids, len(out.ids) == limit, err
}

// SearchStatements returns the statements of a search by the names of their plans, for a look at
// these, and the one that comes before those by words.
func (r *SearchReader) SearchStatements(ctx context.Context, f queries.MessageFilter, offset, limit, steps int) (before string, plans map[string]Statement, err error) {
	s, err := r.compile(ctx, f)
	if err != nil {
		return "", nil, err
	}
	var out found
	plans = map[string]Statement{}
	for name, q := range map[string]question{"words": s.byWords(&out, offset, limit), "count": s.count(&out.total), "walk": s.walk(&out, offset, limit, steps)} {
		plans[name] = Statement{q.sql, q.args}
	}
	return bitmapsOnly.sql, plans, nil
}

// Statement is one with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

func (s Statement) String() string { return fmt.Sprintf("%s %v", s.SQL, s.Args) }

// SearchListStatements returns the statements of a list with a search by the names of their plans, the
// one that comes before those by words, and how many messages a walk tests; 0: there is none.
func (r *MailReader) SearchListStatements(ctx context.Context, f queries.MessageFilter, byThread bool, order []queries.Order, size int) (before string, plans map[string]Statement, steps int, err error) {
	l, err := newMessageList(f, byThread, order)
	if err != nil {
		return "", nil, 0, err
	}
	if l.search, err = r.search.compile(ctx, f); err != nil {
		return "", nil, 0, err
	}
	var rows []listedMessage
	var n int
	plans = map[string]Statement{}
	for name, q := range map[string]question{"count": l.count(&n), "words": l.page(&rows, size, 0)} {
		plans[name] = Statement{q.sql, q.args}
	}
	if l.plan() == byWords {
		before = indexesOnly.sql
		steps, err = r.search.steps(ctx, l.search, size+1)
	}
	if steps > 0 && !byThread && l.byDate() {
		l.steps = steps
		q := l.page(&rows, size, 0)
		plans["walk"] = Statement{q.sql, q.args}
	}
	return before, plans, steps, err
}
