package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// BenchmarkLive measures how long mail that Dovecot has stored takes until the API shows it, one message
// after the other, with half a second between them: IMAP2API_TEST_BENCH_COUNT deliveries, default 100. Beside it another
// client idles: told-ms is when Dovecot tells it, which by its nature is half a second after the delivery, own-ms what
// the program needs from there.
func BenchmarkLive(b *testing.B) {
	dovecot := dovecottest.Start(b, dovecottest.Options{})
	u := dovecot.NewUser(b)
	l := newLive(b, dovecot)
	id := l.add(u, dovecot.Port, nil)
	l.watched(1, "live", "")
	world := newWorld(b, u, 1)
	told := make(chan time.Time, 1000)
	idle(b, dovecot.PlainAddr(), u, told)
	var took, toldAfter, own []time.Duration
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
			shown := time.Now()
			heard := <-told
			took, toldAfter, own = append(took, shown.Sub(stored)), append(toldAfter, heard.Sub(stored)), append(own, shown.Sub(heard))
			<-time.After(500 * time.Millisecond)
		}
	}
	for _, all := range [][]time.Duration{took, toldAfter, own} {
		slices.Sort(all)
	}
	b.ReportMetric(float64(toldAfter[len(toldAfter)/2].Milliseconds()), "told-ms")
	b.ReportMetric(float64(own[len(own)/2].Milliseconds()), "own-ms")
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "p95-ms")
	b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "max-ms")
}

// idle is a client that waits in INBOX and notes when it is told of a message.
func idle(b *testing.B, addr string, u *dovecottest.User, told chan<- time.Time) {
	b.Helper()
	c, err := imapclient.DialInsecure(addr, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				told <- time.Now()
			}
		},
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	if err := c.Login(u.Name, u.Password).Wait(); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Idle(); err != nil {
		b.Fatal(err)
	}
}
