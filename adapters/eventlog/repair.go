package eventlog

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const (
	// streamEvents reads what happened to messages, up to a position, in parts. What was erased
	// by then is not folded again, though its payload may still be there.
	streamEvents = `
SELECT position, type, schema_version, encoding, stream_kind, stream_id, account_id, recorded_at, event_id, payload
FROM log.events e
WHERE journal_id = $1 AND stream_kind = $2 AND stream_id = ANY ($3) AND type = ANY ($4)
	AND position > $5 AND position <= $6 AND payload IS NOT NULL
	AND NOT EXISTS (SELECT FROM state.accounts a
		WHERE a.journal_id = $1 AND a.account_id = e.account_id AND a.erased_by <= $6)
ORDER BY position LIMIT $7`

	// touchQuery leaves the position as it is and tells those who remember what they have read
	// at it that the rows are others.
	touchQuery = `
UPDATE log.checkpoints SET updated_at = clock_timestamp() WHERE journal_id = $1 AND projection = $2 AND generation = $3`
)

// A recounter is a store that keeps counts of its rows. They are wrong once rows have come or
// gone behind its back.
type recounter interface {
	// Recount makes the counts of the journal anew from its rows.
	Recount(ctx context.Context) error
}

// knowsFold reports whether this process has caught up with the model before.
func (m *ReadModel[S]) knowsFold() bool { return m.bound.Load() != nil }

// lister returns what lists the messages of a generation whose rows are not in Postgres; nil if
// they are, or if it cannot be told.
func (m *ReadModel[S]) lister(ctx context.Context, gen projections.Generation) (func(context.Context, events.JournalID, domain.MessageID, int) ([]domain.MessageID, error), error) {
	outside, ok := m.opts.Outside.(Lister)
	if !ok {
		return nil, nil
	}
	place, err := scanPlace(m.log.pool.QueryRow(ctx, placeQuery, m.opts.Name, gen.Number))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, j events.JournalID, after domain.MessageID, limit int) ([]domain.MessageID, error) {
		return outside.List(ctx, place, j, after, limit)
	}, nil
}

// refold makes the rows of some messages anew, whatever is there: they are taken out as if
// expunged, and their own events are folded again up to the checkpoint, which stays. It is one
// transaction under the locks of CatchUp, and may be repeated.
func (m *ReadModel[S]) refold(ctx context.Context, gen projections.Generation, j events.JournalID, ids []int64, threads bool) error {
	return m.amend(ctx, gen, j, func(ctx context.Context, r *repair[S]) error {
		if threads {
			others, err := r.mergers(ctx, ids)
			if err != nil {
				return fmt.Errorf("find merges of threads: %w", err)
			}
			ids = append(slices.Clone(ids), others...)
		}
		return r.refold(ctx, ids)
	})
}

// recount lets the store count its rows again, if it keeps counts.
func (m *ReadModel[S]) recount(ctx context.Context, gen projections.Generation, j events.JournalID) error {
	return m.amend(ctx, gen, j, func(ctx context.Context, r *repair[S]) error {
		store, ok := any(m.opts.NewStore(r.tx, j)).(recounter)
		if !ok {
			return nil
		}
		if err := r.into(ctx, intoGeneration, gen.Schema); err != nil {
			return err
		}
		return store.Recount(ctx)
	})
}

// repair is one transaction of a generation in one journal, whose checkpoint is locked.
type repair[S projections.Store] struct {
	attempt  attempt[S]
	tx       pgx.Tx
	position events.Position
}

// amend runs fn in a transaction that no CatchUp of the same generation and journal runs beside.
// It does nothing if the generation is gone. One that has applied no event yet may have rows too:
// a hand's, or documents outside that a lost transaction left.
func (m *ReadModel[S]) amend(ctx context.Context, gen projections.Generation, j events.JournalID, fn func(context.Context, *repair[S]) error) error {
	f := m.bound.Load()
	if f == nil {
		return fmt.Errorf("repair %s: its fold is not known: %w", m.opts.Name, domain.ErrUnavailable)
	}
	return pgx.BeginFunc(ctx, m.log.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, noTimeouts); err != nil {
			return err
		}
		at, ok, err := m.lockOne(ctx, tx, j, gen)
		if err != nil || !ok {
			return err
		}
		r := &repair[S]{attempt: attempt[S]{model: m, fold: f, gen: gen, journal: j}, tx: tx, position: at}
		if err := fn(ctx, r); err != nil {
			return err
		}
		if err := r.into(ctx, outOfGeneration); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, touchQuery, int64(j), m.opts.Name, gen.Number)
		return err
	})
}

// lockOne locks the checkpoint of a generation and returns its position; false if the generation is gone.
func (m *ReadModel[S]) lockOne(ctx context.Context, tx pgx.Tx, j events.JournalID, gen projections.Generation) (events.Position, bool, error) {
	if _, err := tx.Exec(ctx, sharedLock, m.opts.Name, gen.Number); err != nil {
		return 0, false, fmt.Errorf("lock generation %d: %w", gen.Number, err)
	}
	if _, err := tx.Exec(ctx, firstCheckpoint, int64(j), m.opts.Name, gen.Number); err != nil {
		return 0, false, fmt.Errorf("make checkpoint: %w", err)
	}
	at, err := readColumn[int64](ctx, tx, `SELECT position FROM log.checkpoints
		WHERE journal_id = $1 AND projection = $2 AND generation = $3 FOR UPDATE`, int64(j), m.opts.Name, gen.Number)
	if err != nil || len(at) == 0 {
		return 0, false, err
	}
	return events.Position(at[0]), true, nil
}

// into changes the search path.
func (r *repair[S]) into(ctx context.Context, sql string, args ...any) error {
	if _, err := r.tx.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("set search path: %w", err)
	}
	return nil
}

func (r *repair[S]) refold(ctx context.Context, ids []int64) error {
	next := part{recs: r.takenOut(ids)}
	for after := events.Position(0); ; {
		recs, err := r.read(ctx, ids, after, r.attempt.fold.types)
		if err != nil {
			return err
		}
		next.recs = append(next.recs, recs...)
		if len(next.recs) > 0 {
			if err := r.into(ctx, intoGeneration, r.attempt.gen.Schema); err != nil {
				return err
			}
			if err := r.attempt.apply(ctx, r.tx, &batch{parts: []part{next}}); err != nil {
				return err
			}
		}
		if len(recs) < maxBatch {
			return nil
		}
		after, next.recs = recs[len(recs)-1].Position, nil
	}
}

// takenOut returns the events after which no row of the messages is left.
func (r *repair[S]) takenOut(ids []int64) []events.Recorded {
	out := make([]events.Recorded, len(ids))
	for i, id := range ids {
		e := events.MessageExpunged{Message: events.Message{ID: domain.MessageID(id)}}
		out[i] = events.Recorded{
			Journal: r.attempt.journal, Type: events.TypeMessageExpunged, Stream: e.EventStream(), Event: e,
		}
	}
	return out
}

// read returns the next events of messages, at most a thousand.
func (r *repair[S]) read(ctx context.Context, ids []int64, after events.Position, types []string) ([]events.Recorded, error) {
	if err := r.into(ctx, outOfGeneration); err != nil {
		return nil, err
	}
	rows, err := r.tx.Query(ctx, streamEvents, int64(r.attempt.journal), int16(events.StreamMessage), ids, types,
		int64(after), int64(r.position), maxBatch)
	if err != nil {
		return nil, fmt.Errorf("read events of messages: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (events.Recorded, error) {
		rec := events.Recorded{Journal: r.attempt.journal}
		var (
			version, encoding int16
			payload           pgtype.DriverBytes // of the row only
		)
		err := row.Scan((*int64)(&rec.Position), (*string)(&rec.Type), &version, &encoding, (*int16)(&rec.Stream.Kind),
			&rec.Stream.ID, (*int64)(&rec.Account), &rec.RecordedAt, &rec.ID, &payload)
		if err != nil {
			return rec, err
		}
		rec.RecordedAt = rec.RecordedAt.UTC()
		rec.Event, err = storedEvent(string(rec.Type), version, encoding, payload)
		return rec, err
	})
	if err != nil {
		return nil, fmt.Errorf("read events of messages: %w", err)
	}
	return out, nil
}
