package imapsource

import "slices"

// fail ends the connection; the commands that run are read to their end.
func (r *receiver) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	_ = r.s.wire.Close()
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
