package eventlog

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/events"
)

const (
	channel       = "imap2api"
	coalesce      = 5 * time.Millisecond // of one NOTIFY
	maxNote       = 7999                 // octets of a NOTIFY payload (Postgres: under 8000)
	noteAll       = "*"                  // in place of journals: look at all
	noteModels    = "!"                  // in place of journals: generations came or went
	notifyTimeout = 5 * time.Second
	ownFor        = time.Minute // a connection that notified is known as ours
	relisten      = time.Second // after LISTEN was lost
)

// notifier tells other processes which journals grew: one NOTIFY for all appends
// of a few milliseconds, since NOTIFY serialises commits.
type notifier struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	mu      sync.Mutex
	pending map[events.JournalID]struct{}
	sending bool
	idle    *sync.Cond
	own     map[uint32]time.Time // process ids of our connections that notified
}

func newNotifier(pool *pgxpool.Pool, log *slog.Logger) *notifier {
	n := &notifier{pool: pool, log: log, pending: map[events.JournalID]struct{}{}, own: map[uint32]time.Time{}}
	n.idle = sync.NewCond(&n.mu)
	return n
}

func (n *notifier) grown(j events.JournalID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[j] = struct{}{}
	if !n.sending {
		n.sending = true
		time.AfterFunc(coalesce, n.send)
	}
}

// flush returns when all that was told so far is sent.
func (n *notifier) flush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.sending {
		n.idle.Wait()
	}
}

func (n *notifier) send() {
	n.mu.Lock()
	payload := notePayload(n.pending)
	clear(n.pending)
	n.mu.Unlock()
	if err := n.notify(context.Background(), payload); err != nil { //nolint:forbidigo // of many appends, and after them
		n.log.Debug("notify", slog.Any("err", err)) // the others sweep
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pending) > 0 {
		time.AfterFunc(coalesce, n.send)
		return
	}
	n.sending = false
	n.idle.Broadcast()
}

func (n *notifier) notify(ctx context.Context, payload string) error {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	conn, err := n.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	n.sends(conn.Conn().PgConn().PID())
	_, err = conn.Exec(ctx, "SELECT pg_notify($1, $2)", channel, payload)
	return err
}

func (n *notifier) sends(pid uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for p, at := range n.own {
		if now.Sub(at) > ownFor {
			delete(n.own, p)
		}
	}
	n.own[pid] = now
}

func (n *notifier) isOwn(pid uint32) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.own[pid]
	return ok && time.Since(at) <= ownFor
}

func notePayload(journals map[events.JournalID]struct{}) string {
	var b strings.Builder
	for j := range journals {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(int64(j), 10))
		if b.Len() > maxNote {
			return noteAll
		}
	}
	return b.String()
}

// listener passes on what other processes notify.
type listener struct {
	log    *Log
	all    func() // look at all journals: a note said so, or notes were lost
	models func() // look for generations
}

// run listens until ctx ends; a lost connection is made anew, and then all
// journals are looked at.
func (s *listener) run(ctx context.Context) error {
	for {
		err := s.listen(ctx)
		if ctx.Err() == nil {
			s.log.log.Warn("listen", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(relisten):
		}
	}
}

func (s *listener) listen(ctx context.Context) error {
	cfg := s.log.pool.Config().ConnConfig
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is being given up
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	s.all()
	for {
		note, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if !s.log.notes.isOwn(note.PID) {
			s.heard(note)
		}
	}
}

func (s *listener) heard(note *pgconn.Notification) {
	switch note.Payload {
	case noteAll:
		s.all()
	case noteModels:
		s.models()
	default:
		for text := range strings.SplitSeq(note.Payload, ",") {
			j, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				s.all()
				return
			}
			s.log.hints.heard(events.JournalID(j))
		}
	}
}
