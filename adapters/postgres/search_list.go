package postgres

import (
	"context"
	"strconv"

	"github.com/imap2api/imap2api/queries"
)

// ask answers questions about l from the view that knows what it asks for. What a search must
// find is found by the index of words, whatever the planner thinks.
func (r *MailReader) ask(ctx context.Context, l *messageList, questions ...question) error {
	switch {
	case l.search == nil:
		return r.read(ctx, questions...)
	case l.search.byIndex(l.search.condition) && l.steps == 0:
		questions = append([]question{bitmapsOnly}, questions...)
	}
	return r.search.read(ctx, questions...)
}

// rowsAfter returns size rows on from a cursor, and more if there are more. As in SearchReader.Find
// many hits in the order of their dates are found by testing the messages that come next.
func (r *MailReader) rowsAfter(ctx context.Context, l *messageList, c *queries.Cursor, size int) ([]listedMessage, error) {
	if l.search != nil && !l.byThread && l.byDate() && l.search.byIndex(l.search.condition) {
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

// from adds the messages that are tested: all, or in a walk those that come next.
func (l *messageList) from(s *statement, values []any, backward bool) {
	if l.steps == 0 {
		s.add(fromMessages)
		return
	}
	s.add("\nSELECT m.* FROM (", fromMessages, "\nWHERE m.journal_id = ")
	s.arg(int64(l.filter.Journal))
	if values != nil {
		s.add("\n\tAND ")
		l.beyond(s, l.keys, values, backward)
	}
	l.orderBy(s, l.keys, backward)
	s.add("\nLIMIT ", strconv.Itoa(l.steps), ") m")
}

// found adds the condition that the search finds message m: in a walk by looking at its document.
func (l *messageList) found(s *statement) {
	if l.steps > 0 {
		s.add("\n\tAND EXISTS (SELECT FROM document d WHERE d.journal_id = $1 AND d.id = m.id AND ")
		l.search.condition.whole(s)
		s.add(" OFFSET 0)") // one look for each message
		return
	}
	s.add("\n\tAND m.id IN (")
	for i, arm := range l.search.arms() {
		s.add([]string{"", unionAll}[min(i, 1)], "SELECT d.id FROM document d WHERE d.journal_id")
		if l.search.byIndex(arm) {
			s.add(notAsKey)
		}
		s.add(" = $1 AND ")
		arm.whole(s)
	}
	s.add(")")
}
