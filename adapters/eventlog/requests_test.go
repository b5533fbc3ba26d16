package eventlog

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

var asked = events.Meta{Actor: events.Actor{Kind: events.ActorUser, Name: "root", Token: 7}, RequestID: "r-1"}

// toldOf returns what the journal of the installation tells of read models, with who asked.
func toldOf(t *testing.T, l *Log) string {
	t.Helper()
	return scan(t, l, `SELECT coalesce(string_agg(e.type || convert_from(e.payload, 'UTF8') || convert_from(c.meta, 'UTF8'), E'\n' ORDER BY e.position), '')
		FROM log.events e JOIN log.commits c ON c.journal_id = 0 AND e.position BETWEEN c.first_position AND c.last_position WHERE e.journal_id = 0`)
}

func listedToy(t *testing.T, l *Log) queries.Model {
	t.Helper()
	m, err := queries.NewListModels(l).Get(t.Context(), queries.GetModel{Name: "toy"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRequestedRebuild: what is asked for while nobody keeps the read models is done by whoever
// begins to, and the log tells who asked, once.
func TestRequestedRebuild(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	l.Register(task)
	fillLog(t, l, 3, 20)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := l.RequestRebuild(t.Context(), "other", asked); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("unknown name: got %v, want ErrNotFound", err)
	}
	if err := l.RequestRebuild(t.Context(), "toy", asked); err != nil {
		t.Fatal(err)
	}
	if err := l.RequestRebuild(t.Context(), "toy", events.Meta{RequestID: "r-2"}); !errors.Is(err, domain.ErrConflict) {
		t.Errorf("again: got %v, want ErrConflict", err)
	}
	if m := listedToy(t, l); m.Status != "rebuilding" || m.Rebuild == nil || m.Rebuild.Generation != 2 {
		t.Errorf("got %+v", m)
	}
	if got := toldOf(t, l); got != "" {
		t.Errorf("told before it is live: %s", got)
	}
	consume(t, otherLog(t, l), task)
	const rebuilt = `model-rebuilt{"model":"toy","generation":2,"version":1,"events":90}{"actor":{"kind":"user","name":"root","token":7},"request_id":"r-1"}`
	until(t, "made live and told", func() bool { return toldOf(t, l) == rebuilt })
	if got := statuses(t, task); got != "1 kept, 2 live" {
		t.Errorf("got %q", got)
	}

	back := asked
	back.RequestID = "r-3"
	if n, err := l.RollBackModel(t.Context(), "toy", back); err != nil || n != 1 {
		t.Fatalf("roll back: %d, %v", n, err)
	}
	const rolledBack = "\n" + `model-rolled-back{"model":"toy","generation":1}{"actor":{"kind":"user","name":"root","token":7},"request_id":"r-3"}`
	if got := toldOf(t, l); got != rebuilt+rolledBack {
		t.Errorf("told of the rollback:\n%s", got)
	}
	if err := task.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.RollBackModel(t.Context(), "toy", back); !errors.Is(err, domain.ErrConflict) {
		t.Errorf("roll back to nothing: got %v, want ErrConflict", err)
	}
}

// TestToldOnce: the program dies after the log tells of a rebuild and before that is noted.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	l.Register(task)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	gen, began, err := task.Request(t.Context(), asked)
	if err != nil || !began {
		t.Fatal(began, err)
	}
	request := scan(t, l, `SELECT encode(request, 'hex') FROM log.generations WHERE generation = 2`)
	if _, err := l.Finish(t.Context(), task, gen); err != nil {
		t.Fatal(err)
	}
	want := toldOf(t, l)
	do(t, l, `UPDATE log.generations SET request = decode($1, 'hex') WHERE generation = 2`, request)
	consume(t, l, task)
	until(t, "noted again", func() bool {
		return scan(t, l, `SELECT (request IS NULL)::text FROM log.generations WHERE generation = 2`) == "true"
	})
	if got := toldOf(t, l); got != want || !strings.HasPrefix(got, "model-rebuilt") {
		t.Errorf("told twice:\n%s", got)
	}
}

// TestRequestedRebuildDiffers: a generation that does not agree is left to a person, keeps up all
// the same, and is tried again on request.
func TestRequestedRebuildDiffers(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	fillLog(t, l, 2, 10)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	do(t, l, `UPDATE toy_g1.mail SET subject = subject || '!' WHERE journal_id = 2 AND id = 7`)
	consume(t, l, task)
	if err := l.RequestRebuild(t.Context(), "toy", asked); err != nil {
		t.Fatal(err)
	}
	until(t, "told what differs", func() bool {
		m := listedToy(t, l)
		return m.Rebuild != nil && strings.Contains(m.Rebuild.LastError, "journal 2: mail has other rows")
	})
	if got := statuses(t, task); got != "1 live, 2 building" {
		t.Fatalf("got %q", got)
	}
	write(t, l, 2, toyMessage(1, 1, 100, "later"))
	until(t, "it keeps up", func() bool {
		return scan(t, l, `SELECT count(*)::text FROM toy_g2.mail WHERE journal_id = 2`) == "11"
	})
	do(t, l, `UPDATE toy_g1.mail SET subject = rtrim(subject, '!') WHERE journal_id = 2 AND id = 7`)
	if err := l.RequestRebuild(t.Context(), "toy", asked); err != nil {
		t.Fatal(err)
	}
	until(t, "live", func() bool { return statuses(t, task) == "1 kept, 2 live" })
}

// TestOutdated: rows that another parser read are told, are no damage, and a rebuild replaces them.
func TestOutdated(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	reads := func(what string) projections.Task {
		m := NewReadModel(l, ModelOptions[toyStore]{
			Name: "toy", Reads: what, Tables: toyTables, Indexes: toyIndexes, HashTables: []string{"box", "mail"},
			NewStore: func(tx pgx.Tx, j events.JournalID) toyStore { return toyStore{tx, j} },
		})
		task := projections.Bind((&toy{}).projection(), m)
		l.Register(task)
		return task
	}
	task := reads("parser 1")
	fillLog(t, l, 2, 10)
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	do(t, l, `UPDATE toy_g1.mail SET subject = 'as parser 1 read it'`)
	if listedToy(t, l).Outdated {
		t.Error("outdated though nothing changed")
	}
	task = reads("parser 2")
	if !listedToy(t, l).Outdated {
		t.Error("not outdated")
	}
	if found := damagedModels(t, l, task); len(found) > 0 {
		t.Errorf("verify: %q", found)
	}
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if listedToy(t, l).Outdated {
		t.Error("outdated after the rebuild")
	}
	do(t, l, `UPDATE toy_g2.mail SET subject = 'damaged' WHERE journal_id = 2 AND id = 1`)
	if found := damagedModels(t, l, task); len(found) != 1 {
		t.Errorf("verify: %q, want the damage", found)
	}
}

// damagedModels returns what Verify finds in read models.
func damagedModels(t *testing.T, l *Log, task projections.Task) (out []string) {
	t.Helper()
	_, err := l.Verify(t.Context(), VerifyOptions{Tasks: []projections.Task{task}, Finding: func(f Finding) {
		if strings.Contains(f.What, "generation") {
			out = append(out, f.String())
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
