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

const stillFor = time.Second

func patient(patience time.Duration) projections.Task {
	return projections.Task{Name: "search", Patience: patience, Stillness: stillFor}
}

// A backlog waits while hints come, but no longer than it has patience, and not for others' end.
func TestStill(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hints    int // one every 110 ms
		patience time.Duration
		want     time.Duration
	}{
		"no hint":             {0, 8 * time.Second, stillFor},
		"some hints":          {10, 8 * time.Second, 3 * stillFor},
		"more than it can":    {1000, 3 * time.Second, 3 * time.Second},
		"without patience":    {1000, 0, 0},
		"less than a moment":  {0, time.Millisecond, stillFor},
		"still at first look": {1, 8 * time.Second, 2 * stillFor},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newLagSchema(newWants(), patient(test.patience), 1, 0, 1)
				begun := time.Now()
				var hinting sync.WaitGroup
				defer hinting.Wait()
				hinting.Go(func() {
					for range test.hints {
						time.Sleep(110 * time.Millisecond)
						s.hint(7)
					}
				})
				s.still(t.Context(), 7)
				if got := time.Since(begun); got != test.want {
					t.Errorf("waited %v, want %v", got, test.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := newLagSchema(newWants(), patient(time.Hour), 1, 0, 1)
		begun := time.Now()
		go func() { time.Sleep(time.Millisecond); close(s.done) }()
		s.still(t.Context(), 7)
		if got := time.Since(begun); got != time.Millisecond {
			t.Errorf("stopping took %v", got)
		}
	})
}

// Whoever waits for a journal ends the patience with it, and with no other.
func TestStillWanted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		journal events.JournalID
		after   time.Duration // somebody waits
		want    time.Duration
		yields  bool
	}{
		"already":           {7, 0, 0, false},
		"meanwhile":         {7, 2500 * time.Millisecond, 2500 * time.Millisecond, false},
		"another":           {8, 2500 * time.Millisecond, time.Minute, false},
		"another in queue":  {9, 2500 * time.Millisecond, 2500 * time.Millisecond, true},
		"another, at first": {9, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWants()
				s := newLagSchema(w, patient(time.Minute), 1, 0, 1).long
				ctx, stop := context.WithCancel(t.Context())
				var hinting sync.WaitGroup
				defer hinting.Wait()
				defer stop()
				hinting.Go(func() {
					for ctx.Err() == nil {
						s.hint(7)
						time.Sleep(100 * time.Millisecond)
					}
				})
				if test.after == 0 {
					defer w.begin(test.journal)()
				} else {
					time.AfterFunc(test.after, func() { w.begin(test.journal) })
				}
				s.hint(9)
				begun := time.Now()
				goes := s.still(ctx, 7)
				if got := time.Since(begun); got != test.want || goes == test.yields {
					t.Errorf("waited %v, went on %v; want %v, yields %v", got, goes, test.want, test.yields)
				}
			})
		})
	}
}

// A journal that grows and grows is folded in large batches by a patient read model, and holds up
// no other; at its end all is there.
func TestPatientModel(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	task.Patience, task.Stillness = time.Hour, stillFor
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
