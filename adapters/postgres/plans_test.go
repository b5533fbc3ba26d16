package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// fiftyThousand is a mail read model with 50,000 messages of one user.
func fiftyThousand(t testing.TB) (*pgxpool.Pool, string) {
	t.Helper()
	pool := open(t)
	schema := live(t, pool, "mail", 1)
	for first := int64(1); first < 50_000; first += 5000 {
		foldMail(t, pool, schema, 1, newMail(first, 5000))
	}
	exec(t, pool, "ANALYZE")
	return pool, schema
}

// TestPlans looks at the plans of the lists that clients ask for most, with 50,000
// messages: as they are for given arguments, and as they are kept for any. Each
// walks an index in the order of the answer and sorts no more than the page.
func TestPlans(t *testing.T) {
	t.Parallel()
	pool, schema := fiftyThousand(t)
	account, folder := []domain.AccountID{1}, []domain.MailboxName{"Folder 3"}
	at := epoch.Add(500_000 * time.Second)
	newest := []queries.Order{{Field: "date", Desc: true}}
	cursor := &queries.Cursor{Keys: []string{at.Format(time.RFC3339Nano)}, ID: 7}
	for name, c := range map[string]struct {
		filter   queries.MessageFilter
		byThread bool
		cursor   *queries.Cursor
		index    string
	}{
		"all":                     {queries.MessageFilter{}, false, nil, "message_date"},
		"all, cursor":             {queries.MessageFilter{}, false, cursor, "message_date"},
		"account":                 {queries.MessageFilter{Accounts: account}, false, nil, "message_account"},
		"account, cursor":         {queries.MessageFilter{Accounts: account}, false, cursor, "message_account"},
		"folder":                  {queries.MessageFilter{Folders: folder}, false, nil, "message_folder"},
		"folder, cursor":          {queries.MessageFilter{Folders: folder}, false, cursor, "message_folder"},
		"since":                   {queries.MessageFilter{From: &at}, false, nil, "message_date"},
		"folder, since":           {queries.MessageFilter{Folders: folder, From: &at}, false, nil, "message_folder"},
		"threads":                 {queries.MessageFilter{}, true, nil, "thread_latest"},
		"threads, cursor":         {queries.MessageFilter{}, true, cursor, "thread_latest"},
		"threads, account":        {queries.MessageFilter{Accounts: account}, true, nil, "thread_account"},
		"threads, folder":         {queries.MessageFilter{Folders: folder}, true, nil, "message_folder"},
		"threads, folder, cursor": {queries.MessageFilter{Folders: folder}, true, cursor, "message_folder"},
		"one thread":              {queries.MessageFilter{Thread: ptr(domain.ThreadID(4001))}, false, nil, "message_thread"},
		"by its message-id":       {queries.MessageFilter{MsgID: ptr("m77@example.org")}, false, nil, "message_msg_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.filter.Journal = 1
			for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
				sql, args, err := postgres.ListStatement(c.filter, c.byThread, newest, c.cursor, 50)
				if err != nil {
					t.Fatal(err)
				}
				plan := explain(t, pool, schema, mode, sql, args)
				if !strings.Contains(plan, "using "+c.index+" ") && !strings.Contains(plan, "on "+c.index+" ") {
					t.Errorf("%s: index %s is not used:\n%s\n%s", mode, c.index, sql, plan)
				}
				if strings.Contains(plan, "Seq Scan on message ") || strings.Contains(plan, "Seq Scan on thread ") {
					t.Errorf("%s: a table is read whole:\n%s", mode, plan)
				}
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func explain(t *testing.T, pool *pgxpool.Pool, schema, mode, sql string, args []any) string {
	t.Helper()
	var plan string
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT set_config('plan_cache_mode', $1, true)", mode); err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), "EXPLAIN (ANALYZE, TIMING OFF) "+sql, args...)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan = strings.Join(lines, "\n")
		return err
	})
	return plan
}
