package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// foldHistory folds a batch of the first journal into the tables of a schema.
func foldHistory(t testing.TB, pool *pgxpool.Pool, schema string, batch []events.Recorded) {
	t.Helper()
	history := projections.History(noContents{})
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		return history.Apply(t.Context(), postgres.NewHistoryStore(tx, 1), batch)
	})
}

// seen is what readers answer at one moment, by question.
type seen map[string]any

// look asks a reader of mail everything that can be asked as of a moment.
func look(t *testing.T, r *postgres.MailReader, last int64) seen {
	t.Helper()
	out := seen{}
	keep := func(question string, answer any, err error) {
		t.Helper()
		if err != nil && !errors.Is(err, domain.ErrNotFound) {
			t.Fatalf("%s: %v", question, err)
		}
		out[question] = []any{answer, errors.Is(err, domain.ErrNotFound)}
	}
	newest := []queries.Order{{Field: "date", Desc: true}}
	page := queries.Paging{Size: 20, Number: 1}
	unread := false
	for name, f := range map[string]queries.MessageFilter{
		"all":      {},
		"account":  {Accounts: []domain.AccountID{2}},
		"folder":   {Folders: []domain.MailboxName{"Sent"}},
		"unread":   {Seen: &unread},
		"thread 3": {Thread: ptr(domain.ThreadID(3))},
		"subject":  {Subject: "ünï"},
	} {
		f.Journal = 1
		for _, byThread := range []bool{false, true} {
			rows, err := r.Messages(t.Context(), f, byThread, newest, page)
			keep(fmt.Sprint(name, byThread), rows, err)
		}
		rows, err := r.Messages(t.Context(), f, false, []queries.Order{{Field: "thread_count"}, {Field: "updated_at", Desc: true}}, queries.Paging{Size: 3, ByCursor: true})
		keep(name+" by count", rows, err)
	}
	for id := int64(1); id <= last; id += 1 + last/8 {
		m, err := r.Message(t.Context(), 1, nil, domain.MessageID(id), 5)
		keep(fmt.Sprint("message ", id), m, err)
		th, err := r.Thread(t.Context(), 1, []domain.AccountID{1}, domain.MessageID(id), 4)
		keep(fmt.Sprint("thread of ", id), th, err)
	}
	for _, accounts := range [][]domain.AccountID{nil, {1}} {
		s, err := r.Statistics(t.Context(), queries.GetStatistics{Journal: 1, Accounts: accounts})
		keep(fmt.Sprint("statistics ", accounts), s, err)
	}
	return out
}

// TestHistoryIsWhatWas: what the history gives as of any position is what the mail read model
// gave when it had come there, and it is the same rows wherever batches are cut.
func TestHistoryIsWhatWas(t *testing.T) {
	t.Parallel()
	pool := open(t)
	contents := postgres.NewContents(pool, postgres.NewRawStore(pool, 3, time.Now), &lineParser{})
	for round := range 4 {
		seed := rand.Uint64()
		rnd := rand.New(rand.NewPCG(seed, 1))
		source := newMailLog(seed)
		log := source.write(40 + 60*round)
		mail, history := live(t, pool, "mail", 2*round+1), live(t, pool, "history", 2*round+1)
		then := map[events.Position]seen{}
		for rest := log; len(rest) > 0; {
			n := min(1+rnd.IntN(60), len(rest))
			foldMail(t, pool, mail, 1, rest[:n])
			foldHistory(t, pool, history, rest[:n])
			then[rest[n-1].Position] = look(t, postgres.NewMailReader(pool, 1, contents, nil), source.lastID)
			rest = rest[n:]
		}
		then[0] = look(t, postgres.NewHistoryReader(pool, 1, contents).Mail(0), source.lastID)
		if answer := then[0]["message 1"].([]any); answer[1] != true {
			t.Errorf("before the first event: %+v", answer)
		}
		reader := postgres.NewHistoryReader(pool, 1, contents)
		for pos, want := range then {
			if diff := cmp.Diff(want, look(t, reader.Mail(pos), source.lastID), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("seed %d, as of position %d of %d (-then +now):\n%s", seed, pos, len(log), diff)
			}
		}
		whole := live(t, pool, "history", 2*round+2)
		foldHistory(t, pool, whole, log)
		for _, table := range postgres.HistoryTableNames {
			if diff := cmp.Diff(dump(t, pool, whole, table), dump(t, pool, history, table)); diff != "" {
				t.Fatalf("seed %d: table %s differs by its batches (-whole +cut):\n%s", seed, table, diff)
			}
		}
	}
}

// TestHistoryPlans looks at the plans of what is asked as of a moment, with 20,000 messages of which a
// third changed since: each goes by an index, and a list sorts no more than its page.
func TestHistoryPlans(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "history", 1)
	for first := int64(1); first < 20_000; first += 5000 {
		foldHistory(t, pool, schema, newMail(first, 5000))
	}
	var changes []events.Event
	for id := int64(1); id < 20_000; id += 3 {
		changes = append(changes, events.FlagsChanged{Message: events.Message{ID: domain.MessageID(id), Account: 1}, Flags: []domain.Flag{"$Junk"}})
	}
	foldHistory(t, pool, schema, recorded(20_001, changes...))
	exec(t, pool, "ANALYZE")
	newest := []queries.Order{{Field: "date", Desc: true}}
	for name, c := range map[string]struct {
		filter   queries.MessageFilter
		byThread bool
		index    string
	}{
		"all":        {queries.MessageFilter{}, false, "version_date"},
		"account":    {queries.MessageFilter{Accounts: []domain.AccountID{1}}, false, "version_date"},
		"threads":    {queries.MessageFilter{}, true, "version_date"},
		"one thread": {queries.MessageFilter{Thread: ptr(domain.ThreadID(4001))}, false, "version_thread"},
	} {
		c.filter.Journal = 1
		sql, args, err := postgres.ListStatementAsOf(20_100, c.filter, c.byThread, newest, 50)
		if err != nil {
			t.Fatal(err)
		}
		checkHistoryPlan(t, name, explain(t, pool, schema, "force_custom_plan", sql, args), c.index)
	}
	sql := postgres.MessageStatementAsOf(20_100)
	checkHistoryPlan(t, "message", explain(t, pool, schema, "force_custom_plan", sql, []any{int64(1), int64(7), nil, 1, 50}), "version_thread")
}

func checkHistoryPlan(t *testing.T, name, plan, index string) {
	t.Helper()
	if !strings.Contains(plan, "using "+index+" ") && !strings.Contains(plan, "on "+index+" ") {
		t.Errorf("%s: index %s is not used:\n%s", name, index, plan)
	}
	if strings.Contains(plan, "Seq Scan on version") {
		t.Errorf("%s: a table is read whole:\n%s", name, plan)
	}
}

// BenchmarkHistoryFold folds batches of 1,000 new messages into a history that grows, as BenchmarkMailFold does.
func BenchmarkHistoryFold(b *testing.B) {
	pool := open(b)
	schema := live(b, pool, "history", 1)
	id := int64(0)
	for b.Loop() {
		b.StopTimer()
		batch := newMail(id+1, 1000)
		id += 1000
		b.StartTimer()
		foldHistory(b, pool, schema, batch)
	}
	b.ReportMetric(float64(id)/b.Elapsed().Seconds(), "messages/s")
}
