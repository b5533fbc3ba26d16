package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/queries"
)

// MailReader reads the mail read model.
type MailReader struct {
	view
	contents *Contents
}

// NewMailReader returns a reader of the given version of projections.Mail.
// contents is for Matching only.
func NewMailReader(pool *pgxpool.Pool, version int, contents *Contents) *MailReader {
	return &MailReader{view{pool, "mail", version}, contents}
}

// Messages returns the part of the list that p asks for, in the given order and,
// after it, by id in the direction of its last key. It returns queries.ErrPage
// for a page past the end, queries.ErrCursor for a cursor of another order.
func (r *MailReader) Messages(ctx context.Context, f queries.MessageFilter, byThread bool, order []queries.Order, p queries.Paging) (queries.Page[queries.Message], error) {
	l, err := newMessageList(f, byThread, order)
	if err != nil {
		return queries.Page[queries.Message]{}, err
	}
	switch {
	case p.ByCursor:
		return r.byCursor(ctx, l, p)
	case p.Last:
		return r.lastPage(ctx, l, p)
	}
	return r.byNumber(ctx, l, p)
}

func (r *MailReader) byNumber(ctx context.Context, l *messageList, p queries.Paging) (queries.Page[queries.Message], error) {
	if p.Number < 1 {
		return queries.Page[queries.Message]{}, queries.ErrPage
	}
	var count int
	var rows []listedMessage
	if !l.none() {
		err := r.read(ctx, l.count(&count), l.page(&rows, p.Size, (p.Number-1)*p.Size))
		if err != nil {
			return queries.Page[queries.Message]{}, err
		}
	}
	number, _, err := queries.Offset(count, p)
	if err != nil {
		return queries.Page[queries.Message]{}, err
	}
	return queries.Page[queries.Message]{Items: messagesOf(rows[:min(p.Size, len(rows))]), Count: count, Number: number}, nil
}

// lastPage counts first, since the count says where the page begins.
func (r *MailReader) lastPage(ctx context.Context, l *messageList, p queries.Paging) (queries.Page[queries.Message], error) {
	var count int
	if !l.none() {
		if err := r.read(ctx, l.count(&count)); err != nil {
			return queries.Page[queries.Message]{}, err
		}
	}
	number, _, err := queries.Offset(count, p)
	if err != nil {
		return queries.Page[queries.Message]{}, err
	}
	page, err := r.byNumber(ctx, l, queries.Paging{Size: p.Size, Number: number})
	if err != nil {
		return page, fmt.Errorf("last page: %w", err)
	}
	return page, nil
}

func (r *MailReader) byCursor(ctx context.Context, l *messageList, p queries.Paging) (queries.Page[queries.Message], error) {
	var page queries.Page[queries.Message]
	if l.none() {
		return page, nil
	}
	var rows []listedMessage
	q, err := l.after(&rows, p.Cursor, p.Size)
	if err != nil {
		return page, err
	}
	if err := r.read(ctx, q); err != nil {
		return page, err
	}
	backward := p.Cursor != nil && p.Cursor.Backward
	more := len(rows) > p.Size // one more was asked for, to tell
	rows = rows[:min(p.Size, len(rows))]
	if backward {
		slices.Reverse(rows)
	}
	page.Items = messagesOf(rows)
	if len(rows) == 0 {
		return page, nil
	}
	if more || backward {
		page.Next = l.cursor(rows[len(rows)-1], false)
	}
	if p.Cursor != nil && (more || !backward) {
		page.Previous = l.cursor(rows[0], true)
	}
	return page, nil
}

func messagesOf(rows []listedMessage) []queries.Message {
	return column(rows, func(m listedMessage) queries.Message { return m.Message })
}

func scanMessages(into *[]listedMessage) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			*into = append(*into, listedMessage{})
			m := &(*into)[len(*into)-1]
			err := rows.Scan(&m.ID, &m.Account, &m.MsgID, &m.Subject, &m.Sender, &m.SenderName, &m.Recipient, &m.Date, &m.Folder,
				&m.Thread, &m.ThreadCount, &m.ThreadUnseen, &m.Snippet, &m.Seen, &m.Flagged, &m.HasAttachments, &m.Size, &m.ReceivedAt,
				&m.createdAt, &m.updatedAt)
			if err != nil {
				return fmt.Errorf("scan message: %w", err)
			}
		}
		return rows.Err()
	}
}
