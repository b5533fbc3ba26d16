package eventlog

import (
	"sync"

	"github.com/imap2api/imap2api/events"
)

// hints tells the consumers of this process at once which journals have grown,
// here or, by NOTIFY, in another process. One that is lost, doubled or late does
// no harm: they sweep.
type hints struct {
	mu   sync.Mutex
	subs map[chan<- events.JournalID]struct{}
}

func newHints() *hints { return &hints{subs: map[chan<- events.JournalID]struct{}{}} }

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

// grown tells all subscribers that a journal has new events.
func (h *hints) grown(j events.JournalID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subs {
		select {
		case ch <- j:
		default:
		}
	}
}
