package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// TestMailLaws folds random logs, cut into batches anywhere: the tables are the
// same to the last column, and agree with what the log says.
func TestMailLaws(t *testing.T) {
	t.Parallel()
	pool := open(t)
	for round := range 12 {
		seed := rand.Uint64()
		log := newMailLog(seed).write(50 + 60*round)
		whole := live(t, pool, "mail", 2*round+1)
		foldMail(t, pool, whole, 1, log)
		cut := live(t, pool, "mail", 2*round+2)
		rnd := rand.New(rand.NewPCG(seed, 1))
		for rest := log; len(rest) > 0; {
			n := min(1+rnd.IntN(1+rnd.IntN(40)), len(rest))
			foldMail(t, pool, cut, 1, rest[:n])
			rest = rest[n:]
		}
		for _, table := range postgres.MailTableNames {
			if diff := cmp.Diff(dump(t, pool, whole, table), dump(t, pool, cut, table)); diff != "" {
				t.Fatalf("seed %d: table %s differs by its batches (-whole +cut):\n%s", seed, table, diff)
			}
		}
		checkTotals(t, pool, cut, seed)
	}
}

// checkTotals compares what is kept as sums with the messages themselves.
func checkTotals(t *testing.T, pool *pgxpool.Pool, schema string, seed uint64) {
	t.Helper()
	same := map[string][2]string{
		"tally": {
			`SELECT account_id, mailbox_id, folder, messages, unseen, size FROM tally WHERE mailbox_id <> 0 ORDER BY 1, 2, 3`,
			`SELECT account_id, mailbox_id, folder, count(*), count(*) FILTER (WHERE NOT seen), sum(size)::bigint
				FROM message GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
		},
		"threads of accounts": {
			`SELECT account_id, messages FROM tally WHERE mailbox_id = 0 ORDER BY 1`,
			`SELECT account_id, count(DISTINCT thread_id) FROM message GROUP BY 1 ORDER BY 1`,
		},
		"thread": {
			`SELECT thread_id, messages, unseen, latest_id FROM thread ORDER BY 1`,
			`SELECT thread_id, count(*), count(*) FILTER (WHERE NOT seen), (array_agg(id ORDER BY date DESC, id DESC))[1]
				FROM message GROUP BY 1 ORDER BY 1`,
		},
		"thread_alias": {
			`SELECT count(*) FROM thread_alias a JOIN thread_alias b ON b.thread_id = a.into_id`, `SELECT 0`,
		},
	}
	for name, sql := range same {
		if diff := cmp.Diff(texts(t, pool, schema, sql[0]), texts(t, pool, schema, sql[1])); diff != "" {
			t.Errorf("seed %d: %s (-kept +counted):\n%s", seed, name, diff)
		}
	}
}

func dump(t *testing.T, pool *pgxpool.Pool, schema, table string) []string {
	t.Helper()
	return texts(t, pool, schema, fmt.Sprintf("SELECT to_jsonb(x)::text FROM %s x ORDER BY 1", pgx.Identifier{table}.Sanitize()))
}

// texts returns rows as text.
func texts(t *testing.T, pool *pgxpool.Pool, schema, sql string) (out []string) {
	t.Helper()
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), sql)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
			values, err := row.Values()
			return fmt.Sprint(values...), err
		})
		return err
	})
	return out
}

// mailLog writes logs as commands do: a thread that merged never comes back.
type mailLog struct {
	*rand.Rand
	messages []events.MessageFetched // as they are now
	threads  map[domain.AccountID][]domain.ThreadID
	lastID   int64
}

func newMailLog(seed uint64) *mailLog {
	return &mailLog{Rand: rand.New(rand.NewPCG(seed, 0)), threads: map[domain.AccountID][]domain.ThreadID{}}
}

func (l *mailLog) write(n int) []events.Recorded {
	list := make([]events.Event, 0, n)
	for len(list) < n {
		switch at := l.IntN(10); {
		case at < 4 || len(l.messages) == 0:
			list = append(list, l.fetch())
		case at < 6:
			list = append(list, l.flags())
		case at < 8:
			list = append(list, l.move())
		default:
			list = append(list, l.expunge())
		}
	}
	return recorded(1, list...)
}

var someFlags = []domain.Flag{domain.FlagSeen, domain.FlagFlagged, "$Junk", "été", `a"b{c,}`}

func (l *mailLog) someFlags() []domain.Flag {
	out := []domain.Flag{}
	for _, f := range someFlags {
		if l.IntN(2) == 0 {
			out = append(out, f)
		}
	}
	return domain.Flags(out)
}

// longName is longer than a key of an index may be, and cannot be packed.
var longName = domain.MailboxName("Größe/" + randomBase64(8000))

func (l *mailLog) place(acc domain.AccountID) events.Place {
	folder := []domain.MailboxName{"INBOX", "Sent", longName}[l.IntN(3)]
	return events.Place{Mailbox: domain.MailboxID(int64(acc)*100 + int64(len(folder))), Folder: folder, UIDValidity: 1, UID: 1}
}

func (l *mailLog) fetch() events.Event {
	l.lastID++
	acc := domain.AccountID(1 + l.IntN(2))
	e := fetched(l.lastID, func(e *events.MessageFetched) {
		e.Account, e.Place, e.Flags, e.Size = acc, l.place(acc), l.someFlags(), l.Int64N(1000)
		e.Summary.Subject = strings.Repeat("Ünï ", l.IntN(3))
		e.Summary.Date = epoch.Add(time.Duration(l.IntN(20)) * time.Hour)
	})
	threads := l.threads[acc]
	switch at := l.IntN(4); {
	case at == 0 || len(threads) < 4:
		e.Thread = domain.ThreadID(l.lastID)
		threads = append(threads, e.Thread)
	case at == 1: // joins a thread to one or two of the others, all later
		i := l.IntN(len(threads) - 2)
		e.Thread = threads[i]
		n := 1 + l.IntN(2)
		e.Merged = append(e.Merged, threads[i+1:i+1+n]...)
		threads = append(threads[:i+1:i+1], threads[i+1+n:]...)
		for k, m := range l.messages {
			for _, from := range e.Merged {
				if m.Thread == from {
					l.messages[k].Thread = e.Thread
				}
			}
		}
	default:
		e.Thread = threads[l.IntN(len(threads))]
	}
	l.threads[acc] = threads
	l.messages = append(l.messages, e)
	return e
}

func (l *mailLog) flags() events.Event {
	m := &l.messages[l.IntN(len(l.messages))]
	before := m.Flags
	m.Flags = l.someFlags()
	added, removed := domain.DiffFlags(before, m.Flags)
	return events.FlagsChanged{Message: m.Message, Added: added, Removed: removed, Flags: m.Flags}
}

func (l *mailLog) move() events.Event {
	m := &l.messages[l.IntN(len(l.messages))]
	from := m.Place
	m.Place = l.place(m.Account)
	return events.MessageMoved{Message: m.Message, From: from, Flags: m.Flags, Size: m.Size}
}

func (l *mailLog) expunge() events.Event {
	i := l.IntN(len(l.messages))
	m := l.messages[i]
	l.messages = append(l.messages[:i], l.messages[i+1:]...)
	return events.MessageExpunged{Message: m.Message, Reason: events.ReasonExpunged, Flags: m.Flags, Size: m.Size}
}

// TestEraseAccount leaves nothing of one account and all of the other.
func TestEraseAccount(t *testing.T) {
	t.Parallel()
	pool := open(t)
	log := newMailLog(7).write(600)
	schema := live(t, pool, "mail", 1)
	foldMail(t, pool, schema, 1, log)
	only := live(t, pool, "mail", 2)
	var second []events.Recorded
	for _, rec := range log {
		if rec.Account == 2 {
			second = append(second, rec)
		}
	}
	foldMail(t, pool, only, 1, second)
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		return postgres.NewMailStore(tx, 1).EraseAccount(t.Context(), 1)
	})
	for _, table := range postgres.MailTableNames {
		if diff := cmp.Diff(dump(t, pool, only, table), dump(t, pool, schema, table)); diff != "" {
			t.Errorf("table %s (-only account 2 +account 1 erased):\n%s", table, diff)
		}
	}
}
