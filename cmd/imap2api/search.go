package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/adapters/lexeme"
	"github.com/imap2api/imap2api/adapters/meili"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// The read models of the two engines. The built-in one is always kept: it answers what the
// other cannot, and when that is away.
const (
	searchModel = "search"
	meiliModel  = "meilisearch"
)

// lexer cuts mail and what is searched into words.
var lexer = postgres.Lexer{Words: lexeme.Words, Query: lexeme.Query, Trigrams: lexeme.Trigrams, Pieces: lexeme.Pieces}

// searchNames are the readers that know labels and people's own addresses.
type searchNames struct {
	*postgres.MailboxReader
	*postgres.AccountReader
}

// The first seconds of a sync go to what lists show; then the search works off what has come, in
// whole batches, for those cost it less than a little again and again.
const (
	searchPatience  = 3 * time.Second
	searchStillness = 500 * time.Millisecond // longer than from one batch of a sync to the next
)

func (s *system) searchTask() projections.Task {
	task := projections.Bind(projections.Search(searchModel, s.contents), eventlog.NewReadModel(s.events, eventlog.ModelOptions[projections.SearchStore]{
		Name: searchModel, Reads: readsWords, Tables: postgres.SearchTables, Indexes: postgres.SearchIndexes,
		HashTables: postgres.SearchTableNames, NewStore: postgres.NewSearchStore(lexer),
	}))
	task.Patience, task.Stillness = searchPatience, searchStillness
	return task
}

// preferMeilisearch adds the read model in Meilisearch if settings ask for it.
func (s *system) preferMeilisearch(ctx context.Context) error {
	c := s.config
	if c.search == "builtin" || c.meilisearchURL == "" {
		return nil
	}
	prefix, err := s.indexPrefix(ctx)
	if err != nil {
		return err
	}
	s.meili, err = meili.New(meili.Options{
		URL: c.meilisearchURL, APIKey: c.meilisearchKey, Prefix: prefix, Words: lexeme.Words, Query: lexeme.Query,
		WordsVersion: lexeme.Version, Now: now, Logger: s.log,
	})
	if err != nil {
		return usageError{fmt.Errorf("meilisearch-url: %w", err)}
	}
	s.tasks = append(s.tasks, projections.Bind(projections.Search(meiliModel, s.contents), eventlog.NewReadModel(s.events, eventlog.ModelOptions[projections.SearchStore]{
		Name: meiliModel, Reads: readsMail, Outside: s.meili, // it knows the version of its words itself
		NewStore: func(tx pgx.Tx, journal events.JournalID) projections.SearchStore {
			return s.meili.Store(journal, func(ctx context.Context) (meili.Place, error) { return eventlog.PlaceIn(ctx, tx) })
		},
	})))
	return nil
}

const identityOfDatabase = `
SELECT system_identifier::text || ' ' || (SELECT oid FROM pg_database WHERE datname = current_database())
FROM pg_control_system()`

// indexPrefix is of this database alone: several may share one Meilisearch. One that was
// restored elsewhere is another, and makes its indexes anew.
func (s *system) indexPrefix(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var identity string
	if err := s.db.pool.QueryRow(ctx, identityOfDatabase).Scan(&identity); err != nil {
		return "", fmt.Errorf("name indexes of meilisearch: %w", err)
	}
	sum := sha256.Sum256([]byte(identity))
	return "imap2api-" + hex.EncodeToString(sum[:6]), nil
}

// verifiable are the read models that can be compared now: a Meilisearch that is away holds nothing up.
func (s *system) verifiable(ctx context.Context) []projections.Task {
	if s.meili == nil || s.meili.Status(ctx).Available {
		return s.tasks
	}
	s.log.Warn("meilisearch is away, its read model is not compared")
	return slices.DeleteFunc(slices.Clone(s.tasks), func(t projections.Task) bool { return t.Name == meiliModel })
}

// engines are those that answer searches.
func (s *system) engines() *queries.SearchEngines {
	if s.meili == nil {
		return queries.NewSearchEngines(s.search, nil)
	}
	return queries.NewSearchEngines(s.search, s.meili.Reader(func(ctx context.Context, journal events.JournalID) (meili.Place, bool, error) {
		return s.events.Abreast(ctx, journal, meiliModel, searchModel)
	}))
}

// searchStatus is what status tells of the engines.
type searchStatus struct {
	Engine      string       `json:"engine"` // that answers now what it can: builtin or meilisearch
	Meilisearch *meiliStatus `json:"meilisearch"`
}

type meiliStatus struct {
	URL       string           `json:"url"`
	Available bool             `json:"available"`
	Error     string           `json:"error"`
	Trouble   string           `json:"trouble"` // why what was written last cannot be found
	Version   string           `json:"version"`
	Documents map[string]int64 `json:"documents"` // by index
}

func (s *system) searchStatus(ctx context.Context) searchStatus {
	if s.meili == nil {
		return searchStatus{Engine: "builtin"}
	}
	m := s.meili.Status(ctx)
	out := searchStatus{"meilisearch", &meiliStatus{m.URL, m.Available, m.Error, m.Trouble, m.Version, m.Indexes}}
	if !m.Available {
		out.Engine = "builtin"
	}
	return out
}

// String is a line for people.
func (s searchStatus) String() string {
	switch m := s.Meilisearch; {
	case m == nil:
		return "search: built in"
	case !m.Available:
		return fmt.Sprintf("search: built in, since Meilisearch at %s is away: %s", m.URL, m.Error)
	case m.Trouble != "":
		return fmt.Sprintf("search: Meilisearch %s at %s, whose last writes failed: %s", m.Version, m.URL, m.Trouble)
	default:
		return fmt.Sprintf("search: Meilisearch %s at %s", m.Version, m.URL)
	}
}
