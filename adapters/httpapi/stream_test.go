package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// follower reads a stream block by block.
type follower struct {
	t   *testing.T
	res *http.Response
	in  *bufio.Reader
}

func follow(t *testing.T, url, token string, header map[string]string) *follower {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Token "+token)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return &follower{t, res, bufio.NewReader(res.Body)}
}

// block returns the next block, "" at the end.
func (f *follower) block() string {
	f.t.Helper()
	var b strings.Builder
	for {
		line, err := f.in.ReadString('\n')
		if err != nil {
			return ""
		}
		if line == "\n" {
			return b.String()
		}
		b.WriteString(line)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := newJournal(3)
	w.withJournal(j)
	server := httptest.NewServer(w.handler(w.options()))
	t.Cleanup(server.Close)
	here := func(block string) string { return strings.ReplaceAll(block, server.URL, "http://mail.example.org") }
	event := func(pos int) string {
		return fmt.Sprintf("id: %d\nevent: email.flags_changed\ndata: %s\n", pos, testEvent(pos))
	}
	f := follow(t, server.URL+"/api/events/stream/?after=1", "ann", nil)
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if got := f.res.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	next := func(want string) {
		t.Helper()
		if got := here(f.block()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	next("retry: 3000\n")
	next(event(2))
	next(event(3))
	j.append()
	next(event(4))

	f = follow(t, server.URL+"/api/events/stream/?after=1", "ann", map[string]string{"Last-Event-ID": "3"})
	next("retry: 3000\n")
	next(event(4))

	f = follow(t, server.URL+"/api/events/stream/", "ann", map[string]string{"Last-Event-ID": "99"})
	next("retry: 3000\n")
	next("event: stream.reset\ndata: {\"reason\":\"position_unavailable\",\"latest_position\":4}\n")
	j.append()
	next(event(5))
}

func TestStreamWithoutGapOrRepeat(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := newJournal(0)
	w.withJournal(j)
	server := httptest.NewServer(w.handler(w.options()))
	t.Cleanup(server.Close)
	const total = 2000
	go func() {
		for range total {
			j.append()
		}
	}()
	last := 0
	for last < total {
		f := follow(t, server.URL+"/api/events/stream/", "ann", map[string]string{"Last-Event-ID": fmt.Sprint(last)})
		f.block()
		for range 300 { // then the connection breaks
			var pos int
			if _, err := fmt.Sscanf(f.block(), "id: %d\n", &pos); err != nil || pos != last+1 {
				t.Fatalf("after %d comes %d (%v)", last, pos, err)
			}
			if last = pos; last == total {
				break
			}
		}
		_ = f.res.Body.Close()
	}
}

func TestStreamEnds(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := newJournal(1)
	w.withJournal(j)
	var revoked sync.Map
	authenticate := w.Authenticate
	w.Authenticate = func(ctx context.Context, q queries.Authenticate) (queries.Principal, error) {
		if _, gone := revoked.Load(q.Token); gone {
			return queries.Principal{}, domain.ErrNotFound
		}
		return authenticate(ctx, q)
	}
	server := httptest.NewServer(w.handler(w.options()))
	t.Cleanup(server.Close)
	var first *follower
	for i := range maxStreams + 1 {
		f := follow(t, server.URL+"/api/events/stream/", "reader", nil)
		want := http.StatusOK
		if i == maxStreams {
			want = http.StatusTooManyRequests
		}
		if f.res.StatusCode != want {
			t.Errorf("stream %d: %d", i+1, f.res.StatusCode)
		}
		if first == nil {
			first = f
			f.block()
		}
	}
	revoked.Store("reader", true)
	j.append() // the revocation is recorded
	first.block()
	if got := first.block(); got != "" {
		t.Errorf("after the revocation: %q", got)
	}
}

// TestStreamProgress: how far a run has come is told once for each news, without an id, to those whom it concerns.
func TestStreamProgress(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := newJournal(1)
	w.withJournal(j)
	var mu sync.Mutex
	done := 0
	w.RunningSyncs = func(_ context.Context, q queries.ListRunningSyncs) ([]queries.RunningSync, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(q.Journals) != 1 || q.Journals[0] != 1 {
			t.Errorf("asked for journals %v", q.Journals)
		}
		return []queries.RunningSync{{
			Journal: 1, Account: 3, Sync: 57, At: testNow.Add(time.Duration(done) * time.Second),
			Progress: queries.SyncProgress{MailboxesTotal: 2, Current: "Sent", MessagesTotal: 4, MessagesDone: done},
		}}, nil
	}
	server := httptest.NewServer(w.handler(w.options()))
	t.Cleanup(server.Close)
	told := func(percent int) string {
		return fmt.Sprintf("event: sync.progress\ndata: {\"imap_server\":3,\"sync_id\":57,\"percent\":%d,\"current_folder\":\"Sent\"}\n", percent)
	}
	f := follow(t, server.URL+"/api/events/stream/?type=sync.progress", "ann", nil)
	others := []*follower{
		follow(t, server.URL+"/api/events/stream/?type=email.*", "ann", nil),
		follow(t, server.URL+"/api/events/stream/?imap_server=4", "ann", nil),
	}
	f.block()
	if got := f.block(); got != told(0) {
		t.Errorf("got %q", got)
	}
	mu.Lock()
	done = 3
	mu.Unlock()
	if got := f.block(); got != told(75) {
		t.Errorf("got %q", got)
	}
	j.append()
	others[0].block()
	if got := others[0].block(); !strings.HasPrefix(got, "id: 2\n") {
		t.Errorf("a stream of emails got %q", got)
	}
	others[1].block()
	if got := others[1].block(); !strings.HasPrefix(got, "id: 2\n") { // the journal of the test knows no accounts
		t.Errorf("a stream of another server got %q", got)
	}
	res := do(t, w.handler(w.options()), call{method: "GET", path: "/api/events/?type=sync.progress", token: "ann"})
	wants(t, res, 400, `{"type":["\"sync.progress\" is not a valid choice."]}`)
}
