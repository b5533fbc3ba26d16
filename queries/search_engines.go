package queries

import (
	"context"
	"errors"

	"github.com/imap2api/imap2api/domain"
)

// SearchReader finds messages by what they say.
type SearchReader interface {
	// Find returns the ids of the messages that match f, newest first by date and then id,
	// at most limit from offset on, and how many match in all, exactly.
	Find(ctx context.Context, f MessageFilter, offset, limit int) (ids []domain.MessageID, total int, err error)
}

// PreferredSearch is an engine with gifts of its own, such as tolerance of typos, that knows
// only a part of the language.
type PreferredSearch interface {
	SearchReader
	// Can reports whether the engine answers f as the contract says, but for its gifts.
	Can(f MessageFilter) bool
	// CanGuess reports whether it may find something where an exact search finds nothing.
	CanGuess(f MessageFilter) bool
}

// SearchEngine says who answered a search.
type SearchEngine string

// The engines.
const (
	EngineBuiltIn   SearchEngine = "builtin"
	EnginePreferred SearchEngine = "meilisearch"
	// EngineInstead is the built-in engine in place of one that is away or behind.
	EngineInstead SearchEngine = "builtin; reason=unavailable"
)

// Hits is what a search found.
type Hits struct {
	IDs    []domain.MessageID
	Total  int
	Engine SearchEngine // "" if there is only one
}

// SearchEngines asks the preferred engine for what it can answer and the built-in one, which
// answers everything exactly, for all else.
type SearchEngines struct {
	builtIn   SearchReader
	preferred PreferredSearch // nil: none
}

// NewSearchEngines returns the engines. preferred may be nil.
func NewSearchEngines(builtIn SearchReader, preferred PreferredSearch) *SearchEngines {
	return &SearchEngines{builtIn, preferred}
}

// Search finds at most limit messages from offset on. An engine that is away costs nothing but
// its gifts.
func (e *SearchEngines) Search(ctx context.Context, f MessageFilter, offset, limit int) (Hits, error) {
	if e.preferred == nil {
		return ask(ctx, e.builtIn, "", f, offset, limit)
	}
	if e.preferred.Can(f) {
		return e.prefer(ctx, f, offset, limit)
	}
	exact, err := ask(ctx, e.builtIn, EngineBuiltIn, f, offset, limit)
	if err != nil || exact.Total > 0 || !e.preferred.CanGuess(f) {
		return exact, err
	}
	return e.prefer(ctx, f, offset, limit)
}

func (e *SearchEngines) prefer(ctx context.Context, f MessageFilter, offset, limit int) (Hits, error) {
	hits, err := ask(ctx, e.preferred, EnginePreferred, f, offset, limit)
	if errors.Is(err, domain.ErrUnavailable) {
		return ask(ctx, e.builtIn, EngineInstead, f, offset, limit)
	}
	return hits, err
}

func ask(ctx context.Context, engine SearchReader, name SearchEngine, f MessageFilter, offset, limit int) (Hits, error) {
	ids, total, err := engine.Find(ctx, f, offset, limit)
	return Hits{ids, total, name}, err
}
