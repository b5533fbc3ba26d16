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
	m.created_at, m.updated_at, m.flags, m.sha256, m.position
FROM message m JOIN thread t ON t.journal_id = m.journal_id AND t.thread_id = m.thread_id
WHERE m.journal_id = $1 AND m.id = $2 AND ($3::bigint[] IS NULL OR m.account_id = ANY($3))` + notErased

// Message returns a message without its content. It returns domain.ErrNotFound.
func (r *MailReader) Message(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID) (queries.MessageDetail, error) {
	var m queries.MessageDetail
	found := false
	err := r.read(ctx, question{sql: getMessage, args: []any{journal, id, accountIDs(accounts)}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			found = true
			err := rows.Scan(&m.ID, &m.Account, &m.MsgID, &m.Subject, &m.Sender, &m.SenderName, &m.Recipient, &m.Date, &m.Folder,
				&m.Thread, &m.ThreadCount, &m.ThreadUnseen, &m.Snippet, &m.Seen, &m.Flagged, &m.HasAttachments, &m.Size, &m.ReceivedAt,
				&m.CreatedAt, &m.UpdatedAt, &m.Flags, &m.SHA256, &m.Position)
			if err != nil {
				return fmt.Errorf("scan message: %w", err)
			}
		}
		return rows.Err()
	}})
	if err != nil {
		return m, err
	}
	if !found {
		return m, fmt.Errorf("message %d: %w", id, domain.ErrNotFound)
	}
	return m, nil
}

// accountIDs returns ids as a parameter, nil for all.
func accountIDs(accounts []domain.AccountID) []int64 {
	if accounts == nil {
		return nil
	}
	return column(accounts, func(a domain.AccountID) int64 { return int64(a) })
}

const getThread = `
SELECT id, subject, sender, recipient, date, folder, sha256, total
FROM (
	SELECT m.id, m.subject, m.sender, m.recipient, m.date, m.folder, m.sha256, t.messages AS total
	FROM message one
	JOIN message m ON m.journal_id = one.journal_id AND m.thread_id = one.thread_id
	JOIN thread t ON t.journal_id = one.journal_id AND t.thread_id = one.thread_id
	WHERE one.journal_id = $1 AND one.id = $2 AND ($3::bigint[] IS NULL OR one.account_id = ANY($3))` + notErased + `
	ORDER BY m.date DESC, m.id DESC
	LIMIT $4) newest
ORDER BY date, id`

// Thread returns the newest messages of the thread of a message, at most limit, oldest
// first, by date and id; the total; and the SHA-256 of each raw message in the same order.
// It returns domain.ErrNotFound.
func (r *MailReader) Thread(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID, limit int) (msgs []queries.ThreadMessage, sums [][]byte, total int, err error) {
	err = r.read(ctx, question{sql: getThread, args: []any{journal, id, accountIDs(accounts), limit}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var m queries.ThreadMessage
			var sum []byte
			if err := rows.Scan(&m.ID, &m.Subject, &m.Sender, &m.Recipient, &m.Date, &m.Folder, &sum, &total); err != nil {
				return fmt.Errorf("scan message of a thread: %w", err)
			}
			msgs, sums = append(msgs, m), append(sums, sum)
		}
		return rows.Err()
	}})
	if err != nil {
		return nil, nil, 0, err
	}
	if len(msgs) == 0 {
		return nil, nil, 0, fmt.Errorf("thread of message %d: %w", id, domain.ErrNotFound)
	}
	return msgs, sums, total, nil
}

const folderTotals = `
SELECT m.folder, sum(m.messages)::bigint, sum(m.unseen)::bigint, sum(m.size)::bigint
FROM tally m
WHERE m.journal_id = $1 AND m.mailbox_id <> 0 AND ($2::bigint[] IS NULL OR m.account_id = ANY($2))` + notErased + `
GROUP BY m.folder
ORDER BY 2 DESC, 1`

// accountTotals finds the ends of each account by its own index.
const accountTotals = `
SELECT coalesce(sum(m.messages), 0)::bigint, min(oldest.date), max(newest.date)
FROM tally m
CROSS JOIN LATERAL (
	SELECT o.date FROM message o
	WHERE o.journal_id = $1 AND o.account_id = m.account_id
	ORDER BY o.date, o.id
	LIMIT 1) oldest
CROSS JOIN LATERAL (
	SELECT n.date FROM message n
	WHERE n.journal_id = $1 AND n.account_id = m.account_id
	ORDER BY n.date DESC, n.id DESC
	LIMIT 1) newest
WHERE m.journal_id = $1 AND m.mailbox_id = 0 AND ($2::bigint[] IS NULL OR m.account_id = ANY($2))` + notErased

// Statistics answers queries.GetStatistics from sums that the fold keeps.
func (r *MailReader) Statistics(ctx context.Context, q queries.GetStatistics) (queries.Statistics, error) {
	var out queries.Statistics
	args := []any{q.Journal, accountIDs(q.Accounts)}
	err := r.read(ctx, question{sql: folderTotals, args: args, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var f queries.FolderCount
			var unseen int
			var size int64
			if err := rows.Scan(&f.Name, &f.Messages, &unseen, &size); err != nil {
				return fmt.Errorf("scan folder: %w", err)
			}
			out.Folders = append(out.Folders, f)
			out.Messages, out.Unseen, out.Size = out.Messages+f.Messages, out.Unseen+unseen, out.Size+size
		}
		return rows.Err()
	}}, question{sql: accountTotals, args: args, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(&out.Threads, &out.Oldest, &out.Newest); err != nil {
				return fmt.Errorf("scan totals: %w", err)
			}
		}
		return rows.Err()
	}})
	return out, err
}
