package eventlog

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const benchOctets = 946 // of a payload, as most are

// benchEvents are events that change no inline state.
func benchEvents(tb testing.TB) []events.Event {
	tb.Helper()
	e := events.ThreadUpdated{
		Thread: 1, Account: 1, Causes: []string{"email.received"}, IDs: []domain.MessageID{1}, Merged: []domain.ThreadID{},
		Latest: &events.LatestMessage{Date: testAt},
	}
	payload, err := events.Encode(e)
	if err != nil {
		tb.Fatal(err)
	}
	e.Latest.Subject = strings.Repeat("subject of a mail ", 100)[:benchOctets-len(payload)]
	return repeat(e, maxEvents)
}

// BenchmarkAppend appends 1,000 events of 946 octets a call to one journal, and
// BenchmarkCopy copies the same rows into a table of the same shape, 1,000 a
// transaction. The ratio of their events/s is what is watched; BenchmarkAppend
// measures both in turn and reports it as of-copy.
func BenchmarkAppend(b *testing.B) {
	pool := benchPool(b)
	j := New(pool, Options{}).Journal()
	journal := addUser(b, j, 1)
	list := benchEvents(b)
	var appended, copied time.Duration
	rows := copyRows(b, j, list)
	for range 3 { // warm
		must(b, j, scopeOf(journal), decisionOf(list...))
		copyOnce(b, pool, rows)
	}
	for b.Loop() {
		begun := time.Now()
		must(b, j, scopeOf(journal), decisionOf(list...))
		between := time.Now()
		copyOnce(b, pool, rows)
		appended, copied = appended+between.Sub(begun), copied+time.Since(between)
	}
	n := float64(b.N * len(list))
	b.ReportMetric(n/appended.Seconds(), "events/s")
	b.ReportMetric(n/copied.Seconds(), "copied/s")
	b.ReportMetric(copied.Seconds()/appended.Seconds(), "of-copy")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkCopy is what BenchmarkAppend is compared with, alone.
func BenchmarkCopy(b *testing.B) {
	pool := benchPool(b)
	j := New(pool, Options{}).Journal()
	rows := copyRows(b, j, benchEvents(b))
	for b.Loop() {
		copyOnce(b, pool, rows)
	}
	b.ReportMetric(float64(b.N*len(rows))/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkAppendOne appends one event a call, from as many goroutines as there
// are journals: bound by commits.
func BenchmarkAppendOne(b *testing.B) {
	const journals = 8
	j := New(benchPool(b), Options{}).Journal()
	ids := make(chan events.JournalID, journals)
	for id := range int64(journals) {
		ids <- addUser(b, j, id+1)
	}
	b.SetParallelism(journals / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := <-ids
			if _, err := update(b, j, scopeOf(id), decisionOf(loggedIn(1))); err != nil {
				b.Error(err)
			}
			ids <- id
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkAppendFetched appends messages with all their inline state.
func BenchmarkAppendFetched(b *testing.B) {
	const batch = 200
	pool := benchPool(b)
	j := New(pool, Options{}).Journal()
	journal := addUser(b, j, 1)
	addAccount(b, j, journal, 1)
	id := domain.MessageID(0)
	next := func() []events.Event {
		list := make([]events.Event, batch)
		sums := make([][]byte, batch)
		for i := range list {
			id++
			sums[i] = make([]byte, 32)
			_, _ = rand.Read(sums[i])
			list[i] = fetched(id, domain.UID(id), sums[i])
		}
		exec(b, pool, `INSERT INTO raw.messages (journal_id, sha256, size, stored_at, codec, data)
			SELECT $1, s, 1, now(), 0, 'x' FROM unnest($2::bytea[]) s`, int64(journal), sums)
		return list
	}
	var took time.Duration
	for b.Loop() {
		list, scope := next(), scopeOf(journal)
		scope.Account, scope.Meta.Sync = 1, 1
		begun := time.Now()
		must(b, j, scope, decisionOf(list...))
		took += time.Since(begun)
	}
	b.ReportMetric(float64(b.N*batch)/took.Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}

func benchPool(b *testing.B) *pgxpool.Pool {
	pool := pgtest.Pool(b)
	exec(b, pool, `CREATE TABLE log.copied (LIKE log.events INCLUDING DEFAULTS INCLUDING STORAGE)`)
	return pool
}

var copyColumns = []string{
	"journal_id", "position", "stream_id", "account_id", "recorded_at", "stream_kind", "schema_version", "encoding",
	"event_id", "type", "payload",
}

// copyRows are the rows that an append of list makes.
func copyRows(b *testing.B, j *Journal, list []events.Event) [][]any {
	b.Helper()
	c, err := j.newCommit(journalHead{}, scopeOf(1), testAt, list)
	if err != nil {
		b.Fatal(err)
	}
	rows := make([][]any, len(c.events))
	for i, e := range c.events {
		rows[i] = []any{
			int64(1), int64(e.position), e.stream.ID, e.account, testAt, int16(e.stream.Kind), e.version, e.encoding,
			[16]byte(e.id), string(e.typ), e.payload,
		}
	}
	return rows
}

func copyOnce(b *testing.B, pool *pgxpool.Pool, rows [][]any) {
	b.Helper()
	if _, err := pool.CopyFrom(b.Context(), pgx.Identifier{"log", "copied"}, copyColumns, pgx.CopyFromRows(rows)); err != nil {
		b.Fatal(err)
	}
}
