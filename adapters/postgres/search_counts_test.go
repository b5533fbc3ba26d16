package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// Who asks for the same count while it is counted waits for it; another position is counted anew.
func TestCountOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCountCache[int]()
		var counted atomic.Int64
		var wg sync.WaitGroup
		for i := range 30 {
			key, at := fmt.Sprint("key ", i%3), asOf{1, 5, int64(i % 2)}
			wg.Go(func() {
				time.Sleep(time.Duration(i%2) * time.Minute) // the second position is asked for later
				n, err := c.get(t.Context(), key, at, func() (int, error) {
					counted.Add(1)
					time.Sleep(time.Second)
					return int(at[2]) + 10, nil
				})
				if err != nil || n != int(at[2])+10 {
					t.Errorf("%s at %v: got %d, error %v", key, at, n, err)
				}
			})
		}
		wg.Wait()
		if got := counted.Load(); got != 6 {
			t.Errorf("counted %d times, want 6", got)
		}
	})
}

// An error is given to who counted only: those who wait count themselves, and so does who comes after.
func TestCountErrorIsNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCountCache[int]()
		first, cancel := context.WithCancel(t.Context())
		slow := func(ctx context.Context) func() (int, error) {
			return func() (int, error) {
				select {
				case <-ctx.Done():
					return 0, ctx.Err()
				case <-time.After(time.Minute):
					return 7, nil
				}
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.get(first, "key", asOf{}, slow(first)); !errors.Is(err, context.Canceled) {
				t.Errorf("the first: got %v", err)
			}
		})
		synctest.Wait()
		for range 5 {
			wg.Go(func() {
				if n, err := c.get(t.Context(), "key", asOf{}, slow(t.Context())); n != 7 || err != nil {
					t.Errorf("who waits: got %d, %v", n, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		again := func() (int, error) { return 8, nil }
		if n, err := c.get(t.Context(), "other", asOf{}, func() (int, error) { return 0, errors.New("no") }); err == nil {
			t.Errorf("an error: got %d", n)
		}
		if n, err := c.get(t.Context(), "other", asOf{}, again); n != 8 || err != nil {
			t.Errorf("after an error: got %d, %v", n, err)
		}
	})
}

// Who is cancelled waits no longer, whoever counts.
func TestCountWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCountCache[int]()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = c.get(t.Context(), "key", asOf{}, func() (int, error) { time.Sleep(time.Hour); return 1, nil })
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		_, err := c.get(ctx, "key", asOf{}, func() (int, error) { return 0, ctx.Err() })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(started))
		}
		wg.Wait()
	})
}

// A count that panics is no count.
func TestCountPanics(t *testing.T) {
	t.Parallel()
	c := newCountCache[int]()
	func() {
		defer func() { _ = recover() }()
		_, _ = c.get(t.Context(), "key", asOf{}, func() (int, error) { panic("broken") })
	}()
	if n, err := c.get(t.Context(), "key", asOf{}, func() (int, error) { return 5, nil }); n != 5 || err != nil {
		t.Errorf("got %d, %v; want 5", n, err)
	}
}

// No more than maxCounts are remembered.
func TestCountsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCountCache[int]()
	for i := range 3*maxCounts + 1 {
		if n, err := c.get(t.Context(), fmt.Sprint(i), asOf{}, func() (int, error) { return i, nil }); n != i || err != nil {
			t.Fatalf("got %d, %v; want %d", n, err, i)
		}
	}
	if len(c.counts) > maxCounts {
		t.Errorf("%d counts are remembered", len(c.counts))
	}
}

// Two searches never have one key.
func TestCountKeys(t *testing.T) {
	t.Parallel()
	folders := func(names ...string) queries.MessageFilter {
		f := queries.MessageFilter{Journal: 1}
		for _, n := range names {
			f.Folders = append(f.Folders, domain.MailboxName(n))
		}
		return f
	}
	one, two := folders("a b", "c"), folders("a", "b c")
	later := time.Date(2025, 1, 1, 0, 0, 0, 1000, time.UTC)
	earlier := later.Add(-time.Microsecond)
	other := one
	other.Journal = 11
	met := map[string]queries.MessageFilter{}
	for _, f := range []queries.MessageFilter{one, two, other, folders("a", "b", "c"), {Journal: 1, From: &later}, {Journal: 1, From: &earlier}, {Journal: 1, To: &later}} {
		key := (&documentSearch{filter: f}).key()
		if before, ok := met[key]; ok {
			t.Errorf("one key for %+v and %+v:\n%s", before, f, key)
		}
		met[key] = f
	}
}
