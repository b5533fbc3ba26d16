package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// consume runs a consumer until the test ends, and fails if it does not stop.
func consume(t testing.TB, l *Log, tasks ...projections.Task) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := NewConsumer(l, tasks, ConsumerOptions{Shards: 2})
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("consumer: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("consumer does not stop")
		}
	})
}

// await waits for a position for longer than WaitFor does.
func await(t testing.TB, l *Log, j events.JournalID, pos events.Position) {
	t.Helper()
	var err error
	for range 10 {
		if err = l.WaitFor(t.Context(), j, pos, nil); err == nil {
			return
		}
	}
	t.Fatalf("journal %d: %v", j, err)
}

// otherLog is the same log in another process: it shares no connection with l.
func otherLog(t testing.TB, l *Log) *Log {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(t.Context(), l.pool.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return New(pool, Options{Logger: testLogger(t)})
}

func TestConsumerMakesTheFirstGenerationAndFollows(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	for j := events.JournalID(1); j <= 5; j++ {
		write(t, l, j, toyMessage(1, 1, 1, "before"))
	}
	consume(t, l, task)
	for j := events.JournalID(1); j <= 5; j++ {
		await(t, l, j, 1)
		await(t, l, j, write(t, l, j, toyMessage(1, 1, 2, "after")))
	}
	if got := scan(t, l, `SELECT string_agg(messages::text, ' ') FROM toy_g1.box`); got != "2 2 2 2 2" {
		t.Errorf("got %q messages, want 2 in each", got)
	}
	if g := live(t, task); g.Number != 1 {
		t.Errorf("got live generation %d, want 1", g.Number)
	}
	pos, err := l.ReadPosition(t.Context(), 3)
	head, herr := l.Head(t.Context(), 3)
	if pos != 2 || head != 2 || err != nil || herr != nil {
		t.Errorf("got read position %d, head %d, %v, %v, want 2", pos, head, err, herr)
	}
}

// TestSweepFindsWhatNoHintTold appends behind the back of hints and NOTIFY, as a
// process does that dies at once.
func TestSweepFindsWhatNoHintTold(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	consume(t, l, task)
	await(t, l, 1, write(t, l, 1, toyMessage(1, 1, 1, "order")))
	pos, err := writeTo(t.Context(), l.pool, 2, []events.Event{toyMessage(1, 1, 1, "unseen")})
	if err != nil {
		t.Fatal(err)
	}
	await(t, l, 2, pos) // a sweep comes every 15 s
}

// TestNotifyWakesAnotherProcess has a second Log, as another process has.
func TestNotifyWakesAnotherProcess(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	other := otherLog(t, l)
	_, _, task := newToy(l)
	consume(t, l, task)
	await(t, l, 1, write(t, l, 1, toyMessage(1, 1, 1, "order")))
	var slow []time.Duration
	for id := domain.MessageID(2); id < 40; id++ {
		pos := write(t, other, 1, toyMessage(1, 1, id, "order"))
		begin := time.Now()
		await(t, l, 1, pos)
		if took := time.Since(begin); took > time.Second {
			slow = append(slow, took)
		}
	}
	if len(slow) > 1 { // one may have been sent while nobody listened yet
		t.Errorf("appends of another process were seen late: %v", slow)
	}
}

// TestListenIsMadeAnew cuts the connection that listens: what was notified
// meanwhile is found when it is back.
func TestListenIsMadeAnew(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	other := otherLog(t, l)
	_, _, task := newToy(l)
	consume(t, l, task)
	await(t, l, 1, write(t, l, 1, toyMessage(1, 1, 1, "order")))
	for id := domain.MessageID(2); id < 5; id++ {
		cut := scan(t, l, `SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
		if cut != "1" {
			t.Fatalf("cut %s connections, want 1", cut)
		}
		pos := write(t, other, 1, toyMessage(1, 1, id, "order"))
		begin := time.Now()
		await(t, l, 1, pos)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("found after %v: by a sweep, not since the connection is back", took)
		}
		if err := listens(t, l); err != nil {
			t.Fatal(err)
		}
	}
}

// listens waits until a connection listens.
func listens(t testing.TB, l *Log) error {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if scan(t, l, `SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`) == "1" {
			return nil
		}
	}
	return errors.New("nobody listens")
}

// TestPoisonIsMendedByItself: the others go on meanwhile, and nobody asks again.
func TestPoisonIsMendedByItself(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	p, _, task := newToy(l)
	consume(t, l, task)
	await(t, l, 1, write(t, l, 1, toyMessage(1, 1, 1, "order")))
	bad := write(t, l, 1, toyMessage(1, 1, 2, "poison"), toyMessage(1, 1, 3, "order"))
	await(t, l, 2, write(t, l, 2, toyMessage(1, 1, 1, "order")))
	await(t, l, 1, bad) // it does not wait for what is stopped
	p.mended.Store(true)
	deadline := time.Now().Add(30 * time.Second)
	for scan(t, l, `SELECT position::text FROM log.checkpoints WHERE journal_id = 1`) != "3" {
		if time.Now().After(deadline) {
			t.Fatal("the stopped journal did not go on")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestLongJournalHoldsNobodyUp appends to one journal while another has a long backlog.
func TestLongJournalHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	if _, err := task.Build(t.Context()); err != nil { // live at once
		t.Fatal(err)
	}
	const batches = 40
	for i := range batches {
		var list []events.Event
		for n := range 1000 {
			list = append(list, toyMessage(1, 1, domain.MessageID(i*1000+n+1), "order"))
		}
		if _, err := writeTo(t.Context(), l.pool, 2, list); err != nil {
			t.Fatal(err)
		}
	}
	consume(t, l, task)
	await(t, l, 4, write(t, l, 4, toyMessage(1, 1, 1, "order")))
	var took []time.Duration
	for id := domain.MessageID(2); ; id++ {
		pos, err := l.ReadPosition(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		if pos == batches*1000 {
			break
		}
		pos = write(t, l, 4, toyMessage(1, 1, id, "order")) // of the same shard
		begin := time.Now()
		await(t, l, 4, pos)
		took = append(took, time.Since(begin))
	}
	if len(took) == 0 {
		t.Fatal("the backlog was gone too early")
	}
	slices.Sort(took)
	t.Logf("%d appends beside a backlog: p50 %v, max %v", len(took), took[len(took)/2], took[len(took)-1])
	if p50 := took[len(took)/2]; p50 > 500*time.Millisecond {
		t.Errorf("the other journal waits for %v", p50)
	}
}

func TestWaitForEnds(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	l.Register(task)
	pos := write(t, l, 1, toyMessage(1, 1, 1, "order"))
	begin := time.Now()
	if err := l.WaitFor(t.Context(), 1, pos, []string{"toy"}); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("nobody follows: got %v, want ErrUnavailable", err)
	}
	if took := time.Since(begin); took < waitAtMost || took > 2*waitAtMost {
		t.Errorf("nobody follows: gave up after %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := l.WaitFor(ctx, 1, pos, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller gave up: got %v", err)
	}
	if err := l.WaitFor(t.Context(), 1, pos, []string{"unknown"}); err != nil {
		t.Errorf("unknown projection: got %v", err)
	}
}

// TestConsumersOfTwoProcesses share the work and do none of it twice.
func TestConsumersOfTwoProcesses(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	other := otherLog(t, l)
	_, _, task := newToy(l)
	_, _, same := newToy(other)
	consume(t, l, task)
	consume(t, other, same)
	var g errgroup.Group
	for j := events.JournalID(1); j <= 4; j++ {
		g.Go(func() error {
			for i := range 50 {
				from := []*Log{l, other}[i%2]
				pos, err := writeTo(t.Context(), from.pool, j, []events.Event{toyMessage(1, 1, domain.MessageID(i+1), "order")})
				if err != nil {
					return err
				}
				from.hints.grown(j)
				if i == 49 {
					for range 10 {
						if err = l.WaitFor(t.Context(), j, pos, nil); err == nil {
							return nil
						}
					}
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, l, `SELECT string_agg(messages::text, ' ') FROM toy_g1.box`); got != "50 50 50 50" {
		t.Errorf("got %q messages, want 50 in each", got)
	}
	if got := scan(t, l, fmt.Sprintf(`SELECT count(*)::text FROM %s.mail`, live(t, task).Schema)); got != "200" {
		t.Errorf("got %s rows, want 200", got)
	}
}

// TestShutdownFinishesTheBatch ends the consumer while a batch is being folded.
func TestShutdownFinishesTheBatch(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	p := (&toy{}).projection()
	inner, began, finish := p.Apply, make(chan struct{}), make(chan struct{})
	p.Apply = func(ctx context.Context, s toyStore, batch []events.Recorded) error {
		close(began)
		<-finish
		return inner(ctx, s, batch)
	}
	task := projections.Bind(p, toyModel(l))
	if _, err := task.Build(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- NewConsumer(l, []projections.Task{task}, ConsumerOptions{}).Run(ctx) }()
	write(t, l, 1, toyMessage(1, 1, 1, "order"))
	<-began
	stop()
	select {
	case err := <-ended:
		t.Fatalf("ended in the middle of a batch: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(finish)
	if err := <-ended; err != nil {
		t.Errorf("consumer: %v", err)
	}
	if got := scan(t, l, `SELECT format('%s %s', c.position, b.messages) FROM log.checkpoints c, toy_g1.box b WHERE c.journal_id = 1`); got != "1 1" {
		t.Errorf("got checkpoint and messages %q, want \"1 1\"", got)
	}
}
