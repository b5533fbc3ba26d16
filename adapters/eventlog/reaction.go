package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// Reaction follows every journal from a checkpoint of its own and does something about the events, in the
// transaction that moves the checkpoint. It has no generations and is never rebuilt, so it does it once.
type Reaction struct {
	name, schema string
	catchUp      func(ctx context.Context, journal events.JournalID) (more bool, err error)
}

// ReactionOptions says what a reaction needs of a journal.
type ReactionOptions[S projections.Store] struct {
	Name   string        // of the checkpoints
	Schema string        // search path of its transactions
	Types  []events.Type // nothing else reaches Apply
	// Idle is a statement that reports whether no event of journal $1 after position $2 concerns the
	// reaction: then the checkpoint goes to the end of the journal, and nothing is read.
	Idle string
	// NewStore returns the store of one journal in one transaction.
	NewStore func(tx pgx.Tx, journal events.JournalID) S
	// Apply reacts to a batch of one journal, in order.
	Apply func(ctx context.Context, store S, batch []events.Recorded) error
	// Done, if set, is told after the commit that a journal was not idle.
	Done func(journal events.JournalID)
}

// NewReaction returns a reaction to the events of l, to be run by a Consumer.
func NewReaction[S projections.Store](l *Log, opts ReactionOptions[S]) Reaction {
	m := &ReadModel[S]{log: l, opts: ModelOptions[S]{Name: opts.Name, NewStore: opts.NewStore}}
	r := Reaction{name: opts.Name, schema: opts.Schema}
	r.catchUp = func(ctx context.Context, journal events.JournalID) (bool, error) {
		idle, err := skipIdle(ctx, l, opts.Name, opts.Idle, journal)
		if idle || err != nil {
			return false, err
		}
		more, err := m.CatchUp(ctx, r.place(), journal, opts.Types, opts.Apply)
		if err == nil && opts.Done != nil {
			opts.Done(journal)
		}
		return more, err
	}
	return r
}

// place is the generation 0, which is in no list of generations.
func (r Reaction) place() projections.Generation { return projections.Generation{Schema: r.schema} }

// task has of a task what it takes to follow one generation.
func (r Reaction) task() projections.Task {
	return projections.Task{
		Name: r.name,
		CatchUp: func(ctx context.Context, _ projections.Generation, journal events.JournalID) (bool, error) {
			return r.catchUp(ctx, journal)
		},
	}
}

const lockCheckpoint = `
SELECT position FROM log.checkpoints WHERE journal_id = $1 AND projection = $2 AND generation = 0 FOR UPDATE`

const skipToHead = `
UPDATE log.checkpoints SET position = $3, updated_at = clock_timestamp()
WHERE journal_id = $1 AND projection = $2 AND generation = 0`

// skipIdle moves the checkpoint to the end of a journal that does not concern the reaction, and reports
// whether it is such a one. The end is read first: all up to it is seen by what comes after.
func skipIdle(ctx context.Context, l *Log, name, idleQuery string, journal events.JournalID) (idle bool, err error) {
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var head, at int64
		b := &pgx.Batch{}
		b.Queue(`SELECT set_config('synchronous_commit', 'off', true)`) // what is lost is skipped again
		b.Queue(firstCheckpoint, int64(journal), name, 0)
		b.Queue(lockCheckpoint, int64(journal), name).QueryRow(func(row pgx.Row) error {
			return row.Scan(&at)
		})
		b.Queue(headQuery, int64(journal)).QueryRow(func(row pgx.Row) error { return row.Scan(&head) })
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, idleQuery, int64(journal), at).Scan(&idle); err != nil || !idle || head <= at {
			return err
		}
		_, err := tx.Exec(ctx, skipToHead, int64(journal), name, head)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("skip to the end of journal %d: %w", journal, err)
	}
	return idle, nil
}
