package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// MailReader reads the mail read model, and for searches that of the built-in engine with it. What it counts
// it remembers in the same way.
type MailReader struct {
	view
	contents *Contents
	search   *SearchReader
	labels   *countCache[queries.LabelCounts]
}

// NewMailReader returns a reader of the given version of projections.Mail. search is for
// filters with a search only.
func NewMailReader(pool *pgxpool.Pool, version int, contents *Contents, search *SearchReader) *MailReader {
	return &MailReader{view{pool: pool, projection: "mail", version: version}, contents, search, newCountCache[queries.LabelCounts]()}
}

// Messages returns the part of the list that p asks for, in the given order and,
// after it, by id in the direction of its last key. It returns queries.ErrPage
// for a page past the end, queries.ErrCursor for a cursor of another order.
func (r *MailReader) Messages(ctx context.Context, f queries.MessageFilter, byThread bool, order []queries.Order, p queries.Paging) (queries.Page[queries.Message], error) {
	l, err := newMessageList(f, byThread, order)
	if err != nil {
		return queries.Page[queries.Message]{}, err
	}
	l.past = r.with != ""
	if f.Search != nil {
		if l.search, err = r.search.compile(ctx, f); err != nil {
			return queries.Page[queries.Message]{}, err
		}
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
		err := r.ask(ctx, l, l.count(&count), l.page(&rows, p.Size, (p.Number-1)*p.Size))
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
		if err := r.ask(ctx, l, l.count(&count)); err != nil {
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
	rows, err := r.rowsAfter(ctx, l, p.Cursor, p.Size)
	if err != nil {
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

const messagesByID = listColumns + `
	SELECT m.*, x.nth FROM unnest($2::bigint[]) WITH ORDINALITY AS x (id, nth)
	JOIN message m ON m.journal_id = $1 AND m.id = x.id` + joinThreads + `
ORDER BY m.nth`

// MessagesByID returns rows in the order of ids; one that is not there is left out.
func (r *MailReader) MessagesByID(ctx context.Context, journal events.JournalID, ids []domain.MessageID) ([]queries.Message, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []listedMessage
	err := r.read(ctx, question{sql: messagesByID, args: []any{int64(journal), messageIDs(ids)}, scan: scanMessages(&rows)})
	return messagesOf(rows), err
}

const textsByID = `
SELECT m.id, m.sha256, c.data
FROM message m
LEFT JOIN raw.contents c ON c.journal_id = $1 AND c.sha256 = m.sha256 AND c.version = $3
WHERE m.journal_id = $1 AND m.id = ANY($2)`

// TextsByID returns the plain text of messages; one whose octets are not stored is left out.
func (r *MailReader) TextsByID(ctx context.Context, journal events.JournalID, ids []domain.MessageID) (map[domain.MessageID]string, error) {
	out := make(map[domain.MessageID]string, len(ids))
	late := lateContents{}
	args := []any{int64(journal), messageIDs(ids), r.contents.ParserVersion()}
	err := r.read(ctx, question{sql: textsByID, args: args, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var id domain.MessageID
			var sum, data []byte
			if err := rows.Scan(&id, &sum, &data); err != nil {
				return fmt.Errorf("scan text: %w", err)
			}
			late.take(sum, data, textPart, func(c *domain.Content) { out[id] = c.Text })
		}
		return rows.Err()
	}})
	if err != nil {
		return nil, err
	}
	return out, r.fill(ctx, journal, late)
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
