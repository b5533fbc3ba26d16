package commands

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// memRuns is a queue of runs in memory. Its accounts have one world each.
type memRuns struct {
	mu        sync.Mutex
	waiting   []Run
	due       []Run // queued by EnqueueDue
	cancelled map[domain.SyncID]bool
	lost      map[domain.SyncID]bool
	released  []domain.SyncID
	renewed   int
	reports   []SyncProgress
	deaf      bool // nobody hears Notify
	changed   chan struct{}
}

func newMemRuns(runs ...Run) *memRuns {
	return &memRuns{waiting: runs, cancelled: map[domain.SyncID]bool{}, lost: map[domain.SyncID]bool{}, changed: make(chan struct{})}
}

func (q *memRuns) EnqueueDue(context.Context) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.due)
	q.waiting, q.due = append(q.waiting, q.due...), nil
	if n > 0 {
		q.notify()
	}
	return n, nil
}

func (q *memRuns) Claim(_ context.Context, quick bool) (Run, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 || quick {
		return Run{}, false, nil
	}
	run := q.waiting[0]
	q.waiting = q.waiting[1:]
	return run, true, nil
}

func (q *memRuns) Renew(_ context.Context, run Run) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.renewed++
	if q.lost[run.Sync] {
		return false, domain.ErrConflict
	}
	return q.cancelled[run.Sync], nil
}

func (q *memRuns) Report(_ context.Context, _ Run, p SyncProgress) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reports = append(q.reports, p)
	return nil
}

func (q *memRuns) Release(_ context.Context, run Run) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.released = append(q.released, run.Sync)
	return nil
}

func (q *memRuns) Changed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed
}

func (q *memRuns) Notify() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.notify()
}

func (q *memRuns) notify() {
	if q.deaf {
		return
	}
	close(q.changed)
	q.changed = make(chan struct{})
}

// set changes the queue and says so.
func (q *memRuns) set(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change()
	q.notify()
}

// syncing starts a syncer on the world of one account, whose server takes a second for each message.
func syncing(t *testing.T, w *world, q *memRuns, opts SyncerOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		NewSyncer(q, w.handler, opts).Run(ctx)
	}()
	return func() { cancel(); <-done }
}

// slow makes each message of the server take a second, unless ctx of the run ends.
func (w *world) slow() {
	w.server.fail = func(command string, _ domain.MailboxName) error {
		if command == "BODY" {
			time.Sleep(time.Second)
		}
		return nil
	}
}

func TestSyncerCarriesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "INBOX")
		for range 5 {
			w.server.add("INBOX", "hello")
		}
		w.slow()
		q := newMemRuns(Run{Journal: 1, Account: 1, Sync: 1}, Run{Journal: 1, Account: 1, Sync: 2}, Run{Journal: 1, Account: 1, Sync: 3})
		q.deaf = true
		stop := syncing(t, w, q, SyncerOptions{Workers: 1, Tick: time.Hour})
		defer stop()
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		// One worker takes the next as soon as it is free, without a look at the schedule.
		if n := len(since[events.SyncCompleted](w, 0)); n != 3 {
			t.Errorf("%d runs ended, want 3", n)
		}
		if len(q.reports) < 3 || !slices.ContainsFunc(q.reports, func(p SyncProgress) bool { return p.MessagesTotal == 5 && p.Current == "INBOX" }) {
			t.Errorf("reports %+v", q.reports)
		}
		if q.renewed < 2 || len(q.released) > 0 {
			t.Errorf("renewed %d times, released %v", q.renewed, q.released)
		}
	})
}

func TestSyncerCancel(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(q *memRuns)
		status   string
		released bool
	}{
		"cancelled":  {func(q *memRuns) { q.cancelled[1] = true }, "cancelled", false},
		"lease lost": {func(q *memRuns) { q.lost[1] = true }, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "INBOX")
				for range 30 {
					w.server.add("INBOX", "hello")
				}
				w.slow()
				q := newMemRuns(Run{Journal: 1, Account: 1, Sync: 1})
				stop := syncing(t, w, q, SyncerOptions{})
				defer stop()
				time.Sleep(5 * time.Second)
				q.set(func() { test.change(q) })
				time.Sleep(10 * time.Second)
				synctest.Wait()
				failed := since[events.SyncFailed](w, 0)
				if (test.status == "") != (len(failed) == 0) || len(failed) > 0 && failed[0].Status != test.status {
					t.Errorf("ends %+v", failed)
				}
				if test.released != (len(q.released) > 0) {
					t.Errorf("released %v", q.released)
				}
				if n := len(w.log.messages); n > 10 {
					t.Errorf("%d messages are stored 10 s after the end", n)
				}
			})
		})
	}
}

// A program that stops gives its runs up at once, and waits for their workers.
func TestSyncerStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "INBOX")
		for range 30 {
			w.server.add("INBOX", "hello")
		}
		w.slow()
		q := newMemRuns(Run{Journal: 1, Account: 1, Sync: 1})
		stop := syncing(t, w, q, SyncerOptions{})
		time.Sleep(3 * time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took > 2*time.Second || !slices.Equal(q.released, []domain.SyncID{1}) {
			t.Errorf("after %v, released %v", took, q.released)
		}
	})
}

func TestSyncerSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "INBOX")
		q := newMemRuns()
		stop := syncing(t, w, q, SyncerOptions{})
		defer stop()
		time.Sleep(time.Minute)
		q.mu.Lock()
		q.due = []Run{{Journal: 1, Account: 1, Sync: 1}}
		q.mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(since[events.SyncCompleted](w, 0)); n != 1 {
			t.Errorf("%d runs after a second", n)
		}
	})
}

// stuckRaws is a RawStore that fails, or never returns before its context ends.
type stuckRaws struct{ err error }

func (s stuckRaws) Put(ctx context.Context, _ events.JournalID, _ []RawMessage) error {
	if s.err != nil {
		return s.err
	}
	<-ctx.Done()
	return ctx.Err()
}

// Whatever stage of the pipeline stops, with however much on its way, the run ends.
func TestPipelineStops(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*world, context.CancelCauseFunc){
		"the store fails": func(w *world, _ context.CancelCauseFunc) { w.handler.raws = stuckRaws{err: errOurs} },
		"the store hangs": func(w *world, cancel context.CancelCauseFunc) {
			w.handler.raws = stuckRaws{}
			time.AfterFunc(time.Minute, func() { cancel(errCancelled) })
		},
		"the journal fails": func(w *world, _ context.CancelCauseFunc) {
			w.log.fault = func(n int) (error, bool) { return map[bool]error{true: errOurs}[n == 5], true }
		},
		"the connection fails": func(w *world, _ context.CancelCauseFunc) {
			n := 0
			w.server.fail = func(command string, _ domain.MailboxName) error {
				if command == "BODY" {
					n++
				}
				return map[bool]error{true: &SourceError{Code: CodeTimeout}}[n == 30]
			}
		},
		"cancelled": func(w *world, cancel context.CancelCauseFunc) {
			w.server.fail = func(command string, _ domain.MailboxName) error {
				if command == "BODY" {
					cancel(errCancelled)
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "INBOX")
				for range 60 { // more than fit between the socket and the log
					_, m := w.server.add("INBOX", "hello")
					m.raw = append(m.raw, bytes.Repeat([]byte("x"), 1<<20)...)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				set(w, cancel)
				end, err := w.try(ctx)
				if err == nil && end.Status != "error" && end.Status != "cancelled" {
					t.Errorf("%v: %+v", err, end)
				}
				synctest.Wait() // nothing goes on behind
				w.log.fault, w.server.fail, w.handler.raws = nil, nil, w.log
				w.sync()
				w.check()
			})
		})
	}
}

// The room of the pipeline is bounded in octets, and one that is larger than all comes alone.
func TestOctets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOctets(10)
		ctx, cancel := context.WithCancel(t.Context())
		context.AfterFunc(ctx, o.wake)
		for _, n := range []int64{4, 6} {
			if err := o.take(ctx, n); err != nil {
				t.Fatal(err)
			}
		}
		took := make(chan error, 2)
		go func() { took <- o.take(ctx, 20) }()
		synctest.Wait()
		o.give(4)
		synctest.Wait()
		select {
		case err := <-took:
			t.Fatalf("more is taken than there is room, or %v", err)
		default:
		}
		o.give(6)
		if err := <-took; err != nil {
			t.Error(err)
		}
		go func() { took <- o.take(ctx, 1) }()
		synctest.Wait()
		cancel()
		if err := <-took; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
