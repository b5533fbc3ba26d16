package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// Place says where a generation has its rows, if they are not in Postgres. It is an
// alias, so that another adapter can declare the same without importing this one.
type Place = struct {
	Schema  string // of the generation; its number may be used again when it is gone
	Version int    // of the projection
	Tag     string // of this generation alone; letters, digits, "_" and "-"
}

// Outside is where the rows of a read model are that is not kept in Postgres. The
// pointer and the checkpoints stay there and decide: what a crash leaves between the
// two is found by Check and put right. Each method may be repeated, and returns
// domain.ErrUnavailable if the outside is away.
type Outside interface {
	// Create makes a place that is empty, whatever was there.
	Create(ctx context.Context, p Place) error
	// Promote makes p the one that readers of its version get. Nobody writes meanwhile.
	// It returns domain.ErrNotFound if p is lost.
	Promote(ctx context.Context, p Place) error
	// Drop removes p; it may be gone already. Nobody writes to it meanwhile.
	Drop(ctx context.Context, p Place) error
	// Count returns how many rows p holds of a journal.
	Count(ctx context.Context, p Place, journal events.JournalID) (int64, error)
	// Check returns domain.ErrNotFound if p is lost, and, if it is live,
	// domain.ErrConflict if it is not the one that readers get.
	Check(ctx context.Context, p Place, live bool) error
}

const (
	placeQuery = `SELECT schema_name, version, started_at FROM log.generations WHERE projection = $1 AND generation = $2`
	// placeOfSchema is asked in the transaction of a store, whose search path is the schema.
	placeOfSchema = `SELECT schema_name, version, started_at FROM log.generations WHERE schema_name = current_schema()`
)

// PlaceIn returns the place of the generation that a store of tx is of.
func PlaceIn(ctx context.Context, tx pgx.Tx) (Place, error) {
	return scanPlace(tx.QueryRow(ctx, placeOfSchema))
}

func scanPlace(row pgx.Row) (p Place, err error) {
	var started time.Time
	if err := row.Scan(&p.Schema, &p.Version, &started); err != nil {
		return p, fmt.Errorf("read the place of a generation: %w", translate(err))
	}
	p.Tag = p.Schema + "-" + strconv.FormatInt(started.UnixMicro(), 36)
	return p, nil
}

// outside runs do for a generation, unless its rows are in Postgres.
func (m *ReadModel[S]) outside(ctx context.Context, q querier, g projections.Generation, do func(context.Context, Place) error) error {
	if m.opts.Outside == nil {
		return nil
	}
	p, err := scanPlace(q.QueryRow(ctx, placeQuery, m.opts.Name, g.Number))
	if err != nil {
		return err
	}
	return do(ctx, p)
}

// promote makes the place of g that which readers get.
func (m *ReadModel[S]) promote(ctx context.Context, tx pgx.Tx, g projections.Generation) error {
	return m.outside(ctx, tx, g, func(ctx context.Context, p Place) error { return m.opts.Outside.Promote(ctx, p) })
}

// counted is the digest of a generation whose rows are not in Postgres: their number.
func (m *ReadModel[S]) counted(ctx context.Context, tx pgx.Tx, j events.JournalID, g projections.Generation) (out []tableDigest, err error) {
	err = m.outside(ctx, tx, g, func(ctx context.Context, p Place) error {
		rows, err := m.opts.Outside.Count(ctx, p, j)
		out = []tableDigest{{table: m.opts.Name, rows: rows}}
		return err
	})
	return out, err
}

// A healer can put right what became of a read model outside of Postgres.
type healer interface {
	heal(ctx context.Context, version int) error
}

// heal drops generations whose place is lost, so that a new one is made, promotes the
// live one if a crash kept it from it, and drops those of older versions when this
// one has a live one: nobody follows them, so they would keep what was erased since.
// It does nothing while the outside is away.
func (m *ReadModel[S]) heal(ctx context.Context, version int) error {
	if m.opts.Outside == nil {
		return nil
	}
	all, err := m.all(ctx, m.log.pool)
	if err != nil {
		return err
	}
	_, live := find(all, version, "live")
	var errs []error
	for _, g := range all {
		switch {
		case g.Version == version:
			errs = append(errs, m.mend(ctx, g))
		case live && g.Version < version && g.Version != scratchVersion:
			errs = append(errs, m.change(ctx, func(tx pgx.Tx, _ []projections.Generation) error { return m.drop(ctx, tx, g) }))
		}
	}
	if err := errors.Join(errs...); err != nil && !errors.Is(err, domain.ErrUnavailable) {
		return fmt.Errorf("heal %s: %w", m.opts.Name, err)
	}
	return nil
}

// slots are those that a journal of a task needs one of to be brought up to date.
func (c *Consumer) slots(task projections.Task, long bool) chan struct{} {
	switch {
	case c.log.models.isOutside(task.Name):
		return c.outside
	case long:
		return c.long
	}
	return c.quick
}

// mend looks at one generation, and again when nobody else changes it.
func (m *ReadModel[S]) mend(ctx context.Context, g projections.Generation) error {
	check := func(ctx context.Context, p Place) error { return m.opts.Outside.Check(ctx, p, g.Status == "live") }
	err := m.outside(ctx, m.log.pool, g, check)
	if !errors.Is(err, domain.ErrNotFound) && !errors.Is(err, domain.ErrConflict) {
		return err
	}
	return m.change(ctx, func(tx pgx.Tx, all []projections.Generation) error {
		if _, err := tx.Exec(ctx, exclusiveLock, m.opts.Name); err != nil {
			return err
		}
		if now, ok := find(all, g.Version, g.Status); !ok || now.Number != g.Number {
			return nil // it was changed meanwhile
		}
		attrs := []any{
			slog.String("projection", m.opts.Name), slog.Int("generation", g.Number), slog.String("status", g.Status),
		}
		switch err := m.outside(ctx, tx, g, check); {
		case errors.Is(err, domain.ErrNotFound):
			m.log.log.Warn("rows of a read model are lost, it is made again", attrs...)
			return m.drop(ctx, tx, g)
		case errors.Is(err, domain.ErrConflict):
			m.log.log.Info("live generation is promoted", attrs...)
			return m.promote(ctx, tx, g)
		default:
			return err
		}
	})
}
