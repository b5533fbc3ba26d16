package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// AccountReader reads the accounts read model, and with it the queue of runs.
type AccountReader struct{ view }

// NewAccountReader returns a reader of the given version of projections.Accounts.
func NewAccountReader(pool *pgxpool.Pool, version int) *AccountReader {
	return &AccountReader{view{pool: pool, projection: "accounts", version: version}}
}

const listAccounts = `
SELECT m.account_id, m.version, m.settings, m.last_sync, m.last_error, m.created_at, m.updated_at,
	coalesce(g.status, ''),
	CASE
		WHEN g.status = 'needs_reauthorization' THEN g.status
		WHEN q.started_at IS NOT NULL THEN 'running'
		WHEN q.queued_at IS NOT NULL THEN 'queued'
		WHEN m.last_error <> '' THEN 'error'
		ELSE 'idle'
	END
FROM account m
LEFT JOIN state.sync_queue q ON q.journal_id = m.journal_id AND q.account_id = m.account_id
LEFT JOIN state.grants g ON g.journal_id = m.journal_id AND g.account_id = m.account_id
WHERE m.journal_id = $1 AND ($2::bigint[] IS NULL OR m.account_id = ANY($2))` + notErased + `
ORDER BY m.account_id`

// Accounts returns all accounts of a journal, by id; only those in ids unless it is nil.
func (r *AccountReader) Accounts(ctx context.Context, journal events.JournalID, ids []domain.AccountID) ([]queries.Account, error) {
	var out []queries.Account
	err := r.read(ctx, question{sql: listAccounts, args: []any{journal, accountIDs(ids)}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var a queries.Account
			if err := rows.Scan(&a.ID, &a.Version, &a.Settings, &a.LastSync, &a.LastError, &a.CreatedAt, &a.UpdatedAt, &a.OAuthStatus, &a.State); err != nil {
				return fmt.Errorf("scan account: %w", err)
			}
			out = append(out, a)
		}
		return rows.Err()
	}})
	return out, err
}

// allRuns are the recorded runs of an account and the one that waits, or whose
// start the read model has not come to yet. A run without an end was interrupted if
// another is queued in its place; one whose end is in the log is about to show it.
const allRuns = `
WITH m AS (
	SELECT r.account_id, r.sync_id, r.trigger, r.run, r.error, r.ended, true AS started,
		CASE WHEN NOT r.ended AND q.sync_id <> r.sync_id AND NOT EXISTS (
			SELECT FROM log.events e
			WHERE e.journal_id = $1 AND e.stream_kind = 5 AND e.stream_id = r.sync_id AND e.type <> 'sync-started')
		THEN 'interrupted' ELSE r.status END AS status,
		CASE WHEN q.sync_id = r.sync_id THEN q.progress END AS progress,
		CASE WHEN q.sync_id = r.sync_id THEN q.progress_at END AS progress_at
	FROM sync_run r
	LEFT JOIN state.sync_queue q ON q.journal_id = r.journal_id AND q.account_id = r.account_id
	WHERE r.journal_id = $1 AND r.account_id = $2
	UNION ALL
	SELECT q.account_id, q.sync_id, q.cause,
		jsonb_build_object('sync', q.sync_id, 'account', q.account_id, 'trigger', q.cause,
			'account_name', s.settings ->> 'name', 'initial', NOT s.synced_once,
			'queued_at', q.queued_at, 'started_at', coalesce(q.started_at, '0001-01-01T00:00:00Z')),
		NULL, false, q.started_at IS NOT NULL,
		CASE WHEN q.started_at IS NULL THEN 'queued' ELSE 'running' END, q.progress, q.progress_at
	FROM state.sync_queue q
	JOIN state.accounts s ON s.journal_id = q.journal_id AND s.account_id = q.account_id
	WHERE q.journal_id = $1 AND q.account_id = $2
		AND NOT EXISTS (SELECT FROM sync_run r WHERE r.journal_id = $1 AND r.account_id = $2 AND r.sync_id = q.sync_id))`

const runsWhere = `
FROM m
WHERE ($3 = '' OR m.status = $3) AND ($4 = '' OR m.trigger = $4)` + notErased

const runColumns = `
SELECT m.run, m.status, m.error, m.started, m.ended, m.progress, m.progress_at`

const listRuns = allRuns + runColumns + runsWhere + `
	AND ($5 = 0 OR m.sync_id < $5)
ORDER BY m.sync_id DESC
LIMIT $6 OFFSET $7`

const listRunsAfter = allRuns + runColumns + runsWhere + `
	AND m.sync_id > $5
ORDER BY m.sync_id
LIMIT $6`

// SyncRuns returns runs of an account, newest first: at most limit with an id below
// before (0: from the newest) or, if after is not 0, the oldest with an id above it.
func (r *AccountReader) SyncRuns(ctx context.Context, q queries.ListSyncRuns, before, after domain.SyncID, offset, limit int) ([]queries.SyncRun, error) {
	var out []queries.SyncRun
	ask := question{sql: listRuns, args: []any{q.Journal, q.Account, q.Status, q.Trigger, before, limit, offset}, scan: scanRuns(&out)}
	if after != 0 {
		ask = question{sql: listRunsAfter, args: []any{q.Journal, q.Account, q.Status, q.Trigger, after, limit}, scan: scanRuns(&out)}
	}
	if !storable(q.Status) || !storable(q.Trigger) {
		return nil, nil
	}
	err := r.read(ctx, ask)
	if after != 0 {
		slices.Reverse(out)
	}
	return out, err
}

func scanRuns(into *[]queries.SyncRun) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			var run queries.SyncRun
			var started, ended bool
			var progress *commands.SyncProgress
			var at *time.Time
			if err := rows.Scan(&run.SyncEnd, &run.Status, &run.Error, &started, &ended, &progress, &at); err != nil {
				return fmt.Errorf("scan sync run: %w", err)
			}
			run.SyncEnd.Status = run.Status
			if started {
				run.Started = &run.StartedAt
			}
			if ended {
				run.Ended = &run.FinishedAt
			}
			if progress != nil {
				run.Progress, run.LastProgress = queries.SyncProgress(*progress), at
			}
			*into = append(*into, run)
		}
		return rows.Err()
	}
}

const countRuns = allRuns + `
SELECT count(*)` + runsWhere

// CountSyncRuns returns how many there are.
func (r *AccountReader) CountSyncRuns(ctx context.Context, q queries.ListSyncRuns) (int, error) {
	var count int
	if !storable(q.Status) || !storable(q.Trigger) {
		return 0, nil
	}
	err := r.read(ctx, question{sql: countRuns, args: []any{q.Journal, q.Account, q.Status, q.Trigger}, scan: scanCount(&count)})
	return count, err
}

const getRun = allRuns + runColumns + `
FROM m
WHERE m.sync_id = $3` + notErased

// SyncRun returns one run. It returns domain.ErrNotFound.
func (r *AccountReader) SyncRun(ctx context.Context, journal events.JournalID, acc domain.AccountID, id domain.SyncID) (queries.SyncRun, error) {
	var out []queries.SyncRun
	if err := r.read(ctx, question{sql: getRun, args: []any{journal, acc, id}, scan: scanRuns(&out)}); err != nil {
		return queries.SyncRun{}, err
	}
	if len(out) == 0 {
		return queries.SyncRun{}, fmt.Errorf("sync run %d: %w", id, domain.ErrNotFound)
	}
	return out[0], nil
}

const runningSyncs = `
SELECT journal_id, account_id, sync_id, progress, progress_at
FROM state.sync_queue
WHERE journal_id = ANY($1) AND started_at IS NOT NULL AND progress IS NOT NULL AND NOT cancelled
ORDER BY account_id`

// RunningSyncs returns how far the runs of journals have come that go on now, by account.
func (r *AccountReader) RunningSyncs(ctx context.Context, journals []events.JournalID) ([]queries.RunningSync, error) {
	rows, err := r.pool.Query(ctx, runningSyncs, column(journals, func(j events.JournalID) int64 { return int64(j) }))
	if err != nil {
		return nil, fmt.Errorf("read running syncs: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (queries.RunningSync, error) {
		var s queries.RunningSync
		var p commands.SyncProgress
		err := row.Scan(&s.Journal, &s.Account, &s.Sync, &p, &s.At)
		s.Progress = queries.SyncProgress(p)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("read running syncs: %w", translate(err))
	}
	return out, nil
}

const accountOwner = `SELECT journal_id FROM state.accounts WHERE account_id = $1`

// Owner returns the journal of an account, also of an erased one. It returns domain.ErrNotFound.
func (r *AccountReader) Owner(ctx context.Context, acc domain.AccountID) (events.JournalID, error) {
	var journal events.JournalID
	if err := r.pool.QueryRow(ctx, accountOwner, acc).Scan(&journal); err != nil {
		return 0, fmt.Errorf("owner of account %d: %w", acc, translate(err))
	}
	return journal, nil
}
