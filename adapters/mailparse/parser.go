package mailparse

import (
	"bytes"
	"context"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// Options are the limits of a Parser. The zero value of each means its default.
type Options struct {
	Budget    time.Duration // wall time for one message; 1 s
	MaxDepth  int           // nested multiparts; what is deeper is one opaque attachment; 50
	MaxParts  int           // parts of one message; what follows is one opaque attachment; 1,000
	MaxHeader int           // octets of one header block; what is beyond is not read; 1 MB
}

// Parser reads messages. It is safe for concurrent use.
type Parser struct {
	opts Options
}

// New returns a Parser with the given limits.
func New(o Options) *Parser {
	if o.Budget <= 0 {
		o.Budget = time.Second
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = 50
	}
	if o.MaxParts <= 0 {
		o.MaxParts = 1000
	}
	if o.MaxHeader <= 0 {
		o.MaxHeader = 1 << 20
	}
	return &Parser{opts: o}
}

// Parse reads a raw message. It never fails and never panics: when the budget is
// used up or ctx ends, the content has what was read until then and the defect
// "deadline"; a fault of the parser itself is the defect "panic". Nothing in the
// content shares memory with raw.
func (p *Parser) Parse(ctx context.Context, raw []byte) *domain.Content {
	c := &domain.Content{}
	w := p.newWalker(ctx, raw)
	p.read(w, c)
	c.Defects = w.clock.defects.names()
	return c
}

// read fills c, the header first, so that a deadline costs what matters least.
func (p *Parser) read(w *walker, c *domain.Content) {
	defer func() {
		if recover() != nil {
			w.clock.defects |= panicked
		}
	}()
	w.onHeader = func(h *header) { readFields(h, c, w.clock) }
	w.walk()
	readBodies(w, c)
	for i := range w.leaves {
		if w.leaves[i].attachment {
			c.Attachments = append(c.Attachments, w.leaves[i].describe())
		}
	}
}

// newWalker prepares the walk over raw within the limits of p.
func (p *Parser) newWalker(ctx context.Context, raw []byte) *walker {
	cl := &clock{ctx: ctx, end: time.Now().Add(p.opts.Budget)}
	return &walker{raw: lineFeeds(raw), opts: p.opts, clock: cl}
}

// lineFeeds returns raw, or if its lines end in bare CR, as Mac OS 9 wrote them,
// a copy with LF.
func lineFeeds(raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') >= 0 || bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	return bytes.ReplaceAll(raw, []byte{'\r'}, []byte{'\n'})
}

// A clock tells when to give up, and collects the defects of one message.
type clock struct {
	ctx     context.Context
	end     time.Time
	defects defect
	expired bool
}

// over reports whether the budget is used up. It is asked about every 64 KB of work.
func (c *clock) over() bool {
	if !c.expired && (time.Now().After(c.end) || c.ctx.Err() != nil) {
		c.expired = true
		c.defects |= deadline
	}
	return c.expired
}

// readFields reads the header of the message.
func readFields(h *header, c *domain.Content, cl *clock) {
	c.Subject = decodeWords(h.text(fieldSubject))
	c.MsgID = messageID(h.text(fieldMessageID))
	c.InReplyTo = messageIDs(h.joined(fieldInReplyTo))
	c.References = messageIDs(h.joined(fieldReferences))
	if v := h.text(fieldDate); len(v) > 0 {
		var ok bool
		if c.Date, ok = parseDate(v); !ok {
			cl.defects |= badDate
		}
	}
	c.From = addresses(h.text(fieldFrom), cl)
	c.To = recipients(h.joined(fieldTo), cl)
	c.Cc = recipients(h.joined(fieldCc), cl)
	c.Bcc = recipients(h.joined(fieldBcc), cl)
	c.ReplyTo = addresses(h.text(fieldReplyTo), cl)
	c.ThreadIndex = threadIndex(h.text(fieldThreadIndex))
	c.ListID = listID(h.text(fieldListID))
	c.DeliveredTo = bracketed(h.text(fieldDeliveredTo))
}
