package imapsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// Conn is one login on a server. It implements commands.MailConn.
type Conn struct {
	src   *Source
	login commands.Login
	sess  *session // nil: to be connected again

	name     domain.MailboxName // examined last
	status   domain.MailboxStatus
	examined bool
	closed   bool
}

var _ commands.MailConn = (*Conn)(nil)

// session is one connection after the login.
type session struct {
	wire   *wire
	client *imapclient.Client
	caps   capabilities
	name   domain.MailboxName // that is open on it
	opened bool

	mu     sync.Mutex
	strays func(*imapclient.FetchMessageData) // takes FETCH data that no command got; nil: none wanted
}

// session hands the connection to the library, as one that is logged in.
func (o *opening) session() *session {
	s := &session{wire: o.wire, caps: o.caps}
	var known []string
	for _, c := range o.caps.list {
		// The library sends names in UTF-8 to a server of IMAP4rev2, which expects that
		// only after ENABLE if it is one of IMAP4rev1 as well (RFC 9051 appendix E).
		if strings.EqualFold(c, "IMAP4rev2") && o.caps.has("IMAP4rev1") {
			continue
		}
		if !strings.ContainsFunc(c, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`(){%*"\]`, r) }) {
			known = append(known, c)
		}
	}
	if len(known) == 0 {
		known = []string{"IMAP4rev1"}
	}
	s.wire.pending = []byte("* PREAUTH [CAPABILITY " + strings.Join(known, " ") + "] logged in\r\n")
	s.client = imapclient.New(s.wire, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Fetch: s.stray},
	})
	return s
}

// stray takes an answer to FETCH that the library could not give to a command:
// its UID came after the body, or another answer for it came before.
func (s *session) stray(msg *imapclient.FetchMessageData) {
	s.mu.Lock()
	take := s.strays
	s.mu.Unlock()
	if take != nil {
		take(msg)
		return
	}
	for msg.Next() != nil { // an answer that nobody reads blocks the connection
	}
}

// has reports whether the server has an extension; IMAP4rev2 includes some.
func (s *session) has(name string) bool {
	included := []string{"ESEARCH", "LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE"}
	return s.caps.has(name) || s.caps.has("IMAP4rev2") && slices.Contains(included, name)
}

// closed reports whether the connection has ended.
func (s *session) closed() bool {
	select {
	case <-s.client.Closed():
		return true
	default:
		return s.wire.why() != nil
	}
}

// ready returns a session in which the mailbox examined last is open,
// connecting if need be.
func (c *Conn) ready(ctx context.Context) (*session, error) {
	if c.closed {
		return nil, sourceError(commands.CodeInternal, "The connection is closed.", net.ErrClosed)
	}
	if c.sess != nil && c.sess.closed() {
		c.drop(c.sess)
	}
	if c.sess == nil {
		if err := c.reconnect(ctx); err != nil {
			return nil, err
		}
	}
	if !c.examined || c.sess.opened && c.sess.name == c.name {
		return c.sess, nil
	}
	s := c.sess
	var status domain.MailboxStatus
	err := c.during(ctx, s, func() (err error) {
		status, err = s.examine(c.name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if status.UIDValidity != c.status.UIDValidity {
		c.examined = false
		return nil, sourceError(commands.CodeProtocolError, "The server renumbered the folder while it was read.",
			fmt.Errorf("uidvalidity of %q was %d and is %d", c.name, c.status.UIDValidity, status.UIDValidity))
	}
	return s, nil
}

// reconnect opens a new connection; a server that restarts is given some seconds.
func (c *Conn) reconnect(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		o, err := c.src.connect(ctx, c.login)
		if err == nil {
			c.sess = o.session()
			return nil
		}
		e, ok := errors.AsType[*commands.SourceError](err)
		if !ok || e.Code != commands.CodeConnectFailed || attempt == 5 {
			return err
		}
		if err := c.pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// drop gives a session up. Nothing waits for it: the library's Close would, for
// whatever is not read.
func (c *Conn) drop(s *session) {
	_ = s.wire.Close()
	if c.sess == s {
		c.sess = nil
	}
}

// during runs fn as one command or several in a row: silence ends it, and so
// does the context.
func (c *Conn) during(ctx context.Context, s *session, fn func() error) error {
	return c.watch(ctx, s, func() error {
		s.wire.begin()
		defer s.wire.end()
		return fn()
	})
}

// watch runs fn until the context ends. Its error is explained; after one that
// is not the server's refusal the session is gone.
func (c *Conn) watch(ctx context.Context, s *session, fn func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = s.wire.Close() })
	err := fn()
	if !stop() {
		c.drop(s)
		if err == nil {
			err = ctx.Err()
		}
	}
	if err == nil {
		return nil
	}
	if refusal(err) == "" {
		c.drop(s)
	}
	return c.explain(ctx, s, err)
}

// faultError is an answer that could not be read or a connection that broke:
// what a new connection and smaller steps may heal.
type faultError struct {
	commands.SourceError
	parse bool // the library gave up on an answer
}

func (e *faultError) Error() string { return e.SourceError.Error() }
func (e *faultError) Unwrap() error { return &e.SourceError }

// explain makes an error of the library one for callers.
func (c *Conn) explain(ctx context.Context, s *session, err error) error {
	if e, ok := errors.AsType[*consumerError](err); ok {
		return e.err
	}
	if _, ok := errors.AsType[*commands.SourceError](err); ok {
		return err
	}
	if e := contextError(ctx, c.login, err); e != nil {
		return e
	}
	host := c.login.Host
	if text := refusal(err); text != "" {
		if throttled(text) {
			return sourceError(commands.CodeThrottled, fmt.Sprintf("%s serves no more for now.", host), err)
		}
		return sourceError(commands.CodeProtocolError, fmt.Sprintf("%s refused a command.", host), err)
	}
	cause, said := s.wire.why(), s.wire.spoken()
	if said != "" {
		err = fmt.Errorf("%w (server says: %s)", err, said)
	}
	f := &faultError{parse: cause == nil}
	f.Err = err
	switch {
	case cause == nil:
		f.Code, f.Message = commands.CodeProtocolError, fmt.Sprintf("%s sent an answer that cannot be read.", host)
	case errors.Is(cause, errLine):
		f.Code, f.Message, f.Err, f.parse = commands.CodeProtocolError, fmt.Sprintf("%s sent an answer that is too long.", host), cause, true
	case isTimeout(cause):
		f.Code, f.Message = commands.CodeTimeout, fmt.Sprintf("%s did not answer in time.", host)
	case throttled(s.wire.farewell()):
		return sourceError(commands.CodeThrottled, fmt.Sprintf("%s serves no more for now.", host), err)
	default:
		f.Code, f.Message = commands.CodeConnectFailed, fmt.Sprintf("The connection to %s was lost.", host)
		f.Err = fmt.Errorf("%w: %w", cause, err)
	}
	return f
}

// retry runs fn in a session and again in a new one if the connection broke.
func (c *Conn) retry(ctx context.Context, fn func(s *session) error) error {
	for attempt := 0; ; attempt++ {
		s, err := c.ready(ctx)
		if err == nil {
			err = c.during(ctx, s, func() error { return fn(s) })
		}
		f, ok := errors.AsType[*faultError](err)
		if err == nil || !ok || f.parse || attempt == 2 {
			return plain(err)
		}
		c.src.opt.Logger.Warn("connection lost", slog.String("host", c.login.Host), slog.Any("err", err))
		if err := c.pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// plain takes the inner kind off an error for callers.
func plain(err error) error {
	if f, ok := errors.AsType[*faultError](err); ok {
		return &f.SourceError
	}
	return err
}

// pause waits before a new connection: 0.1 s, then 0.4 s, then 1.6 s.
func (c *Conn) pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(c.src.wait << (2 * min(attempt, 2)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx, c.login, ctx.Err())
	}
}

// Close logs out, at most a second, and closes. It never waits for more.
func (c *Conn) Close() error {
	s := c.sess
	if c.closed = true; s == nil {
		return nil
	}
	if !s.closed() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.client.Logout().Wait()
		}()
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-done:
		case <-t.C:
		}
	}
	c.drop(s)
	return nil
}
