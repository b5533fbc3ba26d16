package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// TestSearchLaw compares random searches of random mailboxes, beside random filters, with what
// reading each message gives: all pages of what Find finds, and lists in all orders, by thread,
// by number and by cursor.
func TestSearchLaw(t *testing.T) {
	t.Parallel()
	pool := open(t)
	reader, search := newMailReader(pool), postgres.NewSearchReader(pool, 1, 1, lexer)
	hits := 0
	for round := range 5 {
		seed := rand.Uint64()
		l := newLetters(rand.New(rand.NewPCG(seed, 0)), 30+60*round)
		l.change(10 * round)
		l.store(t, pool, round+1)
		for range 100 {
			f := queries.MessageFilter{Journal: 1}
			if l.IntN(3) == 0 {
				f = randomFilter(l.Rand)
			}
			var q string
			q, f.Search = l.search(t)
			want := l.oracle(f, false, newest)
			hits += min(1, len(want))
			ok := l.findPages(t, search, f, want)
			if l.IntN(5) == 0 {
				byThread, order, size := l.IntN(2) == 0, randomOrder(l.Rand), min(100, 1+l.IntN(25)+len(want)/4)
				want = l.oracle(f, byThread, order)
				ok = ok && walkNumbers(t, reader, f, byThread, order, size, want) && walkCursors(t, reader, f, byThread, order, size, want)
			}
			if !ok {
				t.Fatalf("seed %d, round %d: %q\n%#v\n%+v", seed, round, q, f.Search, f)
			}
		}
	}
	if hits < 150 {
		t.Errorf("only %d searches found anything: nothing is tested", hits)
	}
}

// oracle reads each message.
func (l *letters) oracle(f queries.MessageFilter, byThread bool, order []queries.Order) []queries.Message {
	var matching []stored
	c := l.current(f.Search)
	for _, m := range l.now {
		if l.searched(m).Matches(c, l.fold) {
			matching = append(matching, m)
		}
	}
	return oracle(matching, l.merged, f, byThread, order)
}

// fold remembers what a text is folded to.
func (l *letters) fold(text string) string {
	folded, ok := l.folded[text]
	if !ok {
		folded = oracleFold(text)
		l.folded[text] = folded
	}
	return folded
}

// findPages finds a page from some offset on, all at once, and what is past the end.
func (l *letters) findPages(t *testing.T, r *postgres.SearchReader, f queries.MessageFilter, want []queries.Message) bool {
	t.Helper()
	all := ids(want)
	for _, p := range [][2]int{{0, 1 + l.IntN(9)}, {l.IntN(len(all) + 1), 1 + l.IntN(9)}, {0, 1000}, {len(all), 10}, {0, 0}} {
		offset, limit := p[0], p[1]
		got, total, err := r.Find(t.Context(), f, offset, limit)
		page := all[offset:min(offset+limit, len(all))]
		if err != nil || total != len(all) || !slices.Equal(got, page) {
			t.Errorf("at most %d from %d on: got %v of %d, error %v; want %v of %d", limit, offset, got, total, err, page, len(all))
			l.explain(t, r, f)
			return false
		}
	}
	return true
}

// explain names the smallest part of a search that finds something else than the oracle does.
func (l *letters) explain(t *testing.T, r *postgres.SearchReader, f queries.MessageFilter) {
	t.Helper()
	wrong := func(c queries.Condition) []domain.MessageID {
		f := queries.MessageFilter{Journal: f.Journal, Search: c}
		return difference(find(t, r, f.Journal, c), ids(l.oracle(f, false, newest)))
	}
	c := f.Search
	for {
		var parts []queries.Condition
		switch c := c.(type) {
		case queries.All:
			parts = c
		case queries.Any:
			parts = c
		case queries.Not:
			parts = []queries.Condition{c.Of}
		}
		i := slices.IndexFunc(parts, func(part queries.Condition) bool { return len(wrong(part)) > 0 })
		if i < 0 {
			break
		}
		c = parts[i]
	}
	for _, id := range wrong(c) {
		if i := slices.IndexFunc(l.now, func(m stored) bool { return m.ID == id }); i >= 0 {
			t.Logf("%#v is wrong about %+v\n%q", c, l.now[i].Message, fmt.Sprintf("%+v", l.said[l.sums[id]]))
			break
		}
	}
}

// difference returns what only one of two pages has.
func difference(a, b []domain.MessageID) []domain.MessageID {
	var out []domain.MessageID
	for _, id := range slices.Concat(a, b) {
		if slices.Contains(a, id) != slices.Contains(b, id) {
			out = append(out, id)
		}
	}
	return out
}

// An account that is being erased is neither found nor counted from that moment on, though its
// documents are still there and its count is remembered.
func TestSearchHidesErasedAccounts(t *testing.T) {
	t.Parallel()
	pool := open(t)
	l := newLetters(rand.New(rand.NewPCG(1, 0)), 200)
	l.store(t, pool, 1)
	addAccount(t, pool, 1, 1)
	addAccount(t, pool, 1, 2)
	reader, search := newMailReader(pool), postgres.NewSearchReader(pool, 1, 1, lexer)
	some := queries.Any{word("e"), word("example"), queries.Seen{Is: true}, queries.HasAttachments{}}
	for _, erased := range []domain.AccountID{0, 1, 2} {
		exec(t, pool, `UPDATE state.accounts SET erased_by = 10 + account_id WHERE account_id = $1`, erased)
		l.now = slices.DeleteFunc(l.now, func(m stored) bool { return m.Account == erased })
		for _, c := range []queries.Condition{word("example"), queries.Not{Of: word("example")}, some} {
			f := queries.MessageFilter{Journal: 1, Search: c}
			want := l.oracle(f, false, newest)
			if len(want) == 0 || !l.findPages(t, search, f, want) || !walkNumbers(t, reader, f, false, newest, 10, want) {
				t.Errorf("account %d is erased: %#v", erased, c)
			}
		}
	}
}
