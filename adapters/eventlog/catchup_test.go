package eventlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

func TestCatchUpFoldsBatchesInOrder(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, m, task := newToy(l)
	g, err := task.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if g.Status != "live" || g.Schema != "toy_g1" {
		t.Errorf("first generation of an empty log: got %+v, want a live toy_g1", g)
	}
	var list []events.Event
	for i := range 2500 {
		list = append(list, toyMessage(1, 1, domain.MessageID(i+1), "order"))
	}
	for i := range 3 {
		write(t, l, 17, list[i*1000:min(len(list), i*1000+1000)]...)
	}
	for i, want := range []struct {
		more     bool
		messages string
	}{{true, "1000"}, {true, "2000"}, {false, "2500"}, {false, "2500"}} {
		more, err := task.CatchUp(t.Context(), g, 17)
		if err != nil || more != want.more {
			t.Fatalf("batch %d: got more %v, %v, want %v", i, more, err, want.more)
		}
		if got := scan(t, l, `SELECT messages::text FROM toy_g1.box`); got != want.messages {
			t.Errorf("batch %d: got %s messages, want %s", i, got, want.messages)
		}
	}
	all, err := m.Generations(t.Context(), 2)
	if err != nil || len(all) != 0 {
		t.Errorf("generations of a version that is not there: %v, %v", all, err)
	}
}

// TestLawAnyCutGivesTheSameRows writes one random log in several random cuts into
// commits, catches up at random moments, and erases an account on the way.
func TestLawAnyCutGivesTheSameRows(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, m, task := newToy(l)
	g, err := task.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	list := randomLog(rand.New(rand.NewPCG(seed, 1)), 400)
	rnd := rand.New(rand.NewPCG(seed, 2))
	for rest := list; len(rest) > 0; {
		n := min(len(rest), 1+rnd.IntN(60))
		write(t, l, 1, rest[:n]...)
		rest = rest[n:]
		if rnd.IntN(3) > 0 {
			continue
		}
		a := attempt[toyStore]{model: m, fold: m.bound.Load(), gen: g, journal: 1, limit: 1, until: 1 << 60}
		if a.fold == nil || rnd.IntN(2) == 0 {
			catchUpAll(t, task, g, 1)
			continue
		}
		for range rnd.IntN(30) {
			if _, err := a.run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	catchUpAll(t, task, g, 1)
	next, err := l.Rebuild(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := dump(t, l, next), dump(t, l, g); got != want {
		t.Errorf("rebuilt:\n%s\nlive:\n%s", got, want)
	}
}

// randomLog is a log of three accounts, one of which is erased and used no more.
func randomLog(rnd *rand.Rand, n int) []events.Event {
	var list []events.Event
	var known []events.MessageFetched
	erased := false
	for id := domain.MessageID(1); len(list) < n; id++ {
		switch k := rnd.IntN(10); {
		case k < 5 || len(known) == 0:
			acc := domain.AccountID(1 + rnd.IntN(3))
			if erased && acc == 3 {
				continue
			}
			m := toyMessage(acc, domain.MailboxID(int(acc)*10+rnd.IntN(2)), id, fmt.Sprint("subject ", id))
			known = append(known, m)
			list = append(list, m)
		case k < 7:
			i := rnd.IntN(len(known))
			if domain.HasFlag(known[i].Flags, domain.FlagSeen) || erased && known[i].Account == 3 {
				continue
			}
			list = append(list, toySeen(known[i]))
			known[i].Flags = []domain.Flag{domain.FlagSeen}
		case k < 9:
			i := rnd.IntN(len(known))
			if !erased || known[i].Account != 3 {
				list = append(list, toyExpunged(known[i]))
			}
			known = append(known[:i], known[i+1:]...)
		case !erased && len(list) > n/2:
			erased = true
			list = append(list, events.AccountErased{Account: 3})
		}
	}
	return list
}

func TestPoisonStopsOneJournalBeforeTheEvent(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	p, _, task := newToy(l)
	g, err := task.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for j := events.JournalID(1); j <= 2; j++ {
		var list []events.Event
		for i := 1; i <= 20; i++ {
			subject := "order"
			if j == 1 && i == 13 {
				subject = "poison"
			}
			list = append(list, toyMessage(1, 1, domain.MessageID(i), subject))
		}
		write(t, l, j, list...)
	}
	for try := 1; try <= 3; try++ {
		_, err = task.CatchUp(t.Context(), g, 1)
		var stopped *StoppedError
		if !errors.As(err, &stopped) || stopped.Position != 13 || stopped.Journal != 1 || !errors.Is(err, errPoison) {
			t.Fatalf("try %d: got %v, want a stop before position 13", try, err)
		}
		got := scan(t, l, `SELECT format('%s %s %s %s', position, attempts, last_error, round(extract(epoch FROM next_retry_at - updated_at))) FROM log.checkpoints WHERE journal_id = 1`)
		if want := fmt.Sprintf("12 %d poison %d", try, 1<<(try-1)); got != want {
			t.Errorf("try %d: got checkpoint %q, want %q", try, got, want)
		}
	}
	catchUpAll(t, task, g, 2)
	if got := scan(t, l, `SELECT string_agg(messages::text, ' ' ORDER BY journal_id) FROM toy_g1.box`); got != "12 20" {
		t.Errorf("got %q messages, want 12 and 20", got)
	}
	p.mended.Store(true)
	catchUpAll(t, task, g, 1)
	got := scan(t, l, `SELECT format('%s %s %s', position, attempts, coalesce(last_error, '-')) FROM log.checkpoints WHERE journal_id = 1`)
	if want := "20 0 -"; got != want {
		t.Errorf("mended: got checkpoint %q, want %q", got, want)
	}
}

// TestDamageStopsAJournal takes events out of the log: nothing after them is folded.
func TestDamageStopsAJournal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, missing string }{
		{"one", `position = 3`},
		{"the last ones", `position >= 3`},
		{"more than a batch", `position BETWEEN 3 AND 1500`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newTestLog(t)
			_, _, task := newToy(l)
			g, err := task.Build(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			list := make([]events.Event, 1600)
			for i := range list {
				list[i] = toyMessage(1, 1, domain.MessageID(i+1), "order")
			}
			write(t, l, 1, list...)
			do(t, l, `ALTER TABLE log.events DISABLE TRIGGER guard`)
			do(t, l, `DELETE FROM log.events WHERE `+test.missing)
			for range 3 {
				_, err = task.CatchUp(t.Context(), g, 1)
			}
			var stopped *StoppedError
			if !errors.As(err, &stopped) || stopped.Position != 3 {
				t.Errorf("got %v, want a stop before position 3", err)
			}
			if got := scan(t, l, `SELECT messages::text FROM toy_g1.box`); got != "2" {
				t.Errorf("got %s messages, want 2", got)
			}
		})
	}
}

// TestStatementErrorIsTheEvents: an error of SQL that comes of the event stops the
// journal; one that comes of the database does not.
func TestStatementErrorIsTheEvents(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	g, err := task.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := toyMessage(1, 1, 1, "order")
	write(t, l, 1, m, toyMessage(1, 1, 2, "order"), m) // a duplicate key
	var stopped *StoppedError
	if _, err = task.CatchUp(t.Context(), g, 1); !errors.As(err, &stopped) || stopped.Position != 3 {
		t.Errorf("duplicate key: got %v, want a stop before position 3", err)
	}
	write(t, l, 2, m)
	do(t, l, `ALTER TABLE toy_g1.mail ADD CONSTRAINT later CHECK (journal_id <> 2)`)
	do(t, l, `CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.journal_id = 2 THEN RAISE EXCEPTION 'busy' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$`)
	do(t, l, `CREATE TRIGGER busy BEFORE INSERT ON toy_g1.mail FOR EACH ROW EXECUTE FUNCTION busy()`)
	if _, err = task.CatchUp(t.Context(), g, 2); err == nil || errors.As(err, &stopped) {
		t.Errorf("serialization failure: got %v, want an error of the database", err)
	}
	if got := scan(t, l, `SELECT format('%s %s', position, attempts) FROM log.checkpoints WHERE journal_id = 2`); got != "0 0" {
		t.Errorf("serialization failure: got checkpoint %q, want \"0 0\"", got)
	}
}
