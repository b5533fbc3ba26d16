package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// fillLog appends a few messages to some journals.
func fillLog(t testing.TB, l *Log, journals, messages int) {
	t.Helper()
	for j := 1; j <= journals; j++ {
		var list []events.Event
		for i := 1; i <= messages; i++ {
			m := toyMessage(1, domain.MailboxID(i%3), domain.MessageID(i), fmt.Sprint("subject ", i))
			if list = append(list, m); i%2 == 0 {
				list = append(list, toySeen(m))
			}
		}
		write(t, l, events.JournalID(j), list...)
	}
}

func statuses(t testing.TB, task projections.Task) string {
	t.Helper()
	gens, err := task.Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, g := range gens {
		out = append(out, fmt.Sprint(g.Number, " ", g.Status))
	}
	return strings.Join(out, ", ")
}

func TestRebuildRollbackDrop(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	fillLog(t, l, 3, 20)
	ctx := t.Context()
	rebuild := func() error { _, err := l.Rebuild(ctx, task); return err }
	rollback := func() error { _, err := l.Rollback(ctx, task, nil); return err }
	more := func() error { write(t, l, 2, toyMessage(1, 1, 100, "more")); return nil }
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"first", rebuild, "1 live"},
		{"second", rebuild, "1 kept, 2 live"},
		{"append", more, "1 kept, 2 live"},
		{"rollback", rollback, "1 live, 2 kept"},
		{"rollback again", rollback, "1 kept, 2 live"},
		{"third", rebuild, "2 kept, 3 live"},
		{"drop", func() error { return task.Drop(ctx) }, "3 live"},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := statuses(t, task); got != step.want {
			t.Fatalf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
	if err := rollback(); !errors.Is(err, domain.ErrConflict) {
		t.Errorf("rollback to nothing: got %v, want ErrConflict", err)
	}
	if got := scan(t, l, `SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE nspname LIKE 'toy%'`); got != "toy_g3" {
		t.Errorf("got schemas %q, want toy_g3", got)
	}
	if got := scan(t, l, `SELECT count(*)::text FROM pg_indexes WHERE schemaname = 'toy_g3'`); got != "4" {
		t.Errorf("got %s indexes, want 4", got)
	}
}

func TestActivateFindsWhatDiffers(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	fillLog(t, l, 3, 20)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	do(t, l, `UPDATE toy_g1.mail SET subject = 'other' WHERE journal_id = 2 AND id = 7`)
	do(t, l, `DELETE FROM toy_g1.mail WHERE journal_id = 3 AND id = 7`)
	_, err := l.Rebuild(t.Context(), task)
	if !errors.Is(err, domain.ErrConflict) {
		t.Fatalf("got %v, want ErrConflict", err)
	}
	for _, want := range []string{"journal 2: mail has other rows", "journal 3: mail has 20 rows in place of 19"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if got := statuses(t, task); got != "1 live, 2 building" {
		t.Errorf("got %q, want the old one live", got)
	}
	replace := func() (projections.Generation, *DiffersError, error) {
		gen, err := task.Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l.Replace(t.Context(), task, gen)
	}
	gen, differs, err := replace()
	if err != nil || gen.Number != 2 || differs == nil || differs.Live != 1 || len(differs.Found) != 2 {
		t.Fatalf("replace: generation %d, %+v, %v", gen.Number, differs, err)
	}
	if got := statuses(t, task); got != "1 kept, 2 live" {
		t.Errorf("got %q, want the old one kept", got)
	}
	if gen, differs, err := replace(); err != nil || gen.Number != 3 || differs != nil {
		t.Errorf("replace one that agrees: generation %d, %+v, %v", gen.Number, differs, err)
	}
}

// TestRebuildGoesOn breaks a build off and begins it again.
func TestRebuildGoesOn(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	p, _, task := newToy(l)
	fillLog(t, l, 4, 50)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	broken := projections.Bind(p.projection(), toyModel(l))
	inner := broken.CatchUp
	var calls atomic.Int64
	broken.CatchUp = func(c context.Context, g projections.Generation, j events.JournalID) (bool, error) {
		if calls.Add(1) > 2 {
			cancel()
		}
		return inner(c, g, j)
	}
	if _, err := l.Rebuild(ctx, broken); err == nil {
		t.Fatal("the build was not broken off")
	}
	if got := statuses(t, task); got != "1 live, 2 building" {
		t.Fatalf("broken off: got %q", got)
	}
	g, err := l.Rebuild(t.Context(), task)
	if err != nil || g.Number != 2 {
		t.Fatalf("got generation %d, %v, want 2", g.Number, err)
	}
	if got, want := dump(t, l, g), dump(t, l, projections.Generation{Schema: "toy_g1"}); got != want {
		t.Errorf("rebuilt:\n%s\nlive:\n%s", got, want)
	}
}

// TestUpgradeKeepsTheOldVersion: two programs on one database each have a live generation.
func TestUpgradeKeepsTheOldVersion(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, old := newToy(l)
	fillLog(t, l, 2, 10)
	if _, err := l.Rebuild(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	next := projections.Bind((&toy{version: 2}).projection(), toyModel(l))
	if _, err := l.Rebuild(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if got := statuses(t, old) + "; " + statuses(t, next); got != "1 live; 2 live" {
		t.Errorf("upgraded: got %q", got)
	}
	if _, err := l.Rebuild(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if got := statuses(t, old) + "; " + statuses(t, next); got != "; 2 kept, 3 live" {
		t.Errorf("first rebuild of the new version: got %q", got)
	}
}

// TestReadersNeverSeeTwoGenerations reads with several statements while journals
// grow and generations are built, activated and rolled back.
func TestReadersNeverSeeTwoGenerations(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	fillLog(t, l, 4, 100)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	consume(t, l, task)
	var g errgroup.Group
	var over atomic.Bool
	var reads atomic.Int64
	for range 3 {
		g.Go(func() error {
			for !over.Load() {
				if err := readTwice(t.Context(), l, task.Version); err != nil {
					return err
				}
				reads.Add(1)
			}
			return nil
		})
	}
	g.Go(func() error {
		for id := domain.MessageID(1000); !over.Load(); id++ {
			if _, err := writeTo(t.Context(), l.pool, 1, []events.Event{toyMessage(1, 1, id, "live")}); err != nil {
				return err
			}
			l.hints.grown(1)
		}
		return nil
	})
	g.Go(func() error {
		defer over.Store(true)
		for range 3 {
			if _, err := l.Rebuild(t.Context(), task); err != nil {
				return err
			}
			for range 2 {
				if _, err := l.Rollback(t.Context(), task, nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d reads", reads.Load())
	pos, err := l.Head(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	await(t, l, 1, pos)
	if got := statuses(t, task); got != "3 kept, 4 live" {
		t.Errorf("got %q", got)
	}
}

// liveSchema makes the live generation the one that a transaction reads, as readers do.
const liveSchema = `SELECT set_config('search_path', schema_name, true) FROM log.generations
WHERE projection = $1 AND version = $2 AND status = 'live'`

// readTwice reads the schema that two statements of one transaction are served by.
func readTwice(ctx context.Context, l *Log, version int) error {
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var schema string
		if err := tx.QueryRow(ctx, liveSchema, "toy", version).Scan(&schema); err != nil {
			return fmt.Errorf("find the live generation: %w", err)
		}
		for _, table := range []string{"mail", "box"} {
			var from string
			err := tx.QueryRow(ctx, `SELECT min(c.relnamespace::regnamespace::text) FROM `+table+` t JOIN pg_class c ON c.oid = t.tableoid`).Scan(&from)
			if err != nil {
				return fmt.Errorf("read %s: %w", table, err)
			}
			if from != schema {
				return fmt.Errorf("got %s from %s, want it from %s", table, from, schema)
			}
		}
		return nil
	})
}
