package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/projections"
)

// skewedDocuments is how many there are, of which id is the order of dates.
const skewedDocuments = 20_000

// marks are words of skewed documents, by the ids that have them.
var marks = []struct {
	text string
	in   func(id int) bool
}{
	{"everywhere", func(id int) bool { return id%2 == 0 && !quiet(id) }}, // in half of all mail, never in the folder Quiet
	{"ancient", func(id int) bool { return id <= skewedDocuments/2 }},    // in all old mail and in no new
	{"lefthand", func(id int) bool { return id%10 < 4 }},                 // two words in 40 % each, never together
	{"righthand", func(id int) bool { return id%10 > 5 }},
	{"seldom", func(id int) bool { return id%6000 == 8 }},
	{"whitehall palace", func(id int) bool { return id%3000 == 7 }}, // the words are common, but seldom follow one another
	{"palace whitehall", func(id int) bool { return id%3000 != 7 }},
}

func quiet(id int) bool { return id%100 == 3 || id%100 == 4 }

// skewed is a word of all documents, of thousands that begin alike.
func numbered(id int) string { return fmt.Sprintf("number%d", id%4000) }

// skewed returns a search read model with skewed documents of one user, and its schema.
func skewed(t testing.TB) (*pgxpool.Pool, string) {
	t.Helper()
	pool := open(t)
	live(t, pool, "mail", 1)
	schema := live(t, pool, "search", 1)
	rnd := rand.New(rand.NewPCG(1, 0))
	common := rand.NewZipf(rnd, 1.2, 4, 5000)
	for first := 1; first < skewedDocuments; first += 1000 {
		inSchema(t, pool, schema, func(tx pgx.Tx) error {
			store := postgres.NewSearchStore(lexer)(tx, 1)
			for id := first; id < first+1000; id++ {
				at := epoch.Add(time.Duration(id) * time.Minute)
				store.Index(projections.Document{
					ID: domain.MessageID(id), Account: domain.AccountID(1 + id%3), Date: at, InternalDate: at, Folder: folderOf(id), Size: int64(id),
				}, skewedContent(id, common))
			}
			return store.Save(t.Context(), nil, nil)
		})
		if first == 1 {
			exec(t, pool, "ALTER TABLE "+schema+".document SET (autovacuum_enabled = off)")
			exec(t, pool, "ANALYZE "+schema+".document") // which is soon not true any more
		}
	}
	exec(t, pool, `INSERT INTO log.journals (journal_id, link, recorded_at) VALUES (1, '', now())`)
	exec(t, pool, nextCheckpoint, 1)
	return pool, schema
}

func folderOf(id int) domain.MailboxName {
	if quiet(id) {
		return "Quiet"
	}
	return "INBOX"
}

func skewedContent(id int, common *rand.Zipf) *domain.Content {
	var text strings.Builder
	for _, m := range marks {
		if m.in(id) {
			text.WriteString(m.text + ". ")
		}
	}
	text.WriteString(numbered(id))
	for range 40 {
		fmt.Fprintf(&text, " w%d", common.Uint64())
	}
	return &domain.Content{
		Subject: "about " + numbered(id), Text: text.String(), From: []domain.Address{{Name: fmt.Sprint("Person ", id%50), Addr: fmt.Sprintf("p%d@example.org", id%50)}},
		To: []domain.Address{{Addr: "ann@example.org"}},
	}
}

// those returns the ids that hold, newest first.
func those(holds func(id int) bool) []domain.MessageID {
	var out []domain.MessageID
	for id := skewedDocuments; id > 0; id-- {
		if holds(id) {
			out = append(out, domain.MessageID(id))
		}
	}
	return out
}

// mark returns who has a mark.
func mark(text string) func(id int) bool {
	for _, m := range marks {
		if m.text == text {
			return m.in
		}
	}
	panic(text)
}
