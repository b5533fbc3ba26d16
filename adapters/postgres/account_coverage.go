package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

const deleteChecks = `
DELETE FROM mailbox_coverage m
USING unnest($2::bigint[], $3::bigint[]) AS u (account_id, mailbox_id)
WHERE m.journal_id = $1 AND m.account_id = u.account_id AND m.mailbox_id = u.mailbox_id`

const saveChecks = `
INSERT INTO mailbox_coverage (journal_id, account_id, mailbox_id, position, checked_at, checked)
SELECT $1, u.* FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::json[]) AS u
ON CONFLICT (journal_id, account_id, mailbox_id) DO UPDATE SET
	position = excluded.position, checked_at = excluded.checked_at, checked = excluded.checked`

// queueChecks queues the checks of mailboxes, those without one to be deleted.
func (s *AccountStore) queueChecks(b *pgx.Batch, checks map[domain.MailboxKey]*projections.MailboxCoverage) error {
	keys := slices.SortedFunc(maps.Keys(checks), func(a, b domain.MailboxKey) int { return cmp.Compare(a.Mailbox, b.Mailbox) })
	gone := slices.DeleteFunc(slices.Clone(keys), func(k domain.MailboxKey) bool { return checks[k] != nil })
	keys = slices.DeleteFunc(keys, func(k domain.MailboxKey) bool { return checks[k] == nil })
	account := func(k domain.MailboxKey) int64 { return int64(k.Account) }
	mailbox := func(k domain.MailboxKey) int64 { return int64(k.Mailbox) }
	if len(gone) > 0 {
		b.Queue(deleteChecks, s.journal, column(gone, account), column(gone, mailbox))
	}
	if len(keys) == 0 {
		return nil
	}
	texts := make([]string, len(keys))
	for i, k := range keys {
		text, err := json.Marshal(checks[k].Checked)
		if err != nil {
			return fmt.Errorf("encode check of mailbox %d: %w", k.Mailbox, err)
		}
		texts[i] = string(text)
	}
	b.Queue(saveChecks, s.journal, column(keys, account), column(keys, mailbox),
		column(keys, func(k domain.MailboxKey) int64 { return int64(checks[k].Position) }),
		column(keys, func(k domain.MailboxKey) time.Time { return checks[k].At }), texts)
	return nil
}

const listChecks = `
SELECT m.checked, m.checked_at, m.position
FROM mailbox_coverage m
WHERE m.journal_id = $1 AND m.account_id = $2` + notErased + `
ORDER BY m.mailbox_id`

// Coverage returns the last check of each mailbox of an account.
func (r *AccountReader) Coverage(ctx context.Context, journal events.JournalID, acc domain.AccountID) ([]queries.MailboxCoverage, error) {
	var out []queries.MailboxCoverage
	err := r.read(ctx, question{sql: listChecks, args: []any{journal, acc}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var c queries.MailboxCoverage
			if err := rows.Scan(&c.CoverageChecked, &c.CheckedAt, &c.Position); err != nil {
				return fmt.Errorf("scan check: %w", err)
			}
			out = append(out, c)
		}
		return rows.Err()
	}})
	return out, err
}
