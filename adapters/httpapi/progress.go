package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

const (
	progressType  = "sync.progress"
	streamPath    = "events/stream/"
	progressEvery = 500 * time.Millisecond // at most two a second and server (api.md 10.8)
)

// progressEventJSON is how far a sync run has come, as streams tell it.
type progressEventJSON struct {
	IMAPServer    domain.AccountID `json:"imap_server"`
	Sync          domain.SyncID    `json:"sync_id"`
	Percent       int              `json:"percent"`
	CurrentFolder *string          `json:"current_folder"`
}

// progressFeed looks at the runs that go on while anybody follows one of their journals, in
// this process or another, and tells each follower what is new.
type progressFeed struct {
	look func(context.Context, queries.ListRunningSyncs) ([]queries.RunningSync, error)
	log  *slog.Logger

	mu        sync.Mutex
	followers map[chan []queries.RunningSync]events.JournalID
	stop      context.CancelFunc // of the looks; nil: nobody follows
}

func newProgressFeed(look func(context.Context, queries.ListRunningSyncs) ([]queries.RunningSync, error), log *slog.Logger) *progressFeed {
	return &progressFeed{look: look, log: log, followers: map[chan []queries.RunningSync]events.JournalID{}}
}

// follow returns what is told of the runs of a journal until end is called.
func (f *progressFeed) follow(ctx context.Context, journal events.JournalID) (told <-chan []queries.RunningSync, end func()) {
	if f.look == nil {
		return nil, func() {}
	}
	ch := make(chan []queries.RunningSync, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followers[ch] = journal
	if f.stop == nil {
		var looks context.Context
		looks, f.stop = context.WithCancel(context.WithoutCancel(ctx))
		go f.run(looks)
	}
	return ch, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.followers, ch)
		if len(f.followers) == 0 {
			f.stop()
			f.stop = nil
		}
	}
}

func (f *progressFeed) run(ctx context.Context) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	seen := map[domain.SyncID]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		running, err := f.look(ctx, queries.ListRunningSyncs{Journals: f.journals()})
		if err != nil {
			if ctx.Err() == nil {
				f.log.Debug("look at running syncs", slog.Any("err", err))
			}
			continue
		}
		fresh := map[domain.SyncID]time.Time{}
		for _, r := range running {
			fresh[r.Sync] = r.At
		}
		f.tell(slices.DeleteFunc(running, func(r queries.RunningSync) bool { return seen[r.Sync].Equal(r.At) }))
		seen = fresh
	}
}

func (f *progressFeed) journals() []events.JournalID {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []events.JournalID
	for _, j := range f.followers {
		if !slices.Contains(out, j) {
			out = append(out, j)
		}
	}
	return out
}

// tell gives each follower what is of its journal. One that has not taken the last news yet gets these in their place.
func (f *progressFeed) tell(running []queries.RunningSync) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ch, j := range f.followers {
		var mine []queries.RunningSync
		for _, r := range running {
			if r.Journal == j {
				mine = append(mine, r)
			}
		}
		if len(mine) == 0 {
			continue
		}
		select {
		case <-ch:
		default:
		}
		ch <- mine
	}
}

// progress puts into the buffer how far runs have come, those that the stream is about.
func (s *stream) progress(running []queries.RunningSync) {
	for _, r := range running {
		if s.q.Accounts != nil && !slices.Contains(s.q.Accounts, r.Account) {
			continue
		}
		counts := countsOf(r.Progress)
		fmt.Fprintf(&s.buf, "event: %s\ndata: %s\n\n", progressType,
			mustJSON(progressEventJSON{r.Account, r.Sync, percentOf(counts, true), counts.CurrentFolder}))
	}
}
