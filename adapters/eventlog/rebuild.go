package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// Rebuild builds a generation of a task's read model beside the live one, or goes
// on with one that is being built, lets it catch up in all journals, several at a
// time, and activates it. It returns domain.ErrConflict if it does not agree with
// the live one. Ended at any moment, it can be called again.
func (l *Log) Rebuild(ctx context.Context, task projections.Task) (projections.Generation, error) {
	gen, err := task.Build(ctx)
	if err != nil || gen.Status == "live" {
		return gen, err
	}
	return l.Finish(ctx, task, gen)
}

// Finish is Rebuild for a generation that is being built. It waits while somebody else
// builds it, in any process.
func (l *Log) Finish(ctx context.Context, task projections.Task, gen projections.Generation) (projections.Generation, error) {
	done, err := l.alone(ctx, task)
	if err != nil {
		return gen, err
	}
	defer done()
	gens, err := task.Generations(ctx)
	if err != nil {
		return gen, err
	}
	i := slices.IndexFunc(gens, func(g projections.Generation) bool { return g.Number == gen.Number })
	if i < 0 {
		return gen, fmt.Errorf("generation %d of %s is gone: %w", gen.Number, task.Name, domain.ErrConflict)
	}
	if gens[i].Status != "building" {
		return gens[i], l.tell(ctx, task.Name)
	}
	if err := l.fill(ctx, task, gen); err != nil {
		return gen, fmt.Errorf("fill generation %d of %s: %w", gen.Number, task.Name, err)
	}
	err = task.Activate(ctx, gen)
	if differs, ok := errors.AsType[*DiffersError](err); ok {
		_, noted := l.pool.Exec(ctx, noteFailed, task.Name, gen.Number, fit(differs.Error(), maxFailureText))
		return gen, errors.Join(err, noted)
	}
	if err != nil {
		return gen, err
	}
	gen.Status = "live"
	return gen, l.tell(ctx, task.Name)
}

// Replace is Finish, but the generation is activated also if it differs from the live one, which
// is kept like any other; differs says how, and is nil if they agree. Where the generation is stopped
// by an event, that is such a difference, and its rows end there.
func (l *Log) Replace(ctx context.Context, task projections.Task, gen projections.Generation) (out projections.Generation, differs *DiffersError, err error) {
	gen, err = l.Finish(ctx, task, gen)
	if !errors.As(err, &differs) {
		return gen, nil, err
	}
	m := l.models.scratcher(task.Name)
	if m == nil {
		return gen, nil, fmt.Errorf("read model %s is not kept here", task.Name)
	}
	if err := m.flip(ctx, gen, nil); err != nil {
		return gen, nil, fmt.Errorf("replace generation %d of %s: %w", differs.Live, task.Name, err)
	}
	gen.Status = "live"
	return gen, differs, l.tell(ctx, task.Name)
}

// Rollback makes the kept generation of a task's read model the live one again,
// when it has caught up; the log tells who asked, if asked is not nil. It returns
// domain.ErrConflict if there is none.
func (l *Log) Rollback(ctx context.Context, task projections.Task, asked *events.Meta) (projections.Generation, error) {
	gens, err := task.Generations(ctx)
	if err != nil {
		return projections.Generation{}, err
	}
	if kept, ok := find(gens, task.Version, "kept"); ok {
		if err := l.fill(ctx, task, kept); err != nil {
			return projections.Generation{}, fmt.Errorf("catch up generation %d of %s: %w", kept.Number, task.Name, err)
		}
	}
	gen, err := task.Rollback(ctx, asked)
	if err != nil {
		return gen, err
	}
	return gen, l.tell(ctx, task.Name)
}

const longestFirst = `SELECT journal_id FROM log.journals WHERE position > 0 ORDER BY position DESC, journal_id`

// journals returns the journals that a query selects.
func (l *Log) journals(ctx context.Context, query string, args ...any) ([]events.JournalID, error) {
	rows, err := l.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read journals: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[events.JournalID])
	if err != nil {
		return nil, fmt.Errorf("read journals: %w", translate(err))
	}
	return out, nil
}

// fill lets a generation catch up in all journals, the longest first. Where it
// stops in one, the others go on.
func (l *Log) fill(ctx context.Context, task projections.Task, gen projections.Generation) error {
	journals, err := l.journals(ctx, longestFirst)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, j := range journals {
		g.Go(func() error { return l.fillJournal(ctx, task, gen, j) })
	}
	return g.Wait()
}

func (l *Log) fillJournal(ctx context.Context, task projections.Task, gen projections.Generation, j events.JournalID) error {
	for {
		more, err := task.CatchUp(ctx, gen, j)
		var stopped *StoppedError
		if errors.As(err, &stopped) {
			l.log.Error("projection stopped", slog.String("projection", task.Name), slog.Int("generation", gen.Number),
				slog.Int64("journal", int64(j)), slog.Int64("position", int64(stopped.Position)), slog.Any("err", stopped.Err))
			return nil
		}
		if err != nil || !more {
			return err
		}
	}
}
