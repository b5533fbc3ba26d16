package eventlog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// statedLog has an account with a row in each table of the state, another that is erased, and a third whose
// erasure has not been carried out.
func statedLog(t *testing.T) *Log {
	t.Helper()
	pool, j, journal := testJournal(t)
	addAccount(t, j, journal, 2)
	addAccount(t, j, journal, 3)
	for _, acc := range []domain.AccountID{2, 3} {
		gone := fetched(domain.MessageID(100+acc), 1, putRaw(t, pool, journal, "gone"))
		gone.Account, gone.Mailbox = acc, domain.MailboxID(acc)
		must(t, j, scopeOf(journal), decisionOf(
			events.MailboxFound{Account: acc, Mailbox: domain.MailboxID(acc), Name: "INBOX", Selected: true, UIDValidity: 1}, gone))
	}
	merging := fetched(2, 11, putRaw(t, pool, journal, "raw 2"))
	merging.Merged = []domain.ThreadID{1}
	must(t, j, scopeOf(journal), decisionOf(
		merging, checkOf(1, 2),
		events.SyncCompleted{SyncEnd: events.SyncEnd{SyncStarted: events.SyncStarted{Account: 1, Sync: 5}, FinishedAt: time.Now().UTC().Truncate(time.Microsecond)}},
		events.SyncFailed{SyncEnd: events.SyncEnd{SyncStarted: events.SyncStarted{Account: 1, Sync: 6}}, Error: events.SyncError{Code: "auth_failed"}, ConsecutiveFailures: 1}))
	must(t, j, scopeOf(journal), decisionOf(events.AccountErased{Account: 2}))
	if err := j.log.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, j, scopeOf(journal), decisionOf(events.AccountErased{Account: 3}))
	return j.log
}

// notOfLog are columns of which no event tells.
var notOfLog = []string{
	"state.accounts.sealed", "state.accounts.erasure_done", "state.accounts.lease", "state.accounts.lease_owner", "state.accounts.lease_until",
	"state.accounts.next_sync_at", "state.accounts.stalled_at", "state.coverage.due", "state.mailboxes.uid_validity", "state.mailboxes.uid_next",
	"state.mailboxes.mod_seq", "state.mailboxes.messages", "state.mailboxes.level", "state.mailboxes.window_key",
}

// forgeries change a value, by the type of its column.
var forgeries = map[string]string{
	"bytea": `COL || '\x00'`, "bigint": `coalesce(COL, 0) + 1000`, "integer": `COL + 1`, "text": `COL || 'x'`, "ARRAY": `COL || '{forged}'::text[]`,
	"boolean": `NOT COL`, "jsonb": `coalesce(COL, '{}') || '{"name": "forged"}'`, "timestamp with time zone": `coalesce(COL, now()) + interval '1 us'`,
}

// ofAccountOne are the rows whose account is not erased.
var ofAccountOne = map[string]string{
	"state.accounts": "account_id = 1", "state.mailboxes": "account_id = 1", "state.coverage": "account_id = 1", "state.messages": "mailbox_id = 1",
	"state.thread_merges": "true", "raw.uses": "account_id = 1",
}

// TestVerifyFindsAnyForgeryOfState changes each column of the state that follows from the log, in turn.
func TestVerifyFindsAnyForgeryOfState(t *testing.T) {
	t.Parallel()
	l := statedLog(t)
	names := make([]string, len(stateTables))
	for i, table := range stateTables {
		names[i] = table.name
	}
	rows, err := l.pool.Query(t.Context(), `SELECT table_schema || '.' || table_name, column_name, data_type FROM information_schema.columns
		WHERE table_schema || '.' || table_name = ANY ($1) ORDER BY 1, ordinal_position`, names)
	if err != nil {
		t.Fatal(err)
	}
	type column struct{ Table, Name, Type string }
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil || len(columns) < 50 {
		t.Fatalf("%d columns, %v", len(columns), err)
	}
	if found, sum := verify(t, l, VerifyOptions{State: true}); sum.Damages > 0 || sum.StateTables == 0 {
		t.Fatalf("before: %+v %q", sum, found)
	}
	byTable := map[string][]string{} // what changes each of its columns
	for _, c := range columns {
		if slices.Contains(notOfLog, c.Table+"."+c.Name) {
			continue
		}
		forgery := strings.ReplaceAll(forgeries[c.Type], "COL", c.Name)
		byTable[c.Table] = append(byTable[c.Table], fmt.Sprintf(`UPDATE %s SET %s = %s WHERE %s`, c.Table, c.Name, forgery, ofAccountOne[c.Table]))
	}
	for round := 0; len(byTable) > 0; round++ { // a column of each table at a time
		queries := map[string]string{}
		for table, list := range byTable {
			if round == len(list) {
				delete(byTable, table)
				continue
			}
			queries[table] = list[round]
		}
		forge(t, l, queries)
	}
	if found, sum := verify(t, l, VerifyOptions{State: true}); sum.Damages > 0 {
		t.Errorf("after: %q", found)
	}
}

// forge changes tables, wants each to be named, and puts them back. It returns what was found.
func forge(t *testing.T, l *Log, queries map[string]string) string {
	t.Helper()
	for table, query := range queries {
		tamper(t, l, fmt.Sprintf(`CREATE TABLE "kept %[1]s" AS SELECT * FROM %[1]s; %[2]s`, table, query))
	}
	found, _ := verify(t, l, VerifyOptions{State: true})
	text := strings.Join(found, "\n")
	for table, query := range queries {
		if !strings.Contains(text, "journal 7: "+table+": ") {
			t.Errorf("%s: found %q", query, found)
		}
		tamper(t, l, fmt.Sprintf(`DELETE FROM %[1]s; INSERT INTO %[1]s SELECT * FROM "kept %[1]s"; DROP TABLE "kept %[1]s"`, table))
	}
	return text
}

func TestVerifyNamesWhatTheStateLacks(t *testing.T) {
	t.Parallel()
	l := statedLog(t)
	for _, tt := range []struct{ table, query, want string }{
		{"state.messages", `UPDATE state.messages SET flags = '{forged}' WHERE uid = 11 AND mailbox_id = 1`, "mailbox 1, UID 11 is not as the log says"},
		{"state.messages", `DELETE FROM state.messages WHERE mailbox_id = 1`, "2 rows are missing, the first mailbox 1, UID 10"},
		{"state.thread_merges", `INSERT INTO state.thread_merges VALUES (7, 1, 77, 2)`, "thread 77 is not from the log"},
		{"state.accounts", `UPDATE state.accounts SET erased_by = NULL WHERE account_id = 2`, "account 2 is not as the log says"},
	} {
		if found := forge(t, l, map[string]string{tt.table: tt.query}); !strings.Contains(found, tt.want) {
			t.Errorf("%s: found %s, want %s", tt.query, found, tt.want)
		}
	}
}
