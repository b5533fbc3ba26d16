package imapsource

import (
	"context"
	"errors"
	"time"
)

// idle waits until something moves in the open mailbox, with NOTIFY (RFC 5465) in any, until a value can
// be received from stop, or for a span, and reports whether something has moved since it was opened or they were
// listed. With IDLE (RFC 2177) the server tells; without it only the end of the connection is seen. It may be
// silent for as long as it likes; TCP asks whether the other side is there.
func (s *session) idle(ctx context.Context, stop <-chan struct{}, span time.Duration) (moved bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.notify(); err != nil {
		return false, err
	}
	tag, err := s.beginIdle()
	if err != nil {
		return false, err
	}
	for !s.moved && !s.stirred {
		came, err := s.wire.wait(ctx, 0)
		if err != nil {
			return false, err
		}
		if !came {
			break
		}
		if _, err := s.read(nil); err != nil {
			return false, err
		}
	}
	if tag != "" {
		if err = s.wire.write("DONE\r\n"); err == nil {
			err = s.until(tag, nil)
		}
	}
	return s.moved || s.stirred, err
}

// notify asks once to be told of changes in all mailboxes. What is told is not trusted: Dovecot sends raw
// UTF-8 for names. In the open mailbox expunges wait until a command allows them, as without NOTIFY.
func (s *session) notify() error {
	if s.notified || !s.has("NOTIFY") {
		return nil
	}
	s.notified = true
	const changes = "(MessageNew MessageExpunge FlagChange)"
	err := s.run(command{"NOTIFY SET (selected-delayed " + changes + ") (personal (MailboxName MessageNew MessageExpunge FlagChange))"}, nil)
	if text := refusal(err); text != "" && !throttled(text) {
		return nil
	}
	return err
}

// beginIdle sends IDLE and waits until the server agrees; no tag means that it does not.
func (s *session) beginIdle() (tag string, err error) {
	if !s.has("IDLE") || s.noIdle {
		return "", nil
	}
	if tag, err = s.send("IDLE"); err != nil {
		return "", err
	}
	err = s.until(tag, errAgreed)
	if text := refusal(err); text != "" && !throttled(text) {
		s.noIdle = true
		return "", nil
	}
	if errors.Is(err, errAgreed) {
		return tag, nil
	}
	return "", err
}

// errAgreed says that a continuation request has come.
var errAgreed = errors.New("continuation request")

// until reads answers until a command is done; a continuation request ends it with an error.
func (s *session) until(tag string, proceed error) error {
	for {
		r, err := s.read(nil)
		switch {
		case err != nil:
			return err
		case r.tag == tag:
			return s.outcome(r)
		case r.tag == "+" && proceed != nil:
			return proceed
		}
	}
}
