package meili_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/meili"
	"github.com/imap2api/imap2api/adapters/meili/meilitest"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logged is a log that a test reads.
type logged struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

// faulty is an engine on a double, with a clock and a log.
func faulty(t *testing.T) (*meilitest.Server, *engine, *clock, *logged) {
	t.Helper()
	s := meilitest.New(t, meilitest.Options{Key: "very-secret"})
	c, l := &clock{now: time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)}, &logged{}
	e := open(t, s.URL(), "very-secret", func(o *meili.Options) {
		o.Now, o.TaskTimeout = c.Now, 100*time.Millisecond
		o.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}).made(t)
	do(t, e.save(t, e.place, 1, "alder"))
	return s, e, c, l
}

// TestAway: after one request without an answer there are none for some seconds.
func TestAway(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*meilitest.Server) (mend func()){
		"refused":     func(s *meilitest.Server) func() { s.Stop(); return s.Start },
		"500":         answers(http.StatusInternalServerError),
		"503":         answers(http.StatusServiceUnavailable),
		"404 of none": answers(http.StatusNotFound),
		"redirect":    answers(http.StatusTemporaryRedirect),
		"busy":        answers(http.StatusTooManyRequests),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, e, c, l := faulty(t)
			mend := fail(s)
			if _, err := e.find(t, "alder"); !errors.Is(err, domain.ErrUnavailable) || errors.Is(err, meili.ErrBehind) {
				t.Fatalf("find: got %v, want ErrUnavailable", err)
			}
			if e.Available() {
				t.Error("available after a request without an answer")
			}
			mend()
			s.Requests()
			for _, ask := range []func() error{
				func() error { _, err := e.find(t, "alder"); return err },
				func() error { return e.save(t, e.place, 2, "birch") },
				func() error { return e.Check(t.Context(), e.place, true) },
			} {
				if err := ask(); !errors.Is(err, domain.ErrUnavailable) {
					t.Errorf("during the pause: got %v, want ErrUnavailable", err)
				}
			}
			if got := s.Requests(); len(got) > 0 {
				t.Errorf("requests during the pause: %v", got)
			}
			c.pass(6 * time.Second)
			if !e.Available() {
				t.Error("not available after the pause")
			}
			e.finds(t, "alder", "1 of 1")
			log := l.String()
			if strings.Count(log, "meilisearch is away") != 1 || strings.Count(log, "meilisearch is back") != 1 {
				t.Errorf("log:\n%s", log)
			}
			if strings.Contains(log, "secret") {
				t.Errorf("the key is in the log:\n%s", log)
			}
		})
	}
}

func answers(status int) func(*meilitest.Server) func() {
	return func(s *meilitest.Server) func() {
		s.Answer(func(*http.Request) int { return status })
		return func() { s.Answer(nil) }
	}
}

// TestOneGoesAhead: when a server that hangs may be asked again, one asks and nobody waits with it.
func TestOneGoesAhead(t *testing.T) {
	t.Parallel()
	s, e, c, _ := faulty(t)
	s.Answer(func(*http.Request) int { return http.StatusServiceUnavailable })
	if _, err := e.find(t, "alder"); !errors.Is(err, domain.ErrUnavailable) {
		t.Fatal(err)
	}
	asked, answer := make(chan struct{}), make(chan struct{})
	s.Answer(func(*http.Request) int { close(asked); <-answer; return http.StatusServiceUnavailable })
	c.pass(6 * time.Second)
	first := make(chan error, 1)
	go func() { _, err := e.find(t, "alder"); first <- err }()
	<-asked
	if _, err := e.find(t, "alder"); !errors.Is(err, domain.ErrUnavailable) { // else it would ask twice, and close twice
		t.Errorf("meanwhile: got %v, want ErrUnavailable", err)
	}
	close(answer)
	if err := <-first; !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	s.Answer(nil)
	c.pass(6 * time.Second)
	e.finds(t, "alder", "1 of 1")
}

// TestCaller: who gives up says nothing about the server.
func TestCaller(t *testing.T) {
	t.Parallel()
	_, e, _, _ := faulty(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := e.Find(ctx, queries.MessageFilter{Journal: 1}, 0, 1)
	if !errors.Is(err, context.Canceled) || errors.Is(err, domain.ErrUnavailable) || !e.Available() {
		t.Errorf("got %v, available %v", err, e.Available())
	}
}

// TestWrongKey is a fault of the configuration, which the status tells, and no more than that.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	s := meilitest.New(t, meilitest.Options{Key: "very-secret"})
	for key, want := range map[string]string{"": "missing_authorization_header", "other-secret": "invalid_api_key"} {
		e := open(t, s.URL(), key, nil)
		status := e.Status(t.Context())
		if status.Available || !strings.Contains(status.Error, want) || strings.Contains(status.Error, "other-secret") {
			t.Errorf("key %q: %+v", key, status)
		}
		if _, err := e.find(t, "alder"); !errors.Is(err, domain.ErrUnavailable) {
			t.Errorf("find: got %v", err)
		}
	}
}

// TestTaskDeadline: what is not found in time is not written, and may be written again.
func TestTaskDeadline(t *testing.T) {
	t.Parallel()
	s, e, _, _ := faulty(t)
	s.Hold()
	err := e.save(t, e.place, 2, "birch")
	if !errors.Is(err, domain.ErrUnavailable) || !strings.Contains(err.Error(), "not done after 100ms") {
		t.Fatalf("got %v, want that it took too long", err)
	}
	if !e.Available() {
		t.Error("a server that answers is not away")
	}
	e.finds(t, "alder", "1 of 1")
	s.Release()
	do(t, e.save(t, e.place, 2, "birch"))
	e.finds(t, "birch", "2 of 1")
}

func TestTaskFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code, kind string
		away       bool // and tried again; else it is the fault of what was written
	}{
		{"no_space_left_on_device", "system", true},
		{"internal", "internal", true},
		{"invalid_document_id", "invalid_request", false},
		{"index_not_found", "invalid_request", true},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			s, e, _, _ := faulty(t)
			s.FailTasks("documentAdditionOrUpdate", c.code, c.kind)
			err := e.save(t, e.place, 2, "birch")
			if err == nil || errors.Is(err, domain.ErrUnavailable) != c.away || !strings.Contains(err.Error(), c.code) {
				t.Errorf("got %v, away %v", err, c.away)
			}
			e.finds(t, "birch", " of 0")
			if got := e.Status(t.Context()); !got.Available || !strings.Contains(got.Trouble, c.code) {
				t.Errorf("status: %+v", got)
			}
			s.FailTasks("documentAdditionOrUpdate", "", "")
			do(t, e.save(t, e.place, 2, "birch"))
			e.finds(t, "birch", "2 of 1")
			if got := e.Status(t.Context()); got.Trouble != "" {
				t.Errorf("status when it is over: %+v", got)
			}
		})
	}
}

// TestForgetfulServer was put back to a state in which it knows nothing of the task.
func TestForgetfulServer(t *testing.T) {
	t.Parallel()
	s, e, _, _ := faulty(t)
	forgetting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/tasks":
			_, _ = w.Write([]byte(`{"results":[],"total":0,"limit":1,"from":null,"next":null}`))
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write([]byte(`{"taskUid":7,"indexUid":"x","status":"enqueued","type":"documentAdditionOrUpdate","enqueuedAt":"2025-06-01T00:00:00Z"}`))
		default:
			_, _ = w.Write([]byte(`{"key":"generation"}`))
		}
	}))
	t.Cleanup(forgetting.Close)
	e2 := open(t, forgetting.URL, "", nil)
	if err := e2.save(t, e.place, 2, "birch"); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	s.Release()
}

func TestBehind(t *testing.T) {
	t.Parallel()
	s, e, _, _ := faulty(t)
	e.behind.Store(true)
	s.Requests()
	if _, err := e.find(t, "alder"); !errors.Is(err, meili.ErrBehind) || !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("got %v, want ErrBehind", err)
	}
	if got := s.Requests(); len(got) > 0 || !e.Available() {
		t.Errorf("asked %v, available %v", got, e.Available())
	}
}

// TestPayloadTooLarge sends less at a time to a server that takes less.
func TestPayloadTooLarge(t *testing.T) {
	t.Parallel()
	s := meilitest.New(t, meilitest.Options{PayloadLimit: 10_000})
	e := open(t, s.URL(), "", nil).made(t)
	subjects := make([]string, 100)
	for i := range subjects {
		subjects[i] = "alder " + strings.Repeat("x", 200)
	}
	do(t, e.save(t, e.place, 1, subjects...))
	e.count(t, "sent in parts", e.place, 100)
	err := e.save(t, e.place, 200, "birch "+strings.Repeat("word ", 3000))
	if err == nil || errors.Is(err, domain.ErrUnavailable) || !strings.Contains(err.Error(), "payload_too_large") {
		t.Errorf("one that is too large: got %v, want a fault of the message", err)
	}
}

// TestBatches sends at most a thousand documents and eight mebibytes at once.
func TestBatches(t *testing.T) {
	t.Parallel()
	s := meilitest.New(t, meilitest.Options{})
	e := open(t, s.URL(), "", nil).made(t)
	s.Requests()
	do(t, e.save(t, e.place, 1, make([]string, 2500)...))
	store := e.store(e.place, 1)
	text := strings.Repeat("word ", 100_000)
	for id := range domain.MessageID(20) {
		store.Index(message(3000+id), &domain.Content{Text: text})
	}
	changes := make([]projections.DocumentChange, 1500)
	for i := range changes {
		changes[i] = projections.DocumentChange{ID: domain.MessageID(i + 1), Flags: []domain.Flag{domain.FlagSeen}}
	}
	do(t, store.Save(t.Context(), changes, []domain.MessageID{1, 2, 3}))
	sent := map[string]int{}
	for _, r := range s.Requests() {
		method, path, _ := strings.Cut(r, " ")
		sent[method+path[strings.LastIndex(path, "/"):]]++
	}
	if sent["POST/documents"] != 3+2 || sent["PUT/documents"] != 2 || sent["POST/fetch"] != 2 || sent["POST/delete-batch"] != 1 {
		t.Errorf("requests: %v", sent)
	}
	e.count(t, "all", e.place, 2500+20-3)
}
