package meili_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/adaptertest"
	"github.com/imap2api/imap2api/adapters/meili"
	"github.com/imap2api/imap2api/adapters/meili/meilitest"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// engine is the adapter with one live generation.
type engine struct {
	*meili.Engine
	*meili.Reader
	place meili.Place
	// behind is what Postgres would say of its checkpoints.
	behind atomic.Bool
}

var serial atomic.Int64

func place(number int) meili.Place {
	return meili.Place{
		Schema: fmt.Sprint("meilisearch_g", number), Version: 1, Tag: fmt.Sprintf("meilisearch_g%d-%x", number, time.Now().UnixNano()+serial.Add(1)),
	}
}

// open returns an engine on a server, which is removed when the test ends.
func open(t *testing.T, url, key string, change func(*meili.Options)) *engine {
	t.Helper()
	opts := meili.Options{
		URL: url, APIKey: key, Prefix: fmt.Sprintf("test-%d-%d", os.Getpid(), serial.Add(1)), Words: words, Query: query,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&opts)
	}
	m, err := meili.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{Engine: m, place: place(1)}
	e.Reader = m.Reader(func(context.Context, events.JournalID) (meili.Place, bool, error) {
		return e.place, !e.behind.Load(), nil
	})
	return e
}

// made makes the generation and promotes it.
func (e *engine) made(t *testing.T) *engine {
	t.Helper()
	for _, step := range []func(context.Context, meili.Place) error{e.Create, e.Promote} {
		if err := step(t.Context(), e.place); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Drop(ctx, e.place); err != nil && !errors.Is(err, domain.ErrUnavailable) {
			t.Error(err)
		}
	})
	return e
}

func (e *engine) store(p meili.Place, journal events.JournalID) *meili.Store {
	return e.Store(journal, func(context.Context) (meili.Place, error) { return p, nil })
}

func (e *engine) Change(ctx context.Context, journal events.JournalID, fold func(context.Context, projections.SearchStore) error) error {
	return fold(ctx, e.store(e.place, journal))
}

// contract is the suite on one server.
func contract(url, key string) func(*testing.T) adaptertest.Engine {
	return func(t *testing.T) adaptertest.Engine { return open(t, url, key, nil).made(t) }
}

func TestSearchContract(t *testing.T) {
	t.Parallel()
	t.Run("double", func(t *testing.T) {
		t.Parallel()
		adaptertest.Search(t, func(t *testing.T) adaptertest.Engine {
			s := meilitest.New(t, meilitest.Options{Key: "secret"})
			return contract(s.URL(), "secret")(t)
		})
	})
	if url := os.Getenv(urlVariable); url != "" {
		t.Run("real", func(t *testing.T) {
			t.Parallel()
			adaptertest.Search(t, contract(url, os.Getenv(keyVariable)))
		})
	}
}

// onEach runs a test on the double, and on the real server if there is one.
func onEach(t *testing.T, run func(t *testing.T, e *engine)) {
	t.Helper()
	t.Run("double", func(t *testing.T) {
		t.Parallel()
		s := meilitest.New(t, meilitest.Options{})
		run(t, open(t, s.URL(), "", nil))
	})
	if url := os.Getenv(urlVariable); url != "" {
		t.Run("real", func(t *testing.T) {
			t.Parallel()
			run(t, open(t, url, os.Getenv(keyVariable), nil))
		})
	}
}

// save writes messages with a subject each, whose ids count from first.
func (e *engine) save(t testing.TB, p meili.Place, first domain.MessageID, subjects ...string) error {
	t.Helper()
	s := e.store(p, 1)
	for i, subject := range subjects {
		s.Index(message(first+domain.MessageID(i)), &domain.Content{Subject: subject})
	}
	return s.Save(t.Context(), nil, nil)
}

func message(id domain.MessageID) projections.Document {
	at := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(id) * time.Hour)
	return projections.Document{ID: id, Account: 1, Date: at, InternalDate: at, Size: 1, Folder: "INBOX"}
}

func (e *engine) find(t testing.TB, q string) (string, error) {
	t.Helper()
	ids, total, err := e.Find(t.Context(), queries.MessageFilter{Journal: 1, Search: queries.ParseSearch(q, time.Time{})}, 0, 10)
	return strings.Trim(fmt.Sprint(ids), "[]") + fmt.Sprintf(" of %d", total), err
}

// finds fails the test if a search does not give the ids, such as "3 2 of 2".
func (e *engine) finds(t testing.TB, q, want string) {
	t.Helper()
	if got, err := e.find(t, q); got != want || err != nil {
		t.Errorf("%s: got %q, %v, want %q", q, got, err, want)
	}
}

func do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
