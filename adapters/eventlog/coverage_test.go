package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// noteStore is the store of a read model with a row for each message, and a count of them.
type noteStore struct {
	tx      pgx.Tx
	journal events.JournalID
}

func (s noteStore) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	_, err := s.tx.Exec(ctx, `DELETE FROM note WHERE journal_id = $1 AND account_id = $2`, int64(s.journal), int64(acc))
	return errors.Join(err, s.Recount(ctx))
}

func (s noteStore) Recount(ctx context.Context) error {
	_, err := s.tx.Exec(ctx, `DELETE FROM total WHERE journal_id = $1`, int64(s.journal))
	if err != nil {
		return err
	}
	_, err = s.tx.Exec(ctx, `INSERT INTO total SELECT $1, count(*) FROM note WHERE journal_id = $1`, int64(s.journal))
	return err
}

// notes is the projection; fail may refuse a message.
type notes struct {
	fail func(domain.MessageID) error
}

func (n *notes) apply(ctx context.Context, s noteStore, batch []events.Recorded) error {
	for _, rec := range batch {
		var err error
		switch e := rec.Event.(type) {
		case events.MessageFetched:
			if n.fail != nil {
				err = n.fail(e.ID)
			}
			if err == nil {
				_, err = s.tx.Exec(ctx, `INSERT INTO note VALUES ($1, $2, $3, $4)`, int64(s.journal), int64(e.ID), int64(e.Account), e.Flags)
			}
		case events.FlagsChanged:
			_, err = s.tx.Exec(ctx, `UPDATE note SET flags = $3 WHERE journal_id = $1 AND id = $2`, int64(s.journal), int64(e.ID), e.Flags)
		case events.MessageExpunged:
			_, err = s.tx.Exec(ctx, `DELETE FROM note WHERE journal_id = $1 AND id = $2`, int64(s.journal), int64(e.ID))
		}
		if err != nil {
			return err
		}
	}
	return s.Recount(ctx)
}

// noted is a log with messages 1 to n of account 1 in journal 7, all noted.
type noted struct {
	*Log
	t     *testing.T
	notes *notes
	task  projections.Task
	opts  CoverageOptions
	sum   []byte
}

func newNoted(t *testing.T, n int) *noted {
	t.Helper()
	pool, j, journal := testJournal(t)
	l := j.log
	x := &noted{Log: l, t: t, notes: &notes{}, sum: putRaw(t, pool, journal, "raw 1")}
	model := NewReadModel(l, ModelOptions[noteStore]{
		Name: "notes", HashTables: []string{"note", "total"},
		Tables: `CREATE TABLE note (journal_id bigint, id bigint, account_id bigint NOT NULL, flags text[] NOT NULL, PRIMARY KEY (journal_id, id));
			CREATE TABLE total (journal_id bigint PRIMARY KEY, notes bigint NOT NULL)`,
		NewStore: func(tx pgx.Tx, j events.JournalID) noteStore { return noteStore{tx, j} },
	})
	x.task = projections.Bind(projections.Projection[noteStore]{
		Name: "notes", Version: 1, Apply: x.notes.apply,
		Handles: []events.Type{events.TypeMessageFetched, events.TypeFlagsChanged, events.TypeMessageExpunged},
	}, model)
	l.Register(x.task)
	if _, err := l.Rebuild(t.Context(), x.task); err != nil {
		t.Fatal(err)
	}
	x.opts = CoverageOptions{Tasks: []projections.Task{x.task}, Rows: map[string]MessageRows{"notes": {Table: "note"}}, Repair: true}
	var list []events.Event
	for id := 2; id <= n; id++ {
		list = append(list, fetched(domain.MessageID(id), domain.UID(100+id), x.sum))
	}
	if len(list) > 0 {
		must(t, j, scopeOf(7), decisionOf(list...))
	}
	catchUpAll(t, x.task, live(t, x.task), 7)
	return x
}

// check wants gaps told as "missing surplus altered left".
func (x *noted) check(what string, want ...string) {
	x.t.Helper()
	done, err := x.CheckCoverage(x.t.Context(), x.opts)
	// The lock of a check that was broken off goes a moment after its connection.
	for end := time.Now().Add(time.Minute); done.Elsewhere && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		done, err = x.CheckCoverage(x.t.Context(), x.opts)
	}
	if done.Elsewhere {
		x.t.Errorf("%s: another is at it", what)
	}
	got := []string{}
	for _, g := range done.Gaps {
		got = append(got, fmt.Sprint(g.Missing, g.Surplus, g.Altered, g.Left))
	}
	if err != nil || !slices.Equal(got, append([]string{}, want...)) {
		x.t.Errorf("%s: found %q, %v, want %q", what, got, err, want)
	}
}

func (x *noted) kept() string {
	x.t.Helper()
	c, err := x.Coverage(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	got := c["notes"]
	return fmt.Sprintf("%s %v%% %d repaired", got.Status(), got.Percent(), got.Repaired)
}

func TestCoverageIsKept(t *testing.T) {
	t.Parallel()
	x := newNoted(t, 10)
	x.check("all is well")
	if got := x.kept(); got != "complete 100% 0 repaired" {
		t.Errorf("all is well: kept %s", got)
	}
	do(t, x.Log, `DELETE FROM notes_g1.note WHERE id < 4`)
	x.opts.Repair = false
	x.check("found", "3 0 0 3")
	if got := x.kept(); got != "incomplete 70% 0 repaired" {
		t.Errorf("found: kept %s", got)
	}
	x.opts.Repair = true
	x.check("repaired", "3 0 0 0")
	if got := x.kept(); got != "complete 100% 3 repaired" {
		t.Errorf("repaired: kept %s", got)
	}
	do(t, x.Log, `UPDATE notes_g1.note SET flags = '{x}' WHERE id = 5; INSERT INTO notes_g1.note VALUES (7, 99, 5, '{}')`)
	x.check("once more", "0 1 1 0")
	if got := x.kept(); got != "complete 100% 4 repaired" { // the surplus one was of nobody
		t.Errorf("once more: kept %s", got)
	}
	if got := scan(t, x.Log, `SELECT notes::text FROM notes_g1.total`); got != "10" {
		t.Errorf("%s notes in all, want 10", got)
	}
}

// What cannot be folded stays a gap, and is tried again each time.
func TestCoverageOfFaults(t *testing.T) {
	t.Parallel()
	x := newNoted(t, 3)
	do(t, x.Log, `DELETE FROM notes_g1.note WHERE id > 1`)
	x.notes.fail = func(id domain.MessageID) error {
		if id == 3 {
			return errors.New("refused")
		}
		return nil
	}
	done, err := x.CheckCoverage(t.Context(), x.opts)
	if err == nil || !strings.Contains(err.Error(), "notes in journal 7: repair 2 messages: refused") || len(done.Gaps) != 1 || done.Gaps[0].Left != 2 {
		t.Errorf("got %+v, %v, want a gap that is left", done, err)
	}
	if got := x.kept(); got != "incomplete 33.33% 0 repaired" {
		t.Errorf("kept %s", got)
	}
	x.notes.fail = nil
	x.check("mended", "2 0 0 0")
}

// A repair that is broken off goes on; what was counted meanwhile is counted again.
func TestCoverageGoesOn(t *testing.T) {
	t.Parallel()
	x := newNoted(t, 2*repairPage)
	do(t, x.Log, `DELETE FROM notes_g1.note WHERE id <> 1`)
	ctx, cancel := context.WithCancel(t.Context())
	x.notes.fail = func(id domain.MessageID) error {
		if id == repairPage+10 {
			cancel()
		}
		return nil
	}
	if _, err := x.CheckCoverage(ctx, x.opts); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the end", err)
	}
	x.notes.fail = nil
	if got := scan(t, x.Log, `SELECT count(*)::text FROM notes_g1.note`); got != fmt.Sprint(repairPage+1) {
		t.Errorf("%s rows after the first part, want %d", got, repairPage+1)
	}
	x.check("the rest", fmt.Sprint(repairPage-1, " 0 0 0"))
	if got := x.kept(); got != fmt.Sprintf("complete 100%% %d repaired", repairPage-1) {
		t.Errorf("kept %s", got)
	}
}

func TestCoverageElsewhere(t *testing.T) {
	t.Parallel()
	x := newNoted(t, 2)
	conn, err := x.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), coverageLock); err != nil {
		t.Fatal(err)
	}
	if done, err := x.CheckCoverage(t.Context(), x.opts); err != nil || !done.Elsewhere {
		t.Errorf("got %+v, %v, want that another is at it", done, err)
	}
	if _, err := conn.Exec(t.Context(), coverageUnlock); err != nil {
		t.Fatal(err)
	}
	x.check("alone")
}

// listed is elsewhere that can tell what it has.
type listed struct{ *elsewhere }

// List returns ids as a Lister does.
func (e listed) List(_ context.Context, p Place, j events.JournalID, after domain.MessageID, limit int) ([]domain.MessageID, error) {
	var out []domain.MessageID
	err := e.do(func() error {
		for key := range maps.Keys(e.places[p.Tag]) {
			var journal, id int64
			if _, err := fmt.Sscanf(key, "%d/%d", &journal, &id); err != nil {
				return err
			}
			if journal == int64(j) && id > int64(after) {
				out = append(out, domain.MessageID(id))
			}
		}
		return nil
	})
	slices.Sort(out)
	return out[:min(limit, len(out))], err
}

// TestCoverageOutside compares what is not in Postgres by what it lists, more than a page of it.
func TestCoverageOutside(t *testing.T) {
	t.Parallel()
	x := newNoted(t, 1)
	e := newElsewhere()
	task := projections.Bind(projections.Projection[outsideStore]{
		Name: "afar", Version: 1, Handles: []events.Type{events.TypeMessageFetched, events.TypeMessageExpunged},
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
	}, NewReadModel(x.Log, ModelOptions[outsideStore]{
		Name: "afar", Outside: listed{e},
		NewStore: func(tx pgx.Tx, j events.JournalID) outsideStore { return outsideStore{e, tx, j} },
	}))
	x.Register(task)
	if _, err := x.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	var list []events.Event
	for id := 2; id <= listPage; id++ {
		list = append(list, fetched(domain.MessageID(id), domain.UID(100+id), x.sum))
	}
	must(t, x.Journal(), scopeOf(7), decisionOf(list...))
	must(t, x.Journal(), scopeOf(7), decisionOf(fetched(5000, 5000, x.sum), fetched(5001, 5001, x.sum)))
	catchUpAll(t, task, live(t, task), 7)
	x.opts.Tasks = []projections.Task{task}
	x.check("all is well")
	e.set(func() {
		rows := e.places[e.promoted[1]]
		delete(rows, "7/2")
		delete(rows, "7/5001")
		rows["7/6000"] = 1
		rows["8/1"] = 1 // of a journal that is not there
	})
	x.check("two are gone, one is new", "2 1 0 0")
	x.check("repaired")
	e.set(func() { e.away = true })
	x.check("away")
}
