package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// HistoryStore holds the rows of projections.History of one journal, in one
// transaction whose search path is the generation's schema.
type HistoryStore struct {
	tx      pgx.Tx
	journal events.JournalID
}

// NewHistoryStore returns the store of a journal in a transaction.
func NewHistoryStore(tx pgx.Tx, journal events.JournalID) projections.HistoryStore {
	return &HistoryStore{tx, journal}
}

// Journal returns the journal the store is of.
func (s *HistoryStore) Journal() events.JournalID { return s.journal }

const (
	eraseVersions        = `DELETE FROM version WHERE journal_id = $1 AND account_id = $2`
	eraseMerges          = `DELETE FROM merge WHERE journal_id = $1 AND account_id = $2`
	eraseMailboxVersions = `DELETE FROM mailbox_version WHERE journal_id = $1 AND account_id = $2`
	eraseAccountVersions = `DELETE FROM account_version WHERE journal_id = $1 AND account_id = $2`
)

// EraseAccount deletes all rows of an account.
func (s *HistoryStore) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	var b pgx.Batch
	for _, statement := range []string{eraseVersions, eraseMerges, eraseMailboxVersions, eraseAccountVersions} {
		b.Queue(statement, s.journal, acc)
	}
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("erase history of account %d: %w", acc, translate(err))
	}
	return nil
}

const (
	// loadVersions finds those that are still so by two indexes.
	loadVersions = `
SELECT ` + storedColumns + `, from_position
FROM version
WHERE journal_id = $1 AND id = ANY($2) AND until_position = 9223372036854775807
UNION ALL
SELECT ` + storedColumns + `, from_position
FROM version
WHERE journal_id = $1 AND thread_id = ANY($3) AND until_position = 9223372036854775807 AND id <> ALL($2)`

	loadAccountVersions = `
SELECT v.account_id, v.position, v.version, v.settings, v.state, v.last_sync, v.last_error, v.last_run, v.created_at, v.updated_at
FROM unnest($2::bigint[]) AS a (account_id)
CROSS JOIN LATERAL (
	SELECT * FROM account_version v
	WHERE v.journal_id = $1 AND v.account_id = a.account_id
	ORDER BY v.position DESC
	LIMIT 1) v`
)

// Load returns the versions that are still so, of the messages named and of all in the threads
// named, and the last version of each account named.
func (s *HistoryStore) Load(ctx context.Context, ids []domain.MessageID, threads []domain.ThreadID, accounts []domain.AccountID) ([]*projections.Version, []projections.AccountVersion, error) {
	var versions []*projections.Version
	var states []projections.AccountVersion
	var b pgx.Batch
	if len(ids)+len(threads) > 0 {
		args := []any{s.journal, messageIDs(ids), column(threads, func(t domain.ThreadID) int64 { return int64(t) })}
		b.Queue(loadVersions, args...).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				v := &projections.Version{Until: projections.Now}
				if err := scanStoredMessage(rows, &v.Message); err != nil {
					return fmt.Errorf("scan version: %w", err)
				}
				versions = append(versions, v)
			}
			return rows.Err()
		})
	}
	if len(accounts) > 0 {
		b.Queue(loadAccountVersions, s.journal, accountIDs(accounts)).Query(scanAccountVersions(&states))
	}
	if b.Len() == 0 {
		return nil, nil, nil
	}
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, nil, fmt.Errorf("load versions of %d messages and %d accounts: %w", len(ids), len(accounts), translate(err))
	}
	return versions, states, nil
}

func scanAccountVersions(into *[]projections.AccountVersion) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			var v projections.AccountVersion
			a := &v.Account
			err := rows.Scan(&a.ID, &v.Position, &a.Version, &a.Settings, &v.State, &a.LastSync, &a.LastError, &a.LastRun, &a.CreatedAt, &a.UpdatedAt)
			if err != nil {
				return fmt.Errorf("scan version of an account: %w", err)
			}
			*into = append(*into, v)
		}
		return rows.Err()
	}
}

const forgetVersions = `DELETE FROM version WHERE journal_id = $1 AND id = ANY($2)`

const addVersions = `
INSERT INTO version (journal_id, id, from_position, until_position, account_id, mailbox_id, thread_id, date, internal_date, size,
	created_at, updated_at, parser, seen, flagged, has_attachments, important, junk, sha256, flags, folder, folder_fold, msg_id, in_reply_to,
	subject, subject_fold, sender, sender_fold, sender_name, recipient, recipient_fold, snippet)
SELECT @journal_id, id, position, 9223372036854775807, account_id, mailbox_id, thread_id, date, internal_date, size,
	created_at, updated_at, parser, seen, flagged, has_attachments, important, junk, sha256, string_to_array(flags, E'\x1f'),
	folder, folder_fold, msg_id, in_reply_to,
	subject, subject_fold, sender, sender_fold, sender_name, recipient, recipient_fold, snippet
` + messageArrays

const closeVersions = `
UPDATE version AS v SET until_position = x.until_position
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS x (id, from_position, until_position)
WHERE v.journal_id = $1 AND v.id = x.id AND v.from_position = x.from_position`

const addMerges = `
INSERT INTO merge (journal_id, thread_id, into_id, account_id, position)
SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
ON CONFLICT (journal_id, thread_id) DO NOTHING` // messages that are made anew tell of them again

const addMailboxVersions = `
INSERT INTO mailbox_version (journal_id, account_id, mailbox_id, position, name, role, removed)
SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::boolean[])`

const addAccountVersions = `
INSERT INTO account_version (journal_id, account_id, position, version, settings, state, last_sync, last_error, last_run, created_at, updated_at)
SELECT @journal_id, * FROM unnest(@account_id::bigint[], @position::bigint[], @version::bigint[], @settings::jsonb[], @state::text[],
	@last_sync::timestamptz[], @last_error::text[], @last_run::bigint[], @created_at::timestamptz[], @updated_at::timestamptz[])`

// Save writes the changes, in one round trip.
func (s *HistoryStore) Save(ctx context.Context, changes projections.HistoryChanges) error {
	var b pgx.Batch
	if len(changes.Forget) > 0 {
		b.Queue(forgetVersions, s.journal, messageIDs(changes.Forget))
	}
	if len(changes.Add) > 0 {
		b.Queue(addVersions, messageColumns(s.journal, column(changes.Add, func(v *projections.Version) *projections.Message { return &v.Message })))
	}
	if rows := changes.Close; len(rows) > 0 {
		b.Queue(closeVersions, s.journal,
			column(rows, func(v *projections.Version) int64 { return int64(v.ID) }),
			column(rows, func(v *projections.Version) int64 { return int64(v.Position) }),
			column(rows, func(v *projections.Version) int64 { return int64(v.Until) }))
	}
	if rows := changes.Merges; len(rows) > 0 {
		b.Queue(addMerges, s.journal,
			column(rows, func(m projections.Merge) int64 { return int64(m.From) }),
			column(rows, func(m projections.Merge) int64 { return int64(m.Into) }),
			column(rows, func(m projections.Merge) int64 { return int64(m.Account) }),
			column(rows, func(m projections.Merge) int64 { return int64(m.Position) }))
	}
	if rows := changes.Mailboxes; len(rows) > 0 {
		b.Queue(addMailboxVersions, s.mailboxColumns(rows)...)
	}
	if len(changes.Accounts) > 0 {
		args, err := s.accountColumns(changes.Accounts)
		if err != nil {
			return err
		}
		b.Queue(addAccountVersions, args)
	}
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("save %d versions: %w", len(changes.Add), translate(err))
	}
	return nil
}

func (s *HistoryStore) mailboxColumns(rows []projections.MailboxVersion) []any {
	return []any{
		s.journal,
		column(rows, func(m projections.MailboxVersion) int64 { return int64(m.Key.Account) }),
		column(rows, func(m projections.MailboxVersion) int64 { return int64(m.Key.Mailbox) }),
		column(rows, func(m projections.MailboxVersion) int64 { return int64(m.Position) }),
		column(rows, func(m projections.MailboxVersion) string { return string(m.Name) }),
		column(rows, func(m projections.MailboxVersion) string { return string(m.Role) }),
		column(rows, func(m projections.MailboxVersion) bool { return m.Removed }),
	}
}

func (s *HistoryStore) accountColumns(rows []projections.AccountVersion) (pgx.StrictNamedArgs, error) {
	settings := make([]string, len(rows))
	for i := range rows {
		b, err := json.Marshal(rows[i].Settings)
		if err != nil {
			return nil, fmt.Errorf("encode settings of account %d: %w", rows[i].ID, err)
		}
		settings[i] = string(b)
	}
	return pgx.StrictNamedArgs{
		"journal_id": s.journal,
		"account_id": column(rows, func(a projections.AccountVersion) int64 { return int64(a.ID) }),
		"position":   column(rows, func(a projections.AccountVersion) int64 { return int64(a.Position) }),
		"version":    column(rows, func(a projections.AccountVersion) int64 { return a.Version }),
		"settings":   settings,
		"state":      column(rows, func(a projections.AccountVersion) string { return a.State }),
		"last_sync":  column(rows, func(a projections.AccountVersion) *time.Time { return a.LastSync }),
		"last_error": column(rows, func(a projections.AccountVersion) string { return a.LastError }),
		"last_run":   column(rows, func(a projections.AccountVersion) int64 { return int64(a.LastRun) }),
		"created_at": column(rows, func(a projections.AccountVersion) time.Time { return a.CreatedAt }),
		"updated_at": column(rows, func(a projections.AccountVersion) time.Time { return a.UpdatedAt }),
	}, nil
}
