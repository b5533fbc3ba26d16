package postgres

import "sync"

// maxCounts is how many searches are remembered.
const maxCounts = 1_000

// countCache remembers how many messages match a search while the read models stay as they
// are. Who asks for what is being counted waits for it.
type countCache struct {
	mu     sync.Mutex
	counts map[string]*countOf
}

type countOf struct {
	at    [2]int64
	ready chan struct{} // closed when n or err is set
	n     int
	err   error
}

func newCountCache() *countCache { return &countCache{counts: map[string]*countOf{}} }

func (c *countCache) get(key string, at [2]int64, count func() (int, error)) (int, error) {
	c.mu.Lock()
	known := c.counts[key]
	if known != nil && known.at == at {
		c.mu.Unlock()
		<-known.ready
		if known.err == nil {
			return known.n, nil
		}
		return count() // whoever counted may have gone away
	}
	if len(c.counts) >= maxCounts {
		clear(c.counts)
	}
	mine := &countOf{at: at, ready: make(chan struct{})}
	c.counts[key] = mine
	c.mu.Unlock()
	defer close(mine.ready)
	if mine.n, mine.err = count(); mine.err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.counts[key] == mine {
			delete(c.counts, key)
		}
	}
	return mine.n, mine.err
}
