package postgres_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

func both(a, b func(id int) bool) func(int) bool { return func(id int) bool { return a(id) && b(id) } }

// searchCase is a search of skewed documents: what it finds, and how many documents may be read for
// it beyond those, since words that must be met are in them.
type searchCase struct {
	filter queries.MessageFilter
	holds  func(id int) bool
	more   int
	noWord bool // that must be met: there is no plan by words
}

// skewedSearches are searches that a planner goes wrong about.
func skewedSearches() map[string]searchCase {
	filter := func(c queries.Condition) queries.MessageFilter { return queries.MessageFilter{Journal: 1, Search: c} }
	inQuiet := filter(word("everywhere"))
	inQuiet.Folders = []domain.MailboxName{"Quiet"}
	recent := filter(word("ancient"))
	at := epoch.Add(14_400 * time.Minute)
	recent.From = &at
	one := filter(word("everywhere"))
	one.Accounts = []domain.AccountID{1}
	some := filter(word("everywhere"))
	some.IDs = []domain.MessageID{2, 3, 18_000}
	of := func(list ...string) (out []queries.Condition) {
		for _, w := range list {
			out = append(out, word(w))
		}
		return out
	}
	none := func(int) bool { return false }
	everywhere, ancient, left, right, seldom := mark("everywhere"), mark("ancient"), mark("lefthand"), mark("righthand"), mark("seldom")
	return map[string]searchCase{
		"common, in an empty folder": {inQuiet, none, 9800, false},
		"common, in one account":     {one, both(everywhere, func(id int) bool { return id%3 == 0 }), 7000, false},
		"common, of some ids":        {some, func(id int) bool { return id == 2 || id == 18_000 }, 1, false},
		"common":                     {filter(word("everywhere")), everywhere, 0, false},
		"old only":                   {filter(word("ancient")), ancient, 0, false},
		"old only, since":            {recent, both(ancient, func(id int) bool { return id >= 14_400 }), 10_000, false},
		"disjoint":                   {filter(queries.All(of("lefthand", "righthand"))), none, 0, false},
		"common and seldom":          {filter(queries.All(of("everywhere", "seldom"))), both(everywhere, seldom), 0, false},
		"seldom":                     {filter(word("seldom")), seldom, 0, false},
		"phrase of common words":     {filter(phrase("whitehall palace")), mark("whitehall palace"), skewedDocuments, false},
		"prefix of thousands":        {filter(word("number")), func(int) bool { return true }, 0, false},
		"prefix of hundreds":         {filter(word("number12")), func(id int) bool { return strings.HasPrefix(numbered(id), "number12") }, 0, false},
		"or of common words":         {filter(queries.Any(of("lefthand", "righthand", "ancient"))), func(id int) bool { return left(id) || right(id) || ancient(id) }, 0, false},
		"or with what is no word": {
			filter: filter(queries.Any{word("seldom"), queries.Size{Over: ptr(int64(19_990))}}), holds: func(id int) bool { return seldom(id) || id > 19_990 }, noWord: true,
		},
		"common but not":             {filter(queries.All{word("everywhere"), queries.Not{Of: word("lefthand")}}), func(id int) bool { return everywhere(id) && !left(id) }, 4000, false},
		"common, old, but not":       {filter(queries.All{word("ancient"), queries.Not{Of: word("number")}}), none, 0, false},
		"sender and common":          {filter(queries.All{word("everywhere"), in(queries.InFrom, "p44@")}), both(everywhere, func(id int) bool { return id%50 == 44 }), 0, false},
		"inside a word of all":       {filter(in(queries.InTo, "nn@exam")), func(int) bool { return true }, 0, false},
		"inside a word of some":      {filter(in(queries.InFrom, "erson 17")), func(id int) bool { return id%50 == 17 }, 0, false},
		"seldom, unread":             {filter(queries.All{word("seldom"), queries.Seen{Is: false}}), seldom, 0, false},
		"no word that must be there": {filter: filter(queries.Not{Of: word("everywhere")}), holds: func(id int) bool { return !everywhere(id) }, noWord: true},
		"nowhere":                    {filter(word("nowhere")), none, 0, false},
	}
}

// TestSearchPlans looks for words of skewed data: pages are right by each plan, and no plan reads what
// it need not, before Postgres has looked at the table and after.
func TestSearchPlans(t *testing.T) {
	t.Parallel()
	pool, schema := skewed(t)
	for _, state := range []string{"grown", "analysed"} {
		if state == "analysed" {
			exec(t, pool, "VACUUM ANALYZE "+schema+".document")
		}
		for name, c := range skewedSearches() {
			want := those(c.holds)
			checkPages(t, pool, state+", "+name, c.filter, want)
			checkReads(t, pool, schema, state+", "+name, c, len(want))
		}
	}
}

// checkPages finds the first pages and a deep one, as it is done and by each plan.
func checkPages(t *testing.T, pool *pgxpool.Pool, name string, f queries.MessageFilter, want []domain.MessageID) {
	t.Helper()
	r := postgres.NewSearchReader(pool, 1, 1, lexer)
	for _, offset := range []int{0, 1000} {
		page := want[min(offset, len(want)):min(offset+25, len(want))]
		got, total, err := r.Find(t.Context(), f, offset, 25)
		if err != nil || !slices.Equal(got, page) || total != len(want) {
			t.Errorf("%s from %d on: got %v of %d, error %v; want %v of %d", name, offset, got, total, err, page, len(want))
		}
		steps, err := r.SearchSteps(t.Context(), f, offset+25)
		if err != nil || steps > postgres.MaxSteps {
			t.Errorf("%s: %d steps, error %v", name, steps, err)
		}
		for plan, steps := range map[string]int{"words": 0, "walk": skewedDocuments} {
			got, _, err := r.FindBy(t.Context(), plan, f, offset, 25, steps)
			if err != nil || !slices.Equal(got, page) {
				t.Errorf("%s from %d on, by %s: got %v, error %v; want %v", name, offset, plan, got, err, page)
			}
		}
		if steps > 0 {
			if got, full, err := r.FindBy(t.Context(), "walk", f, offset, 25, steps); err != nil || full && !slices.Equal(got, page) {
				t.Errorf("%s from %d on, walking %d steps: got %v, error %v; want %v", name, offset, steps, got, err, page)
			}
		}
	}
}

// planNode is a node of EXPLAIN (FORMAT JSON).
type planNode struct {
	Type      string  `json:"Node Type"`
	Name      string  `json:"Relation Name"`
	Index     string  `json:"Index Name"`
	Rows      float64 `json:"Actual Rows"`
	Loops     float64 `json:"Actual Loops"`
	Removed   float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	Plans     []planNode
}

// checkReads looks at how many documents each plan reads. By words it reads those that have them, a walk no
// more than its steps.
func checkReads(t *testing.T, pool *pgxpool.Pool, schema, name string, c searchCase, hits int) {
	t.Helper()
	r := postgres.NewSearchReader(pool, 1, 1, lexer)
	steps, err := r.SearchSteps(t.Context(), c.filter, 25)
	if err != nil {
		t.Fatal(err)
	}
	steps = max(steps, 50)
	before, plans, err := r.SearchStatements(t.Context(), c.filter, 0, 25, steps)
	if err != nil {
		t.Fatal(err)
	}
	for plan, st := range plans {
		set, most := before, hits+c.more
		if plan == "walk" {
			set, most = "", steps
		} else if c.noWord {
			continue
		}
		planOf(t, pool, schema+", mail_g1", set, st).check(t, name+", by "+plan, most)
	}
}

// reads returns how many rows of a table a plan reads, and by what.
func (n planNode) reads(table string) (read int, by string) {
	if n.Name == table {
		read = int((n.Rows + n.Removed + n.Rechecked) * n.Loops)
		by = n.Type
	}
	by += " " + n.Index
	for _, p := range n.Plans {
		r, b := p.reads(table)
		read, by = read+r, by+b
	}
	return read, by
}

// check fails if a plan reads more than most documents, or messages, or all of them.
func (n planNode) check(t *testing.T, name string, most int) {
	t.Helper()
	for _, table := range []string{"document", "message"} {
		if read, by := n.reads(table); read > most || strings.Contains(by, "Seq Scan") {
			t.Errorf("%s: %d rows of %s are read, want %d at most; by %s", name, read, table, most, by)
		}
	}
}

// planOf runs a statement, after one that sets what is set for it, and returns its plan.
func planOf(t *testing.T, pool *pgxpool.Pool, schema, before string, st postgres.Statement) planNode {
	t.Helper()
	var out []struct{ Plan planNode }
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), before); err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"); err != nil {
			return err
		}
		var text []byte
		if err := tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "+st.SQL, st.Args...).Scan(&text); err != nil {
			return err
		}
		return json.Unmarshal(text, &out)
	})
	return out[0].Plan
}
