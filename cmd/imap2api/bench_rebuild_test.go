package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
)

const (
	rebuildMessages = 1_000_000
	readers         = 4
	readEvery       = 25 * time.Millisecond // by each of them
	readBefore      = 20 * time.Second
)

// BenchmarkRebuild lets the program's own sync put IMAP2API_TEST_BENCH_COUNT generated messages into the log
// (an event for each, 1,000,000 by default), and rebuilds the folder statistics and then the emails beside a
// program that answers readers: it reports events/s until the new generation is live, compared with the old
// one row by row, and the p99 of readers before and meanwhile. Then each is rebuilt once more and killed in
// the middle; the next rebuild finishes it, and no answer changes.
func BenchmarkRebuild(b *testing.B) {
	g := &searchRig{rig: &rig{b: b, dir: openTempDir(b), count: number(b, "BENCH_COUNT", rebuildMessages)}}
	source, err := newSearchSource(newSearchMail(g.count), g.dir) // without the corpora
	g.must(err)
	g.source = source
	g.must(os.MkdirAll(g.data(), 0o755))
	g.dsn = pgtest.DSN(b)
	g.rebuild("search", "history") // of nothing yet: nobody keeps them up to date here
	filled := g.fill()
	others := g.rebuild("mail", "mailboxes", "accounts")
	fmt.Printf("%d messages: into the log %v, first read models %v\n", g.count, filled.Round(time.Second), others.Round(time.Second))
	c, p := g.serve("-roles", "api") // nobody else rebuilds
	pool, err := pgxpool.New(b.Context(), g.dsn)
	g.must(err)
	defer pool.Close()
	_, err = pool.Exec(b.Context(), "VACUUM ANALYZE")
	g.must(err)
	ids, err := c.ids("")
	g.must(err)
	paths := []string{"/api/emails/?page_size=50", "/api/emails/statistics/", "/api/emails/threads/?page_size=50"}
	for i := range 20 {
		paths = append(paths, fmt.Sprintf("/api/emails/%d/", ids[i*len(ids)/20]))
	}
	for _, model := range []string{"mailboxes", "mail"} {
		b.Run(model, func(b *testing.B) {
			for b.Loop() {
				answers := g.answers(c, paths)
				before := g.read(c, paths, func() { <-time.After(readBefore) })
				var rate float64
				during := g.read(c, paths, func() { rate = g.rebuilt(model) })
				g.killedRebuild(c, model)
				if !slices.Equal(g.answers(c, paths), answers) {
					b.Error("answers have changed")
				}
				b.ReportMetric(rate, "events/s")
				b.ReportMetric(before, "before-p99-ms")
				b.ReportMetric(during, "during-p99-ms")
				b.ReportMetric(during/before, "of-before")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
	_, err = p.stop()
	g.must(err)
}

// answers are what the API says.
func (g *searchRig) answers(c *client, paths []string) []string {
	g.b.Helper()
	var out []string
	for _, path := range paths {
		a, err := c.do("GET", path, nil)
		g.must(err)
		if a.status != http.StatusOK {
			g.b.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		out = append(out, string(a.body))
	}
	return out
}

// read asks again and again while something goes on, and returns the p99 in ms, from the moment at which a
// reader meant to ask.
func (g *searchRig) read(c *client, paths []string, while func()) float64 {
	g.b.Helper()
	var mu sync.Mutex
	var times []time.Duration
	var all sync.WaitGroup
	ended := make(chan struct{})
	for n := range readers {
		all.Go(func() {
			for at, i := time.Now(), n; ; at, i = at.Add(readEvery), i+1 {
				select {
				case <-ended:
					return
				case <-time.After(time.Until(at)):
				}
				a, err := c.do("GET", paths[i%len(paths)], nil)
				if err != nil || a.status != http.StatusOK {
					g.b.Errorf("%s: %d, %v", paths[i%len(paths)], a.status, err)
					return
				}
				mu.Lock()
				times = append(times, time.Since(at))
				mu.Unlock()
			}
		})
	}
	while()
	close(ended)
	all.Wait()
	slices.Sort(times)
	return float64(times[len(times)*99/100].Microseconds()) / 1000
}

var rebuiltLine = regexp.MustCompile(`generation \d+ is live, \d+ events in \S+, (\d+)/s`)

// rebuilt lets the program rebuild a read model, and returns how many events a second it says.
func (g *searchRig) rebuilt(model string) float64 {
	g.b.Helper()
	cmd := exec.Command("imap2api", "rebuild", model)
	cmd.Env = append(os.Environ(), g.settings()...)
	text, err := cmd.CombinedOutput()
	found := rebuiltLine.FindSubmatch(text)
	if err != nil || found == nil {
		g.b.Fatalf("rebuild %s: %v\n%s", model, err, text)
	}
	rate, err := strconv.ParseFloat(string(found[1]), 64)
	g.must(err)
	return rate
}

// killedRebuild kills a rebuild in the middle and has another one finish it.
func (g *searchRig) killedRebuild(c *client, model string) {
	g.b.Helper()
	cmd := exec.Command("imap2api", "rebuild", model)
	var text bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = append(os.Environ(), g.settings()...), &text, &text, endWithParent()
	g.must(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var m struct {
		Generation int
		Rebuild    *struct {
			Generation    int
			EventsApplied int `json:"events_applied"`
		}
	}
	for m.Rebuild == nil || m.Rebuild.EventsApplied < g.count/3 {
		select {
		case err := <-ended:
			g.b.Fatalf("the rebuild of %s ended before it was killed: %v\n%s", model, err, text.Bytes())
		case <-time.After(5 * time.Millisecond):
		}
		m.Rebuild = nil
		g.must(c.call(http.StatusOK, "GET", "/api/projections/"+model+"/", nil, &m))
	}
	g.must(cmd.Process.Kill())
	if err := <-ended; err == nil {
		g.b.Fatal(errors.New("the rebuild was not killed"))
	}
	building := m.Rebuild.Generation
	g.rebuilt(model)
	g.must(c.call(http.StatusOK, "GET", "/api/projections/"+model+"/", nil, &m))
	if m.Generation != building {
		g.b.Errorf("generation %d is live, not %d, which was begun", m.Generation, building)
	}
}
