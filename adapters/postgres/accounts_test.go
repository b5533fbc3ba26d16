package postgres_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

func added(acc domain.AccountID) events.AccountAdded {
	return events.AccountAdded{Account: acc, Settings: events.AccountSettings{
		Name: "work", Host: "imap.example.org", Port: 993, Username: "ann", UseTLS: true, LimitType: events.LimitAll, IntervalMin: ptr(15),
	}}
}

func started(acc domain.AccountID, id domain.SyncID) events.SyncStarted {
	return events.SyncStarted{Sync: id, Account: acc, AccountName: "work", Trigger: "schedule", QueuedAt: epoch, StartedAt: epoch.Add(time.Second)}
}

func completed(acc domain.AccountID, id domain.SyncID) events.SyncCompleted {
	return events.SyncCompleted{SyncEnd: events.SyncEnd{
		SyncStarted: started(acc, id), Status: "success", FinishedAt: epoch.Add(time.Minute), Received: 3,
		Mailboxes: []events.MailboxResult{{Name: "INBOX", Status: "success", Received: 3}}, Total: 1, Warnings: []string{},
	}}
}

func failed(acc domain.AccountID, id domain.SyncID) events.SyncFailed {
	end := completed(acc, id).SyncEnd
	end.Status = "error"
	return events.SyncFailed{SyncEnd: end, Error: events.SyncError{Code: "timeout", Message: "No answer."}, ConsecutiveFailures: 1}
}

// TestAccountLaws cuts random logs of accounts anywhere: the tables are the same.
func TestAccountLaws(t *testing.T) {
	t.Parallel()
	pool := open(t)
	for round := range 5 {
		seed := rand.Uint64()
		rnd := rand.New(rand.NewPCG(seed, 0))
		list := []events.Event{added(1), added(2)}
		for id := domain.SyncID(1); id < 60; id++ {
			acc := domain.AccountID(1 + rnd.IntN(2))
			list = append(list, started(acc, id))
			box := domain.MailboxID(1 + rnd.IntN(3))
			list = append(list, events.CoverageChecked{Account: acc, Mailbox: box, Sync: id, Exceptions: []events.CoverageException{}})
			if rnd.IntN(5) == 0 {
				list = append(list, events.MailboxRemoved{Account: acc, Mailbox: box})
			}
			switch rnd.IntN(4) { // in the other cases the run is interrupted
			case 0:
				list = append(list, completed(acc, id))
			case 1:
				list = append(list, failed(acc, id))
			case 2:
				list = append(list, events.AccountChanged{Account: acc, Version: int64(id) + 1, Settings: added(acc).Settings})
			}
		}
		log := recorded(1, list...)
		whole, cut := live(t, pool, "accounts", 2*round+1), live(t, pool, "accounts", 2*round+2)
		fold := func(schema string, batch []events.Recorded) {
			inSchema(t, pool, schema, func(tx pgx.Tx) error {
				return projections.Accounts.Apply(t.Context(), postgres.NewAccountStore(tx, 1), batch)
			})
		}
		fold(whole, log)
		for rest := log; len(rest) > 0; {
			n := min(1+rnd.IntN(7), len(rest))
			fold(cut, rest[:n])
			rest = rest[n:]
		}
		for _, table := range postgres.AccountsTableNames {
			if diff := cmp.Diff(dump(t, pool, whole, table), dump(t, pool, cut, table)); diff != "" {
				t.Fatalf("seed %d: table %s (-whole +cut):\n%s", seed, table, diff)
			}
		}
		inSchema(t, pool, cut, func(tx pgx.Tx) error { return postgres.NewAccountStore(tx, 1).EraseAccount(t.Context(), 1) })
		if got := texts(t, pool, cut, `SELECT count(*) FROM account UNION ALL SELECT count(*) FROM sync_run WHERE account_id = 1
			UNION ALL SELECT count(*) FROM mailbox_coverage WHERE account_id = 1`); !cmp.Equal(got, []string{"1", "0", "0"}) {
			t.Errorf("after erasing: got %v, want one account and nothing else", got)
		}
	}
}

func TestAccountReader(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "accounts", 1)
	for acc := domain.AccountID(1); acc <= 5; acc++ {
		addAccount(t, pool, 1, acc)
	}
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		return projections.Accounts.Apply(t.Context(), postgres.NewAccountStore(tx, 1), recorded(1,
			added(1), added(2), added(3), added(4), added(5),
			started(2, 20), failed(2, 20), started(3, 30), completed(3, 30), started(4, 40)))
	})
	progress, _ := json.Marshal(commands.SyncProgress{MailboxesTotal: 3, MailboxesDone: 1, Current: "INBOX", MessagesTotal: 9, MessagesDone: 4})
	exec(t, pool, `INSERT INTO state.sync_queue (journal_id, account_id, sync_id, cause, queued_at, started_at, progress, progress_at)
		VALUES (1, 3, 31, 'request', $1, NULL, NULL, NULL), (1, 4, 40, 'schedule', $1, $1, $2, $1)`, epoch, progress)
	exec(t, pool, `UPDATE state.accounts SET erased_by = 3 WHERE account_id = 5`)
	reader := postgres.NewAccountReader(pool, 1)

	accounts, err := reader.Accounts(t.Context(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, a := range accounts {
		states = append(states, a.State)
	}
	if want := []string{"idle", "error", "queued", "running"}; !cmp.Equal(states, want) {
		t.Errorf("states: got %v, want %v", states, want)
	}
	if a := accounts[1]; a.LastError != "No answer." || a.LastSync != nil || a.Settings != added(2).Settings && *a.Settings.IntervalMin != 15 {
		t.Errorf("account 2: got %+v", a)
	}
	if some, err := reader.Accounts(t.Context(), 1, []domain.AccountID{3, 9}); err != nil || len(some) != 1 || some[0].LastSync == nil {
		t.Errorf("account 3: got %+v, error %v", some, err)
	}

	runs, err := reader.SyncRuns(t.Context(), queries.ListSyncRuns{Journal: 1, Account: 3}, 0, 0, 0, 10)
	if err != nil || len(runs) != 2 {
		t.Fatalf("runs of account 3: got %d, error %v; want 2", len(runs), err)
	}
	if r := runs[0]; r.Sync != 31 || r.Status != "queued" || r.Trigger != "request" || r.Started != nil || r.Ended != nil ||
		!r.QueuedAt.Equal(epoch) || r.AccountName != "work" || !r.Initial {
		t.Errorf("waiting run: got %+v", r)
	}
	if r := runs[1]; r.Status != "success" || r.Ended == nil || r.Received != 3 || len(r.Mailboxes) != 1 {
		t.Errorf("ended run: got %+v", r)
	}
	run, err := reader.SyncRun(t.Context(), 1, 4, 40)
	if err != nil || run.Status != "running" || run.Started == nil || run.Ended != nil || run.Progress.MessagesDone != 4 || run.LastProgress == nil {
		t.Errorf("run that goes on: got %+v, error %v", run, err)
	}
	// Its worker died and another run is to take its place; then it has ended after all.
	exec(t, pool, `UPDATE state.sync_queue SET sync_id = 41, started_at = NULL WHERE account_id = 4`)
	if run, err := reader.SyncRun(t.Context(), 1, 4, 40); err != nil || run.Status != "interrupted" || run.LastProgress != nil {
		t.Errorf("interrupted run: got %+v, error %v", run, err)
	}
	record(t, pool, 1, completed(4, 40))
	if run, err := reader.SyncRun(t.Context(), 1, 4, 40); err != nil || run.Status != "running" {
		t.Errorf("run whose end is not folded yet: got %+v, error %v", run, err)
	}
	if _, err := reader.SyncRun(t.Context(), 1, 3, 40); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("run of another account: got %v, want ErrNotFound", err)
	}
	if n, err := reader.CountSyncRuns(t.Context(), queries.ListSyncRuns{Journal: 1, Account: 3, Status: "queued"}); err != nil || n != 1 {
		t.Errorf("count: got %d, error %v; want 1", n, err)
	}
}

func TestSyncRunPages(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "accounts", 1)
	addAccount(t, pool, 1, 1)
	list := []events.Event{added(1)}
	for id := domain.SyncID(1); id <= 25; id++ {
		list = append(list, started(1, id), completed(1, id))
	}
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		return projections.Accounts.Apply(t.Context(), postgres.NewAccountStore(tx, 1), recorded(1, list...))
	})
	handler := queries.NewListSyncRuns(postgres.NewAccountReader(pool, 1))
	ask := queries.ListSyncRuns{Journal: 1, Account: 1, Paging: queries.Paging{Size: 10, ByCursor: true}}
	var forth []domain.SyncID
	for {
		page, err := handler.Handle(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Items {
			forth = append(forth, r.Sync)
		}
		if page.Next == nil {
			break
		}
		ask.Cursor = page.Next
	}
	if len(forth) != 25 || forth[0] != 25 || forth[24] != 1 {
		t.Errorf("got %v, want 25 to 1", forth)
	}
	page, err := handler.Handle(t.Context(), queries.ListSyncRuns{
		Journal: 1, Account: 1,
		Paging: queries.Paging{Size: 10, ByCursor: true, Cursor: &queries.Cursor{ID: 5, Backward: true}},
	})
	if err != nil || len(page.Items) != 10 || page.Items[0].Sync != 15 || page.Items[9].Sync != 6 {
		t.Errorf("back from 5: got %d runs, error %v; want 15 to 6", len(page.Items), err)
	}
}
