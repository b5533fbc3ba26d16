package eventlog

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

func TestUpdate(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	j := New(pool, Options{}).Journal()
	journal := addUser(t, j, 7)
	addAccount(t, j, journal, 1)
	sum := putRaw(t, pool, journal, "raw")
	scope := commands.Scope{Journal: journal, Account: 1, Append: newAppendID(), Meta: events.Meta{Sync: 5}}
	d := commands.Decision{Events: []events.Event{
		events.MailboxFound{Account: 1, Mailbox: 1, Name: "INBOX", Selected: true, UIDValidity: 1},
		fetched(1, 10, sum),
	}}
	pos := must(t, j, scope, d)
	if pos != 3 {
		t.Errorf("position %d, want 3", pos)
	}
	// The same again is answered, and decide is not asked.
	pos, err := j.Update(t.Context(), scope, func(commands.State) (commands.Decision, error) {
		t.Error("decide was called for a repeated append")
		return commands.Decision{}, nil
	})
	if pos != 3 || err != nil {
		t.Errorf("repeated append: %d, %v, want 3", pos, err)
	}
	own := errors.New("no")
	_, err = j.Update(t.Context(), commands.Scope{Journal: journal, Append: newAppendID()},
		func(commands.State) (commands.Decision, error) { return d, own })
	if err != own { //nolint:errorlint // it is returned as it is
		t.Errorf("error of decide: %v, want it as it is", err)
	}
	if head := scalar[int64](t, pool, "SELECT position FROM log.journals WHERE journal_id = 7"); head != 3 {
		t.Errorf("head %d, want 3", head)
	}
	known, err := j.KnownUIDs(t.Context(), journal, 1)
	if err != nil || known.String() != "10" {
		t.Errorf("known UIDs %v, %v, want 10", known, err)
	}
}

// A user's journal with account 1, mailbox 1 and message 1 at UID 10.
func testJournal(t *testing.T) (*pgxpool.Pool, *Journal, events.JournalID) {
	t.Helper()
	pool := pgtest.Pool(t)
	j := New(pool, Options{Logger: testLogger(t)}).Journal()
	journal := addUser(t, j, 7)
	addAccount(t, j, journal, 1)
	must(t, j, scopeOf(journal), decisionOf(
		events.MailboxFound{Account: 1, Mailbox: 1, Name: "INBOX", Role: domain.RoleArchive, Selected: true, UIDValidity: 1},
		fetched(1, 10, putRaw(t, pool, journal, "raw 1"))))
	return pool, j, journal
}

func TestRefused(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	exec(t, pool, "UPDATE state.accounts SET lease = 4")
	sum := putRaw(t, pool, journal, "raw 2")
	big := events.ThreadUpdated{Latest: &events.LatestMessage{Subject: strings.Repeat("x", 60<<10)}}
	at := func(change func(*commands.Scope)) commands.Scope {
		s := scopeOf(journal)
		change(&s)
		return s
	}
	reset := events.MailboxReset{Account: 1, Mailbox: 1, UIDValidity: 2}
	for name, c := range map[string]struct {
		scope commands.Scope
		list  []events.Event
		want  error // nil: any
	}{
		"lost lease":         {at(func(s *commands.Scope) { s.Account, s.Lease = 1, 3 }), []events.Event{loggedIn(1)}, domain.ErrConflict},
		"unknown account":    {at(func(s *commands.Scope) { s.Account = 2 }), []events.Event{loggedIn(1)}, domain.ErrNotFound},
		"unknown user":       {at(func(s *commands.Scope) { s.User = 2 }), []events.Event{loggedIn(1)}, domain.ErrNotFound},
		"unknown journal":    {scopeOf(99), []events.Event{loggedIn(1)}, domain.ErrNotFound},
		"raw message gone":   {scopeOf(journal), []events.Event{fetched(2, 11, make([]byte, 32))}, domain.ErrConflict},
		"UID taken":          {scopeOf(journal), []events.Event{fetched(2, 10, sum)}, nil},
		"reset forgets some": {scopeOf(journal), []events.Event{reset}, nil},
		"too many events":    {scopeOf(journal), repeat(loggedIn(1), maxEvents+1), nil},
		"too many octets":    {scopeOf(journal), repeat(big, 70), nil},
		"payload too long":   {scopeOf(journal), []events.Event{events.LoggedIn{Name: strings.Repeat("x", 64<<10)}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			pos, err := update(t, j, c.scope, decisionOf(c.list...))
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("position %d, error %v, want %v", pos, err, c.want)
			}
		})
	}
	if types := checkChain(t, pool, journal); len(types) != 3 {
		t.Errorf("%d events, want 3", len(types))
	}
	// What was refused left the connections usable, and the lease that holds may append.
	must(t, j, at(func(s *commands.Scope) { s.Account, s.Lease = 1, 4 }), decisionOf(repeat(loggedIn(1), maxEvents)...))
}

func repeat(e events.Event, n int) []events.Event {
	out := make([]events.Event, n)
	for i := range out {
		out[i] = e
	}
	return out
}

func TestErased(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	must(t, j, scopeOf(journal), commands.Decision{Rows: []commands.Row{
		commands.SealedRow{Account: 1, Sealed: []byte("sealed")},
		commands.QueueRow{Account: 1, Sync: 1, Cause: "request", At: testAt},
		commands.TokenRow{Token: commands.Token{ID: 1, Kind: "api", Hash: []byte("h"), CreatedAt: testAt}},
	}})
	scope := commands.Scope{Journal: journal, Account: 1, Append: newAppendID(), CountMessages: true}
	erase := func(s commands.State) (commands.Decision, error) {
		return decisionOf(events.AccountErased{Account: 1, Messages: s.Account.Messages}), nil
	}
	pos, err := j.Update(t.Context(), scope, erase)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := j.Update(t.Context(), scope, erase); again != pos || err != nil {
		t.Errorf("the same append again: %d, %v, want %d", again, err, pos)
	}
	scope.Append = newAppendID()
	if _, err := j.Update(t.Context(), scope, erase); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("append to an erased account: %v, want not found", err)
	}
	left := scalar[int](t, pool, `SELECT count(*) FROM state.accounts WHERE sealed IS NOT NULL OR erased_by IS DISTINCT FROM $1`, int64(pos)) +
		scalar[int](t, pool, `SELECT count(*) FROM state.sync_queue`)
	if left != 0 {
		t.Error("the password, the queued run or an unerased account is left")
	}
	last := must(t, j, scopeOf(journal), decisionOf(events.UserErased{User: 7}))
	if _, err := update(t, j, scopeOf(journal), decisionOf(loggedIn(1))); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("append to an erased journal: %v, want not found", err)
	}
	if n := scalar[int](t, pool, `SELECT count(*) FROM log.journals j JOIN auth.users u ON u.erased_by = j.erased_by
		WHERE j.erased_by = $1 AND NOT EXISTS (SELECT FROM auth.tokens)`, int64(last)); n != 1 {
		t.Error("user and journal are not erased, or a token is left")
	}
	checkChain(t, pool, journal)
}

// Nothing to record appends nothing; rows alone are written without a commit in the chain.
func TestNothingToRecord(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	at := testAt
	for _, d := range []commands.Decision{{}, {Rows: []commands.Row{commands.ScheduleRow{Account: 1, At: &at}}}} {
		if pos := must(t, j, scopeOf(journal), d); pos != 3 {
			t.Errorf("position %d, want 3, that of the head", pos)
		}
	}
	if n := scalar[int](t, pool, "SELECT count(*) FROM state.accounts WHERE next_sync_at = $1", at); n != 1 {
		t.Error("the row is not written")
	}
	checkChain(t, pool, journal)
}

func TestState(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	key := domain.KeyOf("m1@example.org")
	nodes := []domain.IndexedNode{
		{Node: domain.Node{Kind: domain.NodeMsgID, Key: key}, Thread: 9},
		{Node: domain.Node{Kind: domain.NodeWeakID, Key: key, Sub: domain.Key{1}}, Thread: 9},
		{Node: domain.Node{Kind: domain.NodeSubject, Key: key, Sub: domain.Key{0, 128}}, Thread: 3, People: []domain.Key{{1}, {2}}},
		{Node: domain.Node{Kind: domain.NodeSubject, Key: key, Sub: domain.Key{1, 128}}, Thread: 3},
	}
	box := domain.Mailbox{
		ID: 1, Account: 1, Name: "INBOX", Role: domain.RoleArchive, Selected: true,
		UIDValidity: 1<<32 - 1, UIDNext: 1<<32 - 1, ModSeq: 1<<63 - 1, Messages: 1, Level: true, WindowKey: "all",
	}
	merging := fetched(2, 11, putRaw(t, pool, journal, "raw 2"))
	merging.Thread, merging.Merged = 1, []domain.ThreadID{9}
	scope := scopeOf(journal)
	scope.Account = 1
	synced := testAt
	must(t, j, scope, commands.Decision{
		Events: []events.Event{merging, events.SyncCompleted{SyncEnd: events.SyncEnd{SyncStarted: events.SyncStarted{Account: 1}, FinishedAt: synced}}},
		Nodes:  append(nodes, nodes...),
		Rows:   []commands.Row{commands.CheckpointRow{Mailbox: box}},
	})
	nodes[0].Thread, nodes[1].Thread = 1, 1
	scope = commands.Scope{
		Journal: journal, Append: newAppendID(), Account: 1, User: 7, Tokens: true, CountMessages: true,
		UIDs: map[domain.MailboxID]domain.UIDSet{1: domain.UIDs(10, 12), 5: nil},
		Threads: domain.ThreadLookup{
			Nodes:  []domain.Node{nodes[0].Node, nodes[1].Node, {Kind: domain.NodeRaw, Key: key}},
			Ranges: []domain.NodeRange{{Kind: domain.NodeSubject, Key: key, From: domain.Key{0, 1}, To: domain.Key{0, 200}}},
		},
	}
	first := fetched(1, 10, putRaw(t, pool, journal, "raw 1"))
	want := commands.State{
		Position:  5,
		Account:   &commands.AccountState{Version: 1, Settings: events.AccountSettings{Name: "mail"}, SyncedOnce: true, SyncedAt: &synced, Messages: 2},
		Mailboxes: map[domain.MailboxID]domain.Mailbox{1: box},
		Known: map[domain.MailboxID]map[domain.UID]domain.Known{1: {10: {
			UID: 10, ID: 1, Thread: 1, Flags: []domain.Flag{}, SHA256: [32]byte(first.SHA256), MsgID: first.MsgID,
			MsgKey: key, Size: 100, InternalDate: first.InternalDate, Date: first.Summary.Date,
		}}, 5: {}},
		Threads: []domain.IndexedNode{nodes[0], nodes[1], nodes[2]},
		User:    &commands.User{ID: 7, Name: "user7", Email: "user7@example.org", Active: true, PasswordHash: "x", LoginGeneration: 1},
		Tokens:  []commands.Token{},
	}
	_, err := j.Update(t.Context(), scope, func(got commands.State) (commands.Decision, error) {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("state (-want +got):\n%s", diff)
		}
		return commands.Decision{}, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A try that Postgres breaks off is made again, and decide is asked again.
func TestDecidedAgain(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	tries := 0
	pos, err := j.Update(t.Context(), scopeOf(journal), func(commands.State) (commands.Decision, error) {
		if tries++; tries == 1 {
			exec(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND state = 'idle in transaction'`)
		}
		return decisionOf(loggedIn(1)), nil
	})
	if pos != 4 || err != nil || tries != 2 {
		t.Errorf("position %d, %v after %d tries, want 4 after 2", pos, err, tries)
	}
	checkChain(t, pool, journal)
}

// Two resets of a mailbox in one decision are one after the other: the mapping of the second is
// about the UIDs that the first has given.
func TestTwoResets(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	second := fetched(2, 11, putRaw(t, pool, journal, "raw 2"))
	reset := func(to domain.UIDValidity, runs ...events.UIDRun) events.MailboxReset {
		return events.MailboxReset{Account: 1, Mailbox: 1, Name: "INBOX", OldUIDValidity: to - 1, UIDValidity: to, Mapping: runs}
	}
	must(t, j, scopeOf(journal), decisionOf(second,
		reset(2, events.UIDRun{From: 10, To: 2, Count: 1}), reset(2, events.UIDRun{From: 11, To: 1, Count: 1}),
		reset(3, events.UIDRun{From: 1, To: 7, Count: 1}, events.UIDRun{From: 2, To: 10, Count: 1})))
	known, err := j.Known(t.Context(), journal, 1, 1, 100)
	if err != nil || len(known) != 2 || known[0].UID != 7 || known[0].ID != 2 || known[1].UID != 10 || known[1].ID != 1 {
		t.Errorf("known messages %+v, %v", known, err)
	}
	checkChain(t, pool, journal)
}
