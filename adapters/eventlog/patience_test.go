package eventlog

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// A backlog waits while hints come, but no longer than it has patience, and not for others' end.
func TestStill(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hints    int // one every 110 ms
		patience time.Duration
		want     time.Duration
	}{
		"no hint":             {0, 8 * time.Second, stillFor},
		"some hints":          {10, 8 * time.Second, 5 * stillFor},
		"more than it can":    {1000, 3 * time.Second, 3 * time.Second},
		"without patience":    {1000, 0, 0},
		"less than a moment":  {0, time.Millisecond, stillFor},
		"still at first look": {1, 8 * time.Second, 2 * stillFor},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newLagSchema("search", 1, 0, 1)
				begun := time.Now()
				var hinting sync.WaitGroup
				defer hinting.Wait()
				hinting.Go(func() {
					for range test.hints {
						time.Sleep(110 * time.Millisecond)
						s.hint(7)
					}
				})
				s.still(t.Context(), 7, test.patience)
				if got := time.Since(begun); got != test.want {
					t.Errorf("waited %v, want %v", got, test.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := newLagSchema("search", 1, 0, 1)
		begun := time.Now()
		go func() { time.Sleep(time.Millisecond); close(s.done) }()
		s.still(t.Context(), 7, time.Hour)
		if got := time.Since(begun); got != time.Millisecond {
			t.Errorf("stopping took %v", got)
		}
	})
}

// A journal that grows and grows is folded in large batches by a patient read model, and holds up
// no other; at its end all is there.
func TestPatientModel(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	task.Patience = time.Hour
	var batches atomic.Int32
	catchUp := task.CatchUp
	task.CatchUp = func(ctx context.Context, gen projections.Generation, j events.JournalID) (bool, error) {
		if j == 2 {
			batches.Add(1)
		}
		return catchUp(ctx, gen, j)
	}
	if _, err := task.Build(t.Context()); err != nil {
		t.Fatal(err)
	}
	consume(t, l, task)
	const appends = 200
	var last events.Position
	for id := range domain.MessageID(appends) {
		last = write(t, l, 2, toyMessage(1, 1, id+1, "order"))
		if id == appends/2 {
			await(t, l, 4, write(t, l, 4, toyMessage(1, 1, 1, "order"))) // of the same shard
		}
	}
	await(t, l, 2, last)
	if n := batches.Load(); n > appends/4 {
		t.Errorf("%d batches for %d appends", n, appends)
	}
	if got := scan(t, l, `SELECT messages::text FROM toy_g1.box WHERE journal_id = 2`); got != "200" {
		t.Errorf("%s messages, want 200", got)
	}
}
