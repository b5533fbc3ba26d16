package adaptertest

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// Engine is a search engine with nothing in it.
type Engine interface {
	queries.SearchReader
	// Change runs fold with the store of a journal, as for a batch of events, and commits it with
	// a checkpoint that moves. What it did can be found when Change returns.
	Change(ctx context.Context, journal events.JournalID, fold func(context.Context, projections.SearchStore) error) error
	// Can reports whether the engine answers f. What it does not is left to another one, which
	// must answer all.
	Can(f queries.MessageFilter) bool
}

// Search runs the contract of search engines (api.md section 12) on the engines that open returns,
// each of which is used by one test. An engine may also find words that are nearly what is asked
// for: none in these tests are.
func Search(t *testing.T, open func(t *testing.T) Engine) {
	t.Helper()
	for name, run := range map[string]func(*testing.T, Engine){
		"language": testLanguage,
		"filters":  testFilters,
		"pages":    testPages,
		"scope":    testScope,
		"changes":  testChanges,
		"erasure":  testErasure,
		"repeats":  testRepeats,
		"long":     testLong,
		"law":      testLaw,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open(t))
		})
	}
}

// journal is the one that most tests are about.
const journal = events.JournalID(17)

// index saves messages as one batch.
func index(t *testing.T, e Engine, j events.JournalID, mails ...mail) {
	t.Helper()
	change(t, e, j, func(ctx context.Context, s projections.SearchStore) error {
		for _, m := range mails {
			s.Index(m.Document, m.content)
		}
		return s.Save(ctx, nil, nil)
	})
}

func change(t *testing.T, e Engine, j events.JournalID, fold func(context.Context, projections.SearchStore) error) {
	t.Helper()
	err := e.Change(t.Context(), j, func(ctx context.Context, s projections.SearchStore) error {
		if s.Journal() != j {
			t.Errorf("store of journal %d: says %d", j, s.Journal())
		}
		return fold(ctx, s)
	})
	if err != nil {
		t.Fatalf("change journal %d: %v", j, err)
	}
}

// find compares what an engine finds with the wanted messages, newest first. It returns whether
// the engine answers at all.
func find(t *testing.T, e Engine, f queries.MessageFilter, want ...domain.MessageID) bool {
	t.Helper()
	if !e.Can(f) {
		return false
	}
	ids, total, err := e.Find(t.Context(), f, 0, 100)
	if err != nil {
		t.Errorf("find: %v", err)
		return true
	}
	if diff := cmp.Diff(want[:min(len(want), 100)], ids, cmpopts.EquateEmpty()); diff != "" || total != len(want) {
		t.Errorf("got %v, %d in all, want %v", ids, total, want)
	}
	return true
}

// must is find for what every engine answers.
func must(t *testing.T, e Engine, f queries.MessageFilter, want ...domain.MessageID) {
	t.Helper()
	if !find(t, e, f, want...) {
		t.Error("the engine leaves this to another one")
	}
}

// all asks for all messages of a journal.
func all(j events.JournalID) queries.MessageFilter { return queries.MessageFilter{Journal: j} }

// word asks for messages of a journal with a word.
func word(j events.JournalID, q string) queries.MessageFilter {
	return queries.MessageFilter{Journal: j, Search: queries.ParseSearch(q, now)}
}

func testScope(t *testing.T, e Engine) {
	const other = events.JournalID(18)
	index(t, e, journal, simple(1, 1, "pine"), simple(2, 2, "pine"), simple(3, 1, "maple"))
	index(t, e, other, simple(2, 3, "pine"), simple(4, 4, "pine")) // an id may occur in two journals
	must(t, e, word(journal, "pine"), 2, 1)
	must(t, e, word(other, "pine"), 4, 2)
	must(t, e, word(19, "pine"))
	must(t, e, all(journal), 3, 2, 1)
	for _, c := range []struct {
		accounts []domain.AccountID
		want     []domain.MessageID
	}{
		{[]domain.AccountID{1}, []domain.MessageID{1}},
		{[]domain.AccountID{1, 2, 3}, []domain.MessageID{2, 1}}, // 3 is of the other journal
		{[]domain.AccountID{3, 4}, nil},
		{[]domain.AccountID{}, nil},
	} {
		f := word(journal, "pine")
		f.Accounts = c.accounts
		must(t, e, f, c.want...)
	}
	// A search that negates everything stays within its journal.
	must(t, e, queries.MessageFilter{Journal: journal, Search: queries.Not{Of: queries.Any{}}}, 3, 2, 1)
	must(t, e, queries.MessageFilter{Journal: journal, Search: queries.Any{
		queries.Not{Of: queries.Seen{Is: true}}, queries.OfAccounts{IDs: []domain.AccountID{3}},
	}}, 3, 2, 1)
	change(t, e, other, func(ctx context.Context, s projections.SearchStore) error {
		return s.Save(ctx, []projections.DocumentChange{{ID: 3, Flags: []domain.Flag{domain.FlagSeen}}}, []domain.MessageID{1, 2})
	})
	must(t, e, all(journal), 3, 2, 1)
	must(t, e, queries.MessageFilter{Journal: journal, Search: queries.Seen{Is: true}})
	must(t, e, all(other), 4)
}

func testPages(t *testing.T, e Engine) {
	const n = 1250 // Meilisearch counts to 1,000 unless told otherwise
	var mails []mail
	var want []domain.MessageID
	for id := domain.MessageID(1); id <= n; id++ {
		m := simple(id, 1, "pine")
		m.Date = day(int(id) % 7) // many have the same date
		mails = append(mails, m)
	}
	for len(mails) > 0 {
		k := min(len(mails), 400)
		index(t, e, journal, mails[:k]...)
		mails = mails[k:]
	}
	for d := 6; d >= 0; d-- {
		for id := domain.MessageID(n); id > 0; id-- {
			if int(id)%7 == d {
				want = append(want, id)
			}
		}
	}
	must(t, e, word(journal, "pine"), want...)
	for _, c := range []struct{ offset, limit int }{
		{0, 25}, {25, 25}, {1000, 25}, {1225, 25}, {1240, 25}, {1250, 25}, {5000, 25}, {37, 45}, {999, 3}, {0, 1250}, {0, 2000}, {1249, 1}, {7, 0},
	} {
		ids, total, err := e.Find(t.Context(), word(journal, "pine"), c.offset, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		part := want[min(c.offset, n):min(c.offset+c.limit, n)]
		if diff := cmp.Diff(part, ids, cmpopts.EquateEmpty()); diff != "" || total != n {
			t.Errorf("%d from %d on: %d in all, want %d; ids (-want +got):\n%s", c.limit, c.offset, total, n, diff)
		}
	}
}

func testLong(t *testing.T, e Engine) {
	text := make([]byte, 0, 500_000)
	for i := 0; len(text) < 480_000; i++ {
		text = append(text, filler[i%len(filler)]...)
		text = append(text, ' ')
	}
	half := len(text) / 2
	text = slices.Concat(text[:half], []byte(" quagga "), text[half:], []byte(" okapi"))
	m := simple(1, 1, "long")
	m.content.Text = string(text)
	index(t, e, journal, m, simple(2, 1, "short"))
	must(t, e, word(journal, "quagga"), 1)
	must(t, e, word(journal, "okapi"), 1)
	must(t, e, word(journal, "short"), 2)
}

// filler are words of the kinds that mail has.
var filler = []string{"lorem", "ipsum.", "dolor,", "4711", "x@y.example", "sit", "a", "amet\n\n", "https://shop.example/p?id=12", "ñandú"}
