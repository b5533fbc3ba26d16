package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// scratchVersion is that of generations which Verify makes: no program follows it.
const scratchVersion = 0

// scratcher is a read model that can be built a second time, to be compared.
type scratcher interface {
	scratch(ctx context.Context) (projections.Generation, error)
	differs(ctx context.Context, j events.JournalID, live, gen projections.Generation) (string, error)
	clear(ctx context.Context, gen projections.Generation) error
	discard(ctx context.Context) error
	flip(ctx context.Context, gen projections.Generation, request []byte) error
	reads() string
}

// readModels builds the read models of each journal again and compares rows.
func (v *verifier) readModels(ctx context.Context, heads []events.Head) error {
	for _, task := range v.opts.Tasks {
		m := v.log.models.scratcher(task.Name)
		if m == nil {
			return fmt.Errorf("read model %s is not kept here", task.Name)
		}
		if err := v.readModel(ctx, task, m, heads); err != nil {
			return fmt.Errorf("compare %s: %w", task.Name, err)
		}
	}
	return nil
}

func (v *verifier) readModel(ctx context.Context, task projections.Task, m scratcher, heads []events.Head) (err error) {
	gens, err := task.Generations(ctx)
	if err != nil {
		return err
	}
	live, ok := find(gens, task.Version, "live")
	if !ok {
		return nil // there is nothing to compare with yet
	}
	if err := m.discard(ctx); err != nil { // what an earlier run left
		return err
	}
	defer func() { err = errors.Join(err, m.discard(context.WithoutCancel(ctx))) }()
	scratch, err := m.scratch(ctx)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if err := v.compare(ctx, task, m, live, scratch, h.Journal); err != nil {
			return fmt.Errorf("journal %d: %w", h.Journal, err)
		}
	}
	v.compared.Add(1)
	return nil
}

// compare builds the rows of one journal again, in the scratch generation.
func (v *verifier) compare(ctx context.Context, task projections.Task, m scratcher, live, scratch projections.Generation, j events.JournalID) error {
	for more := true; more; {
		var err error
		more, err = task.CatchUp(ctx, scratch, j)
		var stopped *StoppedError
		if errors.As(err, &stopped) {
			v.tell([]Finding{{Journal: j, Position: stopped.Position, What: err.Error()}})
			return m.clear(ctx, scratch)
		}
		if err != nil {
			return err
		}
	}
	if live.Reads != m.reads() {
		return m.clear(ctx, scratch) // it folds; rows of another parser may differ
	}
	differs, err := m.differs(ctx, j, live, scratch)
	if err != nil {
		return err
	}
	if differs != "" {
		v.tell([]Finding{{Journal: j, What: fmt.Sprintf("generation %d of %s: %s", live.Number, task.Name, differs)}})
	}
	return m.clear(ctx, scratch)
}

// differs says in words how the rows of live are not what the log makes of them.
func (m *ReadModel[S]) differs(ctx context.Context, j events.JournalID, live, gen projections.Generation) (string, error) {
	is, want, err := m.digests(ctx, j, live, gen)
	if err != nil {
		return "", err
	}
	return diff(want, is), nil
}

func (m *ReadModel[S]) reads() string { return m.opts.Reads }

// scratch makes a generation that nobody follows.
func (m *ReadModel[S]) scratch(ctx context.Context) (projections.Generation, error) {
	var out projections.Generation
	err := m.change(ctx, func(tx pgx.Tx, all []projections.Generation) error {
		out = projections.Generation{Number: nextNumber(all), Version: scratchVersion, Status: "building"}
		out.Schema = fmt.Sprintf("%s_g%d", m.opts.Name, out.Number)
		return m.create(ctx, tx, &out, false)
	})
	if err != nil {
		return out, fmt.Errorf("make a generation to compare with: %w", err)
	}
	return out, nil
}

const tablesOf = `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = $1`

// clear empties a scratch generation, for the next journal.
func (m *ReadModel[S]) clear(ctx context.Context, gen projections.Generation) error {
	return pgx.BeginFunc(ctx, m.log.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, tablesOf, gen.Schema)
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, t := range tables {
			if _, err := tx.Exec(ctx, "TRUNCATE "+t); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM log.checkpoints WHERE projection = $1 AND generation = $2`, m.opts.Name, gen.Number); err != nil {
			return err
		}
		return m.outside(ctx, tx, gen, func(ctx context.Context, p Place) error { return m.opts.Outside.Create(ctx, p) })
	})
}

// discard drops the scratch generations.
func (m *ReadModel[S]) discard(ctx context.Context) error {
	all, err := m.all(ctx, m.log.pool)
	if err != nil {
		return err
	}
	if _, ok := find(all, scratchVersion, "building"); !ok {
		return nil
	}
	return m.change(ctx, func(tx pgx.Tx, all []projections.Generation) error {
		var errs []error
		for _, g := range all {
			if g.Version == scratchVersion {
				errs = append(errs, m.drop(ctx, tx, g))
			}
		}
		return errors.Join(errs...)
	})
}
