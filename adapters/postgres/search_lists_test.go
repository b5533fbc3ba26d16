package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// mailOfDocuments fills the mail read model with a message for each skewed document, two in a thread.
func mailOfDocuments(t *testing.T, pool *pgxpool.Pool, schema string) {
	t.Helper()
	exec(t, pool, `
		INSERT INTO mail_g1.message
		SELECT journal_id, id, account_id, 1, id / 2, date, internal_date, size, id, now(), now(), 1, seen, flagged, has_attachments, '', flags,
			folder, lower(folder), 'm' || id, '', 'about', 'about', 'p', 'p', '', 'ann', 'ann', ''
		FROM `+schema+`.document`)
	exec(t, pool, `
		INSERT INTO mail_g1.thread
		SELECT journal_id, thread_id, min(account_id), count(*), count(*), max(id), max(date) FROM mail_g1.message GROUP BY 1, 2`)
}

// TestSearchListPlans looks for words of skewed data in other orders than Find's, by thread and by cursor:
// what is listed is right, and no plan reads documents that the index of words does not name, but for the
// bounded number that a walk tests.
func TestSearchListPlans(t *testing.T) {
	t.Parallel()
	pool, schema := skewed(t)
	mailOfDocuments(t, pool, schema)
	exec(t, pool, "ANALYZE mail_g1.message")
	for _, state := range []string{"grown", "analysed"} {
		if state == "analysed" {
			exec(t, pool, "VACUUM ANALYZE "+schema+".document")
		}
		for name, c := range skewedSearches() {
			want := those(c.holds)
			checkCursors(t, pool, state+", "+name, c.filter, want)
			if c.noWord {
				continue
			}
			for _, byThread := range []bool{false, true} {
				for _, order := range [][]queries.Order{newest, {{Field: "subject"}}} {
					checkListReads(t, pool, schema, state+", "+name, c, byThread, order, len(want))
				}
			}
		}
	}
}

// checkCursors walks three pages forth, and back.
func checkCursors(t *testing.T, pool *pgxpool.Pool, name string, f queries.MessageFilter, want []domain.MessageID) {
	t.Helper()
	reader := newMailReader(pool)
	p := queries.Paging{Size: 20, ByCursor: true}
	var pages [][]domain.MessageID
	var back *queries.Cursor
	for range 3 {
		page, err := reader.Messages(t.Context(), f, false, newest, p)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, ids(page.Items))
		if back = page.Previous; page.Next == nil {
			break
		}
		p.Cursor = page.Next
	}
	if got := slices.Concat(pages...); !slices.Equal(got, want[:min(60, len(want))]) {
		t.Errorf("%s by cursor: got %v, want %v", name, got, want[:min(60, len(want))])
	}
	if back == nil {
		return
	}
	p.Cursor = back
	page, err := reader.Messages(t.Context(), f, false, newest, p)
	if err != nil || !slices.Equal(ids(page.Items), pages[len(pages)-2]) {
		t.Errorf("%s back: got %v, error %v; want %v", name, ids(page.Items), err, pages[len(pages)-2])
	}
}

func checkListReads(t *testing.T, pool *pgxpool.Pool, schema, name string, c searchCase, byThread bool, order []queries.Order, hits int) {
	t.Helper()
	before, plans, steps, err := newMailReader(pool).SearchListStatements(t.Context(), c.filter, byThread, order, 25)
	if err != nil {
		t.Fatal(err)
	}
	for plan, st := range plans {
		set, most := before, hits+c.more
		if plan == "walk" {
			set, most = "", steps
		}
		read, by := planOf(t, pool, schema+", mail_g1", set, st).documents()
		if read > most || strings.Contains(by, "Seq Scan") {
			t.Errorf("%s, by thread %v, by %s: by %s %d documents are read, want %d at most; by %s", name, byThread, order[0].Field, plan, read, most, by)
		}
	}
}
