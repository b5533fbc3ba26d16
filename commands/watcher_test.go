package commands

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// watchedServer is a server that a watch, its runs and the test use at the same time.
type watchedServer struct {
	*memServer
	mu      sync.Mutex
	stirred chan struct{} // ends an IDLE
}

// do changes the server.
func (s *watchedServer) do(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *watchedServer) Open(ctx context.Context, login Login) (conn MailConn, err error) {
	s.do(func() {
		conn, err = s.memServer.Open(ctx, login)
		mem, _ := conn.(*memConn)
		conn = &watchedConn{mem, s}
	})
	return conn, err
}

// watchedConn is a connection to it.
type watchedConn struct {
	*memConn
	s *watchedServer
}

func (c *watchedConn) List(ctx context.Context) (out []domain.Listed, err error) {
	c.s.do(func() { out, err = c.memConn.List(ctx) })
	return out, err
}

func (c *watchedConn) Examine(ctx context.Context, name domain.MailboxName) (out domain.MailboxStatus, err error) {
	c.s.do(func() { out, err = c.memConn.Examine(ctx, name) })
	return out, err
}

func (c *watchedConn) Idle(ctx context.Context, stop <-chan struct{}, span time.Duration) (moved bool, err error) {
	c.s.do(func() { _, err = c.memConn.Idle(ctx, stop, span) })
	if err != nil {
		return false, err
	}
	select {
	case <-c.s.stirred:
		return true, nil
	case <-stop:
	case <-time.After(span):
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return false, nil
}

// memWatches hands out watches of one account. Its runs borrow the connection for a second and bring the
// checkpoints level, unless they are idle.
type memWatches struct {
	w      *world
	server *watchedServer
	lines  *Connections
	futile bool // runs bring nothing level

	mu      sync.Mutex
	held    []Watch
	fault   error
	pushes  int
	busy    bool
	states  []WatchState
	running sync.WaitGroup
}

func (m *memWatches) Claim(context.Context) ([]Watch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.held), m.fault
}

func (m *memWatches) Report(_ context.Context, _ Watch, s WatchState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states = append(m.states, s)
	return nil
}

func (m *memWatches) Release(context.Context) error { return nil }

func (m *memWatches) Push(ctx context.Context, of Watch) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy {
		return false, nil
	}
	m.pushes++
	m.busy = true
	m.running.Go(func() {
		conn, giveBack, err := m.lines.borrow(ctx, of.Account, Login{})
		time.Sleep(time.Second)
		if err == nil {
			m.level(ctx, conn)
		}
		m.set(func() { m.busy = false })
		if err == nil {
			giveBack()
		}
	})
	return true, nil
}

// level is what a run does.
func (m *memWatches) level(ctx context.Context, conn MailConn) {
	listed, err := conn.List(ctx)
	m.w.log.mu.Lock()
	defer m.w.log.mu.Unlock()
	if err != nil || m.futile {
		return
	}
	for i, l := range listed {
		m.w.log.mailboxes[domain.MailboxID(i+1)] = domain.Mailbox{
			ID: domain.MailboxID(i + 1), Name: l.Name, Selected: l.Name != "Junk", Level: true,
			UIDValidity: l.Status.UIDValidity, UIDNext: l.Status.UIDNext, Messages: l.Status.Messages, ModSeq: l.Status.ModSeq,
		}
	}
}

func (m *memWatches) Busy(context.Context, Watch) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.busy, nil
}

func (m *memWatches) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// count returns how often a run was asked for since it was last called.
func (m *memWatches) count() int {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.pushes
	m.pushes = 0
	return n
}

// conns returns how many connections there were.
func (m *memWatches) conns() int {
	m.server.mu.Lock()
	defer m.server.mu.Unlock()
	return m.server.conns
}

// last is the state that was reported last.
func (m *memWatches) last() WatchState {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.states) == 0 {
		return WatchState{}
	}
	return m.states[len(m.states)-1]
}

// watching runs a test with a watcher of one account.
func watching(t *testing.T, test func(t *testing.T, w *world, m *memWatches)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "INBOX", "Work", "Junk")
		server := &watchedServer{memServer: w.server, stirred: make(chan struct{})}
		m := &memWatches{w: w, server: server, lines: NewConnections(server), held: []Watch{{Journal: 1, Account: 1, Version: 1}}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			NewWatcher(m, m.lines, w.log, w, WatcherOptions{}).Run(ctx)
		}()
		time.Sleep(10 * time.Second)
		test(t, w, m)
		cancel()
		<-done
		m.running.Wait()
	})
}

func TestWatch(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, w *world, m *memWatches) {
		if n := m.count(); n != 1 || m.last().State != WatchLive || m.conns() != 1 {
			t.Fatalf("at first %d runs, %+v, %d connections", n, m.last(), m.conns())
		}
		// A change in INBOX is acted on at once; those that come meanwhile make one more run.
		for range 20 {
			m.server.do(func() { w.server.add("INBOX", "hello") })
			select {
			case m.server.stirred <- struct{}{}:
			case <-time.After(50 * time.Millisecond):
			}
		}
		time.Sleep(10 * time.Second)
		if n := m.count(); n < 1 || n > 2 {
			t.Errorf("%d runs for a burst", n)
		}
		// A mailbox that does not tell is looked at; one that is not wanted is not.
		m.server.do(func() { w.server.add("Junk", "spam") })
		time.Sleep(2 * time.Minute)
		if n := m.count(); n != 0 {
			t.Errorf("%d runs for a mailbox that is not selected", n)
		}
		m.server.do(func() { w.server.add("Work", "hello") })
		time.Sleep(61 * time.Second)
		if n := m.count(); n != 1 {
			t.Errorf("%d runs for another mailbox", n)
		}
		// What a run cannot bring level is not tried for ever.
		m.w.log.mu.Lock()
		m.futile = true
		m.w.log.mu.Unlock()
		m.server.do(func() { w.server.add("Work", "hello") })
		time.Sleep(time.Hour)
		if n := m.count(); n != 1 {
			t.Errorf("%d runs that changed nothing", n)
		}
		if m.conns() != 1 {
			t.Errorf("%d connections", m.conns())
		}
	})
}

func TestWatchPauses(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, w *world, m *memWatches) {
		m.count()
		fault := error(&SourceError{Code: CodeConnectFailed, Message: "There is no connection."})
		m.server.do(func() { w.server.fail = func(string, domain.MailboxName) error { return fault } })
		m.server.stirred <- struct{}{} // the run fails, then the watch
		time.Sleep(20 * time.Second)
		if s := m.last(); s.State != WatchWaiting || s.Reason != ReasonTCP || s.NextAt == nil {
			t.Errorf("without a connection: %+v", s)
		}
		before := m.conns()
		time.Sleep(10 * time.Hour)
		if n := m.conns() - before; n < 120 || n > 400 { // half of five minutes on average
			t.Errorf("%d connections in ten hours", n)
		}
		m.server.do(func() {
			fault = &SourceError{Code: CodeThrottled, Message: "Enough.", Reason: ReasonLimit, Wait: time.Hour}
		})
		time.Sleep(5 * time.Minute)
		before = m.conns()
		time.Sleep(50 * time.Minute)
		if n := m.conns() - before; n != 0 || m.last().Reason != ReasonLimit {
			t.Errorf("%d connections while the server wants none, %+v", n, m.last())
		}
		m.server.do(func() { fault = &SourceError{Code: CodeAuthFailed, Message: "The login was refused."} })
		time.Sleep(time.Hour)
		before = m.conns()
		time.Sleep(24 * time.Hour)
		if n := m.conns() - before; n != 0 || m.last().State != WatchRefused || m.last().Reason != ReasonAuth {
			t.Errorf("%d connections with a password that was refused, %+v", n, m.last())
		}
		m.count()
		m.server.do(func() { w.server.fail = nil })
		m.set(func() { m.held[0].Version++ })
		time.Sleep(time.Minute)
		if n := m.count(); n != 1 || m.last().State != WatchLive {
			t.Errorf("%d runs after the password is right, %+v", n, m.last())
		}
	})
}

// A watch that cannot be kept ends before somebody else may have it.
func TestWatchIsLost(t *testing.T) {
	t.Parallel()
	watching(t, func(t *testing.T, w *world, m *memWatches) {
		m.set(func() { m.fault = errors.New("no database") })
		time.Sleep(WatchLease / 2)
		m.count()
		m.server.stirred <- struct{}{}
		time.Sleep(5 * time.Second)
		if n := m.count(); n != 1 {
			t.Errorf("%d runs while the lease holds", n)
		}
		time.Sleep(WatchLease)
		synctest.Wait()
		select {
		case m.server.stirred <- struct{}{}:
			t.Error("somebody still idles")
		default:
		}
	})
}

func TestLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := NewConnections(newMemServer("INBOX"))
		l := c.register(1)
		if _, err := l.hold(t.Context()); err != nil {
			t.Fatal(err)
		}
		given := make(chan func())
		borrow := func(ctx context.Context) {
			_, giveBack, err := c.borrow(ctx, 1, Login{})
			if err == nil {
				given <- giveBack
			}
		}
		go borrow(t.Context())
		go borrow(t.Context())
		synctest.Wait()
		<-l.calls
		l.release()
		first := <-given
		held := make(chan int)
		hold := func() { n, _ := l.hold(t.Context()); held <- n }
		go hold()
		first()
		second := <-given // runs come before the watch
		impatient, cancel := context.WithCancel(t.Context())
		go borrow(impatient)
		synctest.Wait()
		cancel()
		synctest.Wait()
		second()
		if n := <-held; n != 2 {
			t.Errorf("lent %d times", n)
		}
		select {
		case <-l.calls:
			t.Error("somebody calls who has had the line")
		default:
		}
		c.unregister(1, l)
		l.release()
		if l.conn != nil {
			t.Error("the connection outlives the watch")
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	var b backoff
	var longest time.Duration
	for range 200 {
		pause := b.next(errors.New("lost"))
		if pause <= 0 || pause > lastBackoff+time.Millisecond {
			t.Fatalf("pause %v", pause)
		}
		longest = max(longest, pause)
	}
	if longest < lastBackoff/2 {
		t.Errorf("no pause is longer than %v", longest)
	}
	b.held(healthyAfter - 1)
	if b.failed == 0 {
		t.Error("a short life counts as health")
	}
	b.held(healthyAfter)
	if pause := b.next(errors.New("lost")); pause > firstBackoff+time.Millisecond {
		t.Errorf("after a healthy life: %v", pause)
	}
	if pause := b.next(&SourceError{Code: CodeThrottled, Wait: 7 * time.Hour}); pause != 7*time.Hour {
		t.Errorf("the server asked for 7 h and gets %v", pause)
	}
}
