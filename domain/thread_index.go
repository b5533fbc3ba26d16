package domain

import (
	"slices"
	"time"
)

// ThreadIndex places messages in threads: it is the part of an account's thread
// index that LookupFor asked for, together with what the messages placed since
// have added.
//
// Threads are the connected parts of a graph whose edges depend on two messages
// each: they have a node in common, or their subjects join them. So the threads
// in the end are the same in whatever order and in whatever batches messages come.
type ThreadIndex struct {
	nodes map[Node]ThreadID
	into  map[ThreadID]ThreadID // a thread that is merged, and a lower one
	lanes map[laneKey]*lane
	found []ThreadID // of the message at hand
}

// NewThreadIndex returns an index with the stored nodes that LookupFor named;
// others do no harm. The thread of each is one that is not merged into another.
func NewThreadIndex(nodes []IndexedNode) *ThreadIndex {
	x := &ThreadIndex{
		nodes: make(map[Node]ThreadID, len(nodes)),
		into:  map[ThreadID]ThreadID{},
		lanes: map[laneKey]*lane{},
	}
	// In the order of dates they go to the ends of their lanes.
	sorted := slices.SortedFunc(slices.Values(nodes), func(a, b IndexedNode) int { return compareNodes(a.Node, b.Node) })
	for _, n := range sorted {
		if _, known := x.nodes[n.Node]; known {
			continue
		}
		x.nodes[n.Node] = n.Thread
		if n.Kind == NodeSubject {
			reply, seconds := readSubjectSub(n.Sub)
			x.inLanes(n, func(l *lane) { l.add(member{seconds, n.Thread}, reply) })
		}
	}
	return x
}

// Place says to which thread a message belongs and remembers it for the
// following ones. Next is asked for an id if it is the first of its thread.
func (x *ThreadIndex) Place(h ThreadHints, next func() ThreadID) Placement {
	x.found = x.found[:0]
	var fresh []IndexedNode
	for _, n := range h.nodes() {
		t, ok := x.nodes[n]
		switch {
		case !ok:
			fresh, x.nodes[n] = append(fresh, IndexedNode{Node: n}), 0
		case t != 0: // else the message has the node twice
			x.found = append(x.found, x.find(t))
		}
	}
	subject, ok := h.subjectNode()
	if t, known := x.nodes[subject]; ok && known {
		x.found, ok = append(x.found, x.find(t)), false
	}
	if ok {
		fresh = append(fresh, IndexedNode{Node: subject, People: h.People})
		x.findBySubject(fresh[len(fresh)-1])
	}
	p := x.join(next)
	p.Nodes = fresh
	for i := range fresh {
		fresh[i].Thread = p.Thread
		x.nodes[fresh[i].Node] = p.Thread
	}
	if ok {
		x.enter(fresh[len(fresh)-1])
	}
	return p
}

// join makes the threads that were found one.
func (x *ThreadIndex) join(next func() ThreadID) Placement {
	slices.Sort(x.found)
	found := slices.Compact(x.found)
	if len(found) == 0 {
		return Placement{Thread: next()}
	}
	for _, t := range found[1:] {
		x.into[t] = found[0]
	}
	return Placement{Thread: found[0], Merged: append([]ThreadID(nil), found[1:]...)}
}

// find returns the thread that t has become.
func (x *ThreadIndex) find(t ThreadID) ThreadID {
	root := t
	for {
		lower, ok := x.into[root]
		if !ok {
			break
		}
		root = lower
	}
	for t != root {
		t, x.into[t] = x.into[t], root
	}
	return root
}

// findBySubject finds the threads of messages that belong with n by their
// subject. Of two such messages one is a reply that does not say to what, they
// are at most subjectWindow apart, and they have an address in common.
func (x *ThreadIndex) findBySubject(n IndexedNode) {
	reply, seconds := readSubjectSub(n.Sub)
	x.inLanes(n, func(l *lane) {
		members := l.replies
		if reply {
			members = l.all
		}
		from, to := window(members, seconds)
		for _, m := range members[from:to] {
			x.found = append(x.found, x.find(m.thread))
		}
	})
}

// enter puts a message into its lanes after what findBySubject found was joined.
func (x *ThreadIndex) enter(n IndexedNode) {
	reply, seconds := readSubjectSub(n.Sub)
	x.inLanes(n, func(l *lane) {
		l.replies = thin(l.replies, seconds)
		if reply {
			l.all = thin(l.all, seconds)
		}
		l.add(member{seconds, n.Thread}, reply)
	})
}

// inLanes calls do for each lane of a subject node.
func (x *ThreadIndex) inLanes(n IndexedNode, do func(*lane)) {
	for _, person := range n.People {
		key := laneKey{n.Key, person}
		l := x.lanes[key]
		if l == nil {
			l = &lane{}
			x.lanes[key] = l
		}
		do(l)
	}
}

type laneKey struct{ subject, person Key }

// lane holds the messages of one base subject and person, by date. Without it
// ten thousand messages of one subject would be compared each with each.
type lane struct {
	all     []member
	replies []member // those of all that do not say to what
}

type member struct {
	seconds int64
	thread  ThreadID
}

func (l *lane) add(m member, reply bool) {
	l.all = insert(l.all, m)
	if reply {
		l.replies = insert(l.replies, m)
	}
}

func insert(members []member, m member) []member {
	i := len(members)
	if i > 0 && members[i-1].seconds > m.seconds {
		i = after(members, m.seconds)
	}
	return slices.Insert(members, i, m)
}

// after returns the index of the first member that is later.
func after(members []member, seconds int64) int {
	i, _ := slices.BinarySearchFunc(members, seconds+1, func(m member, s int64) int {
		return int(min(max(m.seconds-s, -1), 1))
	})
	return i
}

// window returns which members are near enough to a date.
func window(members []member, seconds int64) (from, to int) {
	const reach = int64(subjectWindow / time.Second)
	return after(members, seconds-reach-1), after(members, seconds+reach)
}

// thin leaves the first and the last of the members near a date, which are all
// of one thread. Whoever is near to one between them is near to one of the two,
// for these are at most two windows apart.
func thin(members []member, seconds int64) []member {
	from, to := window(members, seconds)
	if to-from <= 2 {
		return members
	}
	return slices.Delete(members, from+1, to-1)
}
