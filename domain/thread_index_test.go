package domain

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

func TestPlaceInAnyOrder(t *testing.T) {
	t.Parallel()
	threads := 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 31))
		n := 2 + r.IntN(120)
		hints := randomHints(r, n)
		want := partition(func(i, j int) bool { return belong(hints[i], hints[j]) }, n)
		for i, name := range want {
			if name == i {
				threads++
			}
		}
		for range 4 {
			order, batchSize := r.Perm(n), 1+r.IntN(n)
			s, got := newThreadStore(), make([]ThreadID, n)
			for batch := range slices.Chunk(order, batchSize) {
				var part []ThreadHints
				for _, i := range batch {
					part = append(part, hints[i])
				}
				for k, thread := range s.place(t, part) {
					got[batch[k]] = thread
				}
			}
			same := partition(func(i, j int) bool { return s.survivor(got[i]) == s.survivor(got[j]) }, n)
			if diff := cmp.Diff(want, same); diff != "" {
				t.Fatalf("seed %d, %d messages, batches of %d, order %v: %s", seed, n, batchSize, order, diff)
			}
			first := map[ThreadID]ThreadID{} // the lowest id that any message of a thread got is what survives
			for i := range got {
				now := s.survivor(got[i])
				first[now] = min(got[i], cmpOr(first[now], got[i]))
			}
			for now, low := range first {
				if now != low {
					t.Fatalf("seed %d: thread %v survives, not %v", seed, now, low)
				}
			}
		}
	}
	if threads < 1000 {
		t.Errorf("%d threads: the messages are too much alike to say anything", threads)
	}
}

func cmpOr(a, b ThreadID) ThreadID {
	if a != 0 {
		return a
	}
	return b
}

func TestPlacePairs(t *testing.T) {
	t.Parallel()
	ann, bea, list := Key{1}, Key{2}, Key{3}
	message := func(id CanonicalID, subject string, days float64, people []Key, refs ...CanonicalID) ThreadHints {
		base, reply := BaseSubject(subject)
		return ThreadHints{MsgID: id, Refs: refs, BaseSubject: base, Reply: reply, People: people,
			Date: noon.Add(time.Duration(days * 24 * float64(time.Hour))), Raw: KeyOf(string(id) + subject)}
	}
	us, others := []Key{ann, bea}, []Key{list}
	plan := message("plan@x", "The plan", 0, us)
	tests := []struct {
		name string
		a, b ThreadHints
		want bool
	}{
		{"strangers", plan, message("other@x", "Other plan", 0, us), false},
		{"a reply", plan, message("r@x", "Quite different", 0, others, "plan@x"), true},
		{"the same missing parent", message("1@x", "One thing", 0, us, "parent@x"), message("2@x", "Other thing", 0, others, "parent@x"), true},
		{"the same id", plan, message("plan@x", "[spam?] Changed", 99, others), true},
		{"a bogus parent, different subjects", message("1@x", "One thing", 0, us, "yes"), message("2@x", "Other thing", 0, us, "yes"), false},
		{"a bogus parent, one subject", message("1@x", "One thing", 0, us, "yes"), message("2@x", "[v2] One thing", 99, others, "yes"), true},
		{"an id without @ and the reply to it", message("17", "One thing", 0, us), message("2@x", "Re: one thing", 99, others, "17"), true},
		{"equal subjects", plan, message("2@x", "The plan", 0, us), false},
		{"a blind reply", plan, message("2@x", "Re: The plan", 3, us), true},
		{"a blind reply, dated before", plan, message("2@x", "AW: the  plan", -3, us), true},
		{"a blind reply with a bogus reference", plan, message("2@x", "Re: The plan", 3, us, "yes"), true},
		{"a blind reply after 14 days", plan, message("2@x", "Re: The plan", 14, us), true},
		{"a blind reply later", plan, message("2@x", "Re: The plan", 14.001, us), false},
		{"a blind reply of strangers", plan, message("2@x", "Re: The plan", 3, others), false},
		{"a blind reply, short subject", message("1@x", "Plans", 0, us), message("2@x", "Re: Plans", 0, us), false},
		{"a reply to something else", plan, message("2@x", "Re: The plan", 3, us, "else@x"), false},
		{"copies without an id", message("", "Hello", 0, us), message("", "Hello", 0, us), true},
		{"no ids", message("", "Hello", 0, us), message("", "Hello there", 0, us), false},
	}
	for _, tt := range tests {
		if belong(tt.a, tt.b) != tt.want {
			t.Errorf("%s: the reference says %t", tt.name, !tt.want)
		}
		for _, batch := range [][]ThreadHints{{tt.a, tt.b}, {tt.b, tt.a}} {
			s := newThreadStore()
			if threads := s.place(t, batch); (threads[0] == threads[1]) != tt.want {
				t.Errorf("%s: threads %v", tt.name, threads)
			}
			s = newThreadStore()
			if first, then := s.place(t, batch[:1]), s.place(t, batch[1:]); (first[0] == then[0]) != tt.want {
				t.Errorf("%s: threads %v and %v", tt.name, first, then)
			}
		}
	}
}

func TestPlaceMerges(t *testing.T) {
	t.Parallel()
	s := newThreadStore()
	s.place(t, []ThreadHints{{MsgID: "a@x"}, {MsgID: "b@x"}, {MsgID: "c@x"}})
	x := NewThreadIndex(s.read(LookupFor([]ThreadHints{{Refs: []CanonicalID{"c@x", "a@x", "b@x"}}})))
	p := x.Place(ThreadHints{MsgID: "d@x", Refs: []CanonicalID{"c@x", "a@x", "b@x"}}, func() ThreadID { panic("there are threads") })
	want := Placement{Thread: 1, Merged: []ThreadID{2, 3},
		Nodes: []IndexedNode{{Node: Node{Kind: NodeMsgID, Key: KeyOf("d@x")}, Thread: 1}}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	if p := x.Place(ThreadHints{MsgID: "d@x", Refs: []CanonicalID{"b@x"}}, nil); p.Thread != 1 || p.Merged != nil || p.Nodes != nil {
		t.Errorf("the same again: %+v", p)
	}
}

// A batch of one subject must not compare each message with each.
func TestPlaceOneSubjectIsCheap(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]func(i int) bool{
		"replies": func(int) bool { return true }, "none": func(int) bool { return false },
		"half": func(i int) bool { return i%2 == 0 }, "replies last": func(i int) bool { return i >= 50_000 },
	} {
		hints, start := oneSubject(100_000, reply), time.Now()
		x, last := NewThreadIndex(nil), ThreadID(0)
		for _, h := range hints {
			x.Place(h, func() ThreadID { last++; return last })
		}
		if took := time.Since(start); took > 20*time.Second { // each with each takes minutes
			t.Errorf("%s: %v", name, took)
		}
	}
}

func oneSubject(n int, reply func(i int) bool) []ThreadHints {
	hints := make([]ThreadHints, n)
	for i := range hints {
		hints[i] = ThreadHints{MsgID: CanonicalID(fmt.Sprintf("%d@x", i)), BaseSubject: "backup finished", Reply: reply(i),
			Date: noon.Add(time.Duration(i) * time.Second), People: []Key{{1}, {2}}, Raw: Key{byte(i), byte(i >> 8), byte(i >> 16)}}
	}
	return hints
}

func BenchmarkPlace(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	ordinary := make([]ThreadHints, 10_000)
	for i := range ordinary {
		thread := max(0, i/5-r.IntN(20))
		h := ThreadHints{MsgID: CanonicalID(fmt.Sprintf("%d.a1b2c3d4e5f6@mail.example.org", i)), BaseSubject: fmt.Sprintf("about the matter of %d", thread),
			Date: noon.Add(time.Duration(i) * time.Minute), People: []Key{{1}, {byte(thread), byte(thread >> 8), 1}, {9}}, Raw: Key{byte(i), byte(i >> 8)}}
		for k := range r.IntN(8) {
			h.Refs = append(h.Refs, CanonicalID(fmt.Sprintf("%d.a1b2c3d4e5f6@mail.example.org", max(0, thread*5-k))))
		}
		h.Reply = len(h.Refs) > 0 || r.IntN(20) == 0
		ordinary[i] = h
	}
	all := map[string][]ThreadHints{
		"ordinary": ordinary, "one subject": oneSubject(10_000, func(int) bool { return false }),
		"one subject, replies": oneSubject(10_000, func(int) bool { return true }),
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			placed := 0
			for b.Loop() {
				last := ThreadID(0)
				LookupFor(all[name])
				x := NewThreadIndex(nil)
				for _, h := range all[name] {
					x.Place(h, func() ThreadID { last++; return last })
				}
				placed += len(all[name])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(placed), "ns/message")
		})
	}
}
