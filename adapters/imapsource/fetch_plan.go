package imapsource

import (
	"maps"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// batch is the messages of one FETCH.
type batch struct {
	left    map[domain.UID]struct{} // not delivered yet
	tag     string                  // of the command
	parts   map[domain.UID]part     // of messages that came in pieces
	single  bool                    // asked alone, for what it says is final
	whole   int64                   // if not 0: the size of a message that only the first octets are asked of
	careful bool                    // asked again: nothing else shall run meanwhile
	tries   int                     // that broke the connection, asked so
	last    domain.UID              // delivered last
	began   time.Time
	octets  int64
	count   int
}

func newBatch(uids []domain.UID) *batch {
	b := &batch{left: make(map[domain.UID]struct{}, len(uids)), count: len(uids)}
	for _, u := range uids {
		b.left[u] = struct{}{}
	}
	return b
}

func alone(uid domain.UID) *batch {
	b := newBatch([]domain.UID{uid})
	b.single, b.careful = true, true
	return b
}

// set returns what is left, as a command names it.
func (b *batch) set() domain.UIDSet { return domain.UIDs(slices.Collect(maps.Keys(b.left))...) }

// ordered returns what is left, ascending.
func (b *batch) ordered() []domain.UID { return slices.Sorted(maps.Keys(b.left)) }

// suspect returns the message that the server was probably at: the first left
// after the one delivered last.
func (b *batch) suspect() domain.UID {
	left := b.ordered()
	for _, u := range left {
		if u > b.last {
			return u
		}
	}
	return left[0]
}

// complete reports whether a message has all that was asked for.
func (b *batch) complete(p part) bool {
	return p.hasBody && p.hasFlags && p.hasDate
}

// remains returns a batch of what is left, asked for in the same way.
func (b *batch) remains() *batch { return b.some(b.ordered()) }

func (b *batch) some(uids []domain.UID) *batch {
	n := newBatch(uids)
	n.single, n.whole, n.tries = b.single, b.whole, b.tries
	n.careful = true
	return n
}

// absentUID is a message that did not come although the command was done.
type absentUID struct {
	uid    domain.UID
	reason string
	final  bool // asked alone already
}

// plan is what is to be asked for.
type plan struct {
	rest   domain.UIDSet // in no batch yet; the highest are next
	again  []*batch      // to be asked before rest, the last first
	absent []absentUID
	size   int     // messages of the next batch, as speed allows
	mean   float64 // octets of a message here
}

func (p *plan) more() bool { return len(p.again) > 0 || len(p.rest) > 0 }

func (p *plan) push(b *batch) { p.again = append(p.again, b) }

// next returns what to ask for next, nil if there is nothing.
func (p *plan) next() *batch {
	if n := len(p.again); n > 0 {
		b := p.again[n-1]
		p.again = p.again[:n-1]
		return b
	}
	if len(p.rest) == 0 {
		return nil
	}
	n := p.size
	if p.mean > 0 {
		n = max(1, min(n, int(batchOctets/p.mean)))
	}
	var uids []domain.UID
	for octets := 0; len(uids) < n && len(p.rest) > 0 && octets < setOctets; {
		r := &p.rest[len(p.rest)-1]
		lo := r.Lo
		if take := domain.UID(n - len(uids)); r.Hi-r.Lo >= take {
			lo = r.Hi - take + 1
		}
		for u := r.Hi; ; u-- {
			uids = append(uids, u)
			if u == lo {
				break
			}
		}
		octets += len("4294967295:4294967295,")
		if lo == r.Lo {
			p.rest = p.rest[:len(p.rest)-1]
		} else {
			r.Hi = lo - 1
		}
	}
	return newBatch(uids)
}

// learn adapts the size of batches after one that went well.
func (p *plan) learn(b *batch) {
	if b.count < firstBatch/2 || b.octets == 0 {
		return
	}
	mean := float64(b.octets) / float64(b.count)
	if p.mean == 0 {
		p.mean = mean
	}
	p.mean = (p.mean + mean) / 2
	switch took := time.Since(b.began); {
	case took < slowBatch:
		p.size = min(2*p.size, largeBatch)
	case took > 2*slowBatch:
		p.size = max(p.size/2, firstBatch)
	}
}

// split plans a batch anew that the server refused, or that broke the
// connection: the suspect alone, the others in halves. It reports whether that
// was possible.
func (p *plan) split(b *batch, suspect domain.UID) bool {
	left := b.ordered()
	if len(left) < 2 {
		return false
	}
	if suspect != 0 {
		left = slices.DeleteFunc(left, func(u domain.UID) bool { return u == suspect })
	}
	half := len(left) / 2
	for _, uids := range [][]domain.UID{left[:half], left[half:], {suspect}} {
		if len(uids) == 0 || uids[0] == 0 {
			continue
		}
		p.push(b.some(uids))
	}
	return true
}
