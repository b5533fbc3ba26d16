package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Stall is an account that is not kept level, without a failure that would say so.
type Stall struct {
	Journal     events.JournalID
	Account     domain.AccountID
	AccountName string
	Sync        domain.SyncID // the run that does nothing, or the last one; 0: there was none
	Lease       int64         // of the run that does nothing
	Since       time.Time
	LastSync    *time.Time // end of the last run that succeeded; nil: none
	LastError   *events.SyncError
}

// Stalls finds accounts that are not kept level.
type Stalls interface {
	// Idle returns runs that go on and have done nothing since a moment.
	Idle(ctx context.Context, since time.Time) ([]Stall, error)
	// Overdue returns accounts that are synced by schedule, of which no run has succeeded since a moment and nobody was told.
	Overdue(ctx context.Context, since time.Time) ([]Stall, error)
	// Notify says that a run has changed.
	Notify()
}

// OverseerOptions of an Overseer; zero values mean the defaults.
type OverseerOptions struct {
	StallAfter   time.Duration // a run that does nothing is taken over; 10 min
	OverdueAfter time.Duration // without a run that succeeds; 24 h
	Now          func() time.Time
	Logger       *slog.Logger
}

// Overseer sees to runs that hang and accounts that nobody brings level, whichever process they are in.
type Overseer struct {
	journal Journal
	stalls  Stalls
	opts    OverseerOptions
	log     *slog.Logger
}

// NewOverseer returns an overseer.
func NewOverseer(journal Journal, stalls Stalls, opts OverseerOptions) *Overseer {
	if opts.StallAfter == 0 {
		opts.StallAfter = 10 * time.Minute
	}
	if opts.OverdueAfter == 0 {
		opts.OverdueAfter = 24 * time.Hour
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Overseer{journal, stalls, opts, opts.Logger}
}

// Run looks until ctx ends.
func (o *Overseer) Run(ctx context.Context) {
	tick := time.NewTicker(min(max(o.opts.StallAfter/10, 50*time.Millisecond), 10*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := o.look(ctx); err != nil && ctx.Err() == nil {
				o.log.Warn("look for stalled syncs", slog.Any("err", err))
			}
		}
	}
}

func (o *Overseer) look(ctx context.Context) error {
	now := o.opts.Now()
	idle, err := o.stalls.Idle(ctx, now.Add(-o.opts.StallAfter))
	if err != nil {
		return fmt.Errorf("find runs without progress: %w", err)
	}
	for _, s := range idle {
		if err := o.takeOver(ctx, s); err != nil {
			return err
		}
	}
	overdue, err := o.stalls.Overdue(ctx, now.Add(-o.opts.OverdueAfter))
	if err != nil {
		return fmt.Errorf("find accounts that are overdue: %w", err)
	}
	for _, s := range overdue {
		if err := o.tell(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// takeOver ends the lease of a run that does nothing: its worker can record nothing more and gives the connection
// up, another takes the run.
func (o *Overseer) takeOver(ctx context.Context, s Stall) error {
	_, err := o.journal.Update(ctx, o.scope(s), func(state State) (Decision, error) {
		if state.Account == nil || state.Account.Running != s.Sync {
			return Decision{}, nil // it has ended
		}
		d := Decision{Rows: []Row{TakeoverRow{s.Account}}}
		if !state.Account.Stalled {
			d.Events, d.Rows = []events.Event{stalled(s, events.StalledNoProgress)}, append(d.Rows, StalledRow{s.Account})
		}
		return d, nil
	})
	switch {
	case errors.Is(err, domain.ErrConflict), errors.Is(err, domain.ErrNotFound): // another was first, or it is erased
		return nil
	case err != nil:
		return fmt.Errorf("take over sync %d: %w", s.Sync, err)
	}
	o.log.Warn("sync without progress is taken over", slog.Int64("account", int64(s.Account)), slog.Int64("sync", int64(s.Sync)))
	o.stalls.Notify()
	return nil
}

// tell records that an account is overdue.
func (o *Overseer) tell(ctx context.Context, s Stall) error {
	_, err := o.journal.Update(ctx, o.scope(s), func(state State) (Decision, error) {
		a := state.Account
		if a == nil || a.Stalled || a.Settings.IntervalMin == nil || a.SyncedAt != nil && a.SyncedAt.After(s.Since) {
			return Decision{}, nil
		}
		return Decision{Events: []events.Event{stalled(s, events.StalledOverdue)}, Rows: []Row{StalledRow{s.Account}}}, nil
	})
	if err != nil && !errors.Is(err, domain.ErrNotFound) {
		return fmt.Errorf("record that account %d is overdue: %w", s.Account, err)
	}
	return nil
}

func (o *Overseer) scope(s Stall) Scope {
	return Scope{
		Journal: s.Journal, Append: NewAppendID(), Account: s.Account, Lease: s.Lease,
		Meta: events.Meta{Actor: events.Actor{Kind: events.ActorSystem, Name: "sync"}, Sync: s.Sync},
	}
}

func stalled(s Stall, reason string) events.SyncStalled {
	return events.SyncStalled{
		Account: s.Account, AccountName: s.AccountName, Reason: reason, Sync: s.Sync, Since: s.Since,
		LastSync: s.LastSync, LastError: s.LastError,
	}
}
