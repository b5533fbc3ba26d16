package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// BenchmarkWebhook measures how long a healthy receiver waits for an event while another hangs on all it
// gets: from the time of the commit in the log, which the body tells, until the request is there. An IMAP
// server that is renamed is one commit and one event; of a new message the read models have to know first.
// There are IMAP2API_TEST_BENCH_COUNT events of each kind, default 200, one after the other.
func BenchmarkWebhook(b *testing.B) {
	dovecot := dovecottest.Start(b, dovecottest.Options{})
	u := dovecot.NewUser(b)
	l := newLive(b, dovecot, "IMAP2API_WEBHOOK_ALLOWED_NETWORKS=127.0.0.0/8")
	id := l.add(u, dovecot.Port, nil)
	l.watched(1, "live", "")
	took := make(chan time.Duration, 1)
	l.hook([]string{"imap_server.updated", "email.received"}, func(r *http.Request) {
		var event struct{ Timestamp time.Time }
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &event)
		}
		if err != nil {
			b.Error(err)
		}
		took <- time.Since(event.Timestamp)
	})
	release := make(chan struct{})
	defer close(release)
	l.hook(nil, func(*http.Request) { <-release })
	world := newWorld(b, u, 1)
	for _, kind := range []struct {
		name string
		do   func(n int)
	}{
		{"renamed", func(n int) {
			path, name := fmt.Sprintf("/api/imap-servers/%d/", id), map[string]any{"name": fmt.Sprint("Office ", n)}
			if err := l.api.call(http.StatusOK, "PATCH", path, name, nil); err != nil {
				b.Fatal(err)
			}
		}},
		{"received", func(int) { world.append("INBOX", 1) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			var all []time.Duration
			for b.Loop() {
				for range number(b, "BENCH_COUNT", 200) {
					kind.do(len(all))
					select {
					case one := <-took:
						all = append(all, one)
					case <-time.After(patience):
						b.Fatal("the healthy receiver waits too long")
					}
				}
			}
			slices.Sort(all)
			for _, p := range []int{50, 95, 99} {
				b.ReportMetric(float64(all[len(all)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// hook has a receiver told of events of some types, nil: of all.
func (l *live) hook(types []string, told func(*http.Request)) {
	l.t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told(r) }))
	l.t.Cleanup(receiver.Close)
	webhook := map[string]any{"url": receiver.URL, "event_types": append([]string{}, types...)}
	if err := l.api.call(http.StatusCreated, "POST", "/api/webhooks/", webhook, nil); err != nil {
		l.t.Fatal(err)
	}
}
