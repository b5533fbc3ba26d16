package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/projections"
)

const (
	exclusiveLock = `SELECT pg_advisory_xact_lock(` + lockKey + `)`
	// buildLock lets one builder at a time make and drop generations; those who
	// catch up do not wait for it.
	buildLock = `SELECT pg_advisory_xact_lock(hashtextextended('imap2api build ' || $1::text, 0))`
	// noTimeouts: building, indexing and comparing take as long as they take.
	noTimeouts = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`

	generationsQuery = `
SELECT generation, version, schema_name, status, reads, coalesce(last_error, ''), request IS NOT NULL
FROM log.generations WHERE projection = $1 ORDER BY generation`
	newGeneration = `
INSERT INTO log.generations (projection, generation, version, schema_name, reads, status, started_at)
VALUES ($1, $2, $3, $4, $5, 'building', clock_timestamp())`
	journalsWithEvents = `SELECT EXISTS (SELECT FROM log.journals WHERE position > 0)`
	markIndexed        = `COMMENT ON SCHEMA %s IS 'indexed'`
	isIndexed          = `
SELECT coalesce(obj_description(to_regnamespace($1), 'pg_namespace') = 'indexed', false)`
	statusQuery = `
UPDATE log.generations SET status = $3, activated_at = CASE WHEN $3 = 'live' THEN clock_timestamp() ELSE activated_at END,
	last_error = NULL
WHERE projection = $1 AND generation = $2`
)

// Generations returns the live, building and kept generations of a version.
func (m *ReadModel[S]) Generations(ctx context.Context, version int) ([]projections.Generation, error) {
	all, err := m.all(ctx, m.log.pool)
	if err != nil {
		return nil, err
	}
	var out []projections.Generation
	for _, g := range all {
		if g.Version == version {
			out = append(out, g)
		}
	}
	return out, nil
}

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (m *ReadModel[S]) all(ctx context.Context, q querier) ([]projections.Generation, error) {
	rows, err := q.Query(ctx, generationsQuery, m.opts.Name)
	if err != nil {
		return nil, fmt.Errorf("read generations of %s: %w", m.opts.Name, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[projections.Generation])
	if err != nil {
		return nil, fmt.Errorf("read generations of %s: %w", m.opts.Name, err)
	}
	return out, nil
}

// find returns the generation of a version that has a status.
func find(all []projections.Generation, version int, status string) (projections.Generation, bool) {
	for _, g := range all {
		if g.Version == version && g.Status == status {
			return g, true
		}
	}
	return projections.Generation{}, false
}

// Build returns the generation of this version that is being built, a new one if
// there is none. A new one takes the place of the kept one, and of those of older
// versions if this version has a live one. The first one of a version is live at
// once when no journal has events.
func (m *ReadModel[S]) Build(ctx context.Context, version int) (projections.Generation, error) {
	var out projections.Generation
	err := m.change(ctx, func(tx pgx.Tx, all []projections.Generation) (err error) {
		out, err = m.building(ctx, tx, all, version)
		return err
	})
	if err != nil {
		return projections.Generation{}, fmt.Errorf("build %s: %w", m.opts.Name, err)
	}
	return out, nil
}

// building is Build within a transaction.
func (m *ReadModel[S]) building(ctx context.Context, tx pgx.Tx, all []projections.Generation, version int) (projections.Generation, error) {
	if g, ok := find(all, version, "building"); ok {
		return g, nil
	}
	_, live := find(all, version, "live")
	next := nextNumber(all)
	for _, g := range all {
		old := g.Version < version && g.Version != scratchVersion
		if live && (old || g.Version == version && g.Status == "kept") {
			if err := m.drop(ctx, tx, g); err != nil {
				return g, err
			}
		}
	}
	out := projections.Generation{
		Number: next, Version: version, Status: "building", Schema: fmt.Sprintf("%s_g%d", m.opts.Name, next), Reads: m.opts.Reads,
	}
	return out, m.create(ctx, tx, &out, !live)
}

func nextNumber(all []projections.Generation) int {
	next := 1
	for _, g := range all {
		next = max(next, g.Number+1)
	}
	return next
}

// change runs fn in a transaction that no other builder is in, and tells all
// consumers afterwards.
func (m *ReadModel[S]) change(ctx context.Context, fn func(tx pgx.Tx, all []projections.Generation) error) error {
	// Dropping an old generation may meet a reader that is still in it: one of the two
	// is ended by the database as a deadlock, and then this one is tried again.
	err := m.log.retry(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, buildLock, m.opts.Name); err != nil {
			return err
		}
		all, err := m.all(ctx, tx)
		if err != nil {
			return err
		}
		return fn(tx, all)
	})
	if err != nil {
		return err
	}
	m.log.models.changed()
	if err := m.log.notes.notify(context.WithoutCancel(ctx), noteModels); err != nil {
		m.log.log.Debug("notify", slog.Any("err", err)) // they look now and then
	}
	return nil
}

// create makes schema, tables and row of a generation.
func (m *ReadModel[S]) create(ctx context.Context, tx pgx.Tx, g *projections.Generation, first bool) error {
	schema := pgx.Identifier{g.Schema}.Sanitize()
	if _, err := tx.Exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	if err := inSchema(ctx, tx, g.Schema, m.opts.Tables); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	if _, err := tx.Exec(ctx, newGeneration, m.opts.Name, g.Number, g.Version, g.Schema, m.opts.Reads); err != nil {
		return fmt.Errorf("create generation: %w", err)
	}
	if err := m.outside(ctx, tx, *g, func(ctx context.Context, p Place) error { return m.opts.Outside.Create(ctx, p) }); err != nil {
		return fmt.Errorf("create generation: %w", err)
	}
	var some bool
	if err := tx.QueryRow(ctx, journalsWithEvents).Scan(&some); err != nil {
		return fmt.Errorf("read journals: %w", err)
	}
	if some || !first {
		return nil
	}
	if err := m.index(ctx, tx, *g); err != nil {
		return err
	}
	g.Status = "live"
	if _, err := tx.Exec(ctx, statusQuery, m.opts.Name, g.Number, g.Status); err != nil {
		return err
	}
	return m.promote(ctx, tx, *g)
}

// inSchema runs statements with the search path set to a schema.
func inSchema(ctx context.Context, tx pgx.Tx, schema, statements string) error {
	if _, err := tx.Exec(ctx, `SELECT set_config('search_path', $1, true)`, schema); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, outOfGeneration)
	return err
}

// index makes the further indexes of a generation, unless an earlier try did.
func (m *ReadModel[S]) index(ctx context.Context, tx pgx.Tx, g projections.Generation) error {
	var indexed bool
	if err := tx.QueryRow(ctx, isIndexed, g.Schema).Scan(&indexed); err != nil || indexed {
		return err
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(`+indexKey+`)`, m.opts.Name, g.Number); err != nil {
		return err
	}
	if err := inSchema(ctx, tx, g.Schema, m.opts.Indexes); err != nil {
		return fmt.Errorf("create indexes: %w", err)
	}
	for _, table := range m.opts.HashTables {
		if _, err := tx.Exec(ctx, "ANALYZE "+pgx.Identifier{g.Schema, table}.Sanitize()); err != nil {
			return fmt.Errorf("analyze: %w", err)
		}
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(markIndexed, pgx.Identifier{g.Schema}.Sanitize()))
	return err
}

// drop removes a generation. It waits for those who catch up in it.
func (m *ReadModel[S]) drop(ctx context.Context, tx pgx.Tx, g projections.Generation) error {
	var place Place
	if err := m.outside(ctx, tx, g, func(_ context.Context, p Place) error { place = p; return nil }); err != nil {
		return err
	}
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{exclusiveLock, []any{m.opts.Name}},
		{`DELETE FROM log.generations WHERE projection = $1 AND generation = $2`, []any{m.opts.Name, g.Number}},
		{`DELETE FROM log.checkpoints WHERE projection = $1 AND generation = $2`, []any{m.opts.Name, g.Number}},
		{"DROP SCHEMA " + pgx.Identifier{g.Schema}.Sanitize() + " CASCADE", nil},
	} {
		if _, err := tx.Exec(ctx, q.sql, q.args...); err != nil {
			return fmt.Errorf("drop generation %d: %w", g.Number, err)
		}
	}
	if m.opts.Outside == nil {
		return nil
	}
	return m.opts.Outside.Drop(ctx, place)
}

// Drop removes the kept generations, and those that could not be made live.
func (m *ReadModel[S]) Drop(ctx context.Context) error {
	err := m.change(ctx, func(tx pgx.Tx, all []projections.Generation) error {
		var errs []error
		for _, g := range all {
			if g.Status == "kept" || g.Status == "building" && g.Error != "" {
				errs = append(errs, m.drop(ctx, tx, g))
			}
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return fmt.Errorf("drop what is kept of %s: %w", m.opts.Name, err)
	}
	return nil
}
