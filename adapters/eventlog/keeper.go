package eventlog

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/projections"
)

const lookForModels = sweepEvery // other processes build and activate too

// keep follows the generations of a task's version, as they come and go, makes the
// first one, and finishes those that are being built.
func (c *Consumer) keep(ctx context.Context, task projections.Task) error {
	changed, cancel := c.log.models.subscribe()
	defer cancel()
	k := keeper{consumer: c, task: task, stop: map[int]func(){}, ended: make(chan int), made: make(chan struct{})}
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
		case <-k.made:
			k.making = false
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
	making   bool // one is being finished
	made     chan struct{}
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
	if _, due := k.due(gens); due && !k.making {
		k.making = true
		k.group.Go(func() error { k.finish(ctx); return nil })
	}
	present := map[int]bool{}
	for _, g := range gens {
		present[g.Number] = true
		if g.Asked && g.Status != "building" && !k.making {
			if err := k.consumer.log.tell(ctx, k.task.Name); err != nil {
				return err
			}
		}
		if k.stop[g.Number] != nil || g.Status == "building" && g.Error == "" {
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

// due returns the generation that is to be finished, a zero one if the first is to be begun.
func (k *keeper) due(gens []projections.Generation) (projections.Generation, bool) {
	building, ok := find(gens, k.task.Version, "building")
	if ok && building.Error == "" {
		return building, true
	}
	_, live := find(gens, k.task.Version, "live")
	return projections.Generation{}, !live && !ok
}

// finish makes live what is due, however long it takes. What differs from the live one is
// left to a person.
func (k *keeper) finish(ctx context.Context) {
	defer func() {
		select {
		case k.made <- struct{}{}:
		case <-ctx.Done():
		}
	}()
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, time.Minute) {
		begin := time.Now()
		gen, err := k.finishNext(ctx)
		_, differs := errors.AsType[*DiffersError](err)
		switch {
		case err == nil && gen.Number == 0:
			return
		case err == nil:
			k.consumer.log.log.Info("read model made", slog.String("projection", k.task.Name),
				slog.Int("generation", gen.Number), slog.Duration("took", time.Since(begin)))
			return
		case ctx.Err() == nil:
			k.consumer.log.log.Error("make read model", slog.String("projection", k.task.Name), slog.Any("err", err))
		}
		if differs {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// finishNext makes live what is due now; generation 0: nothing is.
func (k *keeper) finishNext(ctx context.Context) (projections.Generation, error) {
	gens, err := k.task.Generations(ctx)
	if err != nil {
		return projections.Generation{}, err
	}
	gen, due := k.due(gens)
	switch {
	case !due:
		return projections.Generation{}, nil
	case gen.Number == 0:
		return k.consumer.log.Rebuild(ctx, k.task)
	}
	return k.consumer.log.Finish(ctx, k.task, gen)
}
