package meili_test

import (
	"fmt"
	"testing"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// TestList pages through the ids of one journal, whatever is beside it.
func TestList(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e *engine) {
		e.made(t)
		do(t, e.save(t, e.place, 7, "alder", "birch", "cedar"))
		do(t, e.save(t, e.place, 3, "alder"))
		do(t, e.save(t, e.place, 11, "alder"))
		other := e.store(e.place, 2)
		other.Index(message(9), &domain.Content{Subject: "alder"})
		do(t, other.Save(t.Context(), nil, nil))
		for _, c := range []struct {
			journal events.JournalID
			after   domain.MessageID
			limit   int
			want    string
		}{
			{1, 0, 10, "[3 7 8 9 11]"},
			{1, 0, 2, "[3 7]"},
			{1, 7, 2, "[8 9]"},
			{1, 11, 2, "[]"},
			{2, 0, 10, "[9]"},
			{3, 0, 10, "[]"},
		} {
			got, err := e.List(t.Context(), e.place, c.journal, c.after, c.limit)
			if err != nil || fmt.Sprint(got) != c.want {
				t.Errorf("%d of journal %d after %d: %v, %v, want %s", c.limit, c.journal, c.after, got, err, c.want)
			}
		}
	})
}
