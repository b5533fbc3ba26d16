package imapsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// Flags calls fn with the flags of messages, those changed after a mod-sequence
// if it is not 0 (RFC 7162 section 3.1.4.1), once for each. A message whose
// flags cannot be read does not stop the others; it is an error at the end.
func (c *Conn) Flags(ctx context.Context, uids domain.UIDSet, after domain.ModSeq, fn func(commands.FlagState) error) error {
	if !c.examined {
		return errNotExamined()
	}
	items := "(UID FLAGS)"
	if c.status.ModSeq != 0 {
		items = "(UID FLAGS MODSEQ)"
		if after != 0 {
			items += fmt.Sprintf(" (CHANGEDSINCE %d)", after)
		}
	}
	st := &stream{conn: c, items: items, has: func(p part) bool { return p.hasFlags }}
	return st.run(ctx, uids, func(p part) error {
		return fn(commands.FlagState{UID: p.uid, Flags: p.flags, ModSeq: p.modSeq})
	})
}

// Headers calls fn with what recognises messages without their octets, once for
// each. A message that cannot be read does not stop the others; it is an error
// at the end.
func (c *Conn) Headers(ctx context.Context, uids domain.UIDSet, fn func(commands.MessageHead) error) error {
	if !c.examined {
		return errNotExamined()
	}
	st := &stream{
		conn: c, items: "(UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])",
		has: func(p part) bool { return p.header != nil },
	}
	return st.run(ctx, uids, func(p part) error {
		return fn(commands.MessageHead{UID: p.uid, InternalDate: p.date, Size: p.size, MsgID: messageID(p.header)})
	})
}

// messageID returns the value of the field in a header block, unfolded.
func messageID(header []byte) string {
	_, value, _ := bytes.Cut(header, []byte(":"))
	if end := bytes.Index(value, []byte("\r\n\r\n")); end >= 0 {
		value = value[:end]
	}
	return strings.Join(strings.Fields(string(value)), " ")
}

// streamChunk is how many messages one FETCH without bodies asks for.
const streamChunk = 5000

// stream fetches small items of many messages, one command at a time.
type stream struct {
	conn  *Conn
	items string
	has   func(part) bool // all that is wanted; less is unsolicited
	bad   error           // of the first answer that cannot be read
}

func (st *stream) run(ctx context.Context, uids domain.UIDSet, fn func(part) error) error {
	p := plan{rest: append(domain.UIDSet(nil), uids...), size: streamChunk}
	for faults := 0; ; {
		b := p.next()
		if b == nil {
			return plain(st.bad)
		}
		err := st.chunk(ctx, b, fn)
		fault, ok := errors.AsType[*faultError](err)
		switch {
		case err == nil:
			faults = 0
			continue
		case !ok:
			return err
		case len(b.left) == 0:
		case fault.parse && p.split(b, b.suspect()):
		case fault.parse && st.bad == nil:
			st.bad = err
		case fault.parse:
		default:
			p.push(b.remains())
			if faults++; faults > 2 {
				return plain(err)
			}
		}
		if err := st.conn.pause(ctx, min(faults, 1)); err != nil {
			return err
		}
	}
}

// chunk runs one FETCH; what was seen is taken out of the batch.
func (st *stream) chunk(ctx context.Context, b *batch, fn func(part) error) error {
	s, err := st.conn.ready(ctx)
	if err != nil {
		return err
	}
	unread := s.unread
	err = st.conn.watch(ctx, s, func() error {
		return s.run(command{"UID FETCH " + b.set().String() + " " + st.items}, func(a *answer) error {
			if a.word != "FETCH" {
				return nil
			}
			p, err := a.fetched(nil)
			if _, asked := b.left[p.uid]; err != nil || !asked || !st.has(p) {
				s.moved = true // it was told without being asked
				return err
			}
			delete(b.left, p.uid)
			b.last = p.uid
			if err := fn(p); err != nil {
				return &consumerError{err}
			}
			return nil
		})
	})
	if err == nil && s.unread > unread && st.bad == nil {
		st.bad = sourceError(commands.CodeProtocolError, fmt.Sprintf("%s sent an answer that cannot be read.", st.conn.login.Host), s.doubt)
	}
	return err
}

// consumerError is an error of a caller's function.
type consumerError struct{ err error }

func (e *consumerError) Error() string { return e.err.Error() }
func (e *consumerError) Unwrap() error { return e.err }
