package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	searchFor = 800 * time.Millisecond // from each number of connections
	warmFor   = 400 * time.Millisecond
)

// A searchClass is searches of one kind, each asked for once before any is asked for again.
type searchClass struct {
	name    string
	queries []planted // as the part of an address after ?
	aim     searchAim
}

// times is what the connections of one load have met.
type times struct {
	p50, p95, p99, max, rate float64 // ms; requests/s
}

func (l *load) sum() times {
	slices.Sort(l.times)
	at := func(percent int) float64 {
		return float64(l.times[min(len(l.times)*percent/100, len(l.times)-1)].Microseconds()) / 1000
	}
	return times{at(50), at(95), at(99), at(100), l.rate()}
}

// measured is what a class has met.
type measured struct {
	*searchClass
	hits  int           // of its first search
	by    map[int]times // by connections
	again times         // from 4 connections, when the hits have been counted before
}

// measure asks a class from few and many connections. Before each round a login moves the
// journal on, as new mail does, so that no count is remembered.
func (k *searchClass) measure(b *testing.B, c *client, connections ...int) measured {
	b.Helper()
	m := measured{searchClass: k, by: map[int]times{}}
	m.hits = k.compare(b, c)
	for _, n := range connections {
		var l load
		for until := time.Now().Add(searchFor); time.Now().Before(until); {
			if err := c.login("admin", adminPassword); err != nil {
				b.Fatal(err)
			}
			l.round(b, c, k.queries, n, until)
		}
		m.by[n] = l.sum()
	}
	m.again = k.again(b, c)
	return m
}

// compare asks the first searches and returns how many hits the first one has.
func (k *searchClass) compare(b *testing.B, c *client) (hits int) {
	b.Helper()
	for i, q := range k.queries[:min(3, len(k.queries))] {
		var page struct{ Count *int }
		if err := c.call(http.StatusOK, "GET", searchPath(q.query), nil, &page); err != nil {
			b.Fatal(err)
		}
		if page.Count == nil {
			return 0
		}
		if q.hits >= 0 && *page.Count != q.hits {
			b.Errorf("%s: %d hits, want %d", q.query, *page.Count, q.hits)
		}
		if i == 0 {
			hits = *page.Count
		}
	}
	return hits
}

// again asks for what has just been counted.
func (k *searchClass) again(b *testing.B, c *client) times {
	b.Helper()
	some := k.queries[:min(8, len(k.queries))]
	new(load).round(b, c, some, 4, time.Now().Add(time.Minute))
	var l load
	for until := time.Now().Add(warmFor); time.Now().Before(until); {
		l.round(b, c, some, 4, until)
	}
	return l.sum()
}

func searchPath(query string) string { return "/api/emails/" + query }

// round asks each search once, from all connections together, or stops in time.
func (l *load) round(b *testing.B, c *client, queries []planted, conns int, until time.Time) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for range conns {
		all.Go(func() {
			times, err := askEach(c, queries, &next, until)
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
	if len(l.times) == 0 {
		b.Fatal("nothing was answered")
	}
}

// askEach is one connection. It takes the next search that nobody has taken.
func askEach(c *client, queries []planted, next *atomic.Int64, until time.Time) ([]time.Duration, error) {
	host := strings.TrimPrefix(c.base, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // nothing is on its way
	in := bufio.NewReaderSize(conn, 64<<10)
	var times []time.Duration
	for first := true; ; first = false {
		i := int(next.Add(1) - 1)
		begun := time.Now()
		if i >= len(queries) || begun.After(until) && !first {
			return times, nil
		}
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Token %s\r\n\r\n", searchPath(queries[i].query), host, c.token)
		if err != nil {
			return nil, err
		}
		if err := skipAnswer(in); err != nil {
			return nil, fmt.Errorf("%s: %w", queries[i].query, err)
		}
		times = append(times, time.Since(begun))
	}
}

// warm lets all connections of the program meet their statements, and the index come to memory.
func (g *searchRig) warm(b *testing.B, c *client) {
	b.Helper()
	for _, class := range []string{"common", "medium", "rare"} {
		new(load).round(b, c, searches(g.source.mail.plants[class], ""), 16, time.Now().Add(3*time.Second))
	}
}

// searches turns searches into parts of addresses; more is further parameters.
func searches(list []planted, more string) []planted {
	out := make([]planted, len(list))
	for i, p := range list {
		out[i] = planted{"?q=" + url.QueryEscape(p.query) + more, p.hits}
		if more != "" {
			out[i].hits = -1
		}
	}
	return out
}

// pairs joins each search of a class with one of another in the words of format.
func pairs(format string, a, b []planted) []planted {
	var out []planted
	for i, p := range a {
		out = append(out, planted{fmt.Sprintf(format, p.query, b[(i+len(b)/2)%len(b)].query), -1})
	}
	return out
}
