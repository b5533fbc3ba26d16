package eventlog

import (
	"sync"

	"github.com/imap2api/imap2api/events"
)

// hints tells the consumers of this process at once which journals have grown,
// here or, by NOTIFY, in another process. One that is lost, doubled or late does
// no harm: they sweep.
type hints struct {
	mu     sync.Mutex
	subs   map[chan<- events.JournalID]struct{}
	notify func(events.JournalID) // tells the other processes
	growth *growth
}

func newHints() *hints {
	return &hints{subs: map[chan<- events.JournalID]struct{}{}, growth: newGrowth()}
}

// subscribe sends grown journals to ch until the returned function is called. A full
// channel loses the hint.
func (h *hints) subscribe(ch chan<- events.JournalID) (cancel func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs[ch] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, ch)
	}
}

// grown tells all subscribers, and the other processes, that a journal has new
// events. It is called after the commit.
func (h *hints) grown(j events.JournalID) {
	h.heard(j)
	if h.notify != nil {
		h.notify(j)
	}
}

// heard tells the subscribers of this process that a journal has new events.
func (h *hints) heard(j events.JournalID) {
	h.growth.grown(j)
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subs {
		select {
		case ch <- j:
		default:
		}
	}
}
