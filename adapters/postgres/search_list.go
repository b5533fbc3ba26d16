package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/queries"
)

// How a list finds the messages of a search.
type listPlan int

const (
	anyPlan listPlan = iota // there is no word that must be met: as the planner thinks
	byWords                 // from the documents that the index of words names
	byTest                  // the document of each message that other filters leave, which are few, is tested
)

// plan never leaves it to the planner, who may know nothing of a word or what it was long ago.
func (l *messageList) plan() listPlan {
	f := l.filter
	switch {
	case l.search == nil || l.search.condition.query == "":
		return anyPlan
	case l.steps > 0 || f.IDs != nil || f.Thread != nil || f.MsgID != nil:
		return byTest
	}
	return byWords
}

// ask answers questions about l from the view that knows what it asks for.
func (r *MailReader) ask(ctx context.Context, l *messageList, questions ...question) error {
	switch {
	case l.search == nil:
		return r.read(ctx, questions...)
	case l.plan() == byWords:
		questions = append([]question{indexesOnly}, questions...)
	}
	return r.search.read(ctx, questions...)
}

// indexesOnly leaves the index of words as the one way to documents whose journal is no key.
var indexesOnly = question{
	sql: `SELECT set_config('enable_seqscan', 'off', true)`,
	scan: func(rows pgx.Rows) error {
		for rows.Next() {
		}
		return rows.Err()
	},
}

// rowsAfter returns size rows on from a cursor, and more if there are more. As in SearchReader.Find
// many hits in the order of their dates are found by testing the messages that come next.
func (r *MailReader) rowsAfter(ctx context.Context, l *messageList, c *queries.Cursor, size int) ([]listedMessage, error) {
	if !l.byThread && l.byDate() && l.plan() == byWords {
		steps, err := r.search.steps(ctx, l.search, size+1)
		if err != nil {
			return nil, err
		}
		if steps > 0 {
			walk := *l
			walk.steps = steps
			rows, err := r.rowsBy(ctx, &walk, c, size)
			if err != nil || len(rows) > size {
				return rows, err
			}
		}
	}
	return r.rowsBy(ctx, l, c, size)
}

func (r *MailReader) rowsBy(ctx context.Context, l *messageList, c *queries.Cursor, size int) (rows []listedMessage, err error) {
	q, err := l.after(&rows, c, size)
	if err != nil {
		return nil, err
	}
	return rows, r.ask(ctx, l, q)
}

// from adds the messages m that conditions are about: all, those of the documents that words find, or
// in a walk those that come next.
func (l *messageList) from(s *statement, values []any, backward bool) {
	switch {
	case l.steps > 0:
		s.add("(SELECT m.* FROM message m\nWHERE m.journal_id = ")
		s.arg(int64(l.filter.Journal))
		if values != nil {
			s.add("\n\tAND ")
			l.beyond(s, l.keys, values, backward)
		}
		l.orderBy(s, l.keys, backward)
		s.add("\nLIMIT ", strconv.Itoa(l.steps), ") m")
	case l.plan() == byWords:
		s.add("(SELECT m.* FROM (SELECT d.id FROM document d")
		l.search.of(s)
		// OFFSET keeps the planner at one look into the index for each hit.
		s.add(") h CROSS JOIN LATERAL (SELECT * FROM message WHERE journal_id = $1 AND id = h.id OFFSET 0) m) m")
	default:
		s.add("message m")
	}
}

// found adds the condition that the search finds message m, unless m is from what was found.
func (l *messageList) found(s *statement) {
	switch l.plan() {
	case anyPlan:
		s.add("\n\tAND m.id IN (SELECT d.id FROM document d WHERE d.journal_id = $1 AND ")
		l.search.condition.whole(s)
		s.add(")")
	case byTest:
		s.add("\n\tAND EXISTS (SELECT FROM document d WHERE d.journal_id = $1 AND d.id = m.id AND ")
		l.search.condition.whole(s)
		s.add(" OFFSET 0)") // one look into the index for each message
	}
}
