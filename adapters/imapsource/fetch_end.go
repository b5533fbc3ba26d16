package imapsource

import (
	"errors"
	"slices"
)

// errSplit says that a connection is given up and what is left planned anew.
var errSplit = errors.New("message is too large to be read to its end")

// setAside plans a message anew that is so large that the connection is given up. If its UID
// has not come yet, the one that the server is probably at is meant.
func (r *receiver) setAside(p *part) error {
	uid := p.uid
	if uid == 0 {
		uid = r.batches[0].suspect()
	}
	for _, b := range r.batches {
		if _, ok := b.left[uid]; !ok {
			continue
		}
		delete(b.left, uid)
		if b.whole > 0 {
			r.f.plan.absent = append(r.f.plan.absent, absentUID{uid, "the message is too large, and the server gives no part of it", true})
			break
		}
		again := alone(uid)
		again.whole = p.bodySize
		r.f.plan.push(again)
		break
	}
	return errSplit
}

// expects reports whether a reply is data or ends a batch.
func (r *receiver) expects(reply reply) bool {
	return reply.tag == "*" || slices.ContainsFunc(r.batches, func(b *batch) bool { return b.tag == reply.tag })
}

// finish closes the account of the batch that a reply ends, if it ends one.
func (r *receiver) finish(reply reply) error {
	i := slices.IndexFunc(r.batches, func(b *batch) bool { return b.tag == reply.tag })
	if i < 0 {
		return nil
	}
	b, err := r.batches[i], r.s.outcome(reply)
	r.batches = slices.Delete(r.batches, i, i+1)
	if b.single {
		if err := r.deliverIncomplete(b); err != nil {
			return err
		}
	}
	if err != nil {
		return r.refused(b, err)
	}
	r.f.plan.learn(b)
	reason := "the server answers without the message"
	if b.single && r.s.unread > r.unread {
		reason = words("the answer with the message cannot be read: " + r.s.doubt.Error())
	}
	r.absent(b, reason)
	return nil
}

// deliverIncomplete delivers a message that was asked for alone and came
// without flags or date.
func (r *receiver) deliverIncomplete(b *batch) error {
	for _, p := range b.parts {
		if p.hasBody {
			if err := r.deliver(b, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *receiver) absent(b *batch, reason string) {
	for _, uid := range b.ordered() {
		r.f.plan.absent = append(r.f.plan.absent, absentUID{uid: uid, reason: reason, final: b.single})
	}
}

// refused handles a NO or BAD: what was not delivered is asked for in halves.
func (r *receiver) refused(b *batch, err error) error {
	text := refusal(err)
	if throttled(text) {
		return err
	}
	if r.f.plan.split(b, 0) {
		return nil
	}
	b.single = true
	r.absent(b, text)
	if r.f.refused++; r.f.refused > maxRefused {
		return err
	}
	return nil
}

// maxRefused is how many single messages a server may refuse in a row; more are
// a fault of the server, not of the messages.
const maxRefused = 64

// broken plans anew what a connection was asked for that ended. Servers answer in the order of
// commands, mostly, so the oldest is to blame and asked for in pieces; of the others all is
// asked for again. A consumer's error plans nothing.
func (r *receiver) broken(err error) error {
	if _, ok := errors.AsType[*consumerError](err); ok {
		return err
	}
	for i := len(r.batches) - 1; i >= 0; i-- {
		b := r.batches[i]
		switch {
		case len(b.left) == 0:
		case i > 0 || errors.Is(err, errSplit):
			r.f.plan.push(b.remains())
		case r.f.plan.split(b, b.suspect()):
		default:
			r.step(b, err)
		}
	}
	r.batches = nil
	return err
}

// step asks for a message that broke the connection once more, and gives up then.
func (r *receiver) step(b *batch, err error) {
	if b.tries++; b.tries < 2 {
		r.f.plan.push(b.remains())
		return
	}
	b.single = true
	r.absent(b, words("the connection breaks at this message: "+err.Error()))
}
