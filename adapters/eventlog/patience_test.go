package eventlog

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
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
				s.still(t.Context(), test.patience)
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
		s.still(t.Context(), time.Hour)
		if got := time.Since(begun); got != time.Millisecond {
			t.Errorf("stopping took %v", got)
		}
	})
}
