package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// searchLog writes logs of messages that come, come again with other words, change and go.
type searchLog struct {
	*mailLog
	said
}

func newSearchLog(seed uint64, n int) (*searchLog, []events.Recorded) {
	l := &searchLog{newMailLog(seed), said{}}
	log := l.write(n)
	for i, rec := range log {
		e, ok := rec.Event.(events.MessageFetched)
		if !ok {
			continue
		}
		if l.IntN(4) > 0 { // else its octets are gone
			l.says(&e, &domain.Content{Subject: phrasesOf[l.IntN(len(phrasesOf))], Text: phrasesOf[l.IntN(len(phrasesOf))], From: peopleOf[:l.IntN(3)]})
		}
		log[i].Event = e
	}
	return l, log
}

// TestFrequencies: the words of sampled documents are counted exactly, whatever happened to these and
// however the log was cut; and the tables are the same to the last column.
func TestFrequencies(t *testing.T) {
	t.Parallel()
	pool := open(t)
	for round := range 5 {
		seed := rand.Uint64()
		l, log := newSearchLog(seed, 40+150*round)
		whole, cut := live(t, pool, "search", 2*round+1), live(t, pool, "search", 2*round+2)
		foldSearch(t, pool, whole, 1, l.said, log)
		for _, journal := range []events.JournalID{1, 12} { // one after the other in the same tables
			for rest := log; len(rest) > 0; {
				n := min(1+l.IntN(1+l.IntN(60)), len(rest))
				foldSearch(t, pool, cut, journal, l.said, rest[:n])
				if l.IntN(3) == 0 {
					foldSearch(t, pool, cut, journal, l.said, rest[:n])
				}
				rest = rest[n:]
				if l.IntN(4) == 0 || len(rest) == 0 {
					checkFrequencies(t, pool, cut, seed)
				}
			}
		}
		for _, table := range postgres.SearchTableNames {
			all := "SELECT to_jsonb(x)::text FROM " + table + " x WHERE journal_id = 1 ORDER BY 1"
			if diff := cmp.Diff(texts(t, pool, whole, all), texts(t, pool, cut, all)); diff != "" {
				t.Fatalf("seed %d: table %s differs by its batches (-whole +cut):\n%s", seed, table, diff)
			}
		}
		inSchema(t, pool, cut, func(tx pgx.Tx) error {
			return postgres.NewSearchStore(lexer)(tx, 1).(*postgres.SearchStore).Recount(t.Context())
		})
		checkFrequencies(t, pool, cut, seed)
		changeAndErase(t, pool, cut, seed, l, log)
	}
}

// changeAndErase lets all messages come again with other words, then erases account after account.
func changeAndErase(t *testing.T, pool *pgxpool.Pool, schema string, seed uint64, l *searchLog, log []events.Recorded) {
	t.Helper()
	for sum := range l.said {
		l.said[sum] = &domain.Content{Subject: phrasesOf[l.IntN(len(phrasesOf))], Text: "again"}
	}
	foldSearch(t, pool, schema, 1, l.said, slices.DeleteFunc(log, func(rec events.Recorded) bool { return rec.Type != events.TypeMessageFetched }))
	checkFrequencies(t, pool, schema, seed)
	for _, journal := range []events.JournalID{1, 12} {
		for _, acc := range []domain.AccountID{2, 1, 2} {
			eraseDocuments(t, pool, schema, journal, acc)
			checkFrequencies(t, pool, schema, seed)
		}
		left := fmt.Sprintf(`SELECT (SELECT count(*) FROM document WHERE journal_id = %d), (SELECT count(*) FROM frequency WHERE journal_id = %[1]d)`, journal)
		if got := texts(t, pool, schema, left); got[0] != "0 0" {
			t.Fatalf("seed %d: documents and frequencies left in journal %d: %s", seed, journal, got[0])
		}
	}
}

// checkFrequencies counts again.
func checkFrequencies(t *testing.T, pool *pgxpool.Pool, schema string, seed uint64) {
	t.Helper()
	counted := texts(t, pool, schema, `
		SELECT * FROM (
		SELECT d.journal_id, substr(lexeme, length(d.journal_id::text) + 2) AS word, count(*)
		FROM document d, unnest(tsvector_to_array(d.words)) lexeme
		WHERE d.id % 16 = 0 AND starts_with(lexeme, d.journal_id || 'a')
		GROUP BY 1, 2
		UNION ALL
		SELECT journal_id, '', count(*) FROM document WHERE id % 16 = 0 GROUP BY 1) x
		ORDER BY journal_id, word COLLATE "C"`)
	kept := texts(t, pool, schema, `SELECT journal_id, lexeme, documents FROM frequency ORDER BY 1, 2`)
	if diff := cmp.Diff(counted, kept); diff != "" {
		t.Fatalf("seed %d: frequencies (-counted +kept):\n%s", seed, diff)
	}
}
