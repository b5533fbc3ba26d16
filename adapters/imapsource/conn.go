package imapsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// Conn is one login on a server. It implements commands.MailConn.
type Conn struct {
	src   *Source
	login commands.Login
	sess  *session // nil: to be connected again

	odd      map[domain.MailboxName]string // names on the wire that do not follow from those shown; nil: not listed yet
	name     domain.MailboxName            // examined last
	status   domain.MailboxStatus
	examined bool
	closed   bool
}

var _ commands.MailConn = (*Conn)(nil)

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
	err := c.watch(ctx, s, func() (err error) {
		status, err = s.examine(c.name, c.wireName(c.name))
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
			c.sess = o.session
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

// drop gives a session up.
func (c *Conn) drop(s *session) {
	_ = s.wire.Close()
	if c.sess == s {
		c.sess = nil
	}
}

// watch runs fn until the context ends. Its error is explained; after one that
// is neither the server's refusal nor explained already the session is gone.
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
	if _, sound := errors.AsType[*commands.SourceError](err); !sound && refusal(err) == "" {
		c.drop(s)
	}
	return c.explain(ctx, s, err)
}

// faultError is an answer that could not be read or a connection that broke:
// what a new connection and smaller steps may heal.
type faultError struct {
	commands.SourceError
	parse bool // by an answer that breaks all bounds, or is none
}

func (e *faultError) Error() string { return e.SourceError.Error() }
func (e *faultError) Unwrap() error { return &e.SourceError }

// explain makes an error of a session one for callers.
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
			return throttledError(fmt.Sprintf("%s serves no more for now.", host), text, err)
		}
		return sourceError(commands.CodeProtocolError, fmt.Sprintf("%s refused a command.", host), err)
	}
	cause, said := s.wire.why(), s.wire.spoken()
	if said != "" {
		err = fmt.Errorf("%w (server says: %s)", err, said)
	}
	f := &faultError{parse: cause == nil && !errors.Is(err, errSplit)}
	f.Err = err
	switch {
	case cause == nil:
		f.Code, f.Message = commands.CodeProtocolError, fmt.Sprintf("%s sent an answer that cannot be read.", host)
	case errors.Is(cause, errLine):
		f.Code, f.Message, f.Err, f.parse = commands.CodeProtocolError, fmt.Sprintf("%s sent an answer that is too long.", host), cause, true
	case isTimeout(cause):
		f.Code, f.Message = commands.CodeTimeout, fmt.Sprintf("%s did not answer in time.", host)
	case throttled(s.wire.farewell()):
		return throttledError(fmt.Sprintf("%s serves no more for now.", host), s.wire.farewell(), err)
	default:
		f.Code, f.Message = commands.CodeConnectFailed, fmt.Sprintf("The connection to %s was lost.", host)
		f.Err = fmt.Errorf("%w: %w", cause, err)
		if s.wire.farewell() != "" {
			f.Reason = commands.ReasonBye
		}
	}
	return f
}

// retry runs fn in a session and again in a new one if the connection broke.
func (c *Conn) retry(ctx context.Context, fn func(s *session) error) error {
	for attempt := 0; ; attempt++ {
		s, err := c.ready(ctx)
		if err == nil {
			err = c.watch(ctx, s, func() error { return fn(s) })
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

// Close logs out, at most a second, and closes.
func (c *Conn) Close() error {
	s := c.sess
	if c.closed = true; s == nil {
		return nil
	}
	if !s.closed() {
		t := time.AfterFunc(time.Second, func() { _ = s.wire.Close() })
		defer t.Stop()
		_ = s.run(command{"LOGOUT"}, nil)
	}
	c.drop(s)
	return nil
}
