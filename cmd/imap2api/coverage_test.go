package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/adapters/mailparse"
	"github.com/imap2api/imap2api/adapters/meili"
	"github.com/imap2api/imap2api/adapters/meili/meilitest"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// TestCoverageLaws damages rows of random mail: what is found is repaired, to the last column
// as a rebuild would make it, and what lags is no gap.
func TestCoverageLaws(t *testing.T) {
	t.Parallel()
	// 1796081369048790342 had documents of a journal of which Meilisearch had applied nothing.
	seeds := []uint64{1, 2, 1796081369048790342, uint64(time.Now().UnixNano())}
	if text := os.Getenv("IMAP2API_TEST_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := newCovered(t, seed, 2)
			for range 5 {
				for range 2 + c.IntN(4) {
					c.write(c.journals[c.IntN(len(c.journals))], 1+c.IntN(80))
				}
				c.catchUp(c.IntN(3) > 0)
				c.damage()
				c.damageOutside()
				c.check(true) // whatever lags, without a fault
				c.catchUp(true)
				c.check(true)
				c.complete()
			}
			c.sound()
		})
	}
}

// covered is the program on random mail, without a mail server.
type covered struct {
	*rand.Rand
	t        *testing.T
	s        *system
	journals []*coveredJournal
	lastID   int64
}

type coveredJournal struct {
	id       events.JournalID
	accounts []domain.AccountID
	messages []events.MessageFetched // as they are now
	threads  map[domain.AccountID][]domain.ThreadID
	uid      domain.UID
}

func newCovered(t *testing.T, seed uint64, journals int) *covered {
	t.Helper()
	pool, err := postgres.Open(t.Context(), pgtest.DSN(t), postgres.PoolOptions{MaxConns: 6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	settings := &config{dataDir: t.TempDir(), meilisearchURL: meilitest.New(t, meilitest.Options{}).URL()}
	if seed%2 == 0 {
		settings.payloadCompression = "zstd"
	}
	s, err := build(t.Context(), settings, &database{pool: pool}, log)
	if err != nil {
		t.Fatal(err)
	}
	c := &covered{Rand: rand.New(rand.NewPCG(seed, 0)), t: t, s: s}
	for _, task := range s.tasks {
		_, err := task.Build(t.Context())
		c.must(err)
	}
	for n := range journals {
		user, err := s.addUser(t.Context(), fmt.Sprint("user", n), adminPassword, n == 0)
		c.must(err)
		j := &coveredJournal{id: events.JournalID(user), threads: map[domain.AccountID][]domain.ThreadID{}}
		for range 2 {
			ids, err := s.journal.NextIDs(t.Context(), domain.IDAccount, 1)
			c.must(err)
			acc := domain.AccountID(ids[0])
			j.accounts = append(j.accounts, acc)
			c.append(j, events.AccountAdded{Account: acc, Settings: events.AccountSettings{Name: "law"}},
				events.MailboxFound{Account: acc, Mailbox: domain.MailboxID(2 * acc), Name: "INBOX", Selected: true, UIDValidity: 1},
				events.MailboxFound{Account: acc, Mailbox: domain.MailboxID(2*acc + 1), Name: "Old", Selected: true, UIDValidity: 1})
		}
		c.journals = append(c.journals, j)
	}
	return c
}

func (c *covered) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *covered) sql(statement string, args ...any) {
	c.t.Helper()
	_, err := c.s.db.pool.Exec(c.t.Context(), statement, args...)
	c.must(err)
}

func (c *covered) append(j *coveredJournal, list ...events.Event) {
	c.t.Helper()
	scope := commands.Scope{Journal: j.id, Append: commands.NewAppendID(), Meta: commandLine()}
	_, err := c.s.journal.Update(c.t.Context(), scope, func(commands.State) (commands.Decision, error) {
		return commands.Decision{Events: list}, nil
	})
	c.must(err)
}

// write lets n things happen.
func (c *covered) write(j *coveredJournal, n int) {
	c.t.Helper()
	var list []events.Event
	for range n {
		switch at := c.IntN(10); {
		case at < 5 || len(j.messages) == 0:
			list = append(list, c.fetch(j))
		case at < 7:
			m := &j.messages[c.IntN(len(j.messages))]
			m.Flags = c.flags()
			list = append(list, events.FlagsChanged{Message: m.Message, Flags: m.Flags})
		case at < 9:
			m := &j.messages[c.IntN(len(j.messages))]
			from := m.Place
			m.Place = c.place(j, m.Account)
			list = append(list, events.MessageMoved{Message: m.Message, From: from, Flags: m.Flags, Size: m.Size})
		default:
			i := c.IntN(len(j.messages))
			m := j.messages[i]
			j.messages = append(j.messages[:i], j.messages[i+1:]...)
			list = append(list, events.MessageExpunged{Message: m.Message, Reason: events.ReasonExpunged, Flags: m.Flags, Size: m.Size})
		}
	}
	c.append(j, list...)
}

func (c *covered) flags() []domain.Flag {
	return domain.Flags([]domain.Flag{domain.FlagSeen, domain.FlagFlagged, "$Junk", "été"}[:c.IntN(5)])
}

func (c *covered) place(j *coveredJournal, acc domain.AccountID) events.Place {
	j.uid++
	n := c.IntN(2)
	return events.Place{
		Mailbox: domain.MailboxID(2*int64(acc) + int64(n)), Folder: []domain.MailboxName{"INBOX", "Old"}[n], UIDValidity: 1, UID: j.uid,
	}
}

func (c *covered) fetch(j *coveredJournal) events.Event {
	c.t.Helper()
	c.lastID++
	acc := j.accounts[c.IntN(len(j.accounts))]
	date := time.Date(2025, 3, 4, 9, 0, 0, 0, time.UTC).Add(time.Duration(c.IntN(1000)) * time.Hour)
	raw := fmt.Appendf(nil, "From: ann%d@example.org\r\nTo: bob@example.org\r\nSubject: Matter %d\r\nDate: %s\r\nMessage-ID: <%d@example.org>\r\n\r\n%s\r\n",
		c.IntN(9), c.IntN(20), date.Format(time.RFC1123Z), c.lastID, strings.Repeat(fmt.Sprintf("word%d ", c.IntN(30)), c.IntN(9)))
	sum := sha256.Sum256(raw)
	content := c.s.parser.Parse(c.t.Context(), raw)
	c.must(c.s.raws.Put(c.t.Context(), j.id, []commands.RawMessage{{SHA256: sum, Octets: raw, Content: content}}))
	e := events.MessageFetched{
		Message: events.Message{ID: domain.MessageID(c.lastID), Account: acc, Place: c.place(j, acc), MsgID: events.MsgIDOf(content)},
		SHA256:  sum[:], Size: int64(len(raw)), InternalDate: date, Flags: c.flags(),
		Summary: events.Summarise(content, date), Parser: mailparse.Version,
	}
	c.thread(j, &e)
	j.messages = append(j.messages, e)
	return e
}

// thread puts a message in a new thread, or in one that is, to which it may join others.
func (c *covered) thread(j *coveredJournal, e *events.MessageFetched) {
	threads := j.threads[e.Account]
	switch at := c.IntN(4); {
	case at == 0 || len(threads) < 4:
		e.Thread = domain.ThreadID(e.ID)
		threads = append(threads, e.Thread)
	case at == 1:
		i := c.IntN(len(threads) - 2)
		n := 1 + c.IntN(2)
		e.Thread, e.Merged = threads[i], append(e.Merged, threads[i+1:i+1+n]...)
		threads = append(threads[:i+1:i+1], threads[i+1+n:]...)
	default:
		e.Thread = threads[c.IntN(len(threads))]
	}
	j.threads[e.Account] = threads
}

// catchUp brings the read models up to date; else one of them, or none.
func (c *covered) catchUp(all bool) {
	c.t.Helper()
	for _, task := range c.s.tasks {
		if !all && c.IntN(2) == 0 {
			continue
		}
		for _, j := range c.journals {
			for more := true; more; {
				var err error
				more, err = task.CatchUp(c.t.Context(), c.live(task), j.id)
				c.must(err)
			}
		}
	}
}

func (c *covered) live(task projections.Task) projections.Generation {
	c.t.Helper()
	gens, err := task.Generations(c.t.Context())
	c.must(err)
	return gens[0]
}

// damage does what hands do.
func (c *covered) damage() {
	for _, table := range []string{"mail_g1.message", "search_g1.document"} {
		for range 1 + c.IntN(3) {
			some := fmt.Sprintf("abs(hashint8extended(id, %d)) %% 10 < %d", c.IntN(1000), 1+c.IntN(4))
			switch c.IntN(5) {
			case 0, 1:
				c.sql("DELETE FROM " + table + " WHERE " + some)
			case 2:
				c.sql("UPDATE " + table + " SET flags = '{forged}', seen = NOT seen WHERE " + some)
			case 3:
				c.sql("UPDATE " + table + " SET id = id + 1000000 WHERE id < 1000000 AND " + some)
			case 4:
				c.sql("UPDATE " + table + " SET account_id = account_id + 1 WHERE " + some)
			}
		}
	}
}

// damageOutside takes documents out of Meilisearch and adds others.
func (c *covered) damageOutside() {
	c.t.Helper()
	for _, j := range c.journals {
		store := c.s.meili.Store(j.id, func(ctx context.Context) (meili.Place, error) {
			p, _, err := c.s.events.Abreast(ctx, j.id, meiliModel, searchModel)
			return p, err
		})
		var gone []domain.MessageID
		for _, m := range j.messages {
			switch c.IntN(8) {
			case 0:
				gone = append(gone, m.ID)
			case 1:
				doc := projections.Document{ID: m.ID + 1_000_000, Account: m.Account, SHA256: m.SHA256, Date: m.InternalDate, InternalDate: m.InternalDate}
				store.Index(doc, &domain.Content{Subject: "surplus"})
			}
		}
		c.must(store.Save(c.t.Context(), nil, gone))
	}
}

func (c *covered) check(repair bool) eventlog.CoverageChecked {
	c.t.Helper()
	opts := c.s.coverage()
	opts.Repair = repair
	done, err := c.s.events.CheckCoverage(c.t.Context(), opts)
	c.must(err)
	for _, g := range done.Gaps {
		if repair && g.Left != 0 {
			c.t.Errorf("%d rows are left: %+v", g.Left, g)
		}
	}
	return done
}

// complete wants nothing to be found any more, and all that is known to be counted.
func (c *covered) complete() {
	c.t.Helper()
	if done := c.check(false); len(done.Gaps) > 0 || done.Lags || done.Elsewhere {
		c.t.Fatalf("after the repair: %+v", done)
	}
	n := 0
	for _, j := range c.journals {
		n += len(j.messages)
	}
	kept, err := c.s.events.Coverage(c.t.Context())
	c.must(err)
	for _, name := range []string{"mail", searchModel, meiliModel} {
		got := kept[name]
		if got.Status() != "complete" || got.Percent() != 100 || got.Emails != int64(n) || got.Held != int64(n) || len(got.Servers) != 2*len(c.journals) {
			c.t.Fatalf("%s: %s, %v %% of %d of %d, %d servers", name, got.Status(), got.Percent(), got.Held, n, len(got.Servers))
		}
	}
}

// sound wants the rows to be, to the last column, what the log makes of them.
func (c *covered) sound() {
	c.t.Helper()
	_, err := c.s.events.Verify(c.t.Context(), eventlog.VerifyOptions{Tasks: c.s.tasks, Finding: func(f eventlog.Finding) {
		if f.Damage() {
			c.t.Errorf("%v", f)
		}
	}})
	c.must(err)
}
