package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// level locks both generations of a journal and brings the one that is behind to
// the position of the other, in the transaction tx. It reports false if the live
// one is stopped before gen, so that there is nothing to compare.
func (m *ReadModel[S]) level(ctx context.Context, tx pgx.Tx, j events.JournalID, live, gen projections.Generation) (bool, error) {
	at, err := m.lock(ctx, tx, j, live, gen)
	if err != nil {
		return false, err
	}
	switch {
	case at[gen.Number] < at[live.Number]:
		return true, m.foldTo(ctx, tx, j, gen, at[live.Number])
	case at[live.Number] < at[gen.Number]:
		err := m.foldTo(ctx, tx, j, live, at[gen.Number])
		var stopped *StoppedError
		if errors.As(err, &stopped) {
			m.log.log.Warn("live generation is stopped, not compared",
				slog.String("projection", m.opts.Name), slog.Int64("journal", int64(j)), slog.Any("err", err))
			return false, nil
		}
		return true, err
	}
	return true, nil
}

// lock locks the checkpoints of generations and returns their positions.
func (m *ReadModel[S]) lock(ctx context.Context, tx pgx.Tx, j events.JournalID, gens ...projections.Generation) (map[int]events.Position, error) {
	numbers := make([]int32, len(gens))
	for i, g := range gens {
		numbers[i] = int32(g.Number)
		if _, err := tx.Exec(ctx, sharedLock, m.opts.Name, g.Number); err != nil {
			return nil, fmt.Errorf("lock generation %d: %w", g.Number, err)
		}
		if _, err := tx.Exec(ctx, firstCheckpoint, int64(j), m.opts.Name, g.Number); err != nil {
			return nil, fmt.Errorf("make checkpoint: %w", err)
		}
	}
	rows, err := tx.Query(ctx, lockBoth, int64(j), m.opts.Name, numbers)
	if err != nil {
		return nil, fmt.Errorf("lock checkpoints: %w", err)
	}
	at := map[int]events.Position{}
	var (
		number   int
		position int64
	)
	_, err = pgx.ForEachRow(rows, []any{&number, &position}, func() error {
		at[number] = events.Position(position)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("lock checkpoints: %w", err)
	}
	return at, nil
}

// foldTo lets one generation catch up to a position within tx.
func (m *ReadModel[S]) foldTo(ctx context.Context, tx pgx.Tx, j events.JournalID, gen projections.Generation, pos events.Position) error {
	f := m.bound.Load()
	if f == nil {
		return fmt.Errorf("generation %d is behind in journal %d: %w", gen.Number, j, domain.ErrConflict)
	}
	a := attempt[S]{model: m, fold: f, gen: gen, journal: j, limit: maxBatch, until: pos, inner: true}
	for {
		b, err := a.transact(ctx, tx.Conn())
		if err != nil {
			if isDatabase(tx.Conn(), err) || ctx.Err() != nil {
				return err
			}
			return &StoppedError{Projection: m.opts.Name, Journal: j, Position: b.checkpoint + 1, Err: err}
		}
		if b.read == 0 || b.last() >= pos {
			return nil
		}
	}
}

// tableDigest is what two generations are compared by.
type tableDigest struct {
	table string
	rows  int64
	hash  string // order-free; "" if not asked for
}

// digest counts, and hashes, the rows of a journal in each table.
func (m *ReadModel[S]) digest(ctx context.Context, tx pgx.Tx, j events.JournalID, g projections.Generation, hash bool) ([]tableDigest, error) {
	if m.opts.Outside != nil {
		return m.counted(ctx, tx, j, g)
	}
	sum := `''`
	if hash {
		sum = `coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text`
	}
	q := &pgx.Batch{}
	for _, table := range m.opts.HashTables {
		q.Queue(`SELECT count(*), `+sum+` FROM `+pgx.Identifier{g.Schema, table}.Sanitize()+` t WHERE journal_id = $1`, int64(j))
	}
	out := make([]tableDigest, len(m.opts.HashTables))
	res := tx.SendBatch(ctx, q)
	for i, table := range m.opts.HashTables {
		out[i].table = table
		if err := res.QueryRow().Scan(&out[i].rows, &out[i].hash); err != nil {
			return nil, errors.Join(fmt.Errorf("digest %s.%s: %w", g.Schema, table, err), res.Close())
		}
	}
	return out, res.Close()
}

// diff says in words how two digests differ, "" if they do not.
func diff(want, got []tableDigest) string {
	var out []string
	for i, w := range want {
		switch g := got[i]; {
		case w.rows != g.rows:
			out = append(out, fmt.Sprintf("%s has %d rows in place of %d", w.table, g.rows, w.rows))
		case w.hash != g.hash:
			out = append(out, fmt.Sprintf("%s has other rows", w.table))
		}
	}
	return strings.Join(out, ", ")
}

// count compares numbers of rows with a generation of another version, whose
// tables may be others: what differs is only logged.
func (m *ReadModel[S]) count(ctx context.Context, j events.JournalID, old, gen projections.Generation) (string, error) {
	err := pgx.BeginFunc(ctx, m.log.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, noTimeouts); err != nil {
			return err
		}
		at, err := m.lock(ctx, tx, j, old, gen)
		if err != nil || at[old.Number] != at[gen.Number] {
			return err
		}
		for _, table := range m.opts.HashTables {
			var exists bool
			if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, pgx.Identifier{old.Schema, table}.Sanitize()).Scan(&exists); err != nil {
				return err
			}
			if !exists {
				return nil
			}
		}
		want, err := m.digest(ctx, tx, j, old, false)
		if err != nil {
			return err
		}
		got, err := m.digest(ctx, tx, j, gen, false)
		if err != nil {
			return err
		}
		if d := diff(want, got); d != "" {
			m.log.log.Warn("versions of a read model differ", slog.String("projection", m.opts.Name),
				slog.Int64("journal", int64(j)), slog.String("differs", d))
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("count journal %d: %w", j, err)
	}
	return "", nil
}

// flip makes gen the live generation of its version, and the live one the kept
// one, for which all who catch up wait some milliseconds. No checkpoint is behind
// the live generation's then, except where gen is stopped by an event. request, if not
// nil, is who asked for it.
func (m *ReadModel[S]) flip(ctx context.Context, gen projections.Generation, request []byte) error {
	for range flipTries {
		var behind []int64
		err := m.change(ctx, func(tx pgx.Tx, all []projections.Generation) error {
			if _, err := tx.Exec(ctx, exclusiveLock, m.opts.Name); err != nil {
				return err
			}
			live, ok := find(all, gen.Version, "live")
			if ok && live.Number == gen.Number {
				return nil
			}
			if ok {
				var err error
				if behind, err = m.behind(ctx, tx, gen, live); err != nil || len(behind) > 0 {
					return err
				}
				if _, err := tx.Exec(ctx, statusQuery, m.opts.Name, live.Number, "kept"); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(ctx, statusQuery, m.opts.Name, gen.Number, "live"); err != nil {
				return err
			}
			if request != nil {
				if _, err := tx.Exec(ctx, noteRequest, m.opts.Name, gen.Number, request); err != nil {
					return err
				}
			}
			return m.promote(ctx, tx, gen)
		})
		if err != nil || len(behind) == 0 {
			return err
		}
		if err := m.followUp(ctx, gen, behind); err != nil {
			return err
		}
	}
	return fmt.Errorf("generation %d stays behind the live one: %w", gen.Number, domain.ErrUnavailable)
}

// behind returns the journals in which gen has yet to catch up with live.
func (m *ReadModel[S]) behind(ctx context.Context, tx pgx.Tx, gen, live projections.Generation) ([]int64, error) {
	rows, err := tx.Query(ctx, leftBehind, m.opts.Name, gen.Number, live.Number)
	if err != nil {
		return nil, fmt.Errorf("compare checkpoints: %w", err)
	}
	var (
		out     []int64
		journal int64
		stopped bool
	)
	_, err = pgx.ForEachRow(rows, []any{&journal, &stopped}, func() error {
		if !stopped {
			out = append(out, journal)
		}
		return nil
	})
	return out, err
}

func (m *ReadModel[S]) followUp(ctx context.Context, gen projections.Generation, journals []int64) error {
	f := m.bound.Load()
	if f == nil {
		return fmt.Errorf("generation %d is behind the live one: %w", gen.Number, domain.ErrConflict)
	}
	for _, j := range journals {
		a := attempt[S]{model: m, fold: f, gen: gen, journal: events.JournalID(j), limit: maxBatch, until: math.MaxInt64}
		for {
			d, err := a.run(ctx)
			var stopped *StoppedError
			if err != nil && !errors.As(err, &stopped) {
				return err
			}
			if err != nil || !d.more {
				break
			}
		}
	}
	return nil
}
