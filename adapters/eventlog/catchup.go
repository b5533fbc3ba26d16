package eventlog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const (
	maxBatch       = 1000            // events of one transaction
	maxBatchOctets = 4 << 20         // of payload of one transaction
	rollbackFor    = 5 * time.Second // a rollback is tried, after the caller gave up
)

const (
	sharedLock = `SELECT pg_advisory_xact_lock_shared(` + indexKey + `), pg_advisory_xact_lock_shared(` + lockKey + `)`

	checkpointQuery = `
SELECT position, attempts, coalesce((SELECT j.position FROM log.journals j WHERE j.journal_id = $1), 0)
FROM log.checkpoints WHERE journal_id = $1 AND projection = $2 AND generation = $3 FOR UPDATE`

	// A reaction has no generations: it goes by the number 0.
	firstCheckpoint = `
INSERT INTO log.checkpoints (journal_id, projection, generation, updated_at)
SELECT $1, $2, $3, clock_timestamp()
WHERE $3::int = 0 OR EXISTS (SELECT FROM log.generations WHERE projection = $2 AND generation = $3)
ON CONFLICT DO NOTHING`

	// A read model follows from the log, so a crash may take the last moment of it:
	// rows and checkpoint go together, and the same events are folded again.
	intoGeneration = `SELECT set_config('search_path', $1, true), set_config('synchronous_commit', 'off', true)`
	// The statements of the log are planned under one path.
	outOfGeneration = `SELECT set_config('search_path', 'pg_catalog', true)`

	advanceQuery = `
UPDATE log.checkpoints SET position = $4, attempts = 0, failed_since = NULL, next_retry_at = NULL,
	last_error = NULL, updated_at = clock_timestamp()
WHERE journal_id = $1 AND projection = $2 AND generation = $3`
)

// CatchUp gives fn the next events of a journal, at most a thousand and 4 MiB of
// them, and commits what it saves together with the checkpoint, or neither. It
// reports whether there may be more. It returns a *StoppedError if an event
// cannot be applied; any other error is the database's, and nothing has changed.
func (m *ReadModel[S]) CatchUp(ctx context.Context, gen projections.Generation, journal events.JournalID,
	types []events.Type, fn func(ctx context.Context, store S, batch []events.Recorded) error,
) (more bool, err error) {
	a := attempt[S]{model: m, fold: m.bind(types, fn), gen: gen, journal: journal, limit: maxBatch, until: math.MaxInt64}
	batch, err := a.run(ctx)
	var stopped *StoppedError
	if !errors.As(err, &stopped) || batch.events <= 1 {
		return batch.more, err
	}
	// One of these events is at fault. One at a time the rows come to stand
	// exactly before it.
	a.limit = 1
	for range batch.events {
		if one, err := a.run(ctx); err != nil || !one.more {
			return false, err
		}
	}
	return true, nil // what failed together went well one by one
}

// attempt is one transaction of one generation in one journal.
type attempt[S projections.Store] struct {
	model   *ReadModel[S]
	fold    *fold[S]
	gen     projections.Generation
	journal events.JournalID
	limit   int             // of events
	until   events.Position // no event after it
	inner   bool            // in the transaction of the caller
}

// done is what an attempt did, or tried to do.
type done struct {
	events int
	more   bool // there may be more
}

func (a *attempt[S]) run(ctx context.Context) (done, error) {
	conn, err := a.model.log.pool.Acquire(ctx)
	if err != nil {
		return done{}, fmt.Errorf("catch up %s: %w", a.model.opts.Name, err)
	}
	defer conn.Release()
	batch, err := a.transact(ctx, conn.Conn())
	if err == nil && !batch.known { // the first time, or the generation is gone
		if _, err = conn.Exec(ctx, firstCheckpoint, int64(a.journal), a.model.opts.Name, a.gen.Number); err == nil {
			batch, err = a.transact(ctx, conn.Conn())
		}
	}
	if err == nil && batch.position > 0 {
		a.model.log.hints.growth.grown(a.journal) // a sweep may have found it
		a.model.log.moves.publish(a.journal, move{a.model.opts.Name, a.gen.Number, batch.position})
	}
	if err != nil {
		err = a.failed(ctx, conn.Conn(), batch, err)
	}
	return done{batch.read, batch.full}, err
}

// transact reads, folds and commits one batch.
func (a *attempt[S]) transact(ctx context.Context, conn *pgx.Conn) (*batch, error) {
	b, err := a.read(ctx, conn)
	if err != nil {
		return b, err
	}
	if !b.known || b.read == 0 {
		if a.inner {
			return b, nil
		}
		return b, abort(ctx, conn)
	}
	if err := a.apply(ctx, transaction{conn}, b); err != nil {
		return b, err
	}
	end := &pgx.Batch{}
	end.Queue(outOfGeneration)
	end.Queue(advanceQuery, int64(a.journal), a.model.opts.Name, a.gen.Number, int64(b.last()))
	if !a.inner {
		end.Queue("COMMIT")
	}
	if err := conn.SendBatch(ctx, end).Close(); err != nil {
		return b, fmt.Errorf("commit checkpoint: %w", err)
	}
	b.position = b.last()
	return b, nil
}

// failed ends the transaction and, unless the database is at fault, notes the
// failure with the checkpoint.
func (a *attempt[S]) failed(ctx context.Context, conn *pgx.Conn, b *batch, cause error) error {
	var fault *eventError
	if !errors.As(cause, &fault) && (isDatabase(conn, cause) || ctx.Err() != nil) {
		return errors.Join(fmt.Errorf("catch up %s in journal %d: %w", a.model.opts.Name, a.journal, cause), abort(ctx, conn))
	}
	if err := abort(ctx, conn); err != nil {
		return errors.Join(cause, err)
	}
	var after float64
	err := conn.QueryRow(ctx, failureQuery, int64(a.journal), a.model.opts.Name, a.gen.Number,
		int64(b.checkpoint), fit(cause.Error(), maxFailureText)).Scan(&after)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // no rows: another process got further meanwhile
		return fmt.Errorf("note a failure: %w", errors.Join(err, cause))
	}
	return &StoppedError{
		Projection: a.model.opts.Name, Journal: a.journal, Position: b.checkpoint + 1,
		RetryAfter: time.Duration(after * float64(time.Second)), Err: cause,
	}
}

// abort ends a transaction that is open, whatever became of ctx.
func abort(ctx context.Context, conn *pgx.Conn) error {
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackFor)
	defer cancel()
	_, err := conn.Exec(ctx, "ROLLBACK")
	return err
}
