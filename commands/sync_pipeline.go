package commands

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// Bounds of a pipeline. Memory is bounded in octets, whatever the mailbox holds.
const (
	maxInFlight   = 24 << 20 // octets between the socket and the log
	batchMessages = 400
	batchOctets   = 6 << 20
	batchSaid     = 3 << 19                // octets of what events say of the messages; as JSON at most twice as many
	batchDelay    = 250 * time.Millisecond // a slow server's messages are not held back longer
)

// pipeline carries messages of one mailbox from the connection into the log:
// parsed by a few, then stored a batch at a time, then recorded a batch at a time. A batch is
// stored while the one before it is being recorded.
type pipeline struct {
	ctx    context.Context // of the stages, which live as long as the pipeline
	cancel context.CancelCauseFunc
	run    *accountRun
	box    *mailboxRun
	room   *octets
	raw    chan *incoming
	parsed chan *incoming
	ready  chan []*incoming
	stages sync.WaitGroup
	stored domain.UIDSet // recorded; valid after close
}

// newPipeline starts the stages. The context it returns ends with the first that fails.
func newPipeline(ctx context.Context, r *accountRun, m *mailboxRun) (*pipeline, context.Context) {
	p := &pipeline{
		run: r, box: m, room: newOctets(maxInFlight),
		raw: make(chan *incoming, 16), parsed: make(chan *incoming, 16), ready: make(chan []*incoming),
	}
	ctx, p.cancel = context.WithCancelCause(ctx)
	p.ctx = ctx
	context.AfterFunc(ctx, p.room.wake)
	var parsers sync.WaitGroup
	for range r.opts.Parsers {
		parsers.Go(p.parse)
	}
	p.stages.Go(func() { parsers.Wait(); close(p.parsed) })
	p.stages.Go(func() { p.store(); close(p.ready) })
	p.stages.Go(p.append)
	return p, ctx
}

// push takes a message from the connection; it waits while too many octets are on their way.
func (p *pipeline) push(msg FetchedMessage) error {
	if err := p.room.take(p.ctx, int64(len(msg.Raw))); err != nil {
		return context.Cause(p.ctx)
	}
	select {
	case p.raw <- &incoming{FetchedMessage: msg}:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// close waits until all that was pushed is recorded, and returns what stopped it.
func (p *pipeline) close() error {
	close(p.raw)
	p.stages.Wait()
	err := context.Cause(p.ctx)
	p.cancel(nil)
	return err
}

func (p *pipeline) parse() {
	for in := range p.raw {
		if p.ctx.Err() != nil {
			continue
		}
		in.sum = sumOf(in.Raw)
		p.run.read(p.ctx, in)
		p.parsed <- in
	}
}

// store puts raw messages and contents, a batch at a time, before the log names them.
func (p *pipeline) store() {
	var batch []*incoming
	size, said := 0, 0
	delay := time.NewTimer(batchDelay)
	defer delay.Stop()
	flush := func() {
		if len(batch) > 0 && p.ctx.Err() == nil {
			if err := p.put(batch); err != nil {
				p.cancel(err)
			}
			p.ready <- batch
		}
		batch, size, said = nil, 0, 0
	}
	for {
		select {
		case in, ok := <-p.parsed:
			if !ok {
				flush()
				return
			}
			if len(batch) == 0 {
				delay.Reset(batchDelay)
			}
			batch = append(batch, in)
			size, said = size+len(in.Raw), said+in.says()
			if len(batch) >= batchMessages || size >= batchOctets || said >= batchSaid {
				flush()
			}
		case <-delay.C:
			flush()
		}
	}
}

func (p *pipeline) put(batch []*incoming) error {
	msgs := make([]RawMessage, len(batch))
	for i, in := range batch {
		msgs[i] = RawMessage{in.sum, in.Raw, in.content}
	}
	if err := p.run.raws.Put(p.ctx, p.run.Journal, msgs); err != nil {
		return fmt.Errorf("store %d raw messages: %w", len(batch), err)
	}
	for _, in := range batch { // the octets are in the database now
		p.room.give(int64(len(in.Raw)))
		in.Raw = nil
	}
	return nil
}

func (p *pipeline) append() {
	var uids []domain.UID
	for batch := range p.ready {
		if p.ctx.Err() != nil {
			continue
		}
		if err := p.run.append(p.ctx, p.box, batch); err != nil {
			p.cancel(err)
			continue
		}
		for _, in := range batch {
			uids = append(uids, in.UID)
		}
	}
	p.stored = domain.UIDs(uids...)
}

// octets bounds memory: take waits until there is room. One that is larger than
// all the room is let in alone.
type octets struct {
	mu   sync.Mutex
	cond *sync.Cond
	used int64
	size int64
}

func newOctets(size int64) *octets {
	o := &octets{size: size}
	o.cond = sync.NewCond(&o.mu)
	return o
}

func (o *octets) take(ctx context.Context, n int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.used > 0 && o.used+n > o.size {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		o.cond.Wait()
	}
	o.used += n
	return ctx.Err()
}

func (o *octets) give(n int64) {
	o.mu.Lock()
	o.used -= n
	o.mu.Unlock()
	o.cond.Broadcast()
}

// wake lets those who wait see that their context has ended.
func (o *octets) wake() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cond.Broadcast()
}

// sumOf returns the name under which octets are stored.
func sumOf(raw []byte) [32]byte { return sha256.Sum256(raw) }
