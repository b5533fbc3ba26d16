package main

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// BenchmarkCatchUp builds the read models anew from the log of a first sync of
// IMAP2API_TEST_BENCH_COUNT messages, and in turn copies the same events with COPY into
// a table without indexes, a thousand a transaction as they are caught up. It reports
// events/s of both and their ratio; mailboxes are the statistics of folders.
func BenchmarkCatchUp(b *testing.B) {
	g := newRig(b, number(b, "BENCH_COUNT", benchMessages))
	var s *synced
	g.cold(func() { s = g.sync() })
	_, err := s.program.stop() // nobody else catches up
	g.must(err)
	_, err = s.pool.Exec(b.Context(), "ANALYZE")
	g.must(err)
	pool, err := postgres.Open(b.Context(), s.dsn, postgres.PoolOptions{})
	g.must(err)
	b.Cleanup(pool.Close)
	system, err := build(b.Context(), &config{dataDir: g.dir}, &database{pool: pool}, slog.New(slog.DiscardHandler))
	g.must(err)
	var journal int64
	g.must(pool.QueryRow(b.Context(), "SELECT journal_id FROM state.accounts WHERE account_id = $1", s.server).Scan(&journal))
	for _, model := range []struct {
		name   string
		tables []string
	}{{"mailboxes", postgres.MailboxesTableNames}, {"mail", postgres.MailTableNames}} {
		b.Run(model.name, func(b *testing.B) {
			task, err := system.task(model.name)
			if err != nil {
				b.Fatal(err)
			}
			var copied, caughtUp time.Duration
			n := 0
			for b.Loop() {
				took, events := copyLog(b, pool, journal)
				copied, n = copied+took, n+events
				caughtUp += catchUp(b, pool, task, journal, model.tables)
			}
			b.ReportMetric(float64(n)/caughtUp.Seconds(), "events/s")
			b.ReportMetric(float64(n)/copied.Seconds(), "copied/s")
			b.ReportMetric(copied.Seconds()/caughtUp.Seconds(), "of-copy")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// catchUp fills a generation of a read model and empties it again.
func catchUp(b *testing.B, pool *pgxpool.Pool, task projections.Task, journal int64, tables []string) time.Duration {
	b.Helper()
	gen, err := task.Build(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	for more := true; more; {
		if more, err = task.CatchUp(b.Context(), gen, events.JournalID(journal)); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(begun)
	if _, err := pool.Exec(b.Context(), "DELETE FROM log.checkpoints WHERE projection = $1 AND generation = $2", task.Name, gen.Number); err != nil {
		b.Fatal(err)
	}
	for _, table := range tables {
		if _, err := pool.Exec(b.Context(), "TRUNCATE "+pgx.Identifier{gen.Schema, table}.Sanitize()); err != nil {
			b.Fatal(err)
		}
	}
	return took
}

// copyLog copies the events of a journal.
func copyLog(b *testing.B, pool *pgxpool.Pool, journal int64) (time.Duration, int) {
	b.Helper()
	for _, statement := range []string{"DROP TABLE IF EXISTS public.copied", "CREATE TABLE public.copied (LIKE log.events)"} {
		if _, err := pool.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	rows, err := pool.Query(b.Context(), "SELECT * FROM log.events WHERE journal_id = $1 ORDER BY position", journal)
	if err != nil {
		b.Fatal(err)
	}
	var columns []string
	for _, f := range rows.FieldDescriptions() {
		columns = append(columns, f.Name)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	for part := range slices.Chunk(all, 1000) {
		if _, err := pool.CopyFrom(b.Context(), pgx.Identifier{"public", "copied"}, columns, pgx.CopyFromRows(part)); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begun), len(all)
}
