package domain

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plainSet is what a UIDSet means.
type plainSet map[UID]bool

// edge is where the UIDs of the random sets lie: at the beginning or at the end of all.
func randomSet(r *rand.Rand, edge UID) (UIDSet, plainSet) {
	plain := plainSet{}
	var ranges []UIDRange
	for range r.IntN(6) {
		lo := edge + UID(r.IntN(40))
		hi := lo + UID(r.IntN(8))
		if hi < lo { // past the highest
			hi = 1<<32 - 1
		}
		ranges = append(ranges, UIDRange{lo, hi})
		for u := uint64(max(lo, 1)); u <= uint64(hi); u++ {
			plain[UID(u)] = true
		}
	}
	return NewUIDSet(ranges...), plain
}

func (p plainSet) keep(in func(UID) bool) plainSet {
	out := plainSet{}
	for u := range p {
		if in(u) {
			out[u] = true
		}
	}
	return out
}

func (p plainSet) sorted() []UID {
	out := make([]UID, 0, len(p))
	for u := range p {
		out = append(out, u)
	}
	slices.Sort(out)
	return out
}

// check compares a set with what it means, and that it is in the one form that it may have.
func check(t *testing.T, what string, got UIDSet, want plainSet) {
	t.Helper()
	sorted := want.sorted()
	if all := slices.Collect(got.All); !slices.Equal(sorted, all) {
		t.Fatalf("%s (-want +got):\n%s", what, cmp.Diff(sorted, all))
	}
	for i, r := range got {
		if r.Lo == 0 || r.Lo > r.Hi || i > 0 && uint64(r.Lo) <= uint64(got[i-1].Hi)+1 {
			t.Fatalf("%s: %v is not in order", what, got)
		}
	}
	if got.Count() != len(sorted) {
		t.Fatalf("%s: count of %v is %d", what, got, got.Count())
	}
	if len(sorted) > 0 && got.Max() != sorted[len(sorted)-1] || len(sorted) == 0 && got.Max() != 0 {
		t.Fatalf("%s: highest of %v is %d", what, got, got.Max())
	}
	if back, err := ParseUIDSet(got.String()); err != nil || !slices.Equal(back, got) {
		t.Fatalf("%s: %q is read as %v, %v", what, got.String(), back, err)
	}
}

func TestUIDSetIsASet(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		edge := []UID{0, 1, 1<<32 - 45}[r.IntN(3)]
		a, inA := randomSet(r, edge)
		b, inB := randomSet(r, edge)
		was := []UIDSet{slices.Clone(a), slices.Clone(b)}
		check(t, "set", a, inA)
		check(t, "minus "+a.String()+" - "+b.String(), a.Minus(b), inA.keep(func(u UID) bool { return !inB[u] }))
		check(t, "intersect "+a.String()+" & "+b.String(), a.Intersect(b), inA.keep(func(u UID) bool { return inB[u] }))
		union := plainSet{}
		for _, p := range []plainSet{inA, inB} {
			for u := range p {
				union[u] = true
			}
		}
		check(t, "union "+a.String()+" | "+b.String(), a.Union(b), union)
		n := r.IntN(12)
		sorted := inA.sorted()
		newest := plainSet{}
		for _, u := range sorted[max(0, len(sorted)-n):] {
			newest[u] = true
		}
		check(t, "newest of "+a.String(), a.Newest(n), newest)
		for range 10 {
			if u := edge + UID(r.IntN(50)); a.Contains(u) != inA[u] {
				t.Fatalf("%v contains %d: %v", a, u, a.Contains(u))
			}
		}
		r.Shuffle(len(sorted), func(i, j int) { sorted[i], sorted[j] = sorted[j], sorted[i] })
		check(t, "of UIDs", UIDs(append(sorted, 0)...), inA)
		if !slices.Equal(was[0], a) || !slices.Equal(was[1], b) {
			t.Fatalf("a set changed:\n%s", cmp.Diff(was, []UIDSet{a, b}))
		}
	}
}

func TestUIDSetStops(t *testing.T) {
	t.Parallel()
	n := 0
	for range NewUIDSet(UIDRange{1, 5}, UIDRange{8, 9}).All {
		if n++; n == 6 {
			break
		}
	}
	whole := NewUIDSet(UIDRange{0, 1<<32 - 1})
	if whole.String() != "1:4294967295" || whole.Count() != 1<<32-1 || whole.Newest(2).String() != "4294967294:4294967295" {
		t.Errorf("all UIDs are %v, %d", whole, whole.Count())
	}
	if got := whole.Minus(UIDs(1<<32 - 1)).Minus(UIDs(1)).String(); got != "2:4294967294" {
		t.Errorf("got %s", got)
	}
}

func TestParseUIDSet(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "1": "1", "4294967295": "4294967295", "5:3,9,2:4": "2:5,9", "4294967294:4294967295,7": "7,4294967294:4294967295", "3,1,2": "1:3",
	} {
		if got, err := ParseUIDSet(text); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "1:0", "*", "1:*", "4294967296", "-1", "1,", ",", "1:2:3", " 1", "a", "1;2", "+1"} {
		if got, err := ParseUIDSet(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v, %v, want invalid", text, got, err)
		}
	}
}

func FuzzParseUIDSet(f *testing.F) {
	f.Add("1:3,7")
	f.Add("4294967295,1:4294967295")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseUIDSet(text)
		if err != nil {
			return
		}
		if back, err := ParseUIDSet(s.String()); err != nil || !slices.Equal(back, s) {
			t.Errorf("%q: %v becomes %v, %v", text, s, back, err)
		}
	})
}
