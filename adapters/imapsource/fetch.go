package imapsource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

const (
	firstBatch  = 50      // messages: something is seen at once
	largeBatch  = 1000    // messages
	batchOctets = 8 << 20 // estimated by the messages before
	setOctets   = 7000    // of one command; RFC 7162 section 4 allows 8192 for a line
	slowBatch   = 2 * time.Second
	cutOctets   = 256 << 10 // what is taken of a message that is too large
	skipOctets  = 64 << 20  // of a message that is too large are read and thrown away; more: a new connection
	maxFaults   = 24        // without a message in between, then the server is to blame
)

// Fetch calls fn with the messages, those with the highest UIDs first as far as
// the server answers in order, and never twice for a UID. A message larger than
// maxSize (0: 1 GiB) comes Truncated, with its first 256 KiB. What the server
// does not give, asked again and alone, is missing; so it is also if Fetch
// returns an error, then only as far as it got. An error of fn is returned as
// it is. While fn runs nothing is read, so a slow consumer stops the server.
//
// A connection that breaks costs the message it broke at a second question, alone;
// the others of its batch are asked for in pieces.
func (c *Conn) Fetch(ctx context.Context, uids domain.UIDSet, maxSize int64, fn func(commands.FetchedMessage) error) ([]commands.Missing, error) {
	if !c.examined {
		return nil, errNotExamined()
	}
	if maxSize <= 0 {
		maxSize = 1 << 30
	}
	f := &fetcher{
		conn: c, ctx: ctx, fn: fn, maxSize: maxSize,
		plan: plan{rest: append(domain.UIDSet(nil), uids...), size: firstBatch},
	}
	err := f.run()
	f.giveUp()
	return f.missing, plain(err)
}

// giveUp reports as missing what was asked for alone before an error ended the
// call: or the next call would begin with it and end there again.
func (f *fetcher) giveUp() {
	for _, a := range f.plan.absent {
		if a.final {
			f.missing = append(f.missing, commands.Missing{UID: a.uid, Reason: a.reason})
		}
	}
}

// fetcher is one call of Fetch.
type fetcher struct {
	conn    *Conn
	ctx     context.Context
	fn      func(commands.FetchedMessage) error
	maxSize int64
	plan    plan
	missing []commands.Missing
	faults  int // of the connection since the last message
	refused int // single messages in a row since the last message
	deaf    int // connections that broke at SEARCH
}

func (f *fetcher) run() error {
	for {
		s, err := f.conn.ready(f.ctx)
		if err != nil {
			return err
		}
		err = f.conn.watch(f.ctx, s, func() error { return f.session(s) })
		if err == nil {
			return nil
		}
		fault, ok := errors.AsType[*faultError](err)
		if !ok || f.blame(fault) > maxFaults {
			return err
		}
		f.conn.src.opt.Logger.Warn("fetch broken off, connecting again", slog.String("host", f.conn.login.Host),
			slog.String("mailbox", string(f.conn.name)), slog.Any("err", fault))
		if err := f.conn.pause(f.ctx, min(f.faults-1, 1)); err != nil {
			return err
		}
	}
}

// blame counts a fault; a silence costs more time than others.
func (f *fetcher) blame(fault *faultError) int {
	f.faults++
	if fault.Code == commands.CodeTimeout {
		f.faults += 5
	}
	return f.faults
}

// session fetches on one connection until nothing is left or it breaks.
func (f *fetcher) session(s *session) error {
	for {
		if err := f.bodies(s); err != nil {
			return err
		}
		if len(f.plan.absent) == 0 {
			return nil
		}
		if err := f.askAbsent(s); err != nil {
			return err
		}
	}
}

// bodies runs the batches of the plan, two at a time.
func (f *fetcher) bodies(s *session) error {
	r := &receiver{f: f, s: s}
	for {
		for r.room() && f.plan.more() {
			if err := r.start(f.plan.next()); err != nil {
				return r.broken(err)
			}
		}
		if len(r.batches) == 0 {
			return nil
		}
		reply, err := s.read(r.take)
		if err == nil && !r.expects(reply) { // the rest of a message, when the server is wrong about its length
			err = fmt.Errorf("%w: answer to %q, which nobody asked", errSyntax, words(reply.tag))
		}
		if err != nil {
			return r.broken(err)
		}
		if err := r.finish(reply); err != nil {
			_ = s.wire.Close() // answers to the others are on their way
			return err
		}
	}
}

// deliver gives a message to fn.
func (f *fetcher) deliver(b *batch, p part) error {
	f.faults, f.refused = 0, 0
	return f.fn(commands.FetchedMessage{
		UID: p.uid, Flags: p.flags, InternalDate: p.date, ModSeq: p.modSeq, Raw: p.body,
		Size: max(p.bodySize, b.whole), Truncated: int64(len(p.body)) < max(p.bodySize, b.whole),
	})
}

// askAbsent asks which of the UIDs that did not come the server still lists.
// Those it does not are gone; the others are asked for alone, once.
func (f *fetcher) askAbsent(s *session) error {
	// Another session's expunges are seen only after they could be told.
	if err := s.run(command{"NOOP"}, nil); err != nil && refusal(err) == "" {
		return err
	}
	for len(f.plan.absent) > 0 {
		n := min(len(f.plan.absent), 200)
		some := f.plan.absent[len(f.plan.absent)-n:]
		listed, known, err := f.stillListed(s, some)
		if err != nil {
			return err
		}
		f.plan.absent = f.plan.absent[:len(f.plan.absent)-n]
		for _, a := range some {
			switch {
			case known && !listed.Contains(a.uid):
				f.missing = append(f.missing, commands.Missing{UID: a.uid, Gone: true})
			case a.final:
				f.missing = append(f.missing, commands.Missing{UID: a.uid, Reason: a.reason})
			default:
				f.plan.push(alone(a.uid))
			}
		}
	}
	return nil
}

// stillListed returns which of some messages the server lists by SEARCH; known
// is false if it does not tell. That no answer comes proves nothing.
func (f *fetcher) stillListed(s *session, some []absentUID) (listed domain.UIDSet, known bool, err error) {
	if f.deaf > 1 {
		return nil, false, nil
	}
	uids := make([]domain.UID, len(some))
	for i, a := range some {
		uids[i] = a.uid
	}
	listed, err = s.search("UID " + domain.UIDs(uids...).String())
	_, odd := errors.AsType[*commands.SourceError](err)
	if text := refusal(err); text != "" && !throttled(text) || odd {
		return nil, false, nil
	}
	if err != nil {
		f.deaf++
	}
	return listed, err == nil, err
}
