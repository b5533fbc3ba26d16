package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

const exportPage = `
SELECT m.id, m.folder, m.flags, m.internal_date, m.size, m.msg_id, m.thread_id, m.sender, m.sha256
FROM message m
WHERE m.journal_id = $1 AND m.account_id = $2 AND m.id > $3` + notErased + `
ORDER BY m.id LIMIT $4`

// ExportPage returns up to limit messages of an account with ids after the given one, by id, without
// their octets.
func (r *MailReader) ExportPage(ctx context.Context, journal events.JournalID, acc domain.AccountID, after domain.MessageID, limit int) ([]queries.ExportedMessage, error) {
	var out []queries.ExportedMessage
	err := r.read(ctx, question{lookup: true, sql: exportPage, args: []any{journal, acc, after, limit}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var m queries.ExportedMessage
			if err := rows.Scan(&m.ID, &m.Folder, &m.Flags, &m.InternalDate, &m.Size, &m.MsgID, &m.Thread, &m.Sender, &m.SHA256); err != nil {
				return fmt.Errorf("scan message: %w", err)
			}
			out = append(out, m)
		}
		return rows.Err()
	}})
	return out, err
}
