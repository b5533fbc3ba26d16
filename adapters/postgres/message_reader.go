package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

const getMessage = `
SELECT m.id, m.account_id, m.msg_id, m.subject, m.sender, m.sender_name, m.recipient, m.date, m.folder,
	m.thread_id, t.messages, t.unseen, m.snippet, m.seen, m.flagged, m.has_attachments, m.size, m.internal_date,
	m.created_at, m.updated_at, m.flags, m.position, m.sha256, c.data
FROM message m
JOIN thread t ON t.journal_id = m.journal_id AND t.thread_id = m.thread_id
LEFT JOIN raw.contents c ON c.journal_id = $1 AND c.sha256 = m.sha256 AND c.version = $4
WHERE m.journal_id = $1 AND m.id = $2 AND ($3::bigint[] IS NULL OR m.account_id = ANY($3))` + notErased

// threadOf is the newest messages of the thread of a message, without itself if $6 says so.
const threadOf = `
SELECT m.id, m.subject, m.sender, m.recipient, m.date, m.folder, m.sha256, c.data
FROM (
	SELECT m.id, m.subject, m.sender, m.recipient, m.date, m.folder, m.sha256
	FROM message one
	JOIN message m ON m.journal_id = one.journal_id AND m.thread_id = one.thread_id
	WHERE one.journal_id = $1 AND one.id = $2 AND ($3::bigint[] IS NULL OR one.account_id = ANY($3))
		AND NOT ($6 AND m.id = one.id)` + notErased + `
	ORDER BY m.date DESC, m.id DESC
	LIMIT $5) m
LEFT JOIN raw.contents c ON c.journal_id = $1 AND c.sha256 = m.sha256 AND c.version = $4
ORDER BY m.date, m.id`

const threadTotal = `
SELECT t.messages
FROM message m JOIN thread t ON t.journal_id = m.journal_id AND t.thread_id = m.thread_id
WHERE m.journal_id = $1 AND m.id = $2 AND ($3::bigint[] IS NULL OR m.account_id = ANY($3))` + notErased

// Message returns a message whole, with the newest others of its thread, at most so many,
// oldest first. It returns domain.ErrNotFound.
func (r *MailReader) Message(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID, others int) (queries.MessageDetail, error) {
	m := queries.MessageDetail{Content: &domain.Content{}}
	found := false
	late := lateContents{}
	args := []any{journal, id, accountIDs(accounts), r.contents.ParserVersion()}
	questions := []question{{lookup: true, sql: getMessage, args: args, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			found = true
			var data []byte
			err := rows.Scan(&m.ID, &m.Account, &m.MsgID, &m.Subject, &m.Sender, &m.SenderName, &m.Recipient, &m.Date, &m.Folder,
				&m.Thread, &m.ThreadCount, &m.ThreadUnseen, &m.Snippet, &m.Seen, &m.Flagged, &m.HasAttachments, &m.Size, &m.ReceivedAt,
				&m.CreatedAt, &m.UpdatedAt, &m.Flags, &m.Position, &m.SHA256, &data)
			if err != nil {
				return fmt.Errorf("scan message: %w", err)
			}
			late.take(m.SHA256, data, allParts, func(c *domain.Content) { m.Content = c })
		}
		return rows.Err()
	}}}
	if others > 0 {
		questions = append(questions, askThread(args, others, true, &m.Others, late))
	}
	if err := r.read(ctx, questions...); err != nil {
		return m, err
	}
	if !found {
		return m, fmt.Errorf("message %d: %w", id, domain.ErrNotFound)
	}
	return m, r.fill(ctx, journal, late)
}

// askThread asks for messages of a thread.
func askThread(args []any, limit int, others bool, into *[]*queries.ThreadMessage, late lateContents) question {
	return question{lookup: true, sql: threadOf, args: append(args[:4:4], limit, others), scan: func(rows pgx.Rows) error {
		for rows.Next() {
			m := &queries.ThreadMessage{}
			var sum, data []byte
			if err := rows.Scan(&m.ID, &m.Subject, &m.Sender, &m.Recipient, &m.Date, &m.Folder, &sum, &data); err != nil {
				return fmt.Errorf("scan message of a thread: %w", err)
			}
			*into = append(*into, m)
			late.take(sum, data, bodyParts, func(c *domain.Content) { m.Text, m.HTML = c.Text, c.HTML })
		}
		return rows.Err()
	}}
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

// Thread returns the newest messages of the thread of a message, at most limit, oldest
// first, by date and id, and how many there are. It returns domain.ErrNotFound.
func (r *MailReader) Thread(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID, limit int) (queries.Thread, error) {
	var out queries.Thread
	late := lateContents{}
	args := []any{journal, id, accountIDs(accounts), r.contents.ParserVersion()}
	err := r.read(ctx,
		question{lookup: true, sql: threadTotal, args: args[:3], scan: scanCount(&out.Total)},
		askThread(args, limit, false, &out.Messages, late))
	if err != nil {
		return out, err
	}
	if len(out.Messages) == 0 {
		return out, fmt.Errorf("thread of message %d: %w", id, domain.ErrNotFound)
	}
	return out, r.fill(ctx, journal, late)
}
