package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkSearchSync syncs a mailbox of a tenth of IMAP2API_TEST_BENCH_COUNT messages from a
// cold Dovecot until all of it can be searched; in turn with that, until all can be listed while the
// search rests, and with mbsync and notmuch if they are installed.
func BenchmarkSearchSync(b *testing.B) {
	g := newRig(b, number(b, "BENCH_COUNT", searchMessages)/10)
	var searched, listed, theirs time.Duration
	var grown, packed int64
	rounds := 0
	for b.Loop() {
		steps := []func(){
			func() { listed += g.syncResting() },
			func() {
				took, g, p := g.syncSearched()
				searched, grown, packed = searched+took, g, p
			},
			func() {
				fetch, index := g.mbsync()
				theirs += fetch + index
			},
		}
		for i := range steps { // each is the first now and then
			g.cold(steps[(i+rounds)%len(steps)])
		}
		rounds++
	}
	n := float64(rounds * g.count)
	b.ReportMetric(n/searched.Seconds(), "searchable/s")
	b.ReportMetric(n/listed.Seconds(), "without-search/s")
	b.ReportMetric(listed.Seconds()/searched.Seconds(), "of-without-search")
	if theirs > 0 {
		b.ReportMetric(n/theirs.Seconds(), "mbsync+notmuch/s")
		b.ReportMetric(theirs.Seconds()/searched.Seconds(), "x-mbsync+notmuch")
	}
	b.ReportMetric(float64(grown)/1e6, "index-MB")
	b.ReportMetric(float64(packed)/1e6, "index-built-anew-MB")
	b.ReportMetric(0, "ns/op")
}

// startFresh runs the program with a private Postgres of its own.
func (g *rig) startFresh() (*searchRig, *synced) {
	g.b.Helper()
	dir, err := os.MkdirTemp(g.dir, "fresh-")
	g.must(err)
	g.must(os.Chmod(dir, 0o755))
	own := &searchRig{rig: &rig{b: g.b, dir: dir, count: g.count, port: g.port}}
	g.must(os.Mkdir(filepath.Join(dir, "data"), 0o755))
	c, p := own.serve()
	return own, &synced{client: c, program: p, pool: own.pool()}
}

func (g *rig) stop(s *synced) {
	g.b.Helper()
	s.pool.Close()
	_, err := s.program.stop()
	g.must(err)
}

// restSearch lets the search of all users rest for longer than a benchmark lasts, as one
// that has met a fault.
const restSearch = `
INSERT INTO log.checkpoints AS c (journal_id, projection, generation, updated_at, attempts, failed_since, next_retry_at, last_error)
SELECT u.user_id, g.projection, g.generation, now(), 1, now(), now() + interval '1 day', 'rests for a benchmark'
FROM log.generations g, auth.users u
WHERE g.projection = 'search' AND g.status = 'live'
ON CONFLICT (journal_id, projection, generation) DO UPDATE
SET attempts = excluded.attempts, failed_since = excluded.failed_since, next_retry_at = excluded.next_retry_at, last_error = excluded.last_error`

// syncResting returns how long it takes until all mail is listed, without search.
func (g *rig) syncResting() time.Duration {
	g.b.Helper()
	own, s := g.startFresh()
	defer g.stop(s)
	own.settled(s.pool)
	_, err := s.pool.Exec(g.b.Context(), restSearch)
	g.must(err)
	own.await(s)
	return s.took
}

// syncSearched returns how long it takes until all mail is listed and found, and how large the
// index of words has grown, against one that is built anew.
func (g *rig) syncSearched() (took time.Duration, grown, packed int64) {
	g.b.Helper()
	own, s := g.startFresh()
	defer g.stop(s)
	own.settled(s.pool)
	own.await(s)
	listed := time.Now()
	own.settled(s.pool)
	took = s.took + time.Since(listed)
	grown = own.sizes(s.pool).index
	var name string
	const nameOf = `SELECT quote_ident(schema_name) || '.document_words' FROM log.generations WHERE projection = 'search' AND status = 'live'`
	g.must(s.pool.QueryRow(g.b.Context(), nameOf).Scan(&name))
	_, err := s.pool.Exec(g.b.Context(), "REINDEX INDEX "+name)
	g.must(err)
	return took, grown, own.sizes(s.pool).index
}

const positions = `
SELECT coalesce(max(c.position) FILTER (WHERE c.projection = 'mail'), 0), coalesce(max(c.position) FILTER (WHERE c.projection = 'search'), 0)
FROM log.checkpoints c
JOIN log.generations g USING (projection, generation)
WHERE g.status = 'live' AND c.journal_id <> 0`

// settled waits until what can be listed at this moment can be searched.
func (g *searchRig) settled(pool *pgxpool.Pool) {
	g.b.Helper()
	var listed, searched, until int64
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // the program works meanwhile
		g.must(pool.QueryRow(g.b.Context(), positions).Scan(&listed, &searched))
		if until == 0 {
			until = listed
		}
		if searched >= until && until > 0 {
			return
		}
		if time.Now().After(deadline) {
			g.b.Fatalf("search is at %d, mail at %d", searched, listed)
		}
	}
}
