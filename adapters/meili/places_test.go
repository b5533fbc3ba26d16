package meili_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/imap2api/imap2api/adapters/meili"
	"github.com/imap2api/imap2api/adapters/meili/meilitest"
	"github.com/imap2api/imap2api/domain"
)

// check compares what Check says of a live generation: nil, or a kind of error.
func (e *engine) check(t *testing.T, what string, p meili.Place, live bool, want error) {
	t.Helper()
	if err := e.Check(t.Context(), p, live); !errors.Is(err, want) || want == nil && err != nil {
		t.Errorf("%s: check says %v, want %v", what, err, want)
	}
}

func (e *engine) count(t *testing.T, what string, p meili.Place, want int64) {
	t.Helper()
	if n, err := e.Count(t.Context(), p, 1); n != want || err != nil {
		t.Errorf("%s: %d messages, %v, want %d", what, n, err, want)
	}
}

// TestGenerations goes through what happens to generations: built, promoted, kept and followed,
// rolled back, dropped.
func TestGenerations(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		ctx := t.Context()
		one, two, three := place(1), place(2), place(3)
		e.place = one
		t.Cleanup(func() { e.drop(t, one, two, three) })
		e.check(t, "before it is made", one, false, domain.ErrNotFound)
		do(t, e.Create(ctx, one))
		do(t, e.save(t, one, 1, "alder", "birch"))
		e.check(t, "building", one, false, nil)
		e.check(t, "live before the promotion", one, true, domain.ErrConflict)
		do(t, e.Promote(ctx, one))
		do(t, e.Promote(ctx, one))
		e.check(t, "live", one, true, nil)
		e.finds(t, "alder", "1 of 1")

		do(t, e.Create(ctx, two))
		do(t, e.save(t, two, 1, "alder", "birch", "alder"))
		e.finds(t, "alder", "1 of 1")
		do(t, e.Promote(ctx, two)) // and the crash: Postgres says that one is live
		e.count(t, "swapped out", one, 2)
		e.check(t, "live, but swapped out", one, true, domain.ErrConflict)
		do(t, e.Promote(ctx, one))
		e.check(t, "swapped back", one, true, nil)
		do(t, e.Promote(ctx, two))
		e.place = two
		e.finds(t, "alder", "3 1 of 2")

		do(t, e.save(t, one, 4, "alder")) // the kept one follows on
		e.count(t, "kept", one, 3)
		e.count(t, "live", two, 3)
		do(t, e.Create(ctx, three))
		do(t, e.Promote(ctx, three)) // the one that was live twice is under a third name now
		e.count(t, "twice swapped", two, 3)
		do(t, e.Promote(ctx, two))
		e.count(t, "rolled back", two, 3)
		e.count(t, "empty", three, 0)

		do(t, e.Drop(ctx, one))
		do(t, e.Drop(ctx, one))
		e.check(t, "dropped", one, false, domain.ErrNotFound)
		e.count(t, "live", two, 3)
		do(t, e.Create(ctx, three))
		e.count(t, "made again", three, 0)
		do(t, e.Drop(ctx, three))
		if s := e.Status(ctx); len(s.Indexes) != 1 || !s.Available || s.Version == "" {
			t.Errorf("status: %+v, want one index", s)
		}
	})
}

func (e *engine) drop(t *testing.T, places ...meili.Place) {
	t.Helper()
	for _, p := range places {
		if err := e.Drop(t.Context(), p); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	}
}

// TestPromoteDuringSearch swaps under readers that believe in the place they know.
func TestPromoteDuringSearch(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		e.made(t)
		do(t, e.save(t, e.place, 1, "alder"))
		e.finds(t, "alder", "1 of 1")
		old, next := e.place, place(2)
		do(t, e.Create(t.Context(), next))
		do(t, e.save(t, next, 1, "alder"))
		do(t, e.Promote(t.Context(), next))
		e.finds(t, "alder", "1 of 1") // asked for the old one, under a name that holds the next one now
		do(t, e.Drop(t.Context(), old))
		e.place = next
		e.finds(t, "alder", "1 of 1")
	})
}

// TestLost removes indexes behind everybody's back.
func TestLost(t *testing.T) {
	t.Parallel()
	s := meilitest.New(t, meilitest.Options{})
	e := open(t, s.URL(), "", nil).made(t)
	do(t, e.save(t, e.place, 1, "alder"))
	e.finds(t, "alder", "1 of 1")
	s.Lose()
	e.check(t, "lost", e.place, true, domain.ErrNotFound)
	if _, err := e.find(t, "alder"); !errors.Is(err, meili.ErrBehind) || !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("find: got %v, want ErrBehind", err)
	}
	if err := e.save(t, e.place, 2, "birch"); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("save: got %v, want ErrUnavailable: it is no fault of the event", err)
	}
	if got := s.Indexes(); len(got) != 0 {
		t.Errorf("a write made %v", got)
	}
	do(t, e.Drop(t.Context(), e.place))
	do(t, e.Create(t.Context(), e.place))
	do(t, e.Promote(t.Context(), e.place))
	do(t, e.save(t, e.place, 1, "alder"))
	e.finds(t, "alder", "1 of 1")
}

// TestStray removes what a write left that met a lost index: Meilisearch makes one then.
func TestStray(t *testing.T) {
	t.Parallel()
	s := meilitest.New(t, meilitest.Options{})
	e := open(t, s.URL(), "", nil).made(t)
	names := slices.Collect(maps.Keys(s.Indexes()))
	if len(names) != 1 || !strings.HasSuffix(names[0], "_v1") {
		t.Fatalf("indexes %v, want the one of the version", names)
	}
	s.Lose()
	status, answer := ask(t, s.URL(), "", http.MethodPost, "/indexes/"+names[0]+"/documents", `[{"key":"1-1","id":1}]`)
	if status != http.StatusAccepted {
		t.Fatal(status)
	}
	finished(t, s.URL(), "", answer["taskUid"])
	e.check(t, "stray", e.place, true, domain.ErrNotFound)
	next := place(2)
	do(t, e.Create(t.Context(), next))
	do(t, e.Promote(t.Context(), next))
	e.check(t, "made again", next, true, nil)
	if got := s.Indexes(); len(got) != 1 {
		t.Errorf("%v are left, want one", got)
	}
	e.place = next
}

// TestLayoutIsPartOfAGeneration: an index made with another cut of words is not taken for ours.
func TestLayoutIsPartOfAGeneration(t *testing.T) {
	t.Parallel()
	s := meilitest.New(t, meilitest.Options{})
	e := open(t, s.URL(), "", func(o *meili.Options) { o.Prefix = "same" }).made(t)
	next := open(t, s.URL(), "", func(o *meili.Options) { o.Prefix, o.WordsVersion = "same", 2 })
	next.check(t, "other words", e.place, true, domain.ErrNotFound)
	e.check(t, "the same words", e.place, true, nil)
}

// TestPrefixesAreApart: two databases on one server see nothing of one another.
func TestPrefixesAreApart(t *testing.T) {
	t.Parallel()
	s := meilitest.New(t, meilitest.Options{})
	a, b := open(t, s.URL(), "", nil).made(t), open(t, s.URL(), "", nil).made(t)
	do(t, a.save(t, a.place, 1, "alder"))
	b.finds(t, "alder", " of 0")
	b.check(t, "of another database", a.place, false, domain.ErrNotFound)
	if got := b.Status(t.Context()).Indexes; len(got) != 1 {
		t.Errorf("status shows %v", got)
	}
}
