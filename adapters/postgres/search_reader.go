package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// SearchReader answers searches from the built-in engine.
type SearchReader struct {
	view
	lexer  Lexer
	counts *countCache[int]
}

// NewSearchReader returns a reader of the given version of projections.Search, which also
// reads that version of projections.Mail.
func NewSearchReader(pool *pgxpool.Pool, version, mail int, lexer Lexer) *SearchReader {
	return &SearchReader{
		view: view{pool: pool, projection: "search", version: version, beside: "mail", besideVersion: mail}, lexer: lexer, counts: newCountCache[int](),
	}
}

// documentNotErased hides accounts whose documents are still being erased.
var documentNotErased = strings.ReplaceAll(notErased, "m.account_id", "d.account_id")

// found is what Find learns on its way.
type found struct {
	ids   []domain.MessageID
	total int
	at    asOf
}

// Find returns the ids of the messages that match f, newest first by date and then id, at
// most limit from offset on, and how many match in all. Few hits are found by their words and
// then ordered; many by walking the documents in order until the page is full.
func (r *SearchReader) Find(ctx context.Context, f queries.MessageFilter, offset, limit int) ([]domain.MessageID, int, error) {
	l := &messageList{filter: f}
	if l.none() {
		return nil, 0, nil
	}
	s, err := r.compile(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	if s.condition.query == "" {
		return r.walkAll(ctx, s, offset, limit)
	}
	steps, err := r.steps(ctx, s, offset+limit)
	if err != nil {
		return nil, 0, err
	}
	if steps > 0 {
		ids, total, full, err := r.walk(ctx, s, offset, limit, steps)
		if err != nil || full {
			return ids, total, err
		}
	}
	var out found
	err = r.read(ctx, bitmapsOnly, s.byWords(&out, offset, limit))
	if err == nil && len(out.ids) == 0 && (offset > 0 || limit == 0) {
		err = r.read(ctx, bitmapsOnly, s.count(&out.total))
	}
	return out.ids, out.total, err
}

// A walk tests at most maxSteps documents. It is tried if so many hits are expected that it
// ends within a quarter of the work of looking up and ordering all of them; since a filter may leave
// fewer, it goes walkSlack times as far as it should have to.
const (
	maxSteps  = 4_000
	walkSlack = 4
	stepCost  = 4 // of a document tested, against one of a list of hits
)

// walkSteps returns how many documents to test for a page that ends with the nth hit, of
// expected of every sampled documents that are sampled; 0: look up the words.
func walkSteps(expected, sampled int64, nth int) int {
	if expected == 0 || sampled == 0 {
		return 0
	}
	steps := walkSlack * int64(nth) * sampled / expected
	if steps > maxSteps || steps*stepCost > expected*sampleOf {
		return 0
	}
	return int(max(steps, int64(2*nth)))
}

// steps returns how many documents to test for a page that ends with the nth hit; 0: look up the words.
func (r *SearchReader) steps(ctx context.Context, s *documentSearch, nth int) (int, error) {
	if s.condition.expect == nil {
		return 0, nil
	}
	var expected, sampled int64
	err := r.read(ctx, s.frequencies(&expected, &sampled))
	return walkSteps(expected, sampled, nth), err
}

// walk takes the page from the newest documents, and reports whether it was filled there.
func (r *SearchReader) walk(ctx context.Context, s *documentSearch, offset, limit, steps int) (ids []domain.MessageID, total int, full bool, err error) {
	var out found
	if err := r.read(ctx, s.walk(&out, offset, limit, steps), r.checkpoints(s.filter.Journal, &out)); err != nil {
		return nil, 0, false, err
	}
	if len(out.ids) < limit {
		return nil, 0, false, nil
	}
	total, err = r.total(ctx, s, out.at)
	return out.ids, total, true, err
}

// walkAll is for searches without a word that must be there.
func (r *SearchReader) walkAll(ctx context.Context, s *documentSearch, offset, limit int) ([]domain.MessageID, int, error) {
	var out found
	if err := r.read(ctx, s.walk(&out, offset, limit, 0), r.checkpoints(s.filter.Journal, &out)); err != nil {
		return nil, 0, err
	}
	total, err := r.total(ctx, s, out.at)
	return out.ids, total, err
}

// total counts once for each state of the read models.
func (r *SearchReader) total(ctx context.Context, s *documentSearch, at asOf) (int, error) {
	return r.counts.get(ctx, s.key(), at, func() (int, error) {
		total, less := 0, 0
		if err := r.read(ctx, s.counts(&total, &less)...); err != nil {
			return 0, fmt.Errorf("count hits: %w", err)
		}
		return total - less, nil
	})
}

// bitmapsOnly keeps the planner from testing all documents where the index of words knows
// the few that match: it takes every tsquery for one of a thousand.
var bitmapsOnly = question{
	sql: `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true),
	set_config('enable_indexonlyscan', 'off', true)`,
	scan: func(rows pgx.Rows) error {
		for rows.Next() {
		}
		return rows.Err()
	},
}

// checkpointsOf changes with each batch, and with each repair of rows, which leaves the position.
const checkpointsOf = `
SELECT coalesce(max(hashtextextended(c.position || ' ' || c.updated_at, 0)) FILTER (WHERE (g.projection, g.version) = ($2, $3)), 0),
	coalesce(max(hashtextextended(c.position || ' ' || c.updated_at, 0)) FILTER (WHERE (g.projection, g.version) = ($4, $5)), 0),
	(SELECT coalesce(max(e.erased_by), 0) FROM state.accounts e WHERE e.journal_id = $1)
FROM log.checkpoints c
JOIN log.generations g ON g.projection = c.projection AND g.generation = c.generation AND g.status = 'live'
WHERE c.journal_id = $1 AND c.projection IN ($2, $4)`
