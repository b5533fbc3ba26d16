// Package meilitest is a Meilisearch for tests: an HTTP server of its own port with the routes
// that the adapter uses, in memory. Requests, answers, states of tasks and errors are those of
// Meilisearch 1.50, from which testdata/conversation.txt of the adapter was recorded. What it does
// not know it refuses loudly, so that a new use is first compared with a real server. It ranks
// nothing: requests are ordered by sort, as the adapter's are.
package meilitest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Options of a Server; the zero value works.
type Options struct {
	Key          string // that every request must have, except for /health; "": none
	PayloadLimit int64  // octets; 0: 100 MB
}

// Server is a Meilisearch with nothing in it.
type Server struct {
	t    testing.TB
	opts Options
	addr string

	mu       sync.Mutex
	http     *http.Server // nil: connections are refused
	indexes  map[string]*index
	tasks    []*task
	held     bool // tasks wait
	failing  map[string]taskFault
	answer   func(*http.Request) int // instead of the server
	requests []string
	wake     chan struct{}
}

// taskFault is the error of a task.
type taskFault struct{ code, kind string }

// New returns a server that runs until the test ends.
func New(t testing.TB, opts Options) *Server {
	t.Helper()
	if opts.PayloadLimit == 0 {
		opts.PayloadLimit = 100_000_000
	}
	s := &Server{t: t, opts: opts, indexes: map[string]*index{}, failing: map[string]taskFault{}, wake: make(chan struct{}, 1)}
	s.Start()
	ended, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); s.work(ended) }()
	t.Cleanup(func() { s.Stop(); close(ended); <-done })
	return s
}

// URL is where the server is, also while it is stopped.
func (s *Server) URL() string { return "http://" + s.addr }

// Start accepts connections, on the same port as before.
func (s *Server) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		return
	}
	addr := s.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	var config net.ListenConfig
	listener, err := config.Listen(s.t.Context(), "tcp", addr)
	if err != nil {
		s.t.Fatalf("meilitest: %v", err)
	}
	s.addr = listener.Addr().String()
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: time.Minute}
	s.http = server
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("meilitest: %v", err)
		}
	}()
}

// Stop refuses connections and cuts those that there are.
func (s *Server) Stop() {
	s.mu.Lock()
	server := s.http
	s.http = nil
	s.mu.Unlock()
	if server != nil {
		if err := server.Close(); err != nil {
			s.t.Errorf("meilitest: %v", err)
		}
	}
}

// Hold lets tasks wait until Release.
func (s *Server) Hold() { s.set(func() { s.held = true }) }

// Release lets tasks go on.
func (s *Server) Release() { s.set(func() { s.held = false }) }

// FailTasks lets every later task of a type fail with an error, such as no_space_left_on_device
// of type system; "" lets them succeed again.
func (s *Server) FailTasks(taskType, code, kind string) {
	s.set(func() {
		delete(s.failing, taskType)
		if code != "" {
			s.failing[taskType] = taskFault{code, kind}
		}
	})
}

// Answer lets every request for which status is not 0 end with it, without a body; nil ends that.
func (s *Server) Answer(status func(*http.Request) int) { s.set(func() { s.answer = status }) }

// Lose removes indexes behind everybody's back, all for no names.
func (s *Server) Lose(names ...string) {
	s.set(func() {
		if len(names) == 0 {
			clear(s.indexes)
		}
		for _, name := range names {
			delete(s.indexes, name)
		}
	})
}

// Indexes returns how many documents each index holds.
func (s *Server) Indexes() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for name, x := range s.indexes {
		out[name] = len(x.docs)
	}
	return out
}

// Requests returns method and path of all requests since the last call.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

func (s *Server) set(change func()) {
	s.mu.Lock()
	change()
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// unknown is for what the double does not do: the test that asks for it fails.
func (s *Server) unknown(format string, args ...any) *failure {
	what := fmt.Sprintf(format, args...)
	s.t.Errorf("meilitest: %s is not known here: compare it with a real server first", what)
	return &failure{http.StatusNotImplemented, "not_implemented", "internal", what}
}
