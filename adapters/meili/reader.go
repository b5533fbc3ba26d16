package meili

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// ErrBehind is returned where Meilisearch works, but has not come as far in a journal as the
// built-in engine, or has no live generation yet. It is a domain.ErrUnavailable.
var ErrBehind = fmt.Errorf("meilisearch is behind: %w", domain.ErrUnavailable)

// locatedFor is how long a reader believes that a generation is where it was found. Afterwards
// it is looked for again: an index that was swapped out holds the same messages for longer.
const locatedFor = 10 * time.Second

// Reader finds messages. It implements queries.SearchReader for what Can accepts.
type Reader struct {
	engine *Engine
	live   func(context.Context, events.JournalID) (Place, bool, error)

	mu      sync.Mutex
	located map[string]located // by tag
}

type located struct {
	uid string
	at  time.Time
}

// Reader returns a reader. live returns the place of the live generation, and whether it has come
// as far in a journal as readers expect; domain.ErrUnavailable if there is none.
func (e *Engine) Reader(live func(context.Context, events.JournalID) (Place, bool, error)) *Reader {
	return &Reader{engine: e, live: live, located: map[string]located{}}
}

// Can reports whether f can be answered as the contract says, but for typos in a free word: a
// conjunction of conditions that are no text, of single words and phrases of two, and of one free
// word that is found by its beginning. The built-in engine answers the rest.
func (r *Reader) Can(f queries.MessageFilter) bool {
	q, ok := r.engine.newRequest(f)
	return ok && !q.loose
}

// CanGuess reports whether f can be answered where the built-in engine finds nothing: Can, or
// several free words, each of which may have typos, but must then be whole words except for the
// last one.
func (r *Reader) CanGuess(f queries.MessageFilter) bool {
	_, ok := r.engine.newRequest(f)
	return ok
}

// Find returns the ids of the messages that match f, newest first by date and then id, at most
// limit from offset on, and how many match in all. It returns domain.ErrInvalid if neither Can
// nor CanGuess accept f, ErrBehind, or domain.ErrUnavailable if Meilisearch is away.
func (r *Reader) Find(ctx context.Context, f queries.MessageFilter, offset, limit int) (ids []domain.MessageID, total int, err error) {
	q, ok := r.engine.newRequest(f)
	switch {
	case !ok:
		return nil, 0, fmt.Errorf("search in meilisearch: not in its language: %w", domain.ErrInvalid)
	case q.none:
		return nil, 0, nil
	}
	if err := r.engine.circuit.open(); err != nil {
		return nil, 0, fmt.Errorf("search in meilisearch: %w", err)
	}
	p, abreast, err := r.live(ctx, f.Journal)
	if errors.Is(err, domain.ErrUnavailable) {
		return nil, 0, fmt.Errorf("%w: %w", ErrBehind, err)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("search in meilisearch: %w", err)
	}
	if !abreast {
		return nil, 0, ErrBehind
	}
	return r.find(ctx, p, q, offset, limit)
}

// find asks where the generation is, once more if it is not there any more.
func (r *Reader) find(ctx context.Context, p Place, q request, offset, limit int) (ids []domain.MessageID, total int, err error) {
	for range 2 {
		var uid string
		if uid, err = r.locate(ctx, p); err != nil {
			break
		}
		if ids, total, err = r.engine.search(ctx, uid, q, offset, limit); !isNotFound(err) {
			break
		}
		r.forget(p)
	}
	if isNotFound(err) { // lost: it is made again
		return nil, 0, fmt.Errorf("%w: %w", ErrBehind, err)
	}
	return ids, total, err
}

func (r *Reader) locate(ctx context.Context, p Place) (string, error) {
	now := r.engine.opts.Now()
	r.mu.Lock()
	at, ok := r.located[p.Tag]
	r.mu.Unlock()
	if ok && now.Sub(at.at) < locatedFor {
		return at.uid, nil
	}
	uid, err := r.engine.locate(ctx, p)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.located) // there is one live generation
	r.located[p.Tag] = located{uid, now}
	return uid, nil
}

func (r *Reader) forget(p Place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.located, p.Tag)
}
