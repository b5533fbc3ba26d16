package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const (
	gmailRead  = 1000 // messages that are listed and got
	gmailAsked = 200  // histories and lists that are asked for
)

// BenchmarkGmail reads messages one after the other by Google's own Go client, list and then get, and by IMAP from the
// same Dovecot, a FETCH each, after a first sync of IMAP2API_TEST_BENCH_COUNT messages; and asks for histories after the
// last change and for first pages of the list. It reports messages/s of both, and the 95th percentiles.
func BenchmarkGmail(b *testing.B) {
	g := newRig(b, number(b, "BENCH_COUNT", benchMessages))
	reader := filepath.Join(g.dir, "gmail-client")
	build := exec.CommandContext(b.Context(), "go", "build", "-C", "testdata/gmail/go", "-buildvcs=false", "-o", reader, ".")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the Go client: %v\n%s", err, out)
	}
	g.cold(func() {
		s := g.sync()
		_, err := s.pool.Exec(b.Context(), "ANALYZE")
		g.must(err)
		n := min(gmailRead, g.count)
		for b.Loop() {
			begun := time.Now()
			cmd := exec.CommandContext(b.Context(), reader, "read", strconv.Itoa(n))
			cmd.Env = append(os.Environ(), "GMAIL_ROOT="+s.base+"/", "GMAIL_TOKEN="+s.token)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), strconv.Itoa(n)+" ") {
				b.Fatalf("read by the Go client: %v\n%s", err, out)
			}
			ours := float64(n) / time.Since(begun).Seconds()
			theirs := g.oneByOne(n)
			b.ReportMetric(ours, "messages/s")
			b.ReportMetric(theirs, "imap-messages/s")
			b.ReportMetric(ours/theirs, "of-imap")
			b.ReportMetric(g.slowest(s, fmt.Sprintf("history?startHistoryId=%d", g.lastChange(s))), "history-p95-ms")
			b.ReportMetric(g.slowest(s, "messages?maxResults=500"), "list-p95-ms")
		}
		b.ReportMetric(0, "ns/op")
	})
}

// oneByOne fetches the newest messages of INBOX by a command each, and returns how many a second.
func (g *rig) oneByOne(n int) float64 {
	g.b.Helper()
	c, err := imapclient.DialInsecure(fmt.Sprintf("127.0.0.1:%d", g.port), nil)
	g.must(err)
	defer c.Close() //nolint:errcheck // only read
	g.must(c.Login("test", "test").Wait())
	box, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	g.must(err)
	n = min(n, int(box.NumMessages))
	options := &imap.FetchOptions{UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}
	begun := time.Now()
	for i := range n {
		_, err := c.Fetch(imap.SeqSetNum(box.NumMessages-uint32(i)), options).Collect()
		g.must(err)
	}
	return float64(n) / time.Since(begun).Seconds()
}

// lastChange is the position before that of the last change.
func (g *rig) lastChange(s *synced) int64 {
	g.b.Helper()
	var last int64
	err := s.pool.QueryRow(g.b.Context(), "SELECT max(position) - 1 FROM log.events WHERE type = 'message-fetched'").Scan(&last)
	g.must(err)
	return last
}

// slowest asks for a path again and again and returns the 95th percentile of the times, in milliseconds.
func (g *rig) slowest(s *synced, path string) float64 {
	g.b.Helper()
	times := make([]time.Duration, gmailAsked)
	for i := range times {
		begun := time.Now()
		g.must(s.call(http.StatusOK, "GET", "/gmail/v1/users/me/"+path, nil, nil))
		times[i] = time.Since(begun)
	}
	slices.Sort(times)
	return float64(times[len(times)*95/100].Microseconds()) / 1000
}
