package imapsource

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

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
	options := &imap.FetchOptions{UID: true, Flags: true, ModSeq: c.status.ModSeq != 0}
	if options.ModSeq {
		options.ChangedSince = uint64(after)
	}
	st := &stream{conn: c, options: options, take: func(_ *wire, msg *imapclient.FetchMessageData) (part, bool) {
		p := readPart(msg)
		return p, p.hasFlags
	}}
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
	options := &imap.FetchOptions{
		UID: true, InternalDate: true, RFC822Size: true,
		BodySection: []*imap.FetchItemBodySection{{
			Peek: true, Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"MESSAGE-ID"},
		}},
	}
	st := &stream{conn: c, options: options, take: readHeader}
	return st.run(ctx, uids, func(p part) error {
		return fn(commands.MessageHead{UID: p.uid, InternalDate: p.date, Size: p.size, MsgID: messageID(p.body)})
	})
}

func readHeader(w *wire, msg *imapclient.FetchMessageData) (part, bool) {
	p := readItems(msg, func(p *part, item imapclient.FetchItemDataBodySection) {
		if size := item.Literal.Size(); size <= 1<<20 {
			p.body, p.hasBody = w.exactly(item.Literal, size)
		}
	})
	return p, p.hasBody
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
	conn    *Conn
	options *imap.FetchOptions
	take    func(*wire, *imapclient.FetchMessageData) (p part, ok bool)
	bad     error // of the first message that cannot be read
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
	return st.conn.during(ctx, s, func() error {
		options := *st.options
		cmd := s.client.Fetch(b.set, &options)
		var failed error
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			p, ok := st.take(s.wire, msg)
			if _, asked := b.left[p.uid]; !ok || !asked || failed != nil {
				continue
			}
			delete(b.left, p.uid)
			b.last = p.uid
			if err := fn(p); err != nil {
				failed = &consumerError{err}
				_ = s.wire.Close()
			}
		}
		err := cmd.Close()
		if failed != nil {
			return failed
		}
		return err
	})
}

// dateOf returns an INTERNALDATE in UTC, zero for one that could not be read.
func dateOf(t time.Time) time.Time {
	if t.Year() == 1858 {
		return time.Time{}
	}
	return t.UTC()
}
