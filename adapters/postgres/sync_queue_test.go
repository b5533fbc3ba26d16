package postgres_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newQueue(t *testing.T) (*pgxpool.Pool, *postgres.Queue, *clock) {
	t.Helper()
	pool := open(t)
	c := &clock{at: epoch}
	for acc := domain.AccountID(1); acc <= 3; acc++ {
		addAccount(t, pool, 1, acc)
	}
	exec(t, pool, `SELECT setval('state.sync_ids', 1000)`)
	return pool, postgres.NewQueue(pool, postgres.QueueOptions{Now: c.now}), c
}

// record puts an event of a run into the log, without its chain.
func record(t *testing.T, pool *pgxpool.Pool, pos int, e events.Event) {
	t.Helper()
	payload, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	typ, version := e.EventType()
	s := e.EventStream()
	exec(t, pool, `INSERT INTO log.events (journal_id, position, stream_id, account_id, recorded_at, stream_kind, schema_version, encoding, event_id, type, payload)
		VALUES (1, $1, $2, $3, $4, $5, $6, 0, gen_random_uuid(), $7, $8)`,
		pos, s.ID, e.EventAccount(), epoch, int16(s.Kind), int16(version), string(typ), payload)
}

func claim(t *testing.T, q *postgres.Queue) commands.Run {
	t.Helper()
	run, ok, err := q.Claim(t.Context(), false)
	if err != nil || !ok {
		t.Fatalf("claim: ok %v, error %v", ok, err)
	}
	return run
}

func none(t *testing.T, q *postgres.Queue) {
	t.Helper()
	if run, ok, err := q.Claim(t.Context(), false); ok || err != nil {
		t.Errorf("claim: got %+v, ok %v, error %v; want none", run, ok, err)
	}
}

func TestQueueOrder(t *testing.T) {
	t.Parallel()
	pool, q, c := newQueue(t)
	changed := q.Changed()
	for i, acc := range []domain.AccountID{2, 1, 2} {
		id, err := q.Enqueue(t.Context(), 1, acc, domain.SyncID(10+i), "request")
		if want := []domain.SyncID{10, 11, 10}[i]; err != nil || id != want {
			t.Errorf("enqueue account %d: got %d, error %v; want %d", acc, id, err, want)
		}
		c.add(time.Second)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told of the change")
	}
	run := claim(t, q)
	if run.Account != 2 || run.Sync != 10 || run.Cause != "request" || run.Lease != 1 || !run.QueuedAt.Equal(epoch) {
		t.Errorf("first: got %+v", run)
	}
	if run := claim(t, q); run.Account != 1 {
		t.Errorf("second: got %+v", run)
	}
	none(t, q)
	if _, err := q.Enqueue(t.Context(), 1, 99, 20, "request"); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("unknown account: got %v, want ErrNotFound", err)
	}
	exec(t, pool, `UPDATE state.accounts SET erased_by = 1 WHERE account_id = 3`)
	if _, err := q.Enqueue(t.Context(), 1, 3, 20, "request"); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("erased account: got %v, want ErrNotFound", err)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	pool, q, c := newQueue(t)
	exec(t, pool, `UPDATE state.accounts SET next_sync_at = $1 WHERE account_id = 1`, epoch.Add(time.Minute))
	exec(t, pool, `UPDATE state.accounts SET next_sync_at = $1 WHERE account_id = 2`, epoch.Add(2*time.Minute))
	for _, want := range []int{0, 1, 1, 0} {
		if n, err := q.EnqueueDue(t.Context()); n != want || err != nil {
			t.Errorf("at %v: got %d, error %v; want %d", c.now(), n, err, want)
		}
		c.add(time.Minute)
	}
	if run := claim(t, q); run.Account != 1 || run.Cause != "schedule" || run.Sync <= 1000 {
		t.Errorf("got %+v", run)
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	pool, q, c := newQueue(t)
	if _, err := q.Enqueue(t.Context(), 1, 1, 10, "request"); err != nil {
		t.Fatal(err)
	}
	dead := claim(t, q)
	c.add(10 * time.Second)
	if cancelled, err := q.Renew(t.Context(), dead); cancelled || err != nil {
		t.Errorf("renew: cancelled %v, error %v", cancelled, err)
	}
	c.add(10 * time.Second)
	none(t, q)
	c.add(10 * time.Second)
	again := claim(t, q)
	if again.Sync != 10 || again.Lease != 2 {
		t.Errorf("start was not recorded: got %+v, want run 10 under lease 2", again)
	}
	if _, err := q.Renew(t.Context(), dead); !errors.Is(err, domain.ErrConflict) {
		t.Errorf("renew a lost lease: got %v, want ErrConflict", err)
	}
	if err := q.Release(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	none(t, q)

	record(t, pool, 1, started(1, 10))
	c.add(time.Minute)
	next := claim(t, q)
	if next.Sync <= 1000 || next.Lease != 3 {
		t.Errorf("start was recorded: got %+v, want a new run under lease 3", next)
	}
	if out, err := q.Outcome(t.Context(), 1, 1, 10); err != nil || out.Status != "interrupted" {
		t.Errorf("outcome of the old run: got %+v, error %v", out, err)
	}
	if err := q.Release(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if run := claim(t, q); run.Sync != next.Sync || run.Lease != 4 {
		t.Errorf("after release: got %+v, want run %d under lease 4", run, next.Sync)
	}
}

func TestCancelAndOutcome(t *testing.T) {
	t.Parallel()
	pool, q, _ := newQueue(t)
	outcome := func(id domain.SyncID, status string, want error) {
		t.Helper()
		out, err := q.Outcome(t.Context(), 1, 1, id)
		if !errors.Is(err, want) || err == nil && out.Status != status {
			t.Errorf("outcome of %d: got %+v, error %v; want %q, %v", id, out, err, status, want)
		}
	}
	outcome(10, "", domain.ErrNotFound)
	if _, err := q.Enqueue(t.Context(), 1, 1, 10, "request"); err != nil {
		t.Fatal(err)
	}
	outcome(10, "running", nil)
	run := claim(t, q)
	record(t, pool, 1, started(1, 10))
	outcome(10, "running", nil)
	if err := q.Report(t.Context(), run, commands.SyncProgress{MessagesDone: 3}); err != nil {
		t.Fatal(err)
	}
	var progress []byte
	var p commands.SyncProgress
	if err := pool.QueryRow(t.Context(), `SELECT progress FROM state.sync_queue`).Scan(&progress); err != nil || json.Unmarshal(progress, &p) != nil || p.MessagesDone != 3 {
		t.Errorf("progress: got %s, error %v", progress, err)
	}
	if err := q.Cancel(t.Context(), 1, 1, 10); err != nil {
		t.Fatal(err)
	}
	if cancelled, err := q.Renew(t.Context(), run); !cancelled || err != nil {
		t.Errorf("renew: cancelled %v, error %v; want cancelled", cancelled, err)
	}
	record(t, pool, 2, failed(1, 10))
	exec(t, pool, `DELETE FROM state.sync_queue`)
	outcome(10, "error", nil)
	if _, err := q.Renew(t.Context(), run); !errors.Is(err, domain.ErrConflict) {
		t.Errorf("renew a run that is gone: got %v, want ErrConflict", err)
	}
	if err := q.Cancel(t.Context(), 1, 1, 10); !errors.Is(err, domain.ErrConflict) {
		t.Errorf("cancel after the end: got %v, want ErrConflict", err)
	}
	if err := q.Cancel(t.Context(), 1, 1, 11); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("cancel an unknown run: got %v, want ErrNotFound", err)
	}
	record(t, pool, 3, completed(1, 12))
	outcome(12, "success", nil)
}

// TestFreeLeases starts a program after its predecessor was killed: its run goes on at once.
func TestFreeLeases(t *testing.T) {
	t.Parallel()
	_, q, _ := newQueue(t)
	if _, err := q.Enqueue(t.Context(), 1, 1, 10, "request"); err != nil {
		t.Fatal(err)
	}
	killed := claim(t, q)
	none(t, q)
	if err := q.FreeLeases(t.Context()); err != nil {
		t.Fatal(err)
	}
	if run := claim(t, q); run.Account != 1 || run.Lease != 2 {
		t.Errorf("got %+v, want account 1 under lease 2", run)
	}
	if _, err := q.Renew(t.Context(), killed); !errors.Is(err, domain.ErrConflict) {
		t.Errorf("renew the old lease: got %v, want ErrConflict", err)
	}
}

// TestClaimRace lets workers claim at once: each run goes to one of them.
func TestClaimRace(t *testing.T) {
	t.Parallel()
	pool, q, _ := newQueue(t)
	for acc := domain.AccountID(4); acc <= 40; acc++ {
		addAccount(t, pool, 1, acc)
	}
	for acc := domain.AccountID(1); acc <= 40; acc++ {
		if _, err := q.Enqueue(t.Context(), 1, acc, domain.SyncID(acc), "request"); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	claimed := map[domain.AccountID]int{}
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				run, ok, err := q.Claim(t.Context(), false)
				if err != nil {
					t.Errorf("claim: %v", err)
				}
				if !ok || err != nil {
					return
				}
				mu.Lock()
				claimed[run.Account]++
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	for acc := domain.AccountID(1); acc <= 40; acc++ {
		if claimed[acc] != 1 {
			t.Errorf("account %d was claimed %d times", acc, claimed[acc])
		}
	}
}

// TestRunningSyncs: what workers tell of the runs that go on, of the journals asked for.
func TestRunningSyncs(t *testing.T) {
	t.Parallel()
	pool, q, c := newQueue(t)
	for acc := domain.AccountID(1); acc <= 2; acc++ {
		if _, err := q.Enqueue(t.Context(), 1, acc, domain.SyncID(10*acc), "request"); err != nil {
			t.Fatal(err)
		}
	}
	reader := postgres.NewAccountReader(pool, 1)
	running := func(journals ...events.JournalID) []queries.RunningSync {
		t.Helper()
		out, err := reader.RunningSyncs(t.Context(), journals)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	run := claim(t, q)
	if got := running(1); len(got) != 0 {
		t.Errorf("before anything was told: %+v", got)
	}
	if err := q.Report(t.Context(), run, commands.SyncProgress{Current: "Sent", MessagesTotal: 4, MessagesDone: 3}); err != nil {
		t.Fatal(err)
	}
	want := []queries.RunningSync{{
		Journal: 1, Account: 1, Sync: 10, At: c.now(),
		Progress: queries.SyncProgress{Current: "Sent", MessagesTotal: 4, MessagesDone: 3},
	}}
	if diff := cmp.Diff(want, running(2, 1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := running(2); len(got) != 0 {
		t.Errorf("of another journal: %+v", got)
	}
}
