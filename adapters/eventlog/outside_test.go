package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// elsewhere keeps the ids of messages outside of Postgres, as a search engine does.
type elsewhere struct {
	mu       sync.Mutex
	places   map[string]map[string]domain.AccountID // by tag, then journal and id
	promoted map[int]string                         // tag by version
	away     bool
	// after, if set, is called when a promotion is done, and may fail: the crash before the commit.
	after func() error
}

func newElsewhere() *elsewhere {
	return &elsewhere{places: map[string]map[string]domain.AccountID{}, promoted: map[int]string{}}
}

func (e *elsewhere) open() error {
	e.mu.Lock()
	if e.away {
		e.mu.Unlock()
		return fmt.Errorf("engine is away: %w", domain.ErrUnavailable)
	}
	return nil
}

func (e *elsewhere) do(fn func() error) error {
	if err := e.open(); err != nil {
		return err
	}
	defer e.mu.Unlock()
	return fn()
}

func (e *elsewhere) Create(_ context.Context, p Place) error {
	return e.do(func() error { e.places[p.Tag] = map[string]domain.AccountID{}; return nil })
}

func (e *elsewhere) Promote(_ context.Context, p Place) error {
	return e.do(func() error {
		if e.places[p.Tag] == nil {
			return fmt.Errorf("place %s: %w", p.Tag, domain.ErrNotFound)
		}
		e.promoted[p.Version] = p.Tag
		if e.after != nil {
			return e.after()
		}
		return nil
	})
}

func (e *elsewhere) Drop(_ context.Context, p Place) error {
	return e.do(func() error { delete(e.places, p.Tag); return nil })
}

func (e *elsewhere) Count(_ context.Context, p Place, j events.JournalID) (n int64, err error) {
	err = e.do(func() error {
		for key := range e.places[p.Tag] {
			if strings.HasPrefix(key, fmt.Sprint(j, "/")) {
				n++
			}
		}
		return nil
	})
	return n, err
}

func (e *elsewhere) Check(_ context.Context, p Place, live bool) error {
	return e.do(func() error {
		switch {
		case e.places[p.Tag] == nil:
			return fmt.Errorf("place %s: %w", p.Tag, domain.ErrNotFound)
		case live && e.promoted[p.Version] != p.Tag:
			return fmt.Errorf("place %s: %w", p.Tag, domain.ErrConflict)
		}
		return nil
	})
}

// set changes what is elsewhere behind everybody's back.
func (e *elsewhere) set(fn func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	fn()
}

// content is what readers of version 1 get of a journal.
func (e *elsewhere) content(j events.JournalID) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, key := range slices.Sorted(maps.Keys(e.places[e.promoted[1]])) {
		if id, ok := strings.CutPrefix(key, fmt.Sprint(j, "/")); ok {
			out = append(out, id)
		}
	}
	return strings.Join(out, " ")
}

// outsideStore writes at once, before the checkpoint is committed.
type outsideStore struct {
	e       *elsewhere
	tx      pgx.Tx
	journal events.JournalID
}

func (s outsideStore) write(ctx context.Context, fn func(rows map[string]domain.AccountID)) error {
	p, err := PlaceIn(ctx, s.tx)
	if err != nil {
		return err
	}
	return s.e.do(func() error {
		if s.e.places[p.Tag] == nil {
			return fmt.Errorf("place %s is lost: %w", p.Tag, domain.ErrUnavailable)
		}
		fn(s.e.places[p.Tag])
		return nil
	})
}

func (s outsideStore) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	return s.write(ctx, func(rows map[string]domain.AccountID) {
		maps.DeleteFunc(rows, func(key string, a domain.AccountID) bool {
			return a == acc && strings.HasPrefix(key, fmt.Sprint(s.journal, "/"))
		})
	})
}

func outsideTask(l *Log, e *elsewhere, version int) projections.Task {
	return projections.Bind(projections.Projection[outsideStore]{
		Name: "afar", Version: version, Handles: []events.Type{events.TypeMessageFetched, events.TypeMessageExpunged},
		Apply: func(ctx context.Context, s outsideStore, batch []events.Recorded) error {
			return s.write(ctx, func(rows map[string]domain.AccountID) {
				for _, rec := range batch {
					switch m := rec.Event.(type) {
					case events.MessageFetched:
						rows[fmt.Sprint(s.journal, "/", m.ID)] = m.Account
					case events.MessageExpunged:
						delete(rows, fmt.Sprint(s.journal, "/", m.ID))
					}
				}
			})
		},
	}, NewReadModel(l, ModelOptions[outsideStore]{
		Name: "afar", Outside: e,
		NewStore: func(tx pgx.Tx, j events.JournalID) outsideStore { return outsideStore{e, tx, j} },
	}))
}

func newOutside(t *testing.T) (*Log, *elsewhere, projections.Task) {
	t.Helper()
	l, e := newTestLog(t), newElsewhere()
	return l, e, outsideTask(l, e, 1)
}

// until waits for a condition that a consumer brings about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func TestOutsideRebuildRollbackDrop(t *testing.T) {
	t.Parallel()
	l, e, task := newOutside(t)
	fillLog(t, l, 2, 5)
	ctx := t.Context()
	rebuild := func() error { _, err := l.Rebuild(ctx, task); return err }
	for _, step := range []struct {
		name, statuses string
		places         int
		do             func() error
	}{
		{"first", "1 live", 1, rebuild},
		{"second", "1 kept, 2 live", 2, rebuild},
		{"append", "1 kept, 2 live", 2, func() error { write(t, l, 2, toyMessage(1, 1, 6, "more")); return nil }},
		{"rollback", "1 live, 2 kept", 2, func() error { _, err := l.Rollback(ctx, task, nil); return err }},
		{"third", "1 kept, 3 live", 2, rebuild},
		{"drop", "3 live", 1, func() error { return task.Drop(ctx) }},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := statuses(t, task); got != step.statuses || len(e.places) != step.places {
			t.Fatalf("%s: got %q in %d places, want %q in %d", step.name, got, len(e.places), step.statuses, step.places)
		}
	}
	if got := e.content(1) + ", " + e.content(2); got != "1 2 3 4 5, 1 2 3 4 5 6" {
		t.Errorf("got %q", got)
	}
}

func TestOutsideIsComparedByNumbers(t *testing.T) {
	t.Parallel()
	l, e, task := newOutside(t)
	fillLog(t, l, 2, 5)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	e.set(func() { delete(e.places[e.promoted[1]], "2/3") })
	_, err := l.Rebuild(t.Context(), task)
	if !errors.Is(err, domain.ErrConflict) || !strings.Contains(err.Error(), "journal 2: afar has 5 rows in place of 4") {
		t.Errorf("got %v, want what differs", err)
	}
	var found []string
	l.Register(task)
	res, err := l.Verify(t.Context(), VerifyOptions{Tasks: []projections.Task{task}, Finding: func(f Finding) { found = append(found, f.String()) }})
	if err != nil {
		t.Fatalf("verify: %v, %+v", err, res)
	}
	if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "afar has 4 rows in place of 5") }) {
		t.Errorf("verify found %q", found)
	}
	if len(e.places) != 2 {
		t.Errorf("%d places, want those of the live and the building generation", len(e.places))
	}
}

// TestOutsideCrashBeforeTheCommit promotes outside, and then the pointer is not moved.
func TestOutsideCrashBeforeTheCommit(t *testing.T) {
	t.Parallel()
	l, e, task := newOutside(t)
	fillLog(t, l, 1, 5)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	e.set(func() { e.after = func() error { return errors.New("killed") } })
	if _, err := l.Rebuild(t.Context(), task); err == nil {
		t.Fatal("the crash was not noticed")
	}
	e.set(func() { e.after = nil })
	if got := statuses(t, task); got != "1 live, 2 building" || !strings.HasPrefix(e.promoted[1], "afar_g2-") {
		t.Fatalf("got %q, promoted %q", got, e.promoted[1])
	}
	if err := l.models.heal(t.Context(), "afar", 1); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(e.promoted[1], "afar_g1-") {
		t.Errorf("promoted %q, want what Postgres says is live", e.promoted[1])
	}
	if _, err := l.Rebuild(t.Context(), task); err != nil || !strings.HasPrefix(e.promoted[1], "afar_g2-") {
		t.Errorf("again: %v, promoted %q", err, e.promoted[1])
	}
}

// TestOutsideLostIsMadeAgain loses all rows, twice, under a running consumer.
func TestOutsideLostIsMadeAgain(t *testing.T) {
	t.Parallel()
	l, e, task := newOutside(t)
	fillLog(t, l, 1, 5)
	consume(t, l, task)
	for n := 1; n <= 3; n++ {
		until(t, fmt.Sprint("content ", n), func() bool { return e.content(1) == "1 2 3 4 5" })
		until(t, fmt.Sprint("live ", n), func() bool { return strings.HasSuffix(statuses(t, task), " live") })
		e.set(func() { clear(e.places) })
		l.models.changed() // look at once, and not at the next sweep
	}
}

func TestOutsideAwayStopsNothing(t *testing.T) {
	t.Parallel()
	l, e, task := newOutside(t)
	_, _, toy := newToy(l)
	e.away = true
	consume(t, l, task, toy)
	if err := l.WaitLive(t.Context()); err != nil {
		t.Fatal(err)
	}
	pos := write(t, l, 1, toyMessage(1, 1, 1, "while it is away"))
	await(t, l, 1, pos) // of the one in Postgres
	if _, _, err := l.Abreast(t.Context(), 1, "afar", "toy"); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("abreast without a generation: got %v, want ErrUnavailable", err)
	}
	e.set(func() { e.away = false })
	abreast := func() bool {
		_, ok, err := l.Abreast(t.Context(), 1, "afar", "toy")
		return ok && err == nil
	}
	until(t, "made when it is back", abreast)
	e.set(func() { e.away = true })
	await(t, l, 1, write(t, l, 1, toyMessage(1, 1, 2, "away again")))
	if abreast() {
		t.Error("abreast though it is away")
	}
	e.set(func() { e.away = false })
	until(t, "caught up when it is back", abreast)
	if got := scan(t, l, `SELECT count(*)::text FROM log.checkpoints WHERE attempts > 0`); got != "0" {
		t.Errorf("%s checkpoints are stopped", got)
	}
	await(t, l, 1, write(t, l, 1, events.AccountErased{Account: 1}))
	until(t, "erased", func() bool { return e.content(1) == "" })
}

// TestOutsideOldVersionsGo: nobody follows them, so they would keep what is erased.
func TestOutsideOldVersionsGo(t *testing.T) {
	t.Parallel()
	l, e, old := newOutside(t)
	fillLog(t, l, 1, 5)
	if _, err := l.Rebuild(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	next := outsideTask(l, e, 2)
	if err := l.models.heal(t.Context(), "afar", 2); err != nil || statuses(t, old) != "1 live" {
		t.Fatalf("before the next version is made: %v, %q", err, statuses(t, old))
	}
	if _, err := l.Rebuild(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if err := l.models.heal(t.Context(), "afar", 2); err != nil {
		t.Fatal(err)
	}
	if got := statuses(t, old) + ", " + statuses(t, next); got != ", 2 live" || len(e.places) != 1 {
		t.Errorf("got %q in %d places", got, len(e.places))
	}
}
