package postgres

import "github.com/imap2api/imap2api/queries"

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
