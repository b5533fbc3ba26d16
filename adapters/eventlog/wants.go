package eventlog

import (
	"sync"

	"github.com/imap2api/imap2api/events"
)

// wants knows the journals that somebody of this process waits for: no read model has patience
// with them.
type wants struct {
	mu    sync.Mutex
	n     map[events.JournalID]int
	begun chan struct{} // closed when somebody begins to wait
}

func newWants() *wants { return &wants{n: map[events.JournalID]int{}, begun: make(chan struct{})} }

func (w *wants) begin(j events.JournalID) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n[j]++
	close(w.begun)
	w.begun = make(chan struct{})
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.n[j]--; w.n[j] == 0 {
			delete(w.n, j)
		}
	}
}

// of reports whether somebody waits for a journal; begun is closed when somebody begins to wait
// for whichever journal.
func (w *wants) of(j events.JournalID) (wanted bool, begun <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n[j] > 0, w.begun
}
