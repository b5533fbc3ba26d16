package postgres

import (
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// ListStatement returns the statement of one part of a list, for a look at its plan.
func ListStatement(f queries.MessageFilter, byThread bool, order []queries.Order, c *queries.Cursor, size int) (string, []any, error) {
	l, err := newMessageList(f, byThread, order)
	if err != nil {
		return "", nil, err
	}
	var rows []listedMessage
	q, err := l.after(&rows, c, size)
	return q.sql, q.args, err
}

// ListStatementAsOf is ListStatement for what was.
func ListStatementAsOf(pos events.Position, f queries.MessageFilter, byThread bool, order []queries.Order, size int) (string, []any, error) {
	l, err := newMessageList(f, byThread, order)
	if err != nil {
		return "", nil, err
	}
	l.past = true
	var rows []listedMessage
	q, err := l.after(&rows, nil, size)
	return (&HistoryReader{}).at(pos).named(q.sql), q.args, err
}

// MessageStatementAsOf is the statement of one message with its thread, as it was.
func MessageStatementAsOf(pos events.Position) string {
	return (&HistoryReader{}).at(pos).named(getMessages)
}
