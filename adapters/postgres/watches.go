package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// Watches says who watches which account, and queues what a watch asks for. It is the Watches of commands.
type Watches struct {
	queue  *Queue
	holder pgtype.UUID // this process
}

// NewWatches returns the watches of a process that is not any other, over its queue.
func NewWatches(queue *Queue) *Watches {
	return &Watches{queue, pgtype.UUID{Bytes: commands.NewAppendID(), Valid: true}}
}

// watched are the accounts that are synced by schedule, and that somebody has signed in to.
const watched = `
	SELECT a.journal_id, a.account_id
	FROM state.accounts a
	WHERE a.erased_by IS NULL AND a.settings ->> 'interval_min' IS NOT NULL AND NOT EXISTS (
		SELECT FROM state.grants g
		WHERE g.journal_id = a.journal_id AND g.account_id = a.account_id AND g.status <> 'active')`

const dropWatches = `
DELETE FROM state.watches w
WHERE (w.journal_id, w.account_id) NOT IN (` + watched + `)`

const claimWatches = `
INSERT INTO state.watches AS w (journal_id, account_id, holder, held_until, state, reason, message, since)
SELECT a.*, $1, $3, $4, '', '', $2 FROM (` + watched + `) a
ON CONFLICT (journal_id, account_id) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
WHERE w.holder = excluded.holder OR w.held_until < $2`

const heldWatches = `
SELECT w.journal_id, w.account_id, a.version, a.synced_at
FROM state.watches w
JOIN state.accounts a ON a.journal_id = w.journal_id AND a.account_id = w.account_id
WHERE w.holder = $1
ORDER BY w.account_id`

// Claim keeps what this process watches, takes what nobody does, and returns it all: accounts that are
// synced by schedule. What is not kept for commands.WatchLease may be taken by another process.
func (w *Watches) Claim(ctx context.Context) ([]commands.Watch, error) {
	now := w.queue.opts.Now()
	var out []commands.Watch
	var b pgx.Batch
	b.Queue(dropWatches)
	b.Queue(claimWatches, w.holder, now, now.Add(commands.WatchLease), commands.WatchConnecting)
	b.Queue(heldWatches, w.holder).Query(func(rows pgx.Rows) (err error) {
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (h commands.Watch, err error) {
			err = row.Scan(&h.Journal, &h.Account, &h.Version, &h.LastSync)
			return h, err
		})
		return err
	})
	if err := w.queue.pool.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("claim watches: %w", translate(err))
	}
	return out, nil
}

const reportWatch = `
UPDATE state.watches
SET state = $4, reason = $5, message = $6, next_at = $7, since = CASE WHEN state = $4 AND reason = $5 THEN since ELSE $8 END
WHERE journal_id = $1 AND account_id = $2 AND holder = $3`

// Report notes how a watch stands.
func (w *Watches) Report(ctx context.Context, of commands.Watch, s commands.WatchState) error {
	_, err := w.queue.pool.Exec(ctx, reportWatch, of.Journal, of.Account, w.holder, s.State, s.Reason, s.Message, s.NextAt, w.queue.opts.Now())
	if err != nil {
		return fmt.Errorf("report watch of account %d: %w", of.Account, translate(err))
	}
	return nil
}

const releaseWatches = `UPDATE state.watches SET held_until = to_timestamp(0) WHERE holder = $1`

// Release gives all up.
func (w *Watches) Release(ctx context.Context) error {
	if _, err := w.queue.pool.Exec(ctx, releaseWatches, w.holder); err != nil {
		return fmt.Errorf("release watches: %w", translate(err))
	}
	return nil
}

// pushRun joins a run that is there, as enqueueRun does, and tells whether it waits.
const pushRun = `
INSERT INTO state.sync_queue AS q (journal_id, account_id, sync_id, cause, queued_at)
SELECT a.journal_id, a.account_id, nextval('state.sync_ids'), 'push', $3
FROM state.accounts a
WHERE a.journal_id = $1 AND a.account_id = $2 AND a.erased_by IS NULL
ON CONFLICT (journal_id, account_id) DO UPDATE SET cancelled = q.cancelled AND q.started_at IS NOT NULL
RETURNING started_at IS NULL`

// Push queues a run of an account because something has moved, and reports whether one waits: false if
// one goes on, which may have looked before. It returns domain.ErrNotFound if the account is erased.
func (w *Watches) Push(ctx context.Context, of commands.Watch) (waits bool, err error) {
	err = w.queue.pool.QueryRow(ctx, pushRun, of.Journal, of.Account, w.queue.opts.Now()).Scan(&waits)
	if err != nil {
		return false, fmt.Errorf("queue sync of account %d: %w", of.Account, translate(err))
	}
	if waits {
		w.queue.Notify()
	}
	return waits, nil
}

const isBusy = `SELECT EXISTS (SELECT FROM state.sync_queue WHERE journal_id = $1 AND account_id = $2)`

// Busy reports whether a run of an account waits or goes on.
func (w *Watches) Busy(ctx context.Context, of commands.Watch) (busy bool, err error) {
	if err = w.queue.pool.QueryRow(ctx, isBusy, of.Journal, of.Account).Scan(&busy); err != nil {
		return false, fmt.Errorf("look for sync of account %d: %w", of.Account, translate(err))
	}
	return busy, nil
}

// WatchReport is how the watch of an account stands, for operators.
type WatchReport struct {
	Account domain.AccountID
	commands.WatchState
	Since time.Time
}

const listWatches = `
SELECT account_id, state, reason, message, next_at, since
FROM state.watches
WHERE held_until >= $1
ORDER BY account_id`

// All returns how the watches of all processes stand, by account.
func (w *Watches) All(ctx context.Context) ([]WatchReport, error) {
	rows, err := w.queue.pool.Query(ctx, listWatches, w.queue.opts.Now())
	if err != nil {
		return nil, fmt.Errorf("list watches: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r WatchReport, err error) {
		err = row.Scan(&r.Account, &r.State, &r.Reason, &r.Message, &r.NextAt, &r.Since)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("list watches: %w", translate(err))
	}
	return out, nil
}
