package imapsource

import (
	"slices"
	"strconv"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// receiver reads the answers to the FETCHes of one connection. Servers mix the
// answers to pipelined commands, so each is put together by its UID, whichever
// command it answers.
type receiver struct {
	f       *fetcher
	s       *session
	batches []*batch // that run, the oldest first
	unread  int      // answers of the connection that could not be read, when the oldest began
}

// room reports whether another batch may start. Pieces of a batch that broke
// the connection run alone, that nothing else suffers from them.
func (r *receiver) room() bool {
	if len(r.batches) > 1 {
		return false
	}
	if len(r.batches) == 0 {
		r.unread = r.s.unread
		return true
	}
	return !r.batches[0].careful && len(r.f.plan.again) == 0
}

// start sends the command of a batch.
func (r *receiver) start(b *batch) error {
	b.began, b.parts = time.Now(), nil
	r.batches = append(r.batches, b)
	items := "(UID FLAGS INTERNALDATE "
	if r.f.conn.status.ModSeq != 0 {
		items += "MODSEQ "
	}
	items += "BODY.PEEK[]"
	if b.whole > 0 {
		items += "<0." + strconv.Itoa(cutOctets) + ">"
	}
	var err error
	b.tag, err = r.s.send("UID FETCH " + b.set().String() + " " + items + ")")
	return err
}

// take reads an answer and delivers its message, or keeps a part of one until the rest is here.
func (r *receiver) take(a *answer) error {
	if a.word != "FETCH" {
		return nil
	}
	p, err := a.fetched(func(p *part) error { return r.body(a, p) })
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.batches, func(b *batch) bool { _, ok := b.left[p.uid]; return ok })
	if i < 0 {
		r.s.moved = true // it was told without being asked
		return nil
	}
	b := r.batches[i]
	if p.partial && b.whole == 0 {
		p.hasBody, p.body = false, nil // nobody asked for a piece
	}
	if old, ok := b.parts[p.uid]; ok {
		old.merge(p)
		p = old
	}
	if b.complete(p) {
		return r.deliver(b, p)
	}
	if b.parts == nil {
		b.parts = map[domain.UID]part{}
	}
	b.parts[p.uid] = p
	return nil
}

// body reads the octets of a message, all of them or, of one that is too large, the first.
func (r *receiver) body(a *answer, p *part) error {
	want := p.bodySize
	if want > r.f.maxSize {
		want = min(want, cutOctets)
	}
	if p.bodySize-want > skipOctets {
		return r.setAside(p)
	}
	body, err := a.octets(want)
	p.hasBody, p.body = err == nil, body
	return err
}

func (r *receiver) deliver(b *batch, p part) error {
	delete(b.left, p.uid)
	delete(b.parts, p.uid)
	b.last = p.uid
	b.octets += int64(len(p.body))
	if err := r.f.deliver(b, p); err != nil {
		return &consumerError{err}
	}
	return nil
}
