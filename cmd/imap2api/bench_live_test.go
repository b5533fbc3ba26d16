package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// BenchmarkLive measures how long mail that Dovecot has stored takes until the API shows it, one message
// after the other, with half a second between them: IMAP2API_TEST_BENCH_COUNT deliveries, default 100.
func BenchmarkLive(b *testing.B) {
	dovecot := dovecottest.Start(b, dovecottest.Options{})
	u := dovecot.NewUser(b)
	l := newLive(b, dovecot)
	id := l.add(u, "127.0.0.2", dovecot.Port, nil)
	l.watched(1, "live", "")
	world := newWorld(b, u, 1)
	var took []time.Duration
	for b.Loop() {
		for n := range number(b, "BENCH_COUNT", 100) {
			world.append("INBOX", 1) // by APPEND, as a delivery agent that tells Dovecot
			stored := time.Now()
			l.within("the message is in the API", func() error {
				var page struct{ Count int }
				err := l.api.call(http.StatusOK, "GET", fmt.Sprintf("/api/emails/?page_size=1&imap_server=%d", id), nil, &page)
				if err == nil && page.Count != n+1 {
					err = fmt.Errorf("%d messages", page.Count)
				}
				return err
			})
			took = append(took, time.Since(stored))
			<-time.After(500 * time.Millisecond)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "p95-ms")
	b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "max-ms")
}
