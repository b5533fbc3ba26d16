package postgres_test

import (
	"fmt"
	"slices"
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
		SELECT journal_id, id, account_id, 1, id / 2, date, internal_date, size, id, now(), now(), 1, seen, flagged, has_attachments, false, false, '', flags,
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
	checkFilters(t, pool, schema)
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

// checkFilters looks for common words beside filters that only the mail read model knows, before Postgres
// has looked at its tables.
func checkFilters(t *testing.T, pool *pgxpool.Pool, schema string) {
	t.Helper()
	everywhere := mark("everywhere")
	filter := func(c queries.Condition, edit func(*queries.MessageFilter)) queries.MessageFilter {
		f := queries.MessageFilter{Journal: 1, Search: c}
		edit(&f)
		return f
	}
	none := func(*queries.MessageFilter) {}
	inThread := func(id int) bool { return everywhere(id) && id/2 == 500 }
	for name, c := range map[string]searchCase{
		"sender":        {filter(word("everywhere"), func(f *queries.MessageFilter) { f.Sender = "p" }), everywhere, 0, false},
		"no sender":     {filter(word("everywhere"), func(f *queries.MessageFilter) { f.Sender = "nobody" }), func(int) bool { return false }, 9800, false},
		"thread":        {filter(word("everywhere"), func(f *queries.MessageFilter) { f.Thread = ptr(domain.ThreadID(500)) }), inThread, 1, false},
		"thread:":       {filter(queries.All{word("everywhere"), queries.InThread{ID: 500}}, none), inThread, 2, false},
		"msgid":         {filter(word("everywhere"), func(f *queries.MessageFilter) { f.MsgID = ptr("m500") }), func(id int) bool { return id == 500 }, 0, false},
		"rfc822msgid:":  {filter(queries.All{word("everywhere"), queries.MsgID{ID: "m501"}}, none), func(int) bool { return false }, 1, false},
		"without msgid": {filter(queries.All{word("everywhere"), queries.Not{Of: queries.MsgID{ID: "m500"}}}, none), func(id int) bool { return everywhere(id) && id != 500 }, 1, false},
	} {
		want := those(c.holds)
		checkPages(t, pool, name, c.filter, want)
		checkReads(t, pool, schema, name, c, len(want))
		checkCursors(t, pool, name, c.filter, want)
		checkListReads(t, pool, schema, name, c, false, []queries.Order{{Field: "subject"}}, len(want))
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
		name := fmt.Sprintf("%s, by thread %v, by %s, by %s", name, byThread, order[0].Field, plan)
		planOf(t, pool, schema+", mail_g1", set, st).check(t, name, most)
	}
}
