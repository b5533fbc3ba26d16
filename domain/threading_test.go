package domain

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func addresses(addrs ...string) (out []Address) {
	for _, a := range addrs {
		out = append(out, Address{Addr: a})
	}
	return out
}

func TestHintsOf(t *testing.T) {
	t.Parallel()
	raw := sha256.Sum256([]byte("octets"))
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprintf("r%d@x", i))
	}
	var last100 []CanonicalID
	for _, s := range append(many[:1:1], many[300:]...) {
		last100 = append(last100, CanonicalID(s))
	}
	tests := []struct {
		name    string
		content Content
		msgID   CanonicalID
		refs    []CanonicalID
	}{
		{
			"canonical",
			Content{MsgID: "<A.b@Host.Example>", References: []string{"C@X", "d@y"}},
			"A.b@host.example",
			[]CanonicalID{"C@x", "d@y"},
		},
		{
			"in-reply-to after references, each once",
			Content{References: []string{"a@x", "b@x"}, InReplyTo: []string{"a@X", "c@x"}},
			"",
			[]CanonicalID{"a@x", "b@x", "c@x"},
		},
		{"own id", Content{MsgID: "a@x", References: []string{"a@x", "b@x"}, InReplyTo: []string{"a@x"}}, "a@x", []CanonicalID{"b@x"}},
		{"addresses", Content{
			From: addresses("Bea@X.org"), To: addresses("ann@x.org"), Cc: addresses("c@x.org"),
			References: []string{"bea@x.org", "r@x"}, InReplyTo: []string{"ANN@x.org", "c@x.org"},
		}, "", []CanonicalID{"r@x"}},
		{"address as own id", Content{MsgID: "bea@x.org", From: addresses("bea@x.org")}, "", nil},
		{"empty ids", Content{MsgID: "<>", References: []string{"", "<>"}}, "", nil},
		{"the first and the last", Content{References: many}, "", last100},
	}
	for _, tt := range tests {
		h := HintsOf(&tt.content, raw, noon)
		if h.MsgID != tt.msgID || !slices.Equal(h.Refs, tt.refs) {
			t.Errorf("%s: %q, %q, want %q, %q", tt.name, h.MsgID, h.Refs, tt.msgID, tt.refs)
		}
	}
}

func TestHintsOfTheRest(t *testing.T) {
	t.Parallel()
	raw := sha256.Sum256([]byte("octets"))
	c := Content{
		Subject: "Re: [x] Budget", From: addresses("B@x"), To: addresses("a@x", " b@X ", ""), Cc: addresses("c@x"),
		Bcc: addresses("d@x"), Date: noon.Add(-time.Hour), ThreadIndex: []byte("guid"),
	}
	people := []Key{KeyOf("a@x"), KeyOf("b@x"), KeyOf("c@x")}
	slices.SortFunc(people, compareKeys)
	want := ThreadHints{
		Refs: []CanonicalID{}, BaseSubject: "budget", Reply: true, Date: noon.Add(-time.Hour), People: people,
		ThreadIndex: []byte("guid"), Raw: Key(raw[:16]),
	}
	if diff := cmp.Diff(want, HintsOf(&c, raw, noon)); diff != "" {
		t.Error(diff)
	}
	if h := HintsOf(&Content{Subject: "x"}, raw, noon); !h.Date.Equal(noon) || h.Raw == (Key{}) {
		t.Errorf("without a date: %+v", h)
	}
	if h := HintsOf(&Content{}, raw, noon); h.Raw != (Key{}) {
		t.Error("copies of a message without a header are of one thread")
	}
	crowd := Content{From: addresses("me@x")}
	for i := range 1500 {
		crowd.To = append(crowd.To, Address{Addr: fmt.Sprintf("u%d@x", i)})
	}
	if h := HintsOf(&crowd, raw, noon); len(h.People) != MaxPeople || !slices.Contains(h.People, KeyOf("me@x")) {
		t.Errorf("%d people", len(h.People))
	}
}

func TestWeakIDs(t *testing.T) {
	t.Parallel()
	for id, want := range map[CanonicalID]bool{
		"": true, "yes": true, "y": true, "12345": true, "@": true, "x@": true, "@x": true, "noreply@shop.example": true,
		"No-Reply@x": true, "root@localhost": true,
		"parent@x": false, "a@b": false, "a@b@c": false, "root.1234@localhost": false, "20091122183338.GB5735@excalibur.local": false,
		"information@x": false,
	} {
		if isWeak(id) != want {
			t.Errorf("isWeak(%q) = %t", id, !want)
		}
	}
	if !slices.IsSorted(roles) {
		t.Error("roles are not sorted")
	}
}

func TestSubjectSub(t *testing.T) {
	t.Parallel()
	var before Key
	for _, reply := range []bool{false, true} {
		for _, seconds := range []int64{-62135596800, -1, 0, 1, 1740830400, 253402300799} {
			sub := subjectSub(reply, seconds)
			if r, s := readSubjectSub(sub); r != reply || s != seconds {
				t.Errorf("%t %d is read as %t %d", reply, seconds, r, s)
			}
			if seconds != -62135596800 && compareKeys(before, sub) >= 0 {
				t.Errorf("%t %d does not sort after the one before", reply, seconds)
			}
			before = sub
		}
	}
}

func TestLookupForJoinsRanges(t *testing.T) {
	t.Parallel()
	at := func(days int, reply bool) ThreadHints {
		return ThreadHints{
			MsgID: "a@x", BaseSubject: "a subject", Reply: reply, Date: noon.AddDate(0, 0, days), People: []Key{{1}},
			Raw: Key{byte(days)},
		}
	}
	l := LookupFor([]ThreadHints{at(0, false), at(28, false), at(1, false), at(60, true)})
	if len(l.Nodes) != 5 { // the id once, four subject nodes
		t.Errorf("%d nodes", len(l.Nodes))
	}
	days := func(k Key) int { _, s := readSubjectSub(k); return int(time.Unix(s, 0).Sub(noon) / (24 * time.Hour)) }
	var got [][3]int
	for _, r := range l.Ranges {
		got = append(got, [3]int{int(r.From[0]), days(r.From), days(r.To)})
	}
	want := [][3]int{{0, 46, 74}, {1, -14, 42}, {1, 46, 74}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
