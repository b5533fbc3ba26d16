package commands

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Watch is an account that this process watches.
type Watch struct {
	Journal  events.JournalID
	Account  domain.AccountID
	Version  int64      // of its settings
	LastSync *time.Time // end of the last run that succeeded; nil: none
}

// WatchState is how a watch stands: for people and metrics.
type WatchState struct {
	State   string // live, connecting, waiting (for NextAt), refused (until something changes)
	Reason  string // why it is not live, "" if nothing is wrong
	Message string // one sentence for people, "" without a reason
	NextAt  *time.Time
}

// The states of a watch.
const (
	WatchConnecting = "connecting"
	WatchLive       = "live"
	WatchWaiting    = "waiting"
	WatchRefused    = "refused"
)

// Watches says who watches which account: each is watched by one process.
type Watches interface {
	// Claim keeps what this process watches, takes what nobody does, and returns it all: accounts that are
	// synced by schedule. What is not kept for WatchLease may be taken by another process.
	Claim(ctx context.Context) ([]Watch, error)
	// Report notes how a watch stands.
	Report(ctx context.Context, w Watch, s WatchState) error
	// Release gives all up.
	Release(ctx context.Context) error
	// Push queues a run of an account because something has moved, and reports whether one waits: false if
	// one goes on, which may have looked before.
	Push(ctx context.Context, w Watch) (waits bool, err error)
	// Busy reports whether a run of an account waits or goes on.
	Busy(ctx context.Context, w Watch) (bool, error)
}

// WatchLease is how long a claim of a watch holds.
const WatchLease = 20 * time.Second

// WatcherOptions of a Watcher; zero values mean the defaults.
type WatcherOptions struct {
	Claim  time.Duration // between claims; 2 s
	Round  time.Duration // between looks at the mailboxes that do not tell by themselves; 60 s
	Slow   time.Duration // the same where each takes a command; 5 min
	Idle   time.Duration // after which IDLE begins anew, before a NAT forgets it; 9 min
	Gather time.Duration // least time between two runs for changes; 300 ms
	Now    func() time.Time
	Logger *slog.Logger
}

// Watcher waits for changes on the servers of accounts and queues runs. What a server tells is not
// trusted: a run looks.
type Watcher struct {
	watches     Watches
	connections *Connections
	state       SyncState
	passwords   Passwords
	opts        WatcherOptions
	log         *slog.Logger
}

// NewWatcher returns a watcher, which shares connections with the runs.
func NewWatcher(watches Watches, connections *Connections, state SyncState, passwords Passwords, opts WatcherOptions) *Watcher {
	defaults := []struct {
		set *time.Duration
		to  time.Duration
	}{
		{&opts.Claim, 2 * time.Second},
		{&opts.Round, time.Minute},
		{&opts.Slow, 5 * time.Minute},
		{&opts.Idle, 9 * time.Minute},
		{&opts.Gather, 300 * time.Millisecond},
	}
	for _, d := range defaults {
		if *d.set == 0 {
			*d.set = d.to
		}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Watcher{watches, connections, state, passwords, opts, opts.Logger}
}

// Run watches until ctx ends, then gives all accounts up and returns.
func (w *Watcher) Run(ctx context.Context) {
	var watching sync.WaitGroup
	going := map[domain.AccountID]*accountWatch{}
	claimed := w.opts.Now()
	tick := time.NewTicker(w.opts.Claim)
	defer tick.Stop()
	for ctx.Err() == nil {
		held, err := w.watches.Claim(ctx)
		switch now := w.opts.Now(); {
		case err == nil:
			claimed = now
			w.set(ctx, &watching, going, held)
		case ctx.Err() == nil:
			w.log.Warn("claim watches", slog.Any("err", err))
			if now.Sub(claimed) > WatchLease { // others may watch them by now
				w.set(ctx, &watching, going, nil)
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	watching.Wait()
	release, end := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer end()
	if err := w.watches.Release(release); err != nil {
		w.log.Warn("release watches", slog.Any("err", err))
	}
}

// set starts and ends watches, so that those of held go on.
func (w *Watcher) set(ctx context.Context, watching *sync.WaitGroup, going map[domain.AccountID]*accountWatch, held []Watch) {
	keep := make(map[domain.AccountID]bool, len(held))
	for _, h := range held {
		keep[h.Account] = true
		if a := going[h.Account]; a != nil {
			if a.suits(h) {
				continue
			}
			a.end()
		}
		a := w.begin(ctx, h)
		going[h.Account] = a
		watching.Go(a.run)
	}
	for acc, a := range going {
		if !keep[acc] {
			a.end()
			delete(going, acc)
		}
	}
}
