package postgres

import (
	"context"
	"errors"
	"sync"
)

// maxCounts is how many searches are remembered.
const maxCounts = 1_000

// asOf is what a count depends on beside its search: the checkpoints up to which both read models
// are folded, and the position of the last account that was erased, whose messages nobody sees from then on.
type asOf [3]int64

// countCache remembers counts of what matches a search while the read models stay as they
// are. Who asks for what is being counted waits for it.
type countCache[T any] struct {
	mu     sync.Mutex
	counts map[string]*countOf[T]
}

type countOf[T any] struct {
	at    asOf
	ready chan struct{} // closed when n or err is set
	n     T
	err   error
}

func newCountCache[T any]() *countCache[T] { return &countCache[T]{counts: map[string]*countOf[T]{}} }

var errNotCounted = errors.New("not counted")

func (c *countCache[T]) get(ctx context.Context, key string, at asOf, count func() (T, error)) (T, error) {
	c.mu.Lock()
	known := c.counts[key]
	if known != nil && known.at == at {
		c.mu.Unlock()
		select {
		case <-known.ready:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
		if known.err == nil {
			return known.n, nil
		}
		return count() // whoever counted may have gone away
	}
	if len(c.counts) >= maxCounts {
		clear(c.counts)
	}
	mine := &countOf[T]{at: at, ready: make(chan struct{}), err: errNotCounted}
	c.counts[key] = mine
	c.mu.Unlock()
	defer c.done(key, mine) // also if count panics
	mine.n, mine.err = count()
	return mine.n, mine.err
}

// done lets those go on who wait, and forgets what was not counted.
func (c *countCache[T]) done(key string, mine *countOf[T]) {
	defer close(mine.ready)
	if mine.err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts[key] == mine {
		delete(c.counts, key)
	}
}
