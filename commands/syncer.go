package commands

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Runs is the queue as the workers see it. A run is claimed under a lease; who
// has lost the lease can record nothing more.
type Runs interface {
	// EnqueueDue queues a run for each account whose time has come, and returns how many.
	EnqueueDue(ctx context.Context) (int, error)
	// Claim takes a run that waits, oldest first, or one whose worker is dead. ok is false if there is none.
	// quick: only of an account that was synced before, which does not take long.
	Claim(ctx context.Context, quick bool) (run Run, ok bool, err error)
	// Renew keeps the lease. It returns domain.ErrConflict if it is lost, and
	// whether the run was cancelled.
	Renew(ctx context.Context, run Run) (cancelled bool, err error)
	// Report notes how far a run has come.
	Report(ctx context.Context, run Run, p SyncProgress) error
	// Release gives up a run that could not be ended; another worker takes it.
	Release(ctx context.Context, run Run) error
	// Changed returns a channel that is closed at the next change of any run here.
	Changed() <-chan struct{}
	// Notify says that a run has changed.
	Notify()
}

// SyncerOptions of a Syncer; zero values mean the defaults.
type SyncerOptions struct {
	Workers int           // runs at once; 4
	Quick   int           // further ones of accounts that were synced before, so that none waits for first syncs; 2
	Tick    time.Duration // between looks at the schedule; 1 s
	Renew   time.Duration // between renewals of a lease; 2 s
	Logger  *slog.Logger
	// Begin, if set, is told of each run that begins, and end of how it went: an error if it was given up.
	Begin func(ctx context.Context, run Run) (inner context.Context, end func(err error))
}

// Syncer carries out the runs of the queue, a few at once.
type Syncer struct {
	runs Runs
	sync *SyncAccountHandler
	opts SyncerOptions
	log  *slog.Logger
}

// NewSyncer returns a syncer.
func NewSyncer(runs Runs, sync *SyncAccountHandler, opts SyncerOptions) *Syncer {
	if opts.Workers == 0 {
		opts.Workers = 4
	}
	if opts.Quick == 0 {
		opts.Quick = 2
	}
	if opts.Tick == 0 {
		opts.Tick = time.Second
	}
	if opts.Renew == 0 {
		opts.Renew = 2 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Syncer{runs, sync, opts, opts.Logger}
}

// Run works until ctx ends; then it gives up its runs where they are, which
// loses nothing, and returns.
func (s *Syncer) Run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	free, quick := make(chan struct{}, s.opts.Workers), make(chan struct{}, s.opts.Quick)
	ended := make(chan struct{}, 1)
	tick := time.NewTicker(s.opts.Tick)
	defer tick.Stop()
	for {
		changed := s.runs.Changed()
		s.start(ctx, &workers, free, ended, false)
		s.start(ctx, &workers, quick, ended, true)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ended:
		case <-tick.C:
			if _, err := s.runs.EnqueueDue(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("look at schedule", slog.Any("err", err))
			}
		}
	}
}

// start claims runs for all workers that are free. Ended is told when one is free again.
func (s *Syncer) start(ctx context.Context, workers *sync.WaitGroup, free, ended chan struct{}, quick bool) {
	for ctx.Err() == nil {
		select {
		case free <- struct{}{}:
		default:
			return
		}
		run, ok, err := s.runs.Claim(ctx, quick)
		if err != nil || !ok {
			<-free
			if err != nil && ctx.Err() == nil {
				s.log.Warn("claim sync run", slog.Any("err", err))
			}
			return
		}
		workers.Go(func() {
			s.carryOut(ctx, run)
			<-free
			select {
			case ended <- struct{}{}:
			default: // somebody will look
			}
		})
	}
}

// errCancelled ends a run that a user gave up.
var errCancelled = errors.New("cancelled by request")

// carryOut runs one sync, keeping its lease.
func (s *Syncer) carryOut(ctx context.Context, run Run) {
	stopped := ctx.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	progress := &progress{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.keep(ctx, cancel, run, progress)
	}()
	inner, ended := ctx, func(error) {}
	if s.opts.Begin != nil {
		inner, ended = s.opts.Begin(ctx, run)
	}
	err := s.sync.Handle(inner, run, progress)
	ended(err)
	cancel(nil)
	<-done
	if err == nil {
		s.runs.Notify()
		return
	}
	s.log.Warn("sync run given up", slog.Int64("account", int64(run.Account)), slog.Int64("sync", int64(run.Sync)), slog.Any("err", err))
	s.rest(stopped) // a fault that stays is not tried without a pause
	release, end := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer end()
	if err := s.runs.Release(release, run); err != nil {
		s.log.Warn("release sync run", slog.Int64("account", int64(run.Account)), slog.Any("err", err))
	}
}

// rest holds a worker back after a failure, unless the program stops.
func (s *Syncer) rest(stopped <-chan struct{}) {
	select {
	case <-stopped:
	case <-time.After(2 * s.opts.Tick):
	}
}

// keep renews the lease and reports progress until ctx ends.
func (s *Syncer) keep(ctx context.Context, cancel context.CancelCauseFunc, run Run, p *progress) {
	renew := time.NewTicker(s.opts.Renew)
	defer renew.Stop()
	report := time.NewTicker(s.opts.Renew / 8)
	defer report.Stop()
	for {
		changed := s.runs.Changed()
		select {
		case <-ctx.Done():
			return
		case <-report.C:
			if now, fresh := p.take(); fresh {
				if err := s.runs.Report(ctx, run, now); err != nil && ctx.Err() == nil {
					s.log.Debug("report progress", slog.Any("err", err))
				}
			}
			continue
		case <-renew.C:
		case <-changed:
		}
		cancelled, err := s.runs.Renew(ctx, run)
		switch {
		case cancelled:
			cancel(errCancelled)
		case errors.Is(err, domain.ErrConflict), errors.Is(err, domain.ErrNotFound):
			cancel(err)
		}
	}
}

// progress is how far a run has come; set by the run, read by its keeper.
type progress struct {
	mu    sync.Mutex
	now   SyncProgress
	fresh bool
}

// update changes the progress.
func (p *progress) update(change func(*SyncProgress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.now)
	p.fresh = true
}

func (p *progress) take() (SyncProgress, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := p.fresh
	p.fresh = false
	return p.now, fresh
}

// metaOf returns what the commits of a run say of themselves.
func metaOf(run Run) events.Meta {
	return events.Meta{Actor: events.Actor{Kind: events.ActorSystem, Name: "sync"}, Sync: run.Sync}
}
