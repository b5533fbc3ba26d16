package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// MailboxReader reads the mailboxes read model.
type MailboxReader struct{ view }

// NewMailboxReader returns a reader of the given version of projections.Mailboxes.
func NewMailboxReader(pool *pgxpool.Pool, version int) *MailboxReader {
	return &MailboxReader{view{pool: pool, projection: "mailboxes", version: version}}
}

const folderCounts = `
SELECT m.name, sum(m.messages)::bigint
FROM mailbox m
WHERE m.journal_id = $1 AND m.messages > 0 AND ($2::bigint[] IS NULL OR m.account_id = ANY($2))` + notErased + `
GROUP BY m.name
ORDER BY 2 DESC, 1`

// FolderCounts answers queries.ListFolders.
func (r *MailboxReader) FolderCounts(ctx context.Context, q queries.ListFolders) ([]queries.FolderCount, error) {
	var out []queries.FolderCount
	err := r.read(ctx, question{sql: folderCounts, args: []any{q.Journal, accountIDs(q.Accounts)}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var f queries.FolderCount
			if err := rows.Scan(&f.Name, &f.Messages); err != nil {
				return fmt.Errorf("scan folder: %w", err)
			}
			out = append(out, f)
		}
		return rows.Err()
	}})
	return out, err
}

// listFolders leaves out mailboxes that are known from their messages only, or
// are gone from the server while their messages are still being removed.
const listFolders = `
SELECT m.account_id, m.name, m.role, m.delimiter, m.selected, m.messages, m.unseen, m.size, m.uid_validity
FROM mailbox m
WHERE m.journal_id = $1 AND ($2::bigint[] IS NULL OR m.account_id = ANY($2)) AND m.name <> '' AND NOT m.removed` + notErased + `
ORDER BY m.account_id, m.name, m.mailbox_id`

// Folders returns all folders of an account, by name.
func (r *MailboxReader) Folders(ctx context.Context, journal events.JournalID, acc domain.AccountID) ([]queries.Folder, error) {
	all, err := r.FoldersOf(ctx, journal, []domain.AccountID{acc})
	return all[acc], err
}

// FoldersOf returns all folders of accounts, by name; accounts nil: all of the journal.
func (r *MailboxReader) FoldersOf(ctx context.Context, journal events.JournalID, accounts []domain.AccountID) (map[domain.AccountID][]queries.Folder, error) {
	out := map[domain.AccountID][]queries.Folder{}
	err := r.read(ctx, question{sql: listFolders, args: []any{journal, accountIDs(accounts)}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var acc domain.AccountID
			var f queries.Folder
			if err := rows.Scan(&acc, &f.Name, &f.Role, &f.Delimiter, &f.Selected, &f.Messages, &f.Unseen, &f.Size, &f.UIDValidity); err != nil {
				return fmt.Errorf("scan folder: %w", err)
			}
			out[acc] = append(out[acc], f)
		}
		return rows.Err()
	}})
	return out, err
}

const foldersNamed = `
SELECT DISTINCT m.name, m.name = $3
FROM mailbox m
WHERE m.journal_id = $1 AND ($2::bigint[] IS NULL OR m.account_id = ANY($2))
	AND (m.name = $3 OR (m.role = $4 AND $4 <> ''))` + notErased

// FoldersNamed returns the folders of the accounts with exactly this name; if there are none,
// those with the role.
func (r *MailboxReader) FoldersNamed(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, name domain.MailboxName, role domain.Role) ([]domain.MailboxName, error) {
	if !storable(string(name)) {
		return nil, nil
	}
	var named, special []domain.MailboxName
	err := r.read(ctx, question{sql: foldersNamed, args: []any{journal, accountIDs(accounts), name, role}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var folder domain.MailboxName
			var exact bool
			if err := rows.Scan(&folder, &exact); err != nil {
				return fmt.Errorf("scan folder: %w", err)
			}
			if exact {
				named = append(named, folder)
				continue
			}
			special = append(special, folder)
		}
		return rows.Err()
	}})
	if named == nil {
		named = special
	}
	return named, err
}
