package commands

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// accountWatch watches one account: it idles on INBOX, and looks at all mailboxes now and then.
type accountWatch struct {
	*Watcher
	Watch
	ctx  context.Context
	stop context.CancelFunc
	line *line

	backoff backoff
	opened  time.Time // the connection; zero: none
	told    WatchState

	stored map[domain.MailboxName]domain.Mailbox       // checkpoints, as they were when it looked
	asked  map[domain.MailboxName]domain.MailboxStatus // with which a run was last asked for
	open   domain.MailboxName                          // that it idles on
	looked time.Time                                   // zero: a run has changed what is known since
	lent   int                                         // how often the line was, at that time
	pushed time.Time                                   // when a run was last asked for
	took   time.Duration                               // that run, about

	mu      sync.Mutex
	refused bool // nothing is tried until something changes
}

// begin prepares the watch of an account; run carries it out until end.
func (w *Watcher) begin(ctx context.Context, of Watch) *accountWatch {
	a := &accountWatch{Watcher: w, Watch: of, asked: map[domain.MailboxName]domain.MailboxStatus{}}
	a.ctx, a.stop = context.WithCancel(ctx)
	a.line = w.connections.register(of.Account)
	return a
}

// end ends the watch; run closes the connection.
func (a *accountWatch) end() { a.stop() }

// suits reports whether the watch may go on for an account as it is claimed now. With other settings, and
// once refused when a run has succeeded since, it begins anew.
func (a *accountWatch) suits(now Watch) bool {
	a.mu.Lock()
	refused := a.refused
	a.mu.Unlock()
	synced := now.LastSync != nil && (a.LastSync == nil || now.LastSync.After(*a.LastSync))
	return a.Version == now.Version && (!refused || !synced)
}

func (a *accountWatch) run() {
	defer a.connections.unregister(a.Account, a.line)
	defer a.stop()
	for {
		lent, err := a.line.hold(a.ctx)
		if err != nil {
			return
		}
		if lent != a.lent {
			a.looked, a.lent = time.Time{}, lent
		}
		push, err := a.turn()
		if err != nil {
			a.line.hangUp()
		}
		a.line.release()
		switch {
		case a.ctx.Err() != nil:
			return
		case err != nil:
			a.rest(err)
		case push:
			a.push()
		}
	}
}

// turn is what the watch does while it holds the line: until something moves, a run wants the line, or it is
// time to look. It reports whether a run is needed, as it is after each new connection.
func (a *accountWatch) turn() (push bool, err error) {
	if fresh, err := a.connect(); err != nil || fresh {
		return fresh, err
	}
	conn := a.line.conn
	if a.opts.Now().Sub(a.looked) >= a.round(conn) {
		if push, err := a.look(conn); err != nil || push {
			return push, err
		}
	}
	status, err := conn.Examine(a.ctx, a.open)
	if err != nil {
		return false, err
	}
	if a.news(a.open, status) {
		return true, nil
	}
	a.tell(WatchState{State: WatchLive})
	span := min(a.opts.Idle, a.looked.Add(a.round(conn)).Sub(a.opts.Now()))
	if !conn.Abilities().Idle {
		span = min(span, a.opts.Round)
	}
	return conn.Idle(a.ctx, a.line.calls, span)
}

// connect sees that the line has a connection, and reports whether it is a new one.
func (a *accountWatch) connect() (fresh bool, err error) {
	if a.line.conn != nil {
		if a.opened.IsZero() { // by a run
			a.opened = a.opts.Now()
		}
		return false, nil
	}
	a.tell(WatchState{State: WatchConnecting, Reason: a.told.Reason, Message: a.told.Message})
	_, login, err := a.passwords.AccountLogin(a.ctx, a.Journal, a.Account)
	if err != nil {
		return false, fmt.Errorf("login of account %d: %w", a.Account, err)
	}
	if _, err := a.line.connect(a.ctx, a.connections, login); err != nil {
		return false, err
	}
	a.opened = a.opts.Now()
	return true, nil
}

// round returns how long mailboxes that do not tell by themselves go without a look.
func (a *accountWatch) round(conn MailConn) time.Duration {
	if conn.Abilities().ListStatus {
		return a.opts.Round
	}
	return a.opts.Slow
}

// look compares what the server says of all mailboxes with the checkpoints.
func (a *accountWatch) look(conn MailConn) (push bool, err error) {
	listed, err := conn.List(a.ctx)
	if err != nil {
		return false, err
	}
	stored, err := a.state.Mailboxes(a.ctx, a.Journal, a.Account)
	if err != nil {
		return false, fmt.Errorf("mailboxes of account %d: %w", a.Account, err)
	}
	a.stored, a.open, a.looked = map[domain.MailboxName]domain.Mailbox{}, "INBOX", a.opts.Now()
	for _, m := range stored {
		a.stored[m.Name] = m
	}
	if inbox, ok := a.stored["INBOX"]; ok && !inbox.Selected {
		if i := slices.IndexFunc(stored, func(m domain.Mailbox) bool { return m.Selected }); i >= 0 {
			a.open = stored[i].Name
		}
	}
	there := map[domain.MailboxName]bool{}
	for _, l := range listed {
		there[l.Name] = !l.NoSelect
		if m, known := a.stored[l.Name]; l.NoSelect || l.Status == nil || known && !m.Selected {
			continue
		}
		push = a.news(l.Name, *l.Status) || push
	}
	for _, m := range stored {
		if m.Selected && !there[m.Name] {
			push = a.news(m.Name, domain.MailboxStatus{}) || push
		}
	}
	return push, nil
}

// news reports whether a mailbox is other than at its checkpoint, and no run was asked for that yet. What a run
// cannot bring level is tried again by schedule, not at once and for ever.
func (a *accountWatch) news(name domain.MailboxName, s domain.MailboxStatus) bool {
	c := a.stored[name]
	if c.Level && s == (domain.MailboxStatus{UIDValidity: c.UIDValidity, UIDNext: c.UIDNext, Messages: c.Messages, ModSeq: c.ModSeq}) {
		return false
	}
	if before, ok := a.asked[name]; ok && before == s {
		return false
	}
	a.asked[name] = s
	return true
}

// push queues a run and waits until one has had the line. The first change is acted on at once; those that follow are
// gathered, for longer where runs take long.
func (a *accountWatch) push() {
	a.pause(a.pushed.Add(max(a.opts.Gather, 2*a.took)).Sub(a.opts.Now()))
	a.pushed = a.opts.Now()
	lent, _ := a.line.freed()
	for wait := 50 * time.Millisecond; a.ctx.Err() == nil; wait = min(2*wait, 2*time.Second) {
		waits, err := a.watches.Push(a.ctx, a.Watch)
		if err == nil && waits {
			break
		}
		if err != nil && a.ctx.Err() == nil {
			a.log.Warn("queue sync for changes", slog.Int64("account", int64(a.Account)), slog.Any("err", err))
		}
		a.pause(wait) // a run goes on that may have looked before
	}
	a.awaitRun(lent)
	a.looked, a.took = time.Time{}, a.opts.Now().Sub(a.pushed)
}

// awaitRun waits until the line was lent once more than before and is free, or no run waits or goes on, as
// when another process had it.
func (a *accountWatch) awaitRun(before int) {
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	for a.ctx.Err() == nil {
		lent, changed := a.line.freed()
		if lent > before {
			return
		}
		select {
		case <-a.ctx.Done():
		case <-changed:
		case <-poll.C:
			if busy, err := a.watches.Busy(a.ctx, a.Watch); err == nil && !busy {
				return
			}
		}
	}
}

// rest waits before the next connection, or for the end if the login is refused: servers lock accounts
// that try again and again.
func (a *accountWatch) rest(err error) {
	if !a.opened.IsZero() {
		a.backoff.held(a.opts.Now().Sub(a.opened))
		a.opened = time.Time{}
	}
	s := WatchState{State: WatchWaiting, Reason: reasonOf(err), Message: messageOf(err)}
	if s.Reason == ReasonAuth {
		s.State = WatchRefused
		a.mu.Lock()
		a.refused = true
		a.mu.Unlock()
		a.tell(s)
		<-a.ctx.Done()
		return
	}
	pause := a.backoff.next(err)
	at := a.opts.Now().Add(pause)
	s.NextAt = &at
	a.log.Info("account is not watched for now", slog.Int64("account", int64(a.Account)), slog.String("reason", s.Reason),
		slog.Duration("pause", pause), slog.Any("err", err))
	a.tell(s)
	a.pause(pause)
}

// pause waits, unless the watch ends.
func (a *accountWatch) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.ctx.Done():
	}
}

// tell notes how the watch stands, if that is another way than before.
func (a *accountWatch) tell(s WatchState) {
	if s.State == a.told.State && s.Reason == a.told.Reason && s.Message == a.told.Message && s.NextAt == a.told.NextAt {
		return
	}
	if err := a.watches.Report(a.ctx, a.Watch, s); err != nil {
		if a.ctx.Err() == nil {
			a.log.Debug("report watch", slog.Any("err", err))
		}
		return
	}
	a.told = s
}
