package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const lookForModels = sweepEvery // other processes build and activate too

// Rebuild builds a generation of a task's read model beside the live one, or goes
// on with one that is being built, lets it catch up in all journals, several at a
// time, and activates it. It returns domain.ErrConflict if it does not agree with
// the live one. Ended at any moment, it can be called again.
func (l *Log) Rebuild(ctx context.Context, task projections.Task) (projections.Generation, error) {
	gen, err := task.Build(ctx)
	if err != nil || gen.Status == "live" {
		return gen, err
	}
	if err := l.fill(ctx, task, gen); err != nil {
		return gen, fmt.Errorf("fill generation %d of %s: %w", gen.Number, task.Name, err)
	}
	if err := task.Activate(ctx, gen); err != nil {
		return gen, err
	}
	gen.Status = "live"
	return gen, nil
}

// Replace is Rebuild, but the generation is activated also if it differs from the live one, which
// is kept like any other; differs says how, and is nil if they agree. Where the generation is stopped
// by an event, that is such a difference, and its rows end there.
func (l *Log) Replace(ctx context.Context, task projections.Task) (gen projections.Generation, differs *DiffersError, err error) {
	gen, err = l.Rebuild(ctx, task)
	if !errors.As(err, &differs) {
		return gen, nil, err
	}
	m := l.models.scratcher(task.Name)
	if m == nil {
		return gen, nil, fmt.Errorf("read model %s is not kept here", task.Name)
	}
	if err := m.flip(ctx, gen); err != nil {
		return gen, nil, fmt.Errorf("replace generation %d of %s: %w", differs.Live, task.Name, err)
	}
	gen.Status = "live"
	return gen, differs, nil
}

// Rollback makes the kept generation of a task's read model the live one again,
// when it has caught up. It returns domain.ErrConflict if there is none.
func (l *Log) Rollback(ctx context.Context, task projections.Task) (projections.Generation, error) {
	gens, err := task.Generations(ctx)
	if err != nil {
		return projections.Generation{}, err
	}
	if kept, ok := find(gens, task.Version, "kept"); ok {
		if err := l.fill(ctx, task, kept); err != nil {
			return projections.Generation{}, fmt.Errorf("catch up generation %d of %s: %w", kept.Number, task.Name, err)
		}
	}
	return task.Rollback(ctx)
}

const longestFirst = `SELECT journal_id FROM log.journals WHERE position > 0 ORDER BY position DESC, journal_id`

// journals returns the journals that a query selects.
func (l *Log) journals(ctx context.Context, query string, args ...any) ([]events.JournalID, error) {
	rows, err := l.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read journals: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[events.JournalID])
	if err != nil {
		return nil, fmt.Errorf("read journals: %w", err)
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

// keep follows all generations of a task's version, as they come and go, and
// makes the first one.
func (c *Consumer) keep(ctx context.Context, task projections.Task) error {
	changed, cancel := c.log.models.subscribe()
	defer cancel()
	k := keeper{consumer: c, task: task, stop: map[int]func(){}, ended: make(chan int)}
	tick := time.NewTicker(lookForModels)
	defer tick.Stop()
	for {
		if err := k.look(ctx); err != nil && ctx.Err() == nil {
			c.log.log.Warn("generations of a read model", slog.String("projection", task.Name), slog.Any("err", err))
			tick.Reset(time.Second)
		}
		select {
		case <-ctx.Done():
			return k.group.Wait()
		case <-changed:
		case n := <-k.ended:
			delete(k.stop, n)
		case <-tick.C:
			tick.Reset(lookForModels)
		}
	}
}

// keeper knows the generations of one task that are followed.
type keeper struct {
	consumer *Consumer
	task     projections.Task
	group    errgroup.Group
	stop     map[int]func() // by number of the generation
	ended    chan int
	making   bool // the first live one
}

// look starts and stops following as generations come and go.
func (k *keeper) look(ctx context.Context) error {
	if err := k.consumer.log.models.heal(ctx, k.task.Name, k.task.Version); err != nil {
		return err
	}
	gens, err := k.task.Generations(ctx)
	if err != nil {
		return err
	}
	_, live := find(gens, k.task.Version, "live")
	if live {
		k.making = false // it may be lost, and made again
	}
	if !live && !k.making {
		k.making = true
		k.group.Go(func() error { k.makeFirst(ctx); return nil })
	}
	present := map[int]bool{}
	for _, g := range gens {
		present[g.Number] = true
		if k.stop[g.Number] != nil || g.Status == "building" && !live {
			continue // who makes it brings it up to date
		}
		k.start(ctx, g)
	}
	for n, stop := range k.stop {
		if !present[n] {
			stop()
		}
	}
	return nil
}

func (k *keeper) start(ctx context.Context, g projections.Generation) {
	following, stop := context.WithCancel(ctx)
	k.stop[g.Number] = stop
	k.group.Go(func() error {
		defer stop()
		if err := k.consumer.follow(following, k.task, g); err != nil {
			k.consumer.log.log.Error("follow the log", slog.String("projection", k.task.Name),
				slog.Int("generation", g.Number), slog.Any("err", err))
		}
		select {
		case k.ended <- g.Number:
		case <-ctx.Done():
		}
		return nil
	})
}

// makeFirst makes the first live generation of a version, however long it takes.
func (k *keeper) makeFirst(ctx context.Context) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		begin := time.Now()
		gen, err := k.consumer.log.Rebuild(ctx, k.task)
		if err == nil {
			k.consumer.log.log.Info("read model made", slog.String("projection", k.task.Name),
				slog.Int("generation", gen.Number), slog.Duration("took", time.Since(begin)))
			return
		}
		if ctx.Err() == nil {
			k.consumer.log.log.Error("make read model", slog.String("projection", k.task.Name), slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}
