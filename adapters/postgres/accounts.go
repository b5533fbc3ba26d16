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
)

// AccountStore holds the rows of projections.Accounts of one journal, in one
// transaction whose search path is the generation's schema.
type AccountStore struct {
	tx      pgx.Tx
	journal events.JournalID
}

// NewAccountStore returns the store of a journal in a transaction.
func NewAccountStore(tx pgx.Tx, journal events.JournalID) projections.AccountStore {
	return &AccountStore{tx, journal}
}

const (
	eraseAccountRow = `DELETE FROM account WHERE journal_id = $1 AND account_id = $2`
	eraseRuns       = `DELETE FROM sync_run WHERE journal_id = $1 AND account_id = $2`
	eraseChecks     = `DELETE FROM mailbox_coverage WHERE journal_id = $1 AND account_id = $2`
)

// EraseAccount deletes all rows of an account.
func (s *AccountStore) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	var b pgx.Batch
	b.Queue(eraseAccountRow, s.journal, acc)
	b.Queue(eraseRuns, s.journal, acc)
	b.Queue(eraseChecks, s.journal, acc)
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("erase account %d: %w", acc, translate(err))
	}
	return nil
}

const loadAccounts = `
SELECT account_id, version, settings, last_sync, last_error, last_run, created_at, updated_at
FROM account
WHERE journal_id = $1 AND account_id = ANY($2)`

const loadOpenRuns = `
SELECT sync_id, run
FROM sync_run
WHERE journal_id = $1 AND account_id = ANY($2) AND NOT ended`

// Load returns the accounts with the given ids, and of each the runs that have not ended.
func (s *AccountStore) Load(ctx context.Context, ids []domain.AccountID) (map[domain.AccountID]*projections.Account, map[domain.SyncID]*projections.SyncRun, error) {
	accounts := make(map[domain.AccountID]*projections.Account, len(ids))
	runs := map[domain.SyncID]*projections.SyncRun{}
	var b pgx.Batch
	b.Queue(loadAccounts, s.journal, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			a := &projections.Account{}
			if err := rows.Scan(&a.ID, &a.Version, &a.Settings, &a.LastSync, &a.LastError, &a.LastRun, &a.CreatedAt, &a.UpdatedAt); err != nil {
				return fmt.Errorf("scan account: %w", err)
			}
			accounts[a.ID] = a
		}
		return rows.Err()
	})
	b.Queue(loadOpenRuns, s.journal, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id domain.SyncID
			r := &projections.SyncRun{}
			if err := rows.Scan(&id, &r.End); err != nil {
				return fmt.Errorf("scan sync run: %w", err)
			}
			runs[id] = r
		}
		return rows.Err()
	})
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, nil, fmt.Errorf("load %d accounts: %w", len(ids), translate(err))
	}
	return accounts, runs, nil
}

const saveAccounts = `
INSERT INTO account (journal_id, account_id, version, settings, last_sync, last_error, last_run, created_at, updated_at)
SELECT @journal_id, * FROM unnest(@account_id::bigint[], @version::bigint[], @settings::jsonb[], @last_sync::timestamptz[],
	@last_error::text[], @last_run::bigint[], @created_at::timestamptz[], @updated_at::timestamptz[])
ON CONFLICT (journal_id, account_id) DO UPDATE SET
	version = excluded.version, settings = excluded.settings, last_sync = excluded.last_sync, last_error = excluded.last_error,
	last_run = excluded.last_run, created_at = excluded.created_at, updated_at = excluded.updated_at`

const saveRuns = `
INSERT INTO sync_run (journal_id, account_id, sync_id, status, trigger, ended, run, error)
SELECT @journal_id, * FROM unnest(@account_id::bigint[], @sync_id::bigint[], @status::text[], @trigger::text[],
	@ended::boolean[], @run::jsonb[], @error::jsonb[])
ON CONFLICT (journal_id, account_id, sync_id) DO UPDATE SET
	status = excluded.status, trigger = excluded.trigger, ended = excluded.ended, run = excluded.run, error = excluded.error`

// Save writes all rows, new and changed. A nil check deletes the row.
func (s *AccountStore) Save(ctx context.Context, accounts map[domain.AccountID]*projections.Account, runs map[domain.SyncID]*projections.SyncRun,
	checks map[domain.MailboxKey]*projections.MailboxCoverage,
) error {
	var b pgx.Batch
	if err := s.queueChecks(&b, checks); err != nil {
		return err
	}
	if len(accounts) > 0 {
		args, err := s.accountColumns(slices.SortedFunc(maps.Values(accounts),
			func(a, b *projections.Account) int { return cmp.Compare(a.ID, b.ID) }))
		if err != nil {
			return err
		}
		b.Queue(saveAccounts, args)
	}
	if len(runs) > 0 {
		args, err := s.runColumns(slices.SortedFunc(maps.Values(runs),
			func(a, b *projections.SyncRun) int { return cmp.Compare(a.End.Sync, b.End.Sync) }))
		if err != nil {
			return err
		}
		b.Queue(saveRuns, args)
	}
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("save %d accounts, %d sync runs and %d checks: %w", len(accounts), len(runs), len(checks), translate(err))
	}
	return nil
}

// Moments are compared as text, which an index can hold; a second more or less does not matter.
const dropRuns = `
DELETE FROM sync_run
WHERE journal_id = $1 AND account_id = $2 AND run ->> 'queued_at' < $3`

// DropRuns deletes the runs of an account that were queued before a moment.
func (s *AccountStore) DropRuns(ctx context.Context, acc domain.AccountID, before time.Time) error {
	if _, err := s.tx.Exec(ctx, dropRuns, s.journal, acc, before.UTC().Format(time.RFC3339)); err != nil {
		return fmt.Errorf("drop old runs of account %d: %w", acc, translate(err))
	}
	return nil
}

func (s *AccountStore) accountColumns(rows []*projections.Account) (pgx.StrictNamedArgs, error) {
	settings := make([]string, len(rows))
	for i, a := range rows {
		b, err := json.Marshal(a.Settings)
		if err != nil {
			return nil, fmt.Errorf("encode settings of account %d: %w", a.ID, err)
		}
		settings[i] = string(b)
	}
	return pgx.StrictNamedArgs{
		"journal_id": s.journal,
		"account_id": column(rows, func(a *projections.Account) int64 { return int64(a.ID) }),
		"version":    column(rows, func(a *projections.Account) int64 { return a.Version }),
		"settings":   settings,
		"last_sync":  column(rows, func(a *projections.Account) *time.Time { return a.LastSync }),
		"last_error": column(rows, func(a *projections.Account) string { return a.LastError }),
		"last_run":   column(rows, func(a *projections.Account) int64 { return int64(a.LastRun) }),
		"created_at": column(rows, func(a *projections.Account) time.Time { return a.CreatedAt }),
		"updated_at": column(rows, func(a *projections.Account) time.Time { return a.UpdatedAt }),
	}, nil
}

func (s *AccountStore) runColumns(rows []*projections.SyncRun) (pgx.StrictNamedArgs, error) {
	ends, faults := make([]string, len(rows)), make([]*string, len(rows))
	for i, r := range rows {
		b, err := json.Marshal(r.End)
		if err != nil {
			return nil, fmt.Errorf("encode sync run %d: %w", r.End.Sync, err)
		}
		ends[i] = string(b)
		if r.Error == nil {
			continue
		}
		if b, err = json.Marshal(r.Error); err != nil {
			return nil, fmt.Errorf("encode error of sync run %d: %w", r.End.Sync, err)
		}
		text := string(b)
		faults[i] = &text
	}
	return pgx.StrictNamedArgs{
		"journal_id": s.journal,
		"account_id": column(rows, func(r *projections.SyncRun) int64 { return int64(r.End.Account) }),
		"sync_id":    column(rows, func(r *projections.SyncRun) int64 { return int64(r.End.Sync) }),
		"status":     column(rows, func(r *projections.SyncRun) string { return r.End.Status }),
		"trigger":    column(rows, func(r *projections.SyncRun) string { return r.End.Trigger }),
		"ended":      column(rows, func(r *projections.SyncRun) bool { return r.Ended }),
		"run":        ends,
		"error":      faults,
	}, nil
}
