package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	connections = 16
	loadFor     = 2 * time.Second // at a time
	loadRounds  = 3
	detailIDs   = 200 // emails that are asked for one after the other
)

// BenchmarkRead puts the API under load from 16 connections that are kept open, in turn with
// bareServer on the same database with a pool of the same size, after a first sync of
// IMAP2API_TEST_BENCH_COUNT messages. It reports requests/s and times of both, and their
// ratio. Both send the same bytes, which is compared first.
func BenchmarkRead(b *testing.B) {
	g := newRig(b, number(b, "BENCH_COUNT", benchMessages))
	var s *synced
	g.cold(func() { s = g.sync() })
	// The statistics of a table that has just been filled come within seconds from
	// autovacuum; here they come now.
	_, err := s.pool.Exec(b.Context(), "ANALYZE")
	g.must(err)
	paths := map[string][]string{
		"list":       {"/api/emails/?page_size=50"},
		"threads":    {"/api/emails/threads/?page_size=50"},
		"statistics": {"/api/emails/statistics/"},
		"detail":     g.details(s),
	}
	bare := g.startBare(s)
	for _, name := range []string{"list", "detail", "threads", "statistics"} {
		b.Run(name, func(b *testing.B) {
			sameBytes(b, s.client, bare, paths[name])
			var ours, theirs load
			for b.Loop() {
				for range loadRounds {
					ours.run(b, s.client, paths[name])
					theirs.run(b, bare, paths[name])
				}
			}
			ours.report(b, "")
			theirs.report(b, "bare-")
			b.ReportMetric(ours.rate()/theirs.rate(), "of-bare")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// details prepares the table of bareServer for emails all over the mailbox, and returns their paths.
func (g *rig) details(s *synced) []string {
	g.b.Helper()
	_, err := s.pool.Exec(g.b.Context(), bareTable)
	g.must(err)
	ids, err := s.ids("")
	g.must(err)
	marks := make([]string, len((&bareDetail{}).columns()))
	for i := range marks {
		marks[i] = "$" + strconv.Itoa(i+1)
	}
	insert := "INSERT INTO public.bare_detail VALUES (" + strings.Join(marks, ", ") + ")"
	var paths []string
	for i := range detailIDs {
		path := fmt.Sprintf("/api/emails/%d/", ids[i*len(ids)/detailIDs])
		var d bareDetail
		g.must(s.call(http.StatusOK, "GET", path, nil, &d))
		_, err := s.pool.Exec(g.b.Context(), insert, d.columns()...)
		g.must(err)
		paths = append(paths, path)
	}
	return paths
}

// startBare runs bareServer on the database of a program.
func (g *rig) startBare(s *synced) *client {
	g.b.Helper()
	var schema string
	var journal int64
	g.must(s.pool.QueryRow(g.b.Context(), "SELECT schema_name FROM log.generations WHERE projection = 'mail' AND status = 'live'").Scan(&schema))
	g.must(s.pool.QueryRow(g.b.Context(), "SELECT journal_id FROM state.accounts WHERE account_id = $1", s.server).Scan(&journal))
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(g.b)))
	cmd := exec.Command("imap2api-bare")
	cmd.Env = append(os.Environ(), "BARE_DATABASE="+s.dsn, "BARE_SCHEMA="+schema, fmt.Sprintf("BARE_JOURNAL=%d", journal), "BARE_LISTEN="+address)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = os.Stderr, os.Stderr, endWithParent()
	g.must(cmd.Start())
	g.b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return &client{base: "http://" + address}
		}
		if time.Now().After(deadline) {
			g.b.Fatal(err)
		}
	}
}

// sameBytes compares the answers of both, which know themselves by their addresses.
func sameBytes(b *testing.B, ours, bare *client, paths []string) {
	b.Helper()
	for _, path := range paths {
		want, err := ours.do("GET", path, nil)
		if err != nil || want.status != http.StatusOK {
			b.Fatalf("%s: %d %v %s", path, want.status, err, want.body)
		}
		got, err := bare.do("GET", path, nil)
		if err != nil {
			b.Fatal(err)
		}
		if body := bytes.ReplaceAll(got.body, []byte(bare.base), []byte(ours.base)); !bytes.Equal(body, want.body) {
			b.Fatalf("%s: bare says\n%.2000s\nwant\n%.2000s", path, body, want.body)
		}
		if !json.Valid(want.body) {
			b.Fatalf("%s: no JSON: %s", path, want.body)
		}
	}
}

// A load is what connections have met.
type load struct {
	mu    sync.Mutex
	times []time.Duration
	took  time.Duration
}

// run asks for paths, one after the other, from all connections at once.
func (l *load) run(b *testing.B, c *client, paths []string) {
	b.Helper()
	begun := time.Now()
	var all sync.WaitGroup
	for first := range connections {
		all.Go(func() {
			times, err := ask(c, paths, first, begun.Add(loadFor))
			if err != nil {
				b.Error(err)
			}
			l.mu.Lock()
			l.times = append(l.times, times...)
			l.mu.Unlock()
		})
	}
	all.Wait()
	l.took += time.Since(begun)
}

// ask is one connection. It does as little as HTTP allows, so that the processors are left to the servers.
func ask(c *client, paths []string, first int, until time.Time) ([]time.Duration, error) {
	host := strings.TrimPrefix(c.base, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // nothing is on its way
	in := bufio.NewReaderSize(conn, 64<<10)
	var times []time.Duration
	requests := make([][]byte, len(paths))
	for i, path := range paths {
		requests[i] = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Token %s\r\n\r\n", path, host, c.token)
	}
	for i := first; ; i++ {
		begun := time.Now()
		if begun.After(until) {
			return times, nil
		}
		if _, err := conn.Write(requests[i%len(requests)]); err != nil {
			return nil, err
		}
		if err := skipAnswer(in); err != nil {
			return nil, err
		}
		times = append(times, time.Since(begun))
	}
}

// skipAnswer reads an answer that must be 200 and have a length.
func skipAnswer(in *bufio.Reader) error {
	length := -1
	for n := 0; ; n++ {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if n == 0 && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("answer is %q", line)
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("answer without length")
	}
	_, err := io.CopyN(io.Discard, in, int64(length))
	return err
}

func (l *load) rate() float64 { return float64(len(l.times)) / l.took.Seconds() }

func (l *load) report(b *testing.B, prefix string) {
	b.Helper()
	if len(l.times) == 0 {
		b.Fatal("nothing was answered")
	}
	slices.Sort(l.times)
	b.ReportMetric(l.rate(), prefix+"req/s")
	for _, p := range []int{50, 95} {
		b.ReportMetric(float64(l.times[len(l.times)*p/100].Microseconds())/1000, fmt.Sprintf("%sp%d-ms", prefix, p))
	}
}
