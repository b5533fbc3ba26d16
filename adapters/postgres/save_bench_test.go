package postgres_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// BenchmarkMailFold folds batches of 1,000 new messages into a mail read model that grows.
func BenchmarkMailFold(b *testing.B) {
	pool := open(b)
	schema := live(b, pool, "mail", 1)
	id := int64(0)
	for b.Loop() {
		b.StopTimer()
		batch := newMail(id+1, 1000)
		id += 1000
		b.StartTimer()
		foldMail(b, pool, schema, 1, batch)
	}
	b.ReportMetric(float64(id)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkRawUses notes that 1,000 raw messages are used, whose key is checked in the partition of the
// journal (as migration 0013 has it) and through the table of all partitions (as before).
func BenchmarkRawUses(b *testing.B) {
	const throughAll = `
DO $$ BEGIN
	FOR i IN 0..15 LOOP
		EXECUTE format('ALTER TABLE raw.uses_%s DROP CONSTRAINT uses_%s_journal_id_sha256_fkey', i, i);
	END LOOP;
	ALTER TABLE raw.uses ADD FOREIGN KEY (journal_id, sha256) REFERENCES raw.messages;
END $$`
	for name, before := range map[string]string{"partition": "SELECT", "all": throughAll} {
		b.Run(name, func(b *testing.B) {
			pool := open(b)
			exec := func(sql string, args ...any) {
				if _, err := pool.Exec(b.Context(), sql, args...); err != nil {
					b.Fatal(err)
				}
			}
			exec(before)
			rows := 0
			for b.Loop() {
				b.StopTimer()
				sums := make([][]byte, 1000)
				for i := range sums {
					sum := sha256.Sum256(fmt.Append(nil, rows+i))
					sums[i] = sum[:]
				}
				rows += len(sums)
				exec(`INSERT INTO raw.messages (journal_id, sha256, size, stored_at, codec, data) SELECT 1, s, 1, now(), 0, 'x' FROM unnest($1::bytea[]) AS s`, sums)
				b.StartTimer()
				exec(`INSERT INTO raw.uses SELECT 1, s, 1 FROM unnest($1::bytea[]) AS s ON CONFLICT DO NOTHING`, sums)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(rows), "µs/row")
		})
	}
}

// newMail is n messages of two accounts, in threads of three, with texts of the usual length.
func newMail(first int64, n int) []events.Recorded {
	list := make([]events.Event, n)
	for i := range list {
		id := first + int64(i)
		list[i] = fetched(id, func(e *events.MessageFetched) {
			e.Account = domain.AccountID(1 + id%2)
			e.Mailbox, e.Folder = domain.MailboxID(1+id%20), domain.MailboxName(fmt.Sprintf("Folder %d", id%20/2))
			e.Thread = domain.ThreadID((id/6)*2 + id%2 + 1)
			e.Summary.Subject = fmt.Sprintf("Re: Minutes of the meeting about item %d", id/3)
			e.Summary.Sender = fmt.Sprintf("person.%d@department.example.org", id%97)
			e.Summary.SenderName = fmt.Sprintf("Person %d", id%97)
			e.Summary.Snippet = strings.Repeat("A few words of the text. ", 8)
			e.Summary.Date = epoch.Add(time.Duration(id*7919%1_000_003) * time.Second)
			if id%4 == 0 {
				e.Flags = []domain.Flag{domain.FlagSeen}
			}
		})
	}
	return recorded(events.Position(first), list...)
}
