package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/mailparse"
	"github.com/imap2api/imap2api/adapters/postgres/privpg"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// A searchRig is a directory in which the program and its private Postgres work on the mail of
// a searchSource.
type searchRig struct {
	*rig
	source *searchSource
	text   int64  // octets of the text that is searched
	dsn    string // of a Postgres that several programs share; empty: a private one
}

// newSearchRig makes count messages, and takes the corpora along if they are there.
func newSearchRig(b *testing.B, count int) *searchRig {
	b.Helper()
	shared := os.Getenv("IMAP2API_SHARED")
	if shared == "" {
		shared = "../../../shared"
	}
	g := &searchRig{rig: &rig{b: b, dir: openTempDir(b), count: count}}
	source, err := newSearchSource(newSearchMail(count), shared)
	g.must(err)
	g.source = source
	g.must(os.MkdirAll(g.data(), 0o755))
	return g
}

func (g *searchRig) data() string     { return filepath.Join(g.dir, "data") }
func (g *searchRig) maildir() string  { return filepath.Join(g.dir, "maildir") }
func (g *searchRig) textFile() string { return filepath.Join(g.dir, "texts.jsonl") }

// fill lets the program's own sync put all mail into the log; nobody reads it yet.
func (g *searchRig) fill() time.Duration {
	g.b.Helper()
	ctx := g.b.Context()
	c := &config{dataDir: g.data(), databaseURL: g.dsn}
	log := slog.New(slog.DiscardHandler)
	db, err := openDatabase(ctx, c, log, false)
	g.must(err)
	defer db.close(log)
	g.must(db.prepare(ctx, c, true))
	s, err := build(ctx, c, db, log)
	g.must(err)
	user, err := s.addUser(ctx, "admin", adminPassword, true)
	g.must(err)
	added, err := commands.NewAddAccount(s.journal, s.secrets, now).Handle(ctx, commands.AddAccount{
		Journal: events.JournalID(user), Meta: commandLine(), Password: "none",
		Settings: events.AccountSettings{Name: "bench", Host: "bench.example", Port: 143, Username: "bench", LimitType: events.LimitAll},
	})
	g.must(err)
	handler := commands.NewSyncAccount(s.journal, s.journal, commands.NewConnections(g.source), s.passwords, s.raws, parser{s.parser}, commands.SyncOptions{Now: now})
	work, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { commands.NewSyncer(s.queue, handler, commands.SyncerOptions{}).Run(work) })
	begun := time.Now()
	out, err := s.requestSync().Handle(ctx, commands.RequestSync{
		Journal: events.JournalID(user), Meta: commandLine(), Account: added.Account, Cause: "request", Wait: time.Hour,
	})
	took := time.Since(begun)
	stop()
	running.Wait()
	g.must(err)
	if out.Status != "success" {
		g.b.Fatalf("sync: %+v", out)
	}
	return took
}

// settings are the variables for the program.
func (g *searchRig) settings() []string {
	g.b.Helper()
	own, err := settings(g.dir)
	g.must(err)
	if g.dsn != "" {
		own = append(own, "IMAP2API_DATABASE_URL="+g.dsn, "IMAP2API_SECRET_KEY_FILE="+filepath.Join(g.data(), "secret.key"))
	}
	return append(own, "IMAP2API_LOG_LEVEL=info")
}

// rebuild lets the program build read models from the log.
func (g *searchRig) rebuild(models ...string) time.Duration {
	g.b.Helper()
	return g.command(g.settings(), "imap2api", append([]string{"rebuild"}, models...)...)
}

// serve starts the program and logs in.
func (g *searchRig) serve(args ...string) (*client, *program) {
	g.b.Helper()
	p, err := startProgram("", append(ownEnvironment(), g.settings()...), args...)
	g.must(err)
	g.b.Cleanup(func() { p.kill() })
	c := &client{base: readyLine.FindStringSubmatch(p.log.String())[1]}
	g.must(c.login("admin", adminPassword))
	return c, p
}

// pool connects to the Postgres of a program that runs.
func (g *searchRig) pool() *pgxpool.Pool {
	g.b.Helper()
	dsn, ok, err := privpg.Find(g.b.Context(), filepath.Join(g.data(), "postgres"))
	g.must(err)
	if !ok {
		g.b.Fatal("there is no Postgres")
	}
	pool, err := pgxpool.New(g.b.Context(), dsn)
	g.must(err)
	return pool
}

// export writes all mail as others want it: a Maildir, and the text of each message in a line,
// as this program reads it.
func (g *searchRig) export() {
	g.b.Helper()
	for _, name := range searchFolders {
		for _, sub := range []string{"cur", "new", "tmp"} {
			g.must(os.MkdirAll(filepath.Join(g.maildir(), string(name), sub), 0o755))
		}
	}
	f, err := os.Create(g.textFile())
	g.must(err)
	defer f.Close() //nolint:errcheck // synced by nobody, read at once
	lines := json.NewEncoder(f)
	parser := mailparse.New(mailparse.Options{})
	g.text = 0
	for name, box := range g.source.boxes {
		for _, n := range box {
			raw, at := g.source.message(n)
			path := filepath.Join(g.maildir(), string(name), "cur", fmt.Sprintf("%d.M%dP1.bench:2,S", at.Unix(), n))
			g.must(os.WriteFile(path, raw, 0o644))
			text := searchedText(parser.Parse(g.b.Context(), raw))
			g.text += int64(len(text))
			g.must(lines.Encode(map[string]any{"id": n + 1, "date": at.Unix(), "text": text}))
		}
	}
}

// searchedText is what q looks for without an operator.
func searchedText(c *domain.Content) string {
	text := c.Subject
	for _, people := range [][]domain.Address{c.From, c.To, c.Cc, c.Bcc} {
		for _, a := range people {
			text += "\n" + a.Name + " " + a.Addr
		}
	}
	for _, a := range c.Attachments {
		text += "\n" + a.FileName
	}
	return text + "\n" + c.Text
}

// searchSizes are octets of the search read model.
type searchSizes struct{ index, table, toast, others, frequency int64 }

const searchSizesOf = `
SELECT pg_relation_size(s || '.document_words'), pg_relation_size(s || '.document'),
	pg_table_size(s || '.document') - pg_relation_size(s || '.document'),
	pg_indexes_size(s || '.document') - pg_relation_size(s || '.document_words'), pg_total_relation_size(s || '.frequency')
FROM (SELECT quote_ident(schema_name) FROM log.generations WHERE projection = 'search' AND status = 'live') g (s)`

func (g *searchRig) sizes(pool *pgxpool.Pool) (z searchSizes) {
	g.b.Helper()
	g.must(pool.QueryRow(g.b.Context(), searchSizesOf).Scan(&z.index, &z.table, &z.toast, &z.others, &z.frequency))
	return z
}
