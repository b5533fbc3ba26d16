package imapsource

import (
	"io"
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
	r.s.wire.begin()
	go r.receive(b, r.s.client.Fetch(b.set, options))
}

func (r *receiver) receive(b *batch, cmd *imapclient.FetchCommand) {
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		r.events <- event{part: r.read(msg)}
	}
	err := cmd.Close()
	r.s.wire.end()
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
			_ = r.s.wire.Close()
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
