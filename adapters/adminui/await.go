package adminui

import (
	"strconv"
	"time"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// awaitFor is how long a page that follows what happens waits for it.
const awaitFor = 20 * time.Second

// await returns when the journal has grown beyond the position that the parameter after
// names, and can be read so far, or after a while.
func (u *ui) await(r *request) {
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		return
	}
	timer := time.NewTimer(awaitFor)
	defer timer.Stop()
	for {
		grown := u.app.Grown(r.who.Journal)
		pos, err := u.app.GetPositions(r.Context(), queries.GetPositions{Journal: r.who.Journal})
		if err != nil {
			return
		}
		if pos.Latest > events.Position(after) {
			u.app.WaitFor(r.Context(), r.who.Journal, pos.Latest)
			return
		}
		select {
		case <-grown:
		case <-timer.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}
