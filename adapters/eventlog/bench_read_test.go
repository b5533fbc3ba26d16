package eventlog

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const benchBatches = 20 // of a thousand events

// fillBench appends a backlog of a thousand events a commit.
func fillBench(b *testing.B, l *Log, j events.JournalID, batches int) {
	b.Helper()
	for i := range batches {
		list := make([]events.Event, 1000)
		for n := range list {
			m := toyMessage(1, domain.MailboxID(n%20), domain.MessageID(i*1000+n+1), "Your order of the fourth of March has been sent")
			m.Summary.Snippet += m.Summary.Snippet + m.Summary.Snippet
			m.Summary.InReplyTo = m.MsgID
			list[n] = m
		}
		if _, err := writeTo(b.Context(), l.pool, j, list); err != nil {
			b.Fatal(err)
		}
	}
}

// statistics is a fold like that of mailboxes: a row for each, loaded and saved.
func statistics() projections.Projection[toyStore] {
	p := (&toy{}).projection()
	p.Apply = func(ctx context.Context, s toyStore, batch []events.Recorded) error {
		boxes := map[int64]*toyBox{}
		for _, rec := range batch {
			if e, ok := rec.Event.(events.MessageFetched); ok {
				box := boxes[int64(e.Mailbox)]
				if box == nil {
					box = &toyBox{account: int64(e.Account)}
					boxes[int64(e.Mailbox)] = box
				}
				box.messages, box.unseen, box.size = box.messages+1, box.unseen+1, box.size+e.Size
			}
		}
		return s.save(ctx, boxes, nil, nil, nil)
	}
	return p
}

// BenchmarkCatchUp prints the rate of catching up, a thousand events a
// transaction, and its ratio to COPY of the same rows.
func BenchmarkCatchUp(b *testing.B) {
	l := newTestLog(b)
	fillBench(b, l, 1, benchBatches)
	task := projections.Bind(statistics(), toyModel(l))
	var copied, caughtUp time.Duration
	for b.Loop() {
		copied += copyEvents(b, l)
		g, err := task.Build(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		catchUpAll(b, task, g, 1)
		caughtUp += time.Since(begin)
		do(b, l, `DELETE FROM log.checkpoints`)
		do(b, l, `TRUNCATE toy_g1.box`)
	}
	n := float64(b.N) * benchBatches * 1000
	b.ReportMetric(n/caughtUp.Seconds(), "events/s")
	b.ReportMetric(n/copied.Seconds(), "copied/s")
	b.ReportMetric(copied.Seconds()/caughtUp.Seconds(), "of-copy")
	b.ReportMetric(0, "ns/op")
}

// copyEvents copies all events to a table without indexes, a thousand a transaction.
func copyEvents(b *testing.B, l *Log) time.Duration {
	b.Helper()
	do(b, l, `DROP TABLE IF EXISTS copied`)
	do(b, l, `CREATE TABLE copied (LIKE log.events)`)
	rows, err := l.pool.Query(b.Context(), `SELECT * FROM log.events ORDER BY position`)
	if err != nil {
		b.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		b.Fatal(err)
	}
	columns := make([]string, len(rows.FieldDescriptions()))
	for i, f := range rows.FieldDescriptions() {
		columns[i] = f.Name
	}
	begin := time.Now()
	for part := range slices.Chunk(all, 1000) {
		if _, err := l.pool.CopyFrom(b.Context(), pgx.Identifier{"copied"}, columns, pgx.CopyFromRows(part)); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begin)
}

// BenchmarkBacklog prints the rate of the first and of the last tenth of a long
// backlog: it must not fall.
func BenchmarkBacklog(b *testing.B) {
	const batches = 200
	l := newTestLog(b)
	fillBench(b, l, 1, batches)
	do(b, l, `ANALYZE log.events`)
	task := projections.Bind(statistics(), toyModel(l))
	for b.Loop() {
		g, err := task.Build(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		var took [batches]time.Duration
		for i := range took {
			begin := time.Now()
			if _, err := task.CatchUp(b.Context(), g, 1); err != nil {
				b.Fatal(err)
			}
			took[i] = time.Since(begin)
		}
		rate := func(part []time.Duration) float64 {
			slices.Sort(part)
			return 1000 / part[len(part)/2].Seconds()
		}
		b.ReportMetric(rate(took[:batches/10]), "first-events/s")
		b.ReportMetric(rate(took[batches-batches/10:]), "last-events/s")
		do(b, l, `DELETE FROM log.checkpoints`)
		do(b, l, `TRUNCATE toy_g1.box`)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkVisible prints how long after an append its event is in a read model,
// behind router, subscriber and hint.
func BenchmarkVisible(b *testing.B) {
	l := newTestLog(b)
	_, _, task := newToy(l)
	consume(b, l, task)
	var took []time.Duration
	id := domain.MessageID(0)
	await(b, l, 1, write(b, l, 1, toyMessage(1, 1, 1_000_000, "order")))
	for b.Loop() {
		id++
		pos := write(b, l, 1, toyMessage(1, 1, id, "order"))
		begin := time.Now()
		await(b, l, 1, pos)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkVerify prints how many events a second Verify proves sound.
func BenchmarkVerify(b *testing.B) {
	l := newTestLog(b)
	for j := events.JournalID(1); j <= 2; j++ {
		fillBench(b, l, j, benchBatches)
	}
	var sum Summary
	for b.Loop() {
		var err error
		if sum, err = l.Verify(b.Context(), VerifyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(sum.Events)/sum.Took.Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}
