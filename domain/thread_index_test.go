package domain

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
			if !slices.Equal(want, same) {
				t.Fatalf("seed %d, %d messages, batches of %d, order %v: %s", seed, n, batchSize, order, cmp.Diff(want, same))
			}
			for i := range got { // the lowest id that a message of the thread ever got
				if now := s.survivor(got[i]); now > got[i] {
					t.Fatalf("seed %d: thread %v survives, not %v", seed, now, got[i])
				}
			}
		}
	}
	if threads < 1000 {
		t.Errorf("%d threads: the messages are too much alike to say anything", threads)
	}
}

// Few messages of one subject, so that a join hangs on a single neighbour.
func TestPlaceBySubject(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 14))
		hints := make([]ThreadHints, 3+r.IntN(10))
		for i := range hints {
			hints[i] = ThreadHints{
				MsgID: CanonicalID(fmt.Sprintf("%d@x", i)), BaseSubject: "a subject", Reply: r.IntN(2) == 0,
				Date: noon.AddDate(0, 0, r.IntN(10*len(hints))), People: []Key{{byte(r.IntN(2))}, {9 + byte(r.IntN(8))}}, Raw: Key{byte(i)},
			}
		}
		want := partition(func(i, j int) bool { return belong(hints[i], hints[j]) }, len(hints))
		s, got := newThreadStore(), []ThreadID(nil)
		for batch := range slices.Chunk(hints, 1+r.IntN(len(hints))) {
			got = append(got, s.place(t, batch)...)
		}
		same := partition(func(i, j int) bool { return s.survivor(got[i]) == s.survivor(got[j]) }, len(hints))
		if !slices.Equal(want, same) {
			t.Fatalf("seed %d: %s", seed, cmp.Diff(want, same))
		}
	}
}

func TestPlacePairs(t *testing.T) {
	t.Parallel()
	ann, bea, list := Key{1}, Key{2}, Key{3}
	message := func(id CanonicalID, subject string, days float64, people []Key, refs ...CanonicalID) ThreadHints {
		base, reply := BaseSubject(subject)
		return ThreadHints{
			MsgID: id, Refs: refs, BaseSubject: base, Reply: reply, People: people,
			Date: noon.Add(time.Duration(days * 24 * float64(time.Hour))), Raw: KeyOf(string(id) + subject),
		}
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
	want := Placement{
		Thread: 1, Merged: []ThreadID{2, 3},
		Nodes: []IndexedNode{{Node: Node{Kind: NodeMsgID, Key: KeyOf("d@x")}, Thread: 1}},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	if p := x.Place(ThreadHints{MsgID: "d@x", Refs: []CanonicalID{"b@x"}}, nil); p.Thread != 1 || p.Merged != nil || p.Nodes != nil {
		t.Errorf("the same again: %+v", p)
	}
}

// A batch of one subject must not compare each message with each.
func TestPlaceOneSubjectIsCheap(t *testing.T) {
	const few, many = 1000, 16_000 // messages, one a second
	tests := map[string]struct {
		reply func(i, n int) bool
		one   bool // thread of all
	}{
		"replies":      {func(int, int) bool { return true }, true},
		"no replies":   {func(int, int) bool { return false }, false},
		"half":         {func(i, _ int) bool { return i%2 == 0 }, true},
		"replies last": {func(i, n int) bool { return i >= n/2 }, true},
	}
	for name, tt := range tests {
		place := func(n int) time.Duration {
			hints := oneSubject(n, func(i int) bool { return tt.reply(i, n) })
			x, last, threads := NewThreadIndex(nil), ThreadID(0), 0
			took := computed(func() {
				for _, h := range hints {
					p := x.Place(h, func() ThreadID { last++; threads++; return last })
					threads -= len(p.Merged)
				}
			})
			if want := map[bool]int{true: 1, false: n}[tt.one]; threads != want {
				t.Errorf("%s: %d threads, want %d", name, threads, want)
			}
			return took
		}
		short := min(place(few), place(few), place(few))
		if long := place(many); long > 64*short+50*time.Millisecond { // each with each takes 256 times as long
			t.Errorf("%s: computed for %v, with sixteen times as many for %v", name, short, long)
		}
	}
}

func oneSubject(n int, reply func(i int) bool) []ThreadHints {
	hints := make([]ThreadHints, n)
	for i := range hints {
		hints[i] = ThreadHints{
			MsgID: CanonicalID(fmt.Sprintf("%d@x", i)), BaseSubject: "backup finished", Reply: reply(i),
			Date: noon.Add(time.Duration(i) * time.Second), People: []Key{{1}, {2}}, Raw: Key{byte(i), byte(i >> 8), byte(i >> 16)},
		}
	}
	return hints
}

func BenchmarkPlace(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	ordinary := make([]ThreadHints, 10_000)
	for i := range ordinary {
		thread := max(0, i/5-r.IntN(20))
		h := ThreadHints{
			MsgID: CanonicalID(fmt.Sprintf("%d.a1b2c3d4e5f6@mail.example.org", i)), BaseSubject: fmt.Sprintf("about the matter of %d", thread),
			Date: noon.Add(time.Duration(i) * time.Minute), People: []Key{{1}, {byte(thread), byte(thread >> 8), 1}, {9}}, Raw: Key{byte(i), byte(i >> 8)},
		}
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
