package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// MessageOpener reads single messages from the mail read model, with their folders from that of mailboxes, and their octets.
type MessageOpener struct{ view }

// NewMessageOpener returns a reader of the given versions of projections.Mail and projections.Mailboxes.
func NewMessageOpener(pool *pgxpool.Pool, mail, mailboxes int) *MessageOpener {
	return &MessageOpener{view{pool: pool, projection: "mail", version: mail, beside: "mailboxes", besideVersion: mailboxes}}
}

// openMessage is one statement, since a reader of many single messages pays for each.
const openMessage = `
SELECT m.id, m.account_id, m.thread_id, m.folder, m.flags, m.snippet, m.size, m.internal_date, m.position, m.sha256,
	coalesce(b.role, ''), coalesce(b.delimiter, ''), r.size, r.codec, r.data
FROM message m
LEFT JOIN mailbox b ON b.journal_id = $1 AND b.account_id = m.account_id AND b.mailbox_id = m.mailbox_id AND b.name = m.folder AND NOT b.removed
LEFT JOIN raw.messages r ON $4 AND r.journal_id = $1 AND r.sha256 = m.sha256
WHERE m.journal_id = $1 AND m.id = $2 AND ($3::bigint[] IS NULL OR m.account_id = ANY($3))` + notErased

// Open returns a message, its folder and, if q wants them, its octets: nil if they are not stored. It returns domain.ErrNotFound.
func (o *MessageOpener) Open(ctx context.Context, q queries.OpenMessage) (e queries.Entry, f queries.Folder, octets []byte, err error) {
	args := []any{int64(q.Journal), int64(q.ID), accountIDs(q.Accounts), q.Parts != queries.NoParts}
	err = o.read(ctx, question{lookup: true, sql: openMessage, args: args, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var size *int64
			var codec *int16
			var data []byte
			err := rows.Scan(&e.ID, &e.Account, &e.Thread, &e.Folder, &e.Flags, &e.Snippet, &e.Size, &e.ReceivedAt, &e.Position, &e.SHA256,
				&f.Role, &f.Delimiter, &size, &codec, &data)
			if err != nil {
				return fmt.Errorf("scan message: %w", err)
			}
			if data == nil {
				continue
			}
			if octets, err = unpack(data, *codec, *size); err != nil {
				return fmt.Errorf("raw message %x: %w", e.SHA256, err)
			}
		}
		return rows.Err()
	}})
	if err == nil && e.ID == 0 {
		err = fmt.Errorf("message %d: %w", q.ID, domain.ErrNotFound)
	}
	f.Name = e.Folder
	return e, f, octets, err
}
