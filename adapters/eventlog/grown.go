package eventlog

import (
	"context"
	"sync"

	"github.com/imap2api/imap2api/events"
)

// growth has, for each journal that someone waits for, a channel that is closed
// when it grows.
type growth struct {
	mu    sync.Mutex
	waits map[events.JournalID]chan struct{}
}

func newGrowth() *growth { return &growth{waits: map[events.JournalID]chan struct{}{}} }

// Grown returns a channel that is closed when a journal next grows, as far as this
// process hears of it: a process without a Consumer runs Listen. To miss nothing,
// ask for the channel first and read the journal then.
func (l *Log) Grown(journal events.JournalID) <-chan struct{} {
	g := l.hints.growth
	g.mu.Lock()
	defer g.mu.Unlock()
	ch := g.waits[journal]
	if ch == nil {
		ch = make(chan struct{})
		g.waits[journal] = ch
	}
	return ch
}

func (g *growth) grown(j events.JournalID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ch := g.waits[j]; ch != nil {
		close(ch)
		delete(g.waits, j)
	}
}

// all lets everybody look.
func (g *growth) all() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for j, ch := range g.waits {
		close(ch)
		delete(g.waits, j)
	}
}

// Listen hears what other processes notify, until ctx ends. A Consumer does it too.
func (l *Log) Listen(ctx context.Context) error {
	s := listener{log: l, all: l.hints.growth.all, models: l.models.changed}
	return s.run(ctx)
}

// Flush waits until the other processes are told of all that was appended here: a
// program that ends calls it.
func (l *Log) Flush() { l.notes.flush() }
