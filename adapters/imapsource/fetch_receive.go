package imapsource

import (
	"io"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/imap2api/imap2api/domain"
)

// receiver reads the answers to the FETCHes of one connection. Each command has
// a goroutine that reads it to its end, whatever happens: servers mix the
// answers to pipelined commands, and a command that is not read blocks the
// connection for ever.
type receiver struct {
	f       *fetcher
	s       *session
	events  chan event
	batches []*batch // that run, the oldest first
	err     error    // what ended this connection
	stopped bool     // by fn: nothing is delivered any more
	planned bool     // a message was found that is to blame

	mu     sync.Mutex
	strays int // that are being read
	idle   *sync.Cond
}

// event is an answer, or the end of a batch.
type event struct {
	part part
	done *batch
	err  error
}

func newReceiver(f *fetcher, s *session) *receiver {
	r := &receiver{f: f, s: s, events: make(chan event)}
	r.idle = sync.NewCond(&r.mu)
	s.mu.Lock()
	s.strays = r.stray
	s.mu.Unlock()
	return r
}

// stop takes no more strays and waits for those that are being read.
func (r *receiver) stop() {
	r.s.mu.Lock()
	r.s.strays = nil
	r.s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.waitStrays()
	}()
	for {
		select {
		case ev := <-r.events:
			r.release(ev.part)
		case <-done:
			return
		}
	}
}

func (r *receiver) waitStrays() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.strays > 0 {
		r.idle.Wait()
	}
}

// room reports whether another batch may start. Pieces of a batch that broke
// the connection run alone, that nothing else suffers from them.
func (r *receiver) room() bool {
	if r.err != nil || len(r.batches) > 1 {
		return false
	}
	if len(r.batches) == 0 {
		return true
	}
	return !r.batches[0].careful && len(r.f.plan.again) == 0
}

// start sends the command of a batch.
func (r *receiver) start(b *batch) {
	b.began, b.parts = time.Now(), nil
	options := &imap.FetchOptions{
		UID: true, Flags: !b.noFlags, InternalDate: !b.noDate, ModSeq: r.f.conn.status.ModSeq != 0 && !b.noFlags,
		BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	}
	if b.whole > 0 {
		options.BodySection[0].Partial = &imap.SectionPartial{Size: cutOctets}
	}
	r.batches = append(r.batches, b)
	go r.receive(b, r.s.client.Fetch(b.set, options))
}

func (r *receiver) receive(b *batch, cmd *imapclient.FetchCommand) {
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		r.events <- event{part: r.read(msg)}
	}
	err := cmd.Close()
	r.waitStrays() // a body that a stray answer brought was begun before this end
	r.events <- event{done: b, err: err}
}

// stray reads an answer that the library gave to no command.
func (r *receiver) stray(msg *imapclient.FetchMessageData) {
	r.mu.Lock()
	r.strays++
	r.mu.Unlock()
	p := r.read(msg)
	r.events <- event{part: p}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.strays--; r.strays == 0 {
		r.idle.Broadcast()
	}
}

// read reads an answer. The octets are taken from the budget first, so a slow
// consumer stops the server.
func (r *receiver) read(msg *imapclient.FetchMessageData) part {
	return readItems(msg, func(p *part, item imapclient.FetchItemDataBodySection) {
		section, size := item.Section, item.Literal.Size()
		p.partial = section.Partial != nil
		if section.Specifier != "" || len(section.Part) > 0 || p.hasBody || p.partial && section.Partial.Offset != 0 {
			return
		}
		want := size
		if size > r.f.maxSize {
			want = min(size, cutOctets)
		}
		n := r.f.octets(want)
		if r.f.budget.Acquire(r.f.ctx, n) != nil {
			return
		}
		p.taken += n
		if p.body, p.hasBody = r.s.wire.exactly(item.Literal, want); !p.hasBody {
			return
		}
		p.bodySize = size
		if size-want > skipOctets {
			p.tooLarge, p.hasBody, p.body = true, false, nil
			r.s.wire.Close()
			return
		}
		// The end is read here, not by the library, to see that it comes.
		if rest, err := io.Copy(io.Discard, item.Literal); err != nil || rest != size-want || r.s.wire.torn.Load() {
			p.hasBody, p.body = false, nil
		}
	})
}

func (r *receiver) release(p part) {
	if p.taken > 0 {
		r.f.budget.Release(p.taken)
	}
}

// handle acts on an event. After an error the rest is only read.
func (r *receiver) handle(ev event) {
	if ev.done != nil {
		r.finish(ev.done, ev.err)
		return
	}
	p := ev.part
	for _, b := range r.batches {
		if _, ok := b.left[p.uid]; !ok {
			continue
		}
		switch {
		case p.tooLarge:
			r.setAside(b, p)
		case !r.stopped:
			r.take(b, p)
			return
		}
		break
	}
	r.release(p)
}

// take delivers a message, or keeps a part of one until the rest is here.
func (r *receiver) take(b *batch, p part) {
	if p.partial && b.whole == 0 {
		p.hasBody, p.body = false, nil // nobody asked for a piece
	}
	if old, ok := b.parts[p.uid]; ok {
		old.merge(p)
		p = old
	}
	if !b.complete(p) {
		if b.parts == nil {
			b.parts = make(map[domain.UID]part)
		}
		b.parts[p.uid] = p
		return
	}
	r.deliver(b, p)
}

func (r *receiver) deliver(b *batch, p part) {
	delete(b.left, p.uid)
	delete(b.parts, p.uid)
	b.last = p.uid
	b.octets += int64(len(p.body))
	err := r.f.deliver(b, p)
	r.release(p)
	if err != nil {
		r.stopped, r.err = true, nil
		r.fail(&consumerError{err})
	}
}

// consumerError is an error of fn.
type consumerError struct{ err error }

func (e *consumerError) Error() string { return e.err.Error() }
func (e *consumerError) Unwrap() error { return e.err }

// fail ends the connection; the commands that run are read to their end.
func (r *receiver) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.s.wire.Close()
}

// setAside plans a message anew that is so large that the connection was closed.
func (r *receiver) setAside(b *batch, p part) {
	delete(b.left, p.uid)
	r.planned = true
	if b.whole > 0 {
		r.f.plan.absent = append(r.f.plan.absent, absentUID{p.uid, "the message is too large, and the server gives no part of it", true})
	} else {
		again := alone(p.uid)
		again.whole = p.bodySize
		r.f.plan.push(again)
	}
	r.fail(errSplit)
}

// finish closes the account of a batch.
func (r *receiver) finish(b *batch, err error) {
	oldest := r.batches[0] == b
	r.batches = slices.DeleteFunc(r.batches, func(x *batch) bool { return x == b })
	if b.single && !r.stopped {
		r.deliverIncomplete(b)
	}
	defer r.releaseParts(b)
	switch {
	case r.stopped:
	case err == nil:
		r.f.plan.learn(b)
		r.absent(b, "the server answers without the message")
	case refusal(err) != "":
		r.refused(b, err)
	default:
		r.broken(b, err, oldest)
	}
}

// deliverIncomplete delivers a message that was asked for alone and came
// without flags or date.
func (r *receiver) deliverIncomplete(b *batch) {
	for _, p := range b.parts {
		if p.hasBody && !r.stopped {
			r.deliver(b, p)
		}
	}
}

func (r *receiver) releaseParts(b *batch) {
	for _, p := range b.parts {
		r.release(p)
	}
	b.parts = nil
}

func (r *receiver) absent(b *batch, reason string) {
	for _, uid := range b.ordered() {
		r.f.plan.absent = append(r.f.plan.absent, absentUID{uid: uid, reason: reason, final: b.single})
	}
}

// refused handles a NO or BAD: what was not delivered is asked for in halves.
func (r *receiver) refused(b *batch, err error) {
	text := refusal(err)
	if throttled(text) {
		r.fail(err)
		return
	}
	if r.f.plan.split(b, 0) {
		return
	}
	b.single = true
	r.absent(b, text)
	if r.f.refused++; r.f.refused > maxRefused {
		r.fail(err)
	}
}

// maxRefused is how many single messages a server may refuse in a row; more are
// a fault of the server, not of the messages.
const maxRefused = 64

// broken handles a connection that ended under a batch. Servers answer in the
// order of commands, mostly, so the oldest is to blame and asked for in pieces.
func (r *receiver) broken(b *batch, err error, oldest bool) {
	if r.err == nil {
		r.err = err
	}
	switch {
	case len(b.left) == 0:
	case r.planned || !oldest:
		r.f.plan.push(b.remains())
	case r.f.plan.split(b, b.suspect()):
		r.planned = true
	default:
		r.planned = true
		r.step(b, err)
	}
}

// step asks for a message that breaks the connection once more, or for less of
// it, and gives up in the end.
func (r *receiver) step(b *batch, err error) {
	parse := r.s.wire.why() == nil
	b.tries++
	switch {
	case !parse && b.tries < 2:
	case parse && !b.noDate:
		b.noDate, b.tries = true, 0
	case parse && !b.noFlags:
		b.noFlags, b.tries = true, 0
	default:
		b.single = true
		r.absent(b, words("the connection breaks at this message: "+err.Error()))
		return
	}
	r.f.plan.push(b.remains())
}
