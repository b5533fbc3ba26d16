package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

const (
	maxStreams     = 10    // of one user
	maxStreamLag   = 10000 // events that a reader of live events may fall behind
	streamBatch    = 500
	streamPing     = 15 * time.Second
	streamRecheck  = 5 * time.Second // of the token, where nothing in the journal tells
	streamWrite    = 30 * time.Second
	retryStreamsIn = 15 // seconds
)

// streamCount counts the open streams of each user.
type streamCount struct {
	sync.Mutex
	open map[domain.UserID]int
}

func newStreamCount() *streamCount { return &streamCount{open: map[domain.UserID]int{}} }

// enter reports whether the user may have one more stream.
func (c *streamCount) enter(user domain.UserID) bool {
	c.Lock()
	defer c.Unlock()
	if c.open[user] >= maxStreams {
		return false
	}
	c.open[user]++
	return true
}

func (c *streamCount) leave(user domain.UserID) {
	c.Lock()
	defer c.Unlock()
	if c.open[user]--; c.open[user] == 0 {
		delete(c.open, user)
	}
}

// stream is one reader of server-sent events.
type stream struct {
	a    *api
	r    *request
	out  *http.ResponseController
	q    eventQuery
	last events.Position
	seen events.Position // the end of the journal before the present look: all up to it can be read
	live bool            // it has reached the end once
	buf  bytes.Buffer
}

// streamEvents sends past events, then live ones, without a gap or a repeat (api.md 10.8).
func (a *api) streamEvents(r *request) (response, error) {
	q, err := a.readEvents(r)
	if err != nil {
		return response{}, err
	}
	q.Before, q.Since, q.Until, q.Desc, q.Limit = 0, nil, nil, false, streamBatch
	pos, err := a.app.GetPositions(r.Context(), queries.GetPositions{Journal: q.Journal})
	if err != nil {
		return response{}, err
	}
	if r.Method == http.MethodHead {
		a.streamHead(r)
		return response{done: true}, nil
	}
	if !a.streams.enter(r.who.User) {
		return response{}, throttled(retryStreamsIn)
	}
	defer a.streams.leave(r.who.User)
	s := &stream{a: a, r: r, out: http.NewResponseController(r.w), q: q, last: startOf(r, q, pos.Latest), seen: pos.Latest}
	a.streamHead(r)
	s.run(pos.Latest)
	return response{done: true}, nil
}

// startOf returns the position after which a stream begins: Last-Event-ID, else after, else the end.
func startOf(r *request, q eventQuery, latest events.Position) events.Position {
	id := strings.TrimSpace(r.Header.Get("Last-Event-ID"))
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && n >= 0 {
		return events.Position(n)
	}
	if r.get("after") != "" {
		return q.After
	}
	return latest
}

func (a *api) streamHead(r *request) {
	h := r.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	r.wrote = true
	r.w.WriteHeader(http.StatusOK)
}

// run sends until the client, the server or the token has gone. What breaks it is seen by
// the client, which comes again with Last-Event-ID.
func (s *stream) run(latest events.Position) {
	s.buf.WriteString("retry: 3000\n\n")
	if s.last > latest {
		fmt.Fprintf(&s.buf, "event: stream.reset\ndata: {\"reason\":\"position_unavailable\",\"latest_position\":%d}\n\n", latest)
		s.last = latest
	}
	ctx := s.r.Context()
	recheck := time.NewTicker(streamRecheck)
	defer recheck.Stop()
	pinged := time.Now()
	defer func() { _ = s.out.SetWriteDeadline(time.Time{}) }() // the connection may serve further requests
	var running <-chan []queries.RunningSync
	if s.q.progress {
		told, end := s.a.running.follow(ctx, s.q.Journal)
		defer end()
		running = told
	}
	for {
		grown := s.a.app.Grown(s.q.Journal)
		more, err := s.next(ctx)
		if err != nil || s.flush() != nil {
			return
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-grown:
		case now := <-running:
			s.progress(now)
			continue
		case <-recheck.C:
			if time.Since(pinged) >= streamPing-streamRecheck/2 {
				s.buf.WriteString(": ping\n\n")
				pinged = time.Now()
			}
		}
		if s.a.authenticate(s.r) != nil { // revoked, expired or disabled
			return
		}
	}
}

// next puts the next events into the buffer and reports whether there are more.
func (s *stream) next(ctx context.Context) (more bool, err error) {
	s.q.After = s.last
	page, err := s.a.findEvents(ctx, s.q)
	if err != nil {
		return false, err
	}
	if s.live && page.Latest-s.last > maxStreamLag && page.More {
		return false, fmt.Errorf("reader is %d events behind", page.Latest-s.last)
	}
	base := s.r.base()
	for _, rec := range page.Items {
		fmt.Fprintf(&s.buf, "id: %d\nevent: %s\ndata: ", rec.Position, public.TypeOf(rec.Type))
		s.buf.Write(public.Render(rec, base))
		s.buf.WriteString("\n\n")
		s.last = rec.Position
	}
	if !page.More {
		s.live = true
		s.last = max(s.last, s.seen) // what the filters leave out need not be looked at again
	}
	s.seen = page.Latest
	return page.More && len(page.Items) > 0, nil
}

// flush sends the buffer.
func (s *stream) flush() error {
	if s.buf.Len() > 0 {
		// A reader that takes nothing for so long has gone. Where deadlines do not exist the write blocks.
		_ = s.out.SetWriteDeadline(time.Now().Add(streamWrite))
		if _, err := s.r.w.Write(s.buf.Bytes()); err != nil {
			return err
		}
		s.buf.Reset()
	}
	return s.out.Flush()
}
