package commands

import (
	"context"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// Connections opens the connections of runs and watches: a few at a time to one host, so that a start does not
// overrun it. A watched account has one connection, which its watch idles on and its runs borrow:
// no run of it waits for a login, and no server sees two of us.
type Connections struct {
	source MailSource
	mu     sync.Mutex
	lines  map[domain.AccountID]*line
	gates  map[string]chan struct{}
}

// NewConnections returns connections to the servers of source.
func NewConnections(source MailSource) *Connections {
	return &Connections{source: source, lines: map[domain.AccountID]*line{}, gates: map[string]chan struct{}{}}
}

// opening is how many connections to one host are opened at once.
const opening = 4

// open opens a connection when it is its turn at the host.
func (c *Connections) open(ctx context.Context, login Login) (MailConn, error) {
	gate := c.gate(login.Host)
	select {
	case gate <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-gate }()
	return c.source.Open(ctx, login)
}

func (c *Connections) gate(host string) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gates[host] == nil {
		c.gates[host] = make(chan struct{}, opening)
	}
	return c.gates[host]
}

// lendPatience is how long a run waits for the connection of the watch, which may hang.
const lendPatience = 3 * time.Second

// borrow returns a connection for a run: that of the watch, as soon as it rests, or one of its own. The run
// gives it back.
func (c *Connections) borrow(ctx context.Context, acc domain.AccountID, login Login) (conn MailConn, giveBack func(), err error) {
	c.mu.Lock()
	l := c.lines[acc]
	c.mu.Unlock()
	if l != nil {
		patient, end := context.WithTimeout(ctx, lendPatience)
		defer end()
		if l.lend(patient) != nil {
			l = nil
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
		}
	}
	if l == nil {
		if conn, err = c.open(ctx, login); err != nil {
			return nil, nil, err
		}
		return conn, func() { _ = conn.Close() }, nil
	}
	if conn, err = l.connect(ctx, c, login); err != nil {
		l.release()
		return nil, nil, err
	}
	return conn, l.release, nil
}

// register makes the line of an account that is watched from now on.
func (c *Connections) register(acc domain.AccountID) *line {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &line{calls: make(chan struct{}, 1), changed: make(chan struct{})}
	c.lines[acc] = l
	return l
}

// unregister ends a line; who has borrowed its connection closes it at the end.
func (c *Connections) unregister(acc domain.AccountID, l *line) {
	c.mu.Lock()
	if c.lines[acc] == l {
		delete(c.lines, acc)
	}
	c.mu.Unlock()
	l.mu.Lock()
	l.ended = true
	idle := !l.busy
	l.busy = true
	l.mu.Unlock()
	if idle {
		l.release()
	}
}

// line is the connection of a watched account. One holds it at a time: the watch, or a run.
type line struct {
	calls chan struct{} // holds one: a run waits

	mu      sync.Mutex
	busy    bool
	waiting int           // runs
	lent    int           // times
	ended   bool          // nobody watches the account any more
	changed chan struct{} // closed when the line becomes free

	conn  MailConn // of the holder; nil: none
	login Login    // that it was opened with
}

// lend gives the line to a run, which comes before the watch.
func (l *line) lend(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting++
	defer func() { l.waiting-- }()
	for l.busy {
		select {
		case l.calls <- struct{}{}:
		default: // it was called already
		}
		if err := l.await(ctx); err != nil {
			l.tell() // the watch may wait for us
			return err
		}
	}
	l.busy = true
	l.lent++
	return nil
}

// hold gives the line to the watch when no run wants it, and tells how often it was lent until now.
func (l *line) hold(ctx context.Context) (lent int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.busy || l.waiting > 0 {
		if err := l.await(ctx); err != nil {
			return 0, err
		}
	}
	l.busy = true
	select {
	case <-l.calls: // of a run that had it
	default:
	}
	return l.lent, nil
}

// await waits for a change, without the lock.
func (l *line) await(ctx context.Context) error {
	changed := l.changed
	l.mu.Unlock()
	defer l.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release frees the line. If it has ended its connection is closed.
func (l *line) release() {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		l.hangUp()
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	l.busy = false
	l.tell()
}

// tell wakes all who wait. For who has the lock.
func (l *line) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// freed returns how often the line was lent, and a channel that is closed when it becomes free.
func (l *line) freed() (lent int, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lent, l.changed
}

// connect returns the connection of the line, a new one if there is none with this login. For its holder.
func (l *line) connect(ctx context.Context, from *Connections, login Login) (MailConn, error) {
	if l.conn != nil && l.login == login {
		return l.conn, nil
	}
	l.hangUp()
	conn, err := from.open(ctx, login)
	if err != nil {
		return nil, err
	}
	l.conn, l.login = conn, login
	return conn, nil
}

// hangUp closes the connection. For the holder of the line, or when nobody holds it.
func (l *line) hangUp() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}
