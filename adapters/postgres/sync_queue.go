package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// QueueOptions of a Queue; the zero value works.
type QueueOptions struct {
	Owner string        // of the leases, for people; "": imap2api
	Lease time.Duration // how long a claim holds unless it is renewed; 15 s
	Now   func() time.Time
}

// Queue is where sync runs wait for a worker, and the leases of those that go
// on. At most one run of an account waits or goes on. It is the SyncQueue and
// the Runs of commands.
type Queue struct {
	pool    *pgxpool.Pool
	opts    QueueOptions
	mu      sync.Mutex
	changed chan struct{}
}

// NewQueue returns the queue in the database of pool.
func NewQueue(pool *pgxpool.Pool, opts QueueOptions) *Queue {
	if opts.Owner == "" {
		opts.Owner = "imap2api"
	}
	if opts.Lease == 0 {
		opts.Lease = 15 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Queue{pool: pool, opts: opts, changed: make(chan struct{})}
}

// Changed returns a channel that is closed at the next change of any run here.
func (q *Queue) Changed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed
}

// Notify says that a run has changed: also to be called when a decision has
// queued one or ended one.
func (q *Queue) Notify() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.changed)
	q.changed = make(chan struct{})
}

// enqueueRun joins the run that is there. One that waits and was cancelled is wanted again.
const enqueueRun = `
INSERT INTO state.sync_queue AS q (journal_id, account_id, sync_id, cause, queued_at)
SELECT a.journal_id, a.account_id, $3, $4, $5
FROM state.accounts a
WHERE a.journal_id = $1 AND a.account_id = $2 AND a.erased_by IS NULL
ON CONFLICT (journal_id, account_id) DO UPDATE SET cancelled = q.cancelled AND q.started_at IS NOT NULL
RETURNING sync_id`

// Enqueue queues a run with the given id unless one waits or goes on, and returns the id of the one
// that does. It returns domain.ErrNotFound if the account is erased or was never there.
func (q *Queue) Enqueue(ctx context.Context, journal events.JournalID, acc domain.AccountID, id domain.SyncID, cause string) (domain.SyncID, error) {
	var there domain.SyncID
	err := q.pool.QueryRow(ctx, enqueueRun, journal, acc, id, cause, q.opts.Now()).Scan(&there)
	if err != nil {
		return 0, fmt.Errorf("queue sync of account %d: %w", acc, translate(err))
	}
	if there == id {
		q.Notify()
	}
	return there, nil
}

const enqueueDue = `
INSERT INTO state.sync_queue (journal_id, account_id, sync_id, cause, queued_at)
SELECT a.journal_id, a.account_id, nextval('state.sync_ids'), 'schedule', $1
FROM (
	SELECT a.journal_id, a.account_id FROM state.accounts a
	WHERE a.next_sync_at <= $1 AND a.erased_by IS NULL
		AND NOT EXISTS (SELECT FROM state.sync_queue w WHERE w.journal_id = a.journal_id AND w.account_id = a.account_id)
	ORDER BY a.next_sync_at
	LIMIT $2) a
ON CONFLICT (journal_id, account_id) DO NOTHING`

// dueBatch is how many runs are queued at a time.
const dueBatch = 1000

// EnqueueDue queues a run for each account whose time has come, the longest due
// first, and returns how many. When the account is due again is set with the end of the run.
func (q *Queue) EnqueueDue(ctx context.Context) (int, error) {
	tag, err := q.pool.Exec(ctx, enqueueDue, q.opts.Now(), dueBatch)
	if err != nil {
		return 0, fmt.Errorf("queue syncs that are due: %w", translate(err))
	}
	if tag.RowsAffected() > 0 {
		q.Notify()
	}
	return int(tag.RowsAffected()), nil
}

// freshSync is an id for a run that is taken up again: the one it had if its
// start was never recorded (then somebody may wait for it), else a new one,
// since a run begins once; its old one was interrupted. 5 is events.StreamSync.
const freshSync = `CASE WHEN EXISTS (
		SELECT FROM log.events e
		WHERE e.journal_id = q.journal_id AND e.stream_kind = 5 AND e.stream_id = q.sync_id)
	THEN nextval('state.sync_ids') ELSE q.sync_id END`

const claimRun = `
WITH next AS MATERIALIZED (
	SELECT q.journal_id, q.account_id
	FROM state.sync_queue q
	JOIN state.accounts a ON a.journal_id = q.journal_id AND a.account_id = q.account_id
	WHERE (q.started_at IS NULL OR a.lease_until IS NULL OR a.lease_until < $1) AND a.erased_by IS NULL
		AND (NOT $4 OR a.synced_once)
	ORDER BY q.queued_at, q.account_id
	LIMIT 1
	FOR UPDATE SKIP LOCKED),
lease AS (
	UPDATE state.accounts a SET lease = a.lease + 1, lease_owner = $2, lease_until = $3
	FROM next n
	WHERE a.journal_id = n.journal_id AND a.account_id = n.account_id
	RETURNING a.lease)
UPDATE state.sync_queue q SET started_at = $1, progress = NULL, progress_at = NULL, sync_id = ` + freshSync + `
FROM next n, lease l
WHERE q.journal_id = n.journal_id AND q.account_id = n.account_id
RETURNING q.journal_id, q.account_id, q.sync_id, q.cause, q.queued_at, l.lease`

// Claim takes a run that waits, oldest first, or one whose worker is dead. ok is
// false if there is none. A run of a dead worker goes on as a new one. quick: only of an account that was
// synced before.
func (q *Queue) Claim(ctx context.Context, quick bool) (run commands.Run, ok bool, err error) {
	now := q.opts.Now()
	err = q.pool.QueryRow(ctx, claimRun, now, q.opts.Owner, now.Add(q.opts.Lease), quick).
		Scan(&run.Journal, &run.Account, &run.Sync, &run.Cause, &run.QueuedAt, &run.Lease)
	if errors.Is(err, pgx.ErrNoRows) {
		return commands.Run{}, false, nil
	}
	if err != nil {
		return commands.Run{}, false, fmt.Errorf("claim sync run: %w", translate(err))
	}
	return run, true, nil
}

const renewLease = `
UPDATE state.accounts a SET lease_until = $5
FROM state.sync_queue q
WHERE a.journal_id = $1 AND a.account_id = $2 AND a.lease = $3
	AND q.journal_id = a.journal_id AND q.account_id = a.account_id AND q.sync_id = $4
RETURNING q.cancelled`

// Renew keeps the lease. It returns domain.ErrConflict if it is lost, and
// whether the run was cancelled.
func (q *Queue) Renew(ctx context.Context, run commands.Run) (cancelled bool, err error) {
	until := q.opts.Now().Add(q.opts.Lease)
	err = q.pool.QueryRow(ctx, renewLease, run.Journal, run.Account, run.Lease, run.Sync, until).Scan(&cancelled)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("lease %d of account %d: %w", run.Lease, run.Account, domain.ErrConflict)
	}
	if err != nil {
		return false, fmt.Errorf("renew lease of account %d: %w", run.Account, translate(err))
	}
	return cancelled, nil
}

const reportRun = `
UPDATE state.sync_queue SET progress = $4, progress_at = $5
WHERE journal_id = $1 AND account_id = $2 AND sync_id = $3`

// Report notes how far a run has come.
func (q *Queue) Report(ctx context.Context, run commands.Run, p commands.SyncProgress) error {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	if _, err := q.pool.Exec(ctx, reportRun, run.Journal, run.Account, run.Sync, b, q.opts.Now()); err != nil {
		return fmt.Errorf("report progress of sync %d: %w", run.Sync, translate(err))
	}
	return nil
}

const releaseRun = `
UPDATE state.sync_queue q SET started_at = NULL, progress = NULL, progress_at = NULL, sync_id = ` + freshSync + `
FROM state.accounts a
WHERE q.journal_id = $1 AND q.account_id = $2 AND q.sync_id = $3
	AND a.journal_id = q.journal_id AND a.account_id = q.account_id AND a.lease = $4`

// Release gives up a run that could not be ended; another worker takes it. It
// does nothing if the lease is lost or the run is gone.
func (q *Queue) Release(ctx context.Context, run commands.Run) error {
	if _, err := q.pool.Exec(ctx, releaseRun, run.Journal, run.Account, run.Sync, run.Lease); err != nil {
		return fmt.Errorf("release sync %d: %w", run.Sync, translate(err))
	}
	q.Notify()
	return nil
}

const freeLeases = `
WITH free AS (UPDATE state.watches SET held_until = to_timestamp(0))
UPDATE state.accounts SET lease_until = to_timestamp(0) WHERE lease_until IS NOT NULL`

// FreeLeases ends all leases: for the start of a program that knows that it is
// alone, so that the runs and watches of its predecessor, which was killed, go on at once.
func (q *Queue) FreeLeases(ctx context.Context) error {
	if _, err := q.pool.Exec(ctx, freeLeases); err != nil {
		return fmt.Errorf("free leases: %w", translate(err))
	}
	return nil
}
