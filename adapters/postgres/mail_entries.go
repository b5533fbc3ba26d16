package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/queries"
)

// entryColumns is followed by which messages are meant, and by lastEntries.
const entryColumns = `
SELECT m.id, m.account_id, m.thread_id, m.folder, m.flags, m.snippet, m.size, m.internal_date, m.position, m.sha256
FROM message m
WHERE m.journal_id = $1 AND ($2::bigint[] IS NULL OR m.account_id = ANY($2))` + notErased

const (
	entriesByID = entryColumns + `
	AND m.id = ANY($3)
ORDER BY m.date, m.id`
	entriesOfThread = entryColumns + `
	AND m.thread_id = coalesce((SELECT a.into_id FROM thread_alias a WHERE a.journal_id = $1 AND a.thread_id = $3), $3)
ORDER BY m.date, m.id`
)

// Entries returns the messages with these ids, or all of a thread, which may be named by an
// earlier id, by date and then id.
func (r *MailReader) Entries(ctx context.Context, q queries.GetEntries) ([]queries.Entry, error) {
	sql, which := entriesByID, any(messageIDs(q.IDs))
	if q.Thread != 0 {
		sql, which = entriesOfThread, int64(q.Thread)
	}
	var out []queries.Entry
	err := r.read(ctx, question{lookup: true, sql: sql, args: []any{q.Journal, accountIDs(q.Accounts), which}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var e queries.Entry
			err := rows.Scan(&e.ID, &e.Account, &e.Thread, &e.Folder, &e.Flags, &e.Snippet, &e.Size, &e.ReceivedAt, &e.Position, &e.SHA256)
			if err != nil {
				return fmt.Errorf("scan entry: %w", err)
			}
			out = append(out, e)
		}
		return rows.Err()
	}})
	return out, err
}
