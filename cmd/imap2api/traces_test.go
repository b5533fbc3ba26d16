package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// A traceCollector takes spans by OTLP over HTTP.
type traceCollector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*traces.Span
	text  strings.Builder // all that was sent
}

func newTraceCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s: %v", r.URL.Path, r.Header.Get("Content-Type"), err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.text.WriteString(prototext.Format(&sent))
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// named returns a span with a name, nil if none has come.
func (c *traceCollector) named(name string) *traces.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// TestTraces: a collector is told of requests by the pattern of their routes, of what is in them, of syncs, batches
// and deliveries, and of nothing that tells who or what.
func TestTraces(t *testing.T) {
	t.Parallel()
	c := newTraceCollector(t)
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	u := dovecot.NewUser(t)
	l := newLive(t, dovecot, "IMAP2API_WEBHOOK_ALLOWED_NETWORKS=127.0.0.0/8", "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_BSP_SCHEDULE_DELAY=50")
	told := make(chan struct{}, 100)
	l.hook([]string{"sync.completed"}, func(*http.Request) { told <- struct{}{} })
	newWorld(t, u, 1).append("INBOX", 3)
	l.add(u, dovecot.Port, nil)
	select {
	case <-told:
	case <-time.After(patience):
		t.Fatal("no webhook was told")
	}
	const trace = "0af7651916cd43dd8448eb211c80319c"
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.api.base+"/api/emails/?q=sesquipedalian", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Token "+l.api.token)
	q.Header.Set("traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	for _, r := range []*http.Request{q, httptest.NewRequest(http.MethodGet, l.api.base+"/admin/sign-in/", nil)} {
		r.RequestURI = ""
		a, err := http.DefaultClient.Do(r)
		if err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", r.URL, a, err)
		}
		_ = a.Body.Close()
	}
	for _, name := range []string{"GET /api/emails/", "list_messages", "GET /admin/sign-in", "sync", "project mail", "deliver to webhook"} {
		l.within("a span "+name, func() error {
			if c.named(name) == nil {
				return errFailed
			}
			return nil
		})
	}
	request, inner := c.named("GET /api/emails/"), c.named("list_messages")
	if got := hex.EncodeToString(request.TraceId); got != trace || request.Kind != traces.Span_SPAN_KIND_SERVER {
		t.Errorf("trace %s, %v; want that of the client", got, request.Kind)
	}
	if string(inner.ParentSpanId) != string(request.SpanId) || string(inner.TraceId) != string(request.TraceId) {
		t.Errorf("list_messages is not within its request:\n%v\n%v", inner, request)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if text := c.text.String(); !strings.Contains(text, `"service.name"`) {
		t.Errorf("nothing says whose spans these are:\n%.2000s", text)
	}
	for what, word := range map[string]string{
		"the search": "sesquipedalian", "a user name": u.Name, "a password": u.Password, "the token": l.api.token, "a host": "127.0.0", "mail": "world.example",
	} {
		if strings.Contains(c.text.String(), word) {
			t.Errorf("spans tell %s: %q", what, word)
		}
	}
}
