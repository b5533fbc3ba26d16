package eventlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// cutter cuts a connection at the n-th read or write after it was armed.
type cutter struct {
	left atomic.Int64
	cuts atomic.Int64
}

type cutConn struct {
	net.Conn
	c *cutter
}

func (c *cutter) cut(conn net.Conn) bool {
	if c.left.Load() <= 0 || c.left.Add(-1) != 0 {
		return false
	}
	c.cuts.Add(1)
	_ = conn.Close()
	return true
}

func (c cutConn) Read(b []byte) (int, error) {
	if c.c.cut(c.Conn) {
		return 0, io.ErrUnexpectedEOF
	}
	return c.Conn.Read(b)
}

func (c cutConn) Write(b []byte) (int, error) {
	if c.c.cut(c.Conn) {
		return 0, io.ErrUnexpectedEOF
	}
	return c.Conn.Write(b)
}

// cutPool returns a pool of one connection through a cutter.
func cutPool(t *testing.T) (*pgxpool.Pool, *cutter) {
	t.Helper()
	config, err := pgxpool.ParseConfig(pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{}
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return cutConn{conn, c}, err
	}
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, c
}

// The connection is cut at each read and write of an append in turn, also those
// around COMMIT: the append is there exactly once, with its state.
func TestCutBetweenSteps(t *testing.T) {
	t.Parallel()
	pool, cutter := cutPool(t)
	j := New(pool, Options{}).Journal()
	journal := addUser(t, j, 1)
	addAccount(t, j, journal, 1)
	var decided int
	appendOne := func(n int) {
		sum := putRaw(t, pool, journal, fmt.Sprint(n))
		want := events.Position(n + 1)
		decided = 0
		cutter.left.Store(int64(n - 1)) // none in the first round, which prepares the statements
		pos, err := j.Update(t.Context(), commands.Scope{Journal: journal, Account: 1, Append: newAppendID()},
			func(commands.State) (commands.Decision, error) {
				decided++
				return decisionOf(fetched(domain.MessageID(n), domain.UID(n), sum)), nil
			})
		if err != nil || pos != want {
			t.Fatalf("append %d: position %d, %v, want %d", n, pos, err, want)
		}
	}
	again := 0
	for n := 1; ; n++ {
		before := cutter.cuts.Load()
		appendOne(n)
		if decided > 1 {
			again++
		}
		if n > 1 && cutter.cuts.Load() == before { // the append was over before the cut came
			cutter.left.Store(0)
			checkCut(t, pool, journal, n)
			if n < 7 || again == 0 || again == n-2 {
				t.Errorf("cut at %d places, decided again after %d of them; some must be before COMMIT and some after", n-2, again)
			}
			return
		}
	}
}

func checkCut(t *testing.T, pool *pgxpool.Pool, journal events.JournalID, n int) {
	t.Helper()
	if types := checkChain(t, pool, journal); len(types) != n+1 {
		t.Errorf("%d events, want %d", len(types), n+1)
	}
	if rows := scalar[int](t, pool, "SELECT count(*) FROM state.messages"); rows != n {
		t.Errorf("%d known messages, want %d", rows, n)
	}
	t.Logf("cut at %d places", n-2)
}

// Backends are ended at random while writers append: nothing is lost or doubled.
func TestKilledBackends(t *testing.T) {
	t.Parallel()
	const writers, journals, appends = 8, 2, 40
	pool := pgtest.Pool(t)
	admin, err := pgxpool.NewWithConfig(t.Context(), pool.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	j := New(pool, Options{}).Journal()
	for id := range int64(journals) {
		addUser(t, j, id+1)
	}
	stop := killBackends(t, admin)
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			journal := events.JournalID(w%journals + 1)
			for n := range appends {
				if err := appendUntilDone(t.Context(), j, journal, w*appends+n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = g.Wait()
	killed := stop()
	if err != nil {
		t.Fatal(err)
	}
	for id := range int64(journals) {
		checkChain(t, admin, events.JournalID(id+1))
	}
	names := scalar[int](t, admin, `SELECT count(DISTINCT convert_from(payload, 'UTF8')::json->>'name') FROM log.events WHERE journal_id > 0`)
	all := scalar[int](t, admin, `SELECT count(*) FROM log.events WHERE journal_id > 0`)
	if names != writers*appends || all != writers*appends {
		t.Errorf("%d events, %d different, want %d", all, names, writers*appends)
	}
	if killed == 0 {
		t.Error("no backend was ended, so nothing was tested")
	}
	t.Logf("%d backends ended", killed)
}

// appendUntilDone repeats an append as a command would, under the same id.
func appendUntilDone(ctx context.Context, j *Journal, journal events.JournalID, n int) error {
	scope := scopeOf(journal)
	for {
		_, err := j.Update(ctx, scope, func(commands.State) (commands.Decision, error) { return decisionOf(loggedIn(n)), nil })
		if !errors.Is(err, domain.ErrUnavailable) {
			return err
		}
	}
}

// killBackends ends a random busy backend of the database again and again, until
// the returned function is called, which says how many.
func killBackends(t *testing.T, admin *pgxpool.Pool) func() int {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	killed := 0
	wg.Go(func() {
		for ctx.Err() == nil {
			var n int
			err := admin.QueryRow(ctx, `WITH victim AS MATERIALIZED (
					SELECT pid FROM pg_stat_activity
					WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
						AND xact_start IS NOT NULL
					ORDER BY random() LIMIT 1)
				SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM victim, pg_sleep(0.01)`).Scan(&n)
			if err == nil {
				killed += n
			}
		}
	})
	return func() int { cancel(); wg.Wait(); return killed }
}
