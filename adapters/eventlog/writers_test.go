package eventlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Sixteen writers in eight journals; readers see each journal at all times
// without a gap, and what was refused leaves no trace.
func TestWriters(t *testing.T) {
	t.Parallel()
	const writers, journals, appends = 16, 8, 100
	pool := pgtest.Pool(t)
	j := New(pool, Options{}).Journal()
	for id := range int64(journals) {
		addUser(t, j, id+1)
		addAccount(t, j, events.JournalID(id+1), domain.AccountID(id+1))
	}
	ctx, done := context.WithCancel(t.Context())
	readers := startReaders(ctx, pool, journals)
	var want [journals + 1]atomic.Int64
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for n := range appends {
				journal := events.JournalID(rng.IntN(journals) + 1)
				events, err := appendSome(t.Context(), j, journal, rng, n)
				if err != nil {
					return err
				}
				want[journal].Add(int64(events))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	done()
	if err := readers(); err != nil {
		t.Error(err)
	}
	for id := range int64(journals) {
		types := checkChain(t, pool, events.JournalID(id+1))
		if got := int64(len(types)) - 1; got != want[id+1].Load() {
			t.Errorf("journal %d has %d events, want %d", id+1, got, want[id+1].Load())
		}
	}
}

// appendSome appends up to five events, some of them with rows, some not at all.
func appendSome(ctx context.Context, j *Journal, journal events.JournalID, rng *rand.Rand, n int) (int, error) {
	var d commands.Decision
	for range rng.IntN(5) + 1 {
		d.Events = append(d.Events, loggedIn(n))
	}
	if rng.IntN(2) == 0 {
		d.Rows = append(d.Rows, commands.QueueRow{Account: domain.AccountID(journal), Sync: 1, Cause: "request", At: time.Now()})
	}
	refuse := rng.IntN(10) == 0
	_, err := j.Update(ctx, scopeOf(journal), func(commands.State) (commands.Decision, error) {
		if refuse {
			return d, domain.ErrInvalid
		}
		return d, nil
	})
	switch {
	case refuse && errors.Is(err, domain.ErrInvalid):
		return 0, nil
	case err != nil || refuse:
		return 0, fmt.Errorf("append to journal %d, refused %v: %w", journal, refuse, err)
	}
	return len(d.Events), nil
}

// startReaders reads all journals, over and over, until ctx ends. The returned
// function waits for the end and says what was wrong.
func startReaders(ctx context.Context, pool *pgxpool.Pool, journals int) func() error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	for id := 1; id <= journals; id++ {
		wg.Go(func() {
			var seen int64
			for ctx.Err() == nil {
				var n, lowest, highest int64
				err := pool.QueryRow(context.WithoutCancel(ctx), `SELECT count(*), coalesce(min(position), $2 + 1), coalesce(max(position), $2)
					FROM log.events WHERE journal_id = $1 AND position > $2`, id, seen).Scan(&n, &lowest, &highest)
				if err == nil && (lowest != seen+1 || highest != seen+n) {
					err = fmt.Errorf("journal %d: after %d a reader saw %d events of %d to %d", id, seen, n, lowest, highest)
				}
				if err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
					return
				}
				seen = highest
			}
		})
	}
	return func() error { wg.Wait(); return first }
}
