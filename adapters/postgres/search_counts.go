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

// countCache remembers how many messages match a search while the read models stay as they
// are. Who asks for what is being counted waits for it.
type countCache struct {
	mu     sync.Mutex
	counts map[string]*countOf
}

type countOf struct {
	at    asOf
	ready chan struct{} // closed when n or err is set
	n     int
	err   error
}

func newCountCache() *countCache { return &countCache{counts: map[string]*countOf{}} }

var errNotCounted = errors.New("not counted")

func (c *countCache) get(ctx context.Context, key string, at asOf, count func() (int, error)) (int, error) {
	c.mu.Lock()
	known := c.counts[key]
	if known != nil && known.at == at {
		c.mu.Unlock()
		select {
		case <-known.ready:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if known.err == nil {
			return known.n, nil
		}
		return count() // whoever counted may have gone away
	}
	if len(c.counts) >= maxCounts {
		clear(c.counts)
	}
	mine := &countOf{at: at, ready: make(chan struct{}), err: errNotCounted}
	c.counts[key] = mine
	c.mu.Unlock()
	defer c.done(key, mine) // also if count panics
	mine.n, mine.err = count()
	return mine.n, mine.err
}

// done lets those go on who wait, and forgets what was not counted.
func (c *countCache) done(key string, mine *countOf) {
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
