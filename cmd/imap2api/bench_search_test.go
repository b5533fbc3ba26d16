package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

const searchMessages = 200_000

// BenchmarkSearch generates IMAP2API_TEST_BENCH_COUNT messages, and a tenth as many, adds the
// corpora if they are there, lets the program build its read models and puts its search under
// load from 1, 4 and 16 connections, each search another one of its class. SQLite's FTS5 and
// notmuch search the same mail beside it; notmuch the tenth, unless IMAP2API_TEST_BENCH_NOTMUCH
// is 1, since it indexes a few hundred messages a second. What is asked of each class stands in the
// table that it prints.
func BenchmarkSearch(b *testing.B) {
	count := number(b, "BENCH_COUNT", searchMessages)
	var small, full searchResult
	for range b.N {
		b.Run(strconv.Itoa(count/10), func(b *testing.B) {
			small = searchAt(b, count/10, []int{1, 4})
			small.notmuch = small.rig.notmuch()
		})
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			full = searchAt(b, count, []int{1, 4, 16})
			full.fts5s = full.rig.fts5()
			if number(b, "BENCH_NOTMUCH", 0) > 0 {
				full.notmuch = full.rig.notmuch()
			}
		})
	}
	fmt.Println(full.report(small)) // a benchmark with others in it does not show what it logs
}

// A searchResult is all that was measured at one size.
type searchResult struct {
	rig            *searchRig
	filled, built  time.Duration
	others         time.Duration // to build the other read models
	sizes          searchSizes
	peak           int64
	classes        []measured
	notmuch, fts5s *peer
}

// searchAt measures everything from some numbers of connections, and without those of 16 only
// what is compared with more mail.
func searchAt(b *testing.B, count int, connections []int) (r searchResult) {
	g := newSearchRig(b, count)
	r.rig = g
	g.export()
	r.filled = g.fill()
	r.others = g.rebuild("mail", "mailboxes", "accounts")
	r.built = g.rebuild("search")
	c, p := g.serve()
	pool := g.pool()
	// What autovacuum does within a minute is done now.
	_, err := pool.Exec(b.Context(), "VACUUM ANALYZE")
	g.must(err)
	r.sizes = g.sizes(pool)
	pool.Close()
	g.warm(b, c)
	for _, k := range g.classes() {
		if len(connections) < 3 && k.aim == ceilingAim {
			continue
		}
		b.Run(k.name, func(b *testing.B) {
			m := k.measure(b, c, connections...)
			for n, t := range m.by {
				b.ReportMetric(t.p50, fmt.Sprintf("p50-ms-%d", n))
				b.ReportMetric(t.p95, fmt.Sprintf("p95-ms-%d", n))
				b.ReportMetric(t.rate, fmt.Sprintf("req/s-%d", n))
			}
			b.ReportMetric(0, "ns/op")
			r.classes = append(r.classes, m)
		})
	}
	r.peak = peakMemory(p.cmd.Process.Pid)
	_, err = p.stop()
	g.must(err)
	return r
}

// report is everything in words, for people.
func (r searchResult) report(small searchResult) string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	line("\n%d messages, %d of the corpora; %.0f MB of text", r.rig.source.total(), len(r.rig.source.corpora), float64(r.rig.text)/1e6)
	z, text := r.sizes, float64(r.rig.text)
	line("into the log %.0f s, other read models %.0f s, search built in %.0f s (%.0f messages/s); at most %d MB resident in the program",
		r.filled.Seconds(), r.others.Seconds(), r.built.Seconds(), float64(r.rig.source.total())/r.built.Seconds(), r.peak/1e6)
	line("octets of each octet of text: index of words %.2f (aim ≤ 0.5), table %.2f, aside %.2f, other indexes %.2f, frequencies %.2f",
		float64(z.index)/text, float64(z.table)/text, float64(z.toast)/text, float64(z.others)/text, float64(z.frequency)/text)
	line("\n| Class (hits) | first has | 1: p50 / p95 / p99 ms | 4: p50 / p95 / p99 ms | 16: p50 / p95 / p99 ms | requests/s from 1 / 4 / 16 | counted before, from 4: p50 / p95 | at a tenth of the mail, from 4: p50 | aim |")
	line("|---|---|---|---|---|---|---|---|---|")
	before := map[string]measured{}
	for _, m := range small.classes {
		before[m.name] = m
	}
	for _, m := range r.classes {
		line("| %s | %d | %s | %s | %s | %.0f / %.0f / %.0f | %.1f / %.1f | %s | %s |", m.name, m.hits, m.by[1], m.by[4], m.by[16],
			m.by[1].rate, m.by[4].rate, m.by[16].rate, m.again.p50, m.again.p95, before[m.name].at(4), m.verdict(before[m.name]))
	}
	small.reportPeers(line)
	r.reportPeers(line)
	return out.String()
}

// String gives the times.
func (t times) String() string { return fmt.Sprintf("%.1f / %.1f / %.1f", t.p50, t.p95, t.p99) }

// at gives the median from some connections.
func (m measured) at(conns int) string {
	if t, ok := m.by[conns]; ok {
		return strconv.FormatFloat(t.p50, 'f', 1, 64)
	}
	return "–"
}

// verdict compares with what is asked.
func (m measured) verdict(small measured) string {
	var out []string
	say := func(ok bool, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if !ok {
			text += " **missed**"
		}
		out = append(out, text)
	}
	say(m.by[m.aim.conns].p95 <= m.aim.p95, "p95 ≤ %.0f ms from %d", m.aim.p95, m.aim.conns)
	if m.aim.rate > 0 {
		say(m.by[16].rate >= m.aim.rate, "≥ %.0f requests/s from 16", m.aim.rate)
	}
	if m.aim == rareAim || m.aim == mediumAim {
		more := m.by[4].p50 / small.by[4].p50
		say(more <= 1.5, "10 times the mail: %.2f ≤ 1.5", more)
	}
	return strings.Join(out, ", ")
}

// peerNames are the classes of peers as this program's are called.
var peerNames = [][2]string{
	{"rare", "rare word (23)"},
	{"two medium", "two medium words (20)"},
	{"phrase", "phrase (23 of 123)"},
	{"from", "from: (23)"},
	{"medium", "medium word (2,000)"},
	{"prefix", "prefix (20,000)"},
	{"common", "half of all (100,000)"},
}

func (r searchResult) reportPeers(line func(string, ...any)) {
	for _, peer := range []struct {
		name string
		*peer
	}{{"notmuch search --limit=50, a process each", r.notmuch}, {"SQLite FTS5, in its process", r.fts5s}} {
		if peer.peer == nil {
			continue
		}
		line("\n%s, on %d messages: built in %.0f s, index %.2f of the text; this program's search in %.0f s", peer.name, r.rig.source.total(),
			peer.Build, float64(peer.Size)/float64(r.rig.text), r.built.Seconds())
		line("\n| Class (hits at 200,000) | page, p50 ms | count, p50 ms | imap2api from 1: page with count, p50 ms | hits |\n|---|---|---|---|---|")
		for _, names := range peerNames {
			for _, m := range r.classes {
				if m.name == names[1] {
					line("| %s | %s | %s | %.1f | %d |", m.name, median(peer.Page[names[0]]), median(peer.Count[names[0]]), m.by[1].p50, m.hits)
				}
			}
		}
	}
}
