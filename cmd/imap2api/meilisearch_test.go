package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/adapters/lexeme"
	"github.com/imap2api/imap2api/adapters/mailparse"
	"github.com/imap2api/imap2api/adapters/meili"
	"github.com/imap2api/imap2api/adapters/meili/meilitest"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// twoEngines is a log with both read models of the search.
type twoEngines struct {
	t      *testing.T
	pool   *pgxpool.Pool
	log    *eventlog.Log
	raws   *postgres.RawStore
	search projections.Task // in Meilisearch
	meili  *meili.Engine
	reader *meili.Reader
	mails  int
}

func newTwoEngines(t *testing.T, url, key string) *twoEngines {
	t.Helper()
	pool, logger := pgtest.Pool(t), slog.New(slog.NewTextHandler(t.Output(), nil))
	e := &twoEngines{t: t, pool: pool, log: eventlog.New(pool, eventlog.Options{Logger: logger})}
	e.raws = postgres.NewRawStore(pool, mailparse.Version, now)
	contents := postgres.NewContents(pool, e.raws, parser{mailparse.New(mailparse.Options{})})
	var err error
	e.meili, err = meili.New(meili.Options{
		URL: url, APIKey: key, Prefix: fmt.Sprintf("e2e-%d-%s", os.Getpid(), rand.Text()[:6]), Words: lexeme.Words, Query: lexeme.Query,
		WordsVersion: lexeme.Version, Pause: 100 * time.Millisecond, TaskTimeout: 10 * time.Second, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	builtIn, outside := projections.Search("search", contents), projections.Search("meilisearch", contents)
	e.search = projections.Bind(outside, eventlog.NewReadModel(e.log, eventlog.ModelOptions[projections.SearchStore]{
		Name: outside.Name, Outside: e.meili,
		NewStore: func(tx pgx.Tx, journal events.JournalID) projections.SearchStore {
			return e.meili.Store(journal, func(ctx context.Context) (meili.Place, error) { return eventlog.PlaceIn(ctx, tx) })
		},
	}))
	e.reader = e.meili.Reader(func(ctx context.Context, journal events.JournalID) (meili.Place, bool, error) {
		return e.log.Abreast(ctx, journal, "meilisearch", "search")
	})
	consumer := eventlog.NewConsumer(e.log, []projections.Task{e.search, projections.Bind(builtIn,
		eventlog.NewReadModel(e.log, eventlog.ModelOptions[projections.SearchStore]{
			Name: builtIn.Name, Tables: postgres.SearchTables, Indexes: postgres.SearchIndexes,
			HashTables: postgres.SearchTableNames, NewStore: postgres.NewSearchStore(lexer),
		}))}, eventlog.ConsumerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- consumer.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("consumer: %v", err)
		}
	})
	e.append(events.System, commands.Decision{
		Events: []events.Event{events.UserAdded{User: 1, Name: "user"}},
		Rows: []commands.Row{commands.UserRow{
			User: commands.User{ID: 1, Name: "user", Email: "user@example.org", Active: true, PasswordHash: "x", LoginGeneration: 1}, At: now(),
		}},
	})
	e.append(1, commands.Decision{Events: []events.Event{
		events.AccountAdded{Account: 1, Settings: events.AccountSettings{Name: "mail"}},
		events.MailboxFound{Account: 1, Mailbox: 1, Name: "INBOX", Selected: true, UIDValidity: 1},
	}})
	return e
}

func (e *twoEngines) append(journal events.JournalID, d commands.Decision) {
	e.t.Helper()
	var id commands.AppendID
	_, _ = rand.Read(id[:])
	_, err := e.log.Journal().Update(e.t.Context(), commands.Scope{Journal: journal, Append: id},
		func(commands.State) (commands.Decision, error) { return d, nil })
	if err != nil {
		e.t.Fatal(err)
	}
}

// receive appends n messages with the word alder.
func (e *twoEngines) receive(n int) {
	e.t.Helper()
	var raws []commands.RawMessage
	var list []events.Event
	for range n {
		e.mails++
		octets := fmt.Appendf(nil, "From: Ann <ann@example.org>\r\nSubject: message %d\r\nMessage-ID: <%d@example.org>\r\n\r\nalder\r\n", e.mails, e.mails)
		sum := sha256.Sum256(octets)
		raws = append(raws, commands.RawMessage{SHA256: sum, Octets: octets})
		at := time.Date(2025, 6, 1, 0, 0, e.mails, 0, time.UTC)
		list = append(list, events.MessageFetched{
			Message: events.Message{
				ID: domain.MessageID(e.mails), Account: 1, Thread: domain.ThreadID(e.mails), MsgID: fmt.Sprintf("%d@example.org", e.mails),
				Place: events.Place{Mailbox: 1, Folder: "INBOX", UIDValidity: 1, UID: domain.UID(e.mails)},
			},
			SHA256: sum[:], Size: int64(len(octets)), InternalDate: at, Flags: []domain.Flag{}, Parser: mailparse.Version,
			Summary: events.Summary{Subject: fmt.Sprint("message ", e.mails), Date: at},
		})
	}
	if err := e.raws.Put(e.t.Context(), 1, raws); err != nil {
		e.t.Fatal(err)
	}
	e.append(1, commands.Decision{Events: list})
}

// find returns how many messages Meilisearch finds.
func (e *twoEngines) find() (int, error) {
	_, total, err := e.reader.Find(e.t.Context(), queries.MessageFilter{Journal: 1, Search: queries.Text{Value: "alder"}}, 0, 10)
	return total, err
}

// finds waits until Meilisearch has come as far as Postgres, and compares.
func (e *twoEngines) finds(what string, want int) {
	e.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		total, err := e.find()
		if err == nil && total == want {
			return
		}
		if err != nil && !errors.Is(err, domain.ErrUnavailable) || time.Now().After(deadline) {
			e.t.Fatalf("%s: %d messages, %v, want %d", what, total, err, want)
		}
		select {
		case <-e.t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// generations are those of Meilisearch, such as "1 kept, 2 live".
func (e *twoEngines) generations() string {
	e.t.Helper()
	list, err := e.search.Generations(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	var out []string
	for _, g := range list {
		out = append(out, fmt.Sprint(g.Number, " ", g.Status))
	}
	return strings.Join(out, ", ")
}

// TestMeilisearchLife goes through the life of the read model in Meilisearch, beside the
// built-in one: made by itself, rebuilt, rolled back, lost, emptied of an erased account.
func TestMeilisearchLife(t *testing.T) {
	t.Parallel()
	life := func(t *testing.T, e *twoEngines, lose func()) {
		ctx := t.Context()
		t.Cleanup(func() { // what a real server would keep
			for range 3 {
				_ = e.search.Drop(context.WithoutCancel(ctx))
			}
		})
		e.receive(30)
		e.finds("made", 30)
		if _, err := e.log.Rebuild(ctx, e.search); err != nil {
			t.Fatal(err)
		}
		e.receive(3)
		e.finds("rebuilt", 33)
		first := e.generations()
		if _, err := e.log.Rollback(ctx, e.search, nil); err != nil {
			t.Fatal(err)
		}
		e.finds("rolled back", 33)
		if got := e.generations(); got == first {
			t.Errorf("rolled back: %s", got)
		}
		if lose != nil {
			lose()
			e.receive(2)
			e.finds("lost and made again", 35)
		}
		e.append(1, commands.Decision{Events: []events.Event{events.AccountErased{Account: 1}}})
		e.finds("erased", 0)
	}
	t.Run("double", func(t *testing.T) {
		t.Parallel()
		s := meilitest.New(t, meilitest.Options{Key: "secret"})
		life(t, newTwoEngines(t, s.URL(), "secret"), func() { s.Lose() })
	})
	if url := os.Getenv("IMAP2API_TEST_MEILISEARCH_URL"); url != "" {
		t.Run("real", func(t *testing.T) {
			t.Parallel()
			life(t, newTwoEngines(t, url, os.Getenv("IMAP2API_TEST_MEILISEARCH_API_KEY")), nil)
		})
	}
}

// TestMeilisearchAway takes the server away under writes: nothing else waits, and what was
// missed comes when it is back, without a checkpoint that was ahead.
func TestMeilisearchAway(t *testing.T) {
	t.Parallel()
	s := meilitest.New(t, meilitest.Options{})
	e := newTwoEngines(t, s.URL(), "")
	e.receive(5)
	e.finds("made", 5)
	for name, fault := range map[string]struct{ begin, end func() }{
		"stopped":     {s.Stop, s.Start},
		"tasks hang":  {s.Hold, s.Release},
		"disk full":   {func() { s.FailTasks("documentAdditionOrUpdate", "no_space_left_on_device", "system") }, func() { s.FailTasks("documentAdditionOrUpdate", "", "") }},
		"always 503":  {func() { s.Answer(unavailable) }, func() { s.Answer(nil) }},
		"lost, away":  {func() { s.Lose(); s.Stop() }, s.Start},
		"nothing yet": {func() {}, func() {}},
	} {
		before := e.mails
		fault.begin()
		e.receive(4)
		pos, err := e.log.Head(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.log.WaitFor(t.Context(), 1, pos, nil); err != nil { // of the built-in one
			t.Fatalf("%s: %v", name, err)
		}
		if n, err := e.find(); err == nil && n != before+4 {
			t.Errorf("%s: %d messages, want all or none", name, n)
		}
		fault.end()
		e.finds(name, before+4)
	}
	var stopped int
	if err := e.pool.QueryRow(t.Context(), `SELECT count(*) FROM log.checkpoints WHERE attempts > 0`).Scan(&stopped); err != nil || stopped > 0 {
		t.Errorf("%d journals are stopped, %v", stopped, err)
	}
}

func unavailable(*http.Request) int { return http.StatusServiceUnavailable }
