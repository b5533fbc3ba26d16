package domain

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// threadStore keeps the index as a store does: it gives exactly what is asked for.
type threadStore struct {
	nodes  map[Node]IndexedNode
	merged map[ThreadID]ThreadID
	last   ThreadID
}

func newThreadStore() *threadStore {
	return &threadStore{nodes: map[Node]IndexedNode{}, merged: map[ThreadID]ThreadID{}}
}

func (s *threadStore) survivor(t ThreadID) ThreadID {
	for {
		into, ok := s.merged[t]
		if !ok {
			return t
		}
		t = into
	}
}

func (s *threadStore) read(l ThreadLookup) (found []IndexedNode) {
	seen := map[Node]bool{}
	give := func(n IndexedNode) {
		if !seen[n.Node] {
			n.Thread = s.survivor(n.Thread)
			found, seen[n.Node] = append(found, n), true
		}
	}
	for _, n := range l.Nodes {
		if stored, ok := s.nodes[n]; ok {
			give(stored)
		}
	}
	for _, n := range s.nodes {
		if slices.ContainsFunc(l.Ranges, func(r NodeRange) bool {
			return r.Kind == n.Kind && r.Key == n.Key && bytes.Compare(r.From[:], n.Sub[:]) <= 0 && bytes.Compare(n.Sub[:], r.To[:]) <= 0
		}) {
			give(n)
		}
	}
	return found
}

// place places a batch as a sync does and checks what every placement promises.
func (s *threadStore) place(t *testing.T, batch []ThreadHints) []ThreadID {
	t.Helper()
	x := NewThreadIndex(s.read(LookupFor(batch)))
	var threads []ThreadID
	for _, h := range batch {
		p := x.Place(h, func() ThreadID { s.last++; return s.last })
		if s.survivor(p.Thread) != p.Thread {
			t.Fatalf("%v is merged into %v", p.Thread, s.survivor(p.Thread))
		}
		if !slices.IsSorted(p.Merged) || len(p.Merged) > 0 && p.Merged[0] <= p.Thread {
			t.Fatalf("%v merges %v", p.Thread, p.Merged)
		}
		for _, m := range p.Merged {
			if s.survivor(m) != m {
				t.Fatalf("%v is merged again", m)
			}
			s.merged[m] = p.Thread
		}
		for _, n := range p.Nodes {
			if _, known := s.nodes[n.Node]; known || n.Thread != p.Thread {
				t.Fatalf("node %v of %v is not new in %v", n.Node, n.Thread, p.Thread)
			}
			s.nodes[n.Node] = n
		}
		threads = append(threads, p.Thread)
	}
	return threads
}

// belong is the rule as it is written down, for two messages.
func belong(a, b ThreadHints) bool {
	ids := func(h ThreadHints) map[string]bool {
		set := map[string]bool{}
		for _, id := range append([]CanonicalID{h.MsgID}, h.Refs...) {
			if id != "" && !isWeak(id) {
				set[string(id)] = true
			} else if id != "" && h.BaseSubject != "" {
				set[string(id)+" about "+h.BaseSubject] = true
			}
		}
		return set
	}
	mine := ids(a)
	for id := range ids(b) {
		if mine[id] {
			return true
		}
	}
	if a.Raw == b.Raw && a.Raw != (Key{}) && isWeak(a.MsgID) && isWeak(b.MsgID) {
		return true
	}
	if a.BaseSubject == "" || a.BaseSubject != b.BaseSubject {
		return false
	}
	if len(a.ThreadIndex) > 0 && bytes.Equal(a.ThreadIndex, b.ThreadIndex) {
		return true
	}
	blind := func(h ThreadHints) bool {
		return h.Reply && !slices.ContainsFunc(h.Refs, func(id CanonicalID) bool { return !isWeak(id) })
	}
	return len([]rune(a.BaseSubject)) >= 6 && (blind(a) || blind(b)) &&
		a.Date.Sub(b.Date).Abs() <= 14*24*time.Hour &&
		slices.ContainsFunc(a.People, func(k Key) bool { return slices.Contains(b.People, k) })
}

// partition names the thread of each message by the least index of its members.
func partition(same func(i, j int) bool, n int) []int {
	names := make([]int, n)
	for i := range names {
		names[i] = i
	}
	for i := range n {
		for j := range i {
			if names[i] != names[j] && same(i, j) {
				low, high := min(names[i], names[j]), max(names[i], names[j])
				for k := range names {
					if names[k] == high {
						names[k] = low
					}
				}
			}
		}
	}
	return names
}

func randomHints(r *rand.Rand, n int) []ThreadHints {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	id := func() CanonicalID {
		if r.IntN(8) == 0 {
			return CanonicalID(pick("yes", "no-reply@x", "", "5"))
		}
		return CanonicalID(fmt.Sprintf("%d@x", r.IntN(3*n)))
	}
	hints := make([]ThreadHints, n)
	for i := range hints {
		h := ThreadHints{
			MsgID: id(), BaseSubject: pick("subject one", "subject two", "three!", "four", "five", ""), Reply: r.IntN(3) == 0,
			Date: noon.Add(time.Duration(r.IntN(100*24)) * time.Hour), Raw: Key{1, byte(i), byte(i >> 8)},
		}
		for range max(0, r.IntN(5)-2) {
			h.Refs = append(h.Refs, id())
		}
		if r.IntN(8) == 0 {
			h.ThreadIndex = []byte{byte(r.IntN(4))}
		}
		for p := range byte(5) {
			if r.IntN(4) == 0 {
				h.People = append(h.People, Key{p})
			}
		}
		if i > 0 && r.IntN(15) == 0 { // a copy, perhaps with another time of arrival in place of its date
			h = hints[r.IntN(i)]
			h.Date = h.Date.AddDate(0, 0, r.IntN(3)*r.IntN(20))
		}
		hints[i] = h
	}
	return hints
}
