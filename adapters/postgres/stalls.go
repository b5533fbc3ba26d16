package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
)

const idleRuns = `
SELECT a.journal_id, a.account_id, a.settings ->> 'name', q.sync_id, a.lease, greatest(q.started_at, q.progress_at), a.synced_at, a.last_error
FROM state.sync_queue q
JOIN state.accounts a ON a.journal_id = q.journal_id AND a.account_id = q.account_id
WHERE q.started_at < $1 AND (q.progress_at IS NULL OR q.progress_at < $1) AND a.lease_until > to_timestamp(0)
	AND a.erased_by IS NULL
ORDER BY a.account_id`

// Idle returns runs that go on and have done nothing since a moment.
func (q *Queue) Idle(ctx context.Context, since time.Time) ([]commands.Stall, error) {
	return q.stalls(ctx, "runs without progress", idleRuns, since)
}

const overdueAccounts = `
SELECT a.journal_id, a.account_id, a.settings ->> 'name', a.last_run, 0, coalesce(a.synced_at, a.created_at), a.synced_at, a.last_error
FROM state.accounts a
WHERE a.erased_by IS NULL AND a.stalled_at IS NULL AND a.settings ->> 'interval_min' IS NOT NULL
	AND coalesce(a.synced_at, a.created_at) < $1
ORDER BY a.account_id`

// Overdue returns accounts that are synced by schedule, of which no run has succeeded since a moment and nobody was told.
func (q *Queue) Overdue(ctx context.Context, since time.Time) ([]commands.Stall, error) {
	return q.stalls(ctx, "accounts that are overdue", overdueAccounts, since)
}

func (q *Queue) stalls(ctx context.Context, what, sql string, since time.Time) ([]commands.Stall, error) {
	rows, err := q.pool.Query(ctx, sql, since)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", what, translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s commands.Stall, err error) {
		err = row.Scan(&s.Journal, &s.Account, &s.AccountName, &s.Sync, &s.Lease, &s.Since, &s.LastSync, &s.LastError)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", what, translate(err))
	}
	return out, nil
}
