package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// getMessages is one message and the newest others of its thread, at most $5, oldest first.
// One statement, since a reader of many single messages pays for each.
const getMessages = `
WITH one AS (
	SELECT m.id, m.thread_id
	FROM message m
	WHERE m.journal_id = $1 AND m.id = $2 AND ($3::bigint[] IS NULL OR m.account_id = ANY($3))` + notErased + `
)
SELECT m.id, m.account_id, m.msg_id, m.subject, m.sender, m.sender_name, m.recipient, m.date, m.folder,
	m.thread_id, t.messages, t.unseen, m.snippet, m.seen, m.flagged, m.has_attachments, m.size, m.internal_date,
	m.created_at, m.updated_at, m.flags, m.position, m.sha256, c.data
FROM (
	SELECT m.* FROM one JOIN message m ON m.journal_id = $1 AND m.id = one.id
	UNION ALL
	(SELECT m.*
	FROM one JOIN message m ON m.journal_id = $1 AND m.thread_id = one.thread_id AND m.id <> one.id
	ORDER BY m.date DESC, m.id DESC
	LIMIT $5)) m
CROSS JOIN (SELECT messages, unseen FROM thread WHERE journal_id = $1 AND thread_id = (SELECT thread_id FROM one)) t
LEFT JOIN raw.contents c ON c.journal_id = $1 AND c.sha256 = m.sha256 AND c.version = $4
ORDER BY m.date, m.id`

// threadRow is a row of getMessages, in types that pgx scans without looking for a way.
type threadRow struct {
	id, account, thread, position, size      int64
	count, unseen                            int
	msgID, subject, sender, senderName       string
	recipient, folder, snippet               string
	seen, flagged, attachments               bool
	date, internalDate, createdAt, updatedAt time.Time
	flags                                    []string
	sum, content                             []byte
}

// eachThreadRow calls fn with each row, which is valid until fn returns.
func eachThreadRow(rows pgx.Rows, fn func(*threadRow)) error {
	for rows.Next() {
		var m threadRow
		err := rows.Scan(&m.id, &m.account, &m.msgID, &m.subject, &m.sender, &m.senderName, &m.recipient, &m.date, &m.folder,
			&m.thread, &m.count, &m.unseen, &m.snippet, &m.seen, &m.flagged, &m.attachments, &m.size, &m.internalDate,
			&m.createdAt, &m.updatedAt, &m.flags, &m.position, &m.sum, (*pgtype.DriverBytes)(&m.content))
		if err != nil {
			return fmt.Errorf("scan message of a thread: %w", err)
		}
		fn(&m)
	}
	return rows.Err()
}

// detail returns the row as the message that was asked for.
func (m *threadRow) detail() queries.MessageDetail {
	flags := make([]domain.Flag, len(m.flags))
	for i, f := range m.flags {
		flags[i] = domain.Flag(f)
	}
	return queries.MessageDetail{
		Message: queries.Message{
			ID: domain.MessageID(m.id), Account: domain.AccountID(m.account), MsgID: m.msgID, Subject: m.subject,
			Sender: m.sender, SenderName: m.senderName, Recipient: m.recipient, Date: m.date, Folder: domain.MailboxName(m.folder),
			Thread: domain.ThreadID(m.thread), ThreadCount: m.count, ThreadUnseen: m.unseen, Snippet: m.snippet, Seen: m.seen,
			Flagged: m.flagged, HasAttachments: m.attachments, Size: m.size, ReceivedAt: m.internalDate,
		},
		CreatedAt: m.createdAt, UpdatedAt: m.updatedAt, Flags: flags, SHA256: m.sum, Position: events.Position(m.position),
		Content: &domain.Content{},
	}
}

// other returns the row as one of a thread.
func (m *threadRow) other() *queries.ThreadMessage {
	return &queries.ThreadMessage{
		ID: domain.MessageID(m.id), Subject: m.subject, Sender: m.sender, Recipient: m.recipient, Date: m.date,
		Folder: domain.MailboxName(m.folder),
	}
}

// Message returns a message whole, with the newest others of its thread, at most so many,
// oldest first. It returns domain.ErrNotFound.
func (r *MailReader) Message(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID, others int) (queries.MessageDetail, error) {
	var m queries.MessageDetail
	late := lateContents{}
	err := r.thread(ctx, journal, accounts, id, others, func(row *threadRow) {
		if row.id != int64(id) {
			m.Others = append(m.Others, late.other(row))
			return
		}
		rest := m.Others
		m = row.detail()
		m.Others = rest
		late.take(row.sum, row.content, allParts, func(c *domain.Content) { m.Content = c })
	})
	if err == nil && m.ID == 0 {
		err = fmt.Errorf("message %d: %w", id, domain.ErrNotFound)
	}
	if err != nil {
		return m, err
	}
	return m, r.fill(ctx, journal, late)
}

// thread calls fn with a message and the newest others of its thread, at most so many, oldest first.
func (r *MailReader) thread(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID, others int, fn func(*threadRow)) error {
	args := []any{int64(journal), int64(id), accountIDs(accounts), r.contents.ParserVersion(), others}
	return r.read(ctx, question{lookup: true, sql: getMessages, args: args, scan: func(rows pgx.Rows) error { return eachThreadRow(rows, fn) }})
}

// Thread returns the newest messages of the thread of a message, at most limit, oldest
// first, by date and id, and how many there are. It returns domain.ErrNotFound.
func (r *MailReader) Thread(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID, limit int) (queries.Thread, error) {
	var out queries.Thread
	late := lateContents{}
	err := r.thread(ctx, journal, accounts, id, limit, func(row *threadRow) {
		out.Total = row.count
		out.Messages = append(out.Messages, late.other(row))
	})
	if err != nil {
		return out, err
	}
	if len(out.Messages) == 0 {
		return out, fmt.Errorf("thread of message %d: %w", id, domain.ErrNotFound)
	}
	out.Messages = out.Messages[max(0, len(out.Messages)-limit):] // the message itself may be older than those
	return out, r.fill(ctx, journal, late)
}

// lateContents are those that the cache does not have, by the SHA-256 of the octets, and
// what is to be done with each.
type lateContents map[[32]byte][]func(*domain.Content)

// take gives use the parts of the content that data holds, or keeps it for fill.
func (l lateContents) take(sum, data []byte, parts contentParts, use func(*domain.Content)) {
	c, err := decodeContent(data, parts)
	if err != nil { // not in the cache, or damaged there
		l[[32]byte(sum)] = append(l[[32]byte(sum)], use)
		return
	}
	use(c)
}

// other returns a row as one of a thread, with its body if that is at hand.
func (l lateContents) other(row *threadRow) *queries.ThreadMessage {
	m := row.other()
	l.take(row.sum, row.content, bodyParts, func(c *domain.Content) { m.Text, m.HTML = c.Text, c.HTML })
	return m
}

// fill reads what the cache does not have. Of octets that are not stored nothing is known.
func (r *MailReader) fill(ctx context.Context, journal events.JournalID, late lateContents) error {
	if len(late) == 0 {
		return nil
	}
	sums := make([][]byte, 0, len(late))
	for sum := range late {
		sums = append(sums, sum[:])
	}
	contents, err := r.contents.Contents(ctx, journal, sums)
	if err != nil {
		return fmt.Errorf("read %d contents: %w", len(sums), err)
	}
	for sum, c := range contents {
		for _, use := range late[sum] {
			use(c)
		}
	}
	return nil
}

const getSum = `
SELECT m.sha256
FROM message m
WHERE m.journal_id = $1 AND m.id = $2 AND ($3::bigint[] IS NULL OR m.account_id = ANY($3))` + notErased

// RawOf returns the SHA-256 of the octets of a message. It returns domain.ErrNotFound.
func (r *MailReader) RawOf(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID) ([]byte, error) {
	var sum []byte
	err := r.read(ctx, question{lookup: true, sql: getSum, args: []any{journal, id, accountIDs(accounts)}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(&sum); err != nil {
				return fmt.Errorf("scan SHA-256: %w", err)
			}
		}
		return rows.Err()
	}})
	if err == nil && sum == nil {
		err = fmt.Errorf("message %d: %w", id, domain.ErrNotFound)
	}
	return sum, err
}

// accountIDs returns ids as a parameter, nil for all.
func accountIDs(accounts []domain.AccountID) []int64 {
	if accounts == nil {
		return nil
	}
	return column(accounts, func(a domain.AccountID) int64 { return int64(a) })
}
