package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// MailboxStore holds the rows of projections.Mailboxes of one journal, in one
// transaction whose search path is the generation's schema.
type MailboxStore struct {
	tx      pgx.Tx
	journal events.JournalID
}

// NewMailboxStore returns the store of a journal in a transaction.
func NewMailboxStore(tx pgx.Tx, journal events.JournalID) projections.MailboxStore {
	return &MailboxStore{tx, journal}
}

const eraseMailboxes = `DELETE FROM mailbox WHERE journal_id = $1 AND account_id = $2`

// EraseAccount deletes all rows of an account.
func (s *MailboxStore) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	if _, err := s.tx.Exec(ctx, eraseMailboxes, s.journal, acc); err != nil {
		return fmt.Errorf("erase mailboxes of account %d: %w", acc, translate(err))
	}
	return nil
}

const loadMailboxes = `
SELECT b.account_id, b.mailbox_id, b.name, b.role, b.delimiter, b.selected, b.uid_validity, b.messages, b.unseen, b.size, b.removed
FROM unnest($2::bigint[], $3::bigint[]) AS k (account_id, mailbox_id)
JOIN mailbox b ON b.journal_id = $1 AND b.account_id = k.account_id AND b.mailbox_id = k.mailbox_id`

// Load returns the rows with the given keys; an unknown key is left out.
func (s *MailboxStore) Load(ctx context.Context, keys []domain.MailboxKey) (map[domain.MailboxKey]*projections.Mailbox, error) {
	accounts := column(keys, func(k domain.MailboxKey) int64 { return int64(k.Account) })
	mailboxes := column(keys, func(k domain.MailboxKey) int64 { return int64(k.Mailbox) })
	rows, err := s.tx.Query(ctx, loadMailboxes, s.journal, accounts, mailboxes)
	if err != nil {
		return nil, fmt.Errorf("load %d mailboxes: %w", len(keys), translate(err))
	}
	out := make(map[domain.MailboxKey]*projections.Mailbox, len(keys))
	var m projections.Mailbox
	_, err = pgx.ForEachRow(rows, []any{
		&m.Key.Account, &m.Key.Mailbox, &m.Name, &m.Role, &m.Delimiter, &m.Selected, &m.UIDValidity, &m.Messages, &m.Unseen, &m.Size, &m.Removed,
	}, func() error {
		row := m
		out[m.Key] = &row
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load %d mailboxes: %w", len(keys), translate(err))
	}
	return out, nil
}

const saveMailboxes = `
INSERT INTO mailbox (journal_id, account_id, mailbox_id, name, role, delimiter, selected, uid_validity, messages, unseen, size, removed)
SELECT @journal_id, * FROM unnest(@account_id::bigint[], @mailbox_id::bigint[], @name::text[], @role::text[], @delimiter::text[], @selected::boolean[],
	@uid_validity::bigint[], @messages::bigint[], @unseen::bigint[], @size::bigint[], @removed::boolean[])
ON CONFLICT (journal_id, account_id, mailbox_id) DO UPDATE SET
	name = excluded.name, role = excluded.role, delimiter = excluded.delimiter, selected = excluded.selected, uid_validity = excluded.uid_validity,
	messages = excluded.messages, unseen = excluded.unseen, size = excluded.size, removed = excluded.removed`

const deleteMailboxes = `
DELETE FROM mailbox b USING unnest($2::bigint[], $3::bigint[]) AS k (account_id, mailbox_id)
WHERE b.journal_id = $1 AND b.account_id = k.account_id AND b.mailbox_id = k.mailbox_id`

// Save writes all rows, new and changed; one that is removed and has no messages is deleted.
func (s *MailboxStore) Save(ctx context.Context, rows map[domain.MailboxKey]*projections.Mailbox) error {
	var keep, gone []*projections.Mailbox
	for _, m := range rows {
		if m.Removed && m.Messages == 0 {
			gone = append(gone, m)
			continue
		}
		keep = append(keep, m)
	}
	// One order for all writers, so that two never wait for each other.
	slices.SortFunc(keep, func(a, b *projections.Mailbox) int { return int(a.Key.Mailbox - b.Key.Mailbox) })
	var b pgx.Batch
	if len(keep) > 0 {
		b.Queue(saveMailboxes, s.mailboxColumns(keep))
	}
	if len(gone) > 0 {
		b.Queue(deleteMailboxes, s.journal,
			column(gone, func(m *projections.Mailbox) int64 { return int64(m.Key.Account) }),
			column(gone, func(m *projections.Mailbox) int64 { return int64(m.Key.Mailbox) }))
	}
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("save %d mailboxes: %w", len(rows), translate(err))
	}
	return nil
}

func (s *MailboxStore) mailboxColumns(rows []*projections.Mailbox) pgx.StrictNamedArgs {
	return pgx.StrictNamedArgs{
		"journal_id":   s.journal,
		"account_id":   column(rows, func(m *projections.Mailbox) int64 { return int64(m.Key.Account) }),
		"mailbox_id":   column(rows, func(m *projections.Mailbox) int64 { return int64(m.Key.Mailbox) }),
		"name":         column(rows, func(m *projections.Mailbox) string { return string(m.Name) }),
		"role":         column(rows, func(m *projections.Mailbox) string { return string(m.Role) }),
		"delimiter":    column(rows, func(m *projections.Mailbox) string { return m.Delimiter }),
		"selected":     column(rows, func(m *projections.Mailbox) bool { return m.Selected }),
		"uid_validity": column(rows, func(m *projections.Mailbox) int64 { return int64(m.UIDValidity) }),
		"messages":     column(rows, func(m *projections.Mailbox) int64 { return int64(m.Messages) }),
		"unseen":       column(rows, func(m *projections.Mailbox) int64 { return int64(m.Unseen) }),
		"size":         column(rows, func(m *projections.Mailbox) int64 { return m.Size }),
		"removed":      column(rows, func(m *projections.Mailbox) bool { return m.Removed }),
	}
}
