package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/queries"
)

var receivedLast = []queries.Order{{Field: "received_at", Desc: true}}

// Found returns ids by internal date and then id, the newest first: of messages that match, or of
// threads by the newest of their messages that do. It returns queries.ErrCursor for a cursor of another order.
func (r *MailReader) Found(ctx context.Context, f queries.MessageFilter, byThread bool, after *queries.Cursor, limit int) (queries.FoundPage, error) {
	l, err := r.foundList(ctx, f, byThread)
	if err != nil || l.none() {
		return queries.FoundPage{}, err
	}
	rows, at, err := r.foundRows(ctx, l, after, limit)
	if err != nil {
		return queries.FoundPage{}, err
	}
	page := queries.FoundPage{}
	for i, row := range rows[:min(limit, len(rows))] {
		page.Items = append(page.Items, row.FoundMessage)
		if i == limit-1 && len(rows) > limit {
			page.Next = &queries.Cursor{Keys: []string{moment(row.receivedAt)}, ID: int64(row.ID)}
		}
	}
	page.Count, err = r.countFound(ctx, l, at)
	return page, err
}

func (r *MailReader) foundList(ctx context.Context, f queries.MessageFilter, byThread bool) (*messageList, error) {
	l, err := newMessageList(f, byThread, receivedLast)
	if err == nil && f.Search != nil {
		l.search, err = r.search.compile(ctx, f)
	}
	return l, err
}

// foundRow is a row of Found with what orders it.
type foundRow struct {
	queries.FoundMessage
	receivedAt time.Time
}

// foundRows returns limit rows after a cursor, and one more if there is one. As in rowsAfter, many hits of a
// search are found by testing the messages that come next.
func (r *MailReader) foundRows(ctx context.Context, l *messageList, after *queries.Cursor, limit int) ([]foundRow, asOf, error) {
	values, err := foundAfter(after)
	if err != nil {
		return nil, asOf{}, err
	}
	if !l.byThread && l.plan() == byWords {
		steps, err := r.search.steps(ctx, l.search, limit+1)
		if err != nil {
			return nil, asOf{}, err
		}
		if steps > 0 {
			walk := *l
			walk.steps = steps
			if rows, at, err := r.askFound(ctx, &walk, values, limit); err != nil || len(rows) > limit {
				return rows, at, err
			}
		}
	}
	return r.askFound(ctx, l, values, limit)
}

// foundAfter returns the values of a cursor; nil for none.
func foundAfter(c *queries.Cursor) ([]any, error) {
	if c == nil {
		return nil, nil
	}
	if len(c.Keys) != 1 || c.Backward {
		return nil, queries.ErrCursor
	}
	at, err := momentKey(c.Keys[0])
	if err != nil {
		return nil, queries.ErrCursor
	}
	return []any{at, c.ID}, nil
}

func (r *MailReader) askFound(ctx context.Context, l *messageList, values []any, limit int) ([]foundRow, asOf, error) {
	var s statement
	var rows []foundRow
	var what found
	if l.byThread {
		l.foundThreads(&s, values, limit)
	} else {
		l.foundMessages(&s, values, limit)
	}
	list := s.question(true, func(found pgx.Rows) error {
		for found.Next() {
			var row foundRow
			if err := found.Scan(&row.ID, &row.Thread, &row.receivedAt, &row.Snippet, &row.Position); err != nil {
				return fmt.Errorf("scan found message: %w", err)
			}
			rows = append(rows, row)
		}
		return found.Err()
	})
	err := r.ask(ctx, l, list, r.search.checkpoints(l.filter.Journal, &what))
	return rows, what.at, err
}

const (
	foundColumns = "SELECT m.id, m.thread_id, m.internal_date, m.snippet, m.position FROM "
	foundOrder   = "\nORDER BY m.internal_date DESC, m.id DESC\nLIMIT "
	// A thread is shown as its newest message has it.
	threadColumns = "SELECT m.id, m.thread_id, m.internal_date, t.snippet, t.position FROM (\n"
	ofItsThread   = `) m CROSS JOIN LATERAL (
	SELECT (array_agg(x.snippet ORDER BY x.date DESC, x.id DESC))[1] AS snippet, max(x.position) AS position
	FROM message x WHERE x.journal_id = $1 AND x.thread_id = m.thread_id) t
ORDER BY m.internal_date DESC, m.id DESC`
	threadKeys = "SELECT m.id, m.thread_id, m.internal_date FROM "
	// noneReceivedLater is met by the message of a thread that was received last among those that match.
	noneReceivedLater = `
	AND NOT EXISTS (
		SELECT FROM message n
		WHERE n.journal_id = $1 AND n.thread_id = m.thread_id AND (n.internal_date, n.id) > (m.internal_date, m.id)`
	eachThreadOnce  = "SELECT DISTINCT ON (m.thread_id) m.id, m.thread_id, m.internal_date FROM "
	receivedInOrder = "\nORDER BY m.thread_id, m.internal_date DESC, m.id DESC"
)

// foundMessages walks messages in order, or those that words find.
func (l *messageList) foundMessages(s *statement, values []any, limit int) {
	s.add(foundColumns)
	l.from(s, values, false)
	l.where(s)
	l.foundBeyond(s, values)
	s.add(foundOrder, strconv.Itoa(limit+1))
}

// foundThreads walks messages in order and takes the last of each thread; with a search it goes by what words find.
func (l *messageList) foundThreads(s *statement, values []any, limit int) {
	s.add(threadColumns)
	if l.search == nil {
		s.add(threadKeys, "message m")
		l.where(s)
		s.add(noneReceivedLater)
		if l.filter.Plain != nil {
			s.add("\n\t\tAND ")
			plainMessage("n", l.filter.Plain)(s)
		}
		s.add(")")
	} else {
		s.add(threadKeys, "(", eachThreadOnce)
		l.from(s, nil, false)
		l.where(s)
		s.add(receivedInOrder, ") m\nWHERE true")
	}
	l.foundBeyond(s, values)
	s.add(foundOrder, strconv.Itoa(limit+1), ofItsThread)
}

func (l *messageList) foundBeyond(s *statement, values []any) {
	if values != nil {
		s.add("\n\tAND ")
		l.beyond(s, l.keys, values, false)
	}
}

const (
	countFoundThreads = "SELECT count(DISTINCT m.thread_id) FROM "
	countLabel        = `SELECT count(*), count(*) FILTER (WHERE NOT m.seen),
	count(DISTINCT m.thread_id), count(DISTINCT m.thread_id) FILTER (WHERE NOT m.seen)
FROM message m`
)

// countFound counts once for each state of the read models.
func (r *MailReader) countFound(ctx context.Context, l *messageList, at asOf) (int, error) {
	var s statement
	s.add(countMessages)
	if l.byThread {
		s = statement{}
		s.add(countFoundThreads)
	}
	l.from(&s, nil, false)
	l.where(&s)
	return r.search.counts.get(ctx, s.key(), at, func() (int, error) {
		var n int
		if err := r.ask(ctx, l, s.question(true, scanCount(&n))); err != nil {
			return 0, fmt.Errorf("count what is found: %w", err)
		}
		return n, nil
	})
}

// LabelCounts counts what matches f, once for each state of the read models.
func (r *MailReader) LabelCounts(ctx context.Context, f queries.MessageFilter) (queries.LabelCounts, error) {
	l, err := r.foundList(ctx, f, false)
	if err != nil || l.none() {
		return queries.LabelCounts{}, err
	}
	var s statement
	s.add(countLabel)
	l.where(&s)
	var now found
	if err := r.search.read(ctx, r.search.checkpoints(f.Journal, &now)); err != nil {
		return queries.LabelCounts{}, err
	}
	return r.labels.get(ctx, s.key(), now.at, func() (queries.LabelCounts, error) {
		var n queries.LabelCounts
		err := r.read(ctx, s.question(true, func(rows pgx.Rows) error {
			for rows.Next() {
				if err := rows.Scan(&n.Messages, &n.Unseen, &n.Threads, &n.UnseenThreads); err != nil {
					return fmt.Errorf("scan counts: %w", err)
				}
			}
			return rows.Err()
		}))
		return n, err
	})
}
