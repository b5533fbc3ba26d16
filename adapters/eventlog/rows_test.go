package eventlog

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

func TestNextIDs(t *testing.T) {
	t.Parallel()
	_, j, _ := testJournal(t)
	for kind := range sequences {
		first, err1 := j.NextIDs(t.Context(), kind, 3)
		second, err2 := j.NextIDs(t.Context(), kind, 1)
		if err := errors.Join(err1, err2); err != nil || !cmp.Equal(first, []int64{1, 2, 3}) || second[0] <= 3 {
			t.Errorf("ids of %s: %v, then %v, %v", kind, first, second, err)
		}
	}
	if _, err := j.NextIDs(t.Context(), "tree", 1); !errors.Is(err, domain.ErrInvalid) {
		t.Errorf("ids of trees: %v, want invalid", err)
	}
}

func TestUsersAndTokens(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	soon := testAt.Add(time.Hour)
	login := commands.Token{ID: 1, Kind: "login", Name: "login", Prefix: "a", Hash: []byte("1"), Scopes: []string{}, Version: 1, CreatedAt: testAt}
	api := commands.Token{
		ID: 2, Kind: "api", Name: "api", Prefix: "b", Hash: []byte("2"), Scopes: []string{"read", "mail:write"},
		Accounts: []domain.AccountID{1, 3}, Version: 1, CreatedAt: testAt, Expires: &soon,
	}
	must(t, j, scopeOf(journal), commands.Decision{Rows: []commands.Row{commands.TokenRow{Token: login}, commands.TokenRow{Token: api}}})
	// A new login token takes the place of the old one in one decision; the other is renamed.
	login2 := login
	login2.ID, login2.Hash = 3, []byte("3")
	api.Name, api.Expires, api.Version = "new name", nil, 2
	must(t, j, scopeOf(journal), commands.Decision{Rows: []commands.Row{
		commands.TokenRow{Token: login2}, commands.TokenRow{Token: api}, commands.TokenGoneRow{ID: 1},
	}})
	scope := scopeOf(journal)
	scope.Tokens = true
	_, err := j.Update(t.Context(), scope, func(got commands.State) (commands.Decision, error) {
		want := []commands.Token{api, login2}
		if diff := cmp.Diff(want, got.Tokens, cmpopts.IgnoreFields(commands.Token{}, "Hash"), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("tokens (-want +got):\n%s", diff)
		}
		return commands.Decision{}, nil
	})
	if err != nil {
		t.Error(err)
	}
	// A name is taken once; a user that is there is changed, and its journal stays.
	taken := commands.UserRow{User: commands.User{ID: 8, Name: "user7"}, At: testAt}
	_, err = update(t, j, scopeOf(events.System), commands.Decision{Events: []events.Event{loggedIn(1)}, Rows: []commands.Row{taken}})
	if !errors.Is(err, domain.ErrConflict) {
		t.Errorf("second user of a name: %v, want conflict", err)
	}
	changed := commands.UserRow{User: commands.User{ID: 7, Name: "new", Admin: true, LoginGeneration: 2}, At: testAt}
	must(t, j, scopeOf(journal), commands.Decision{Rows: []commands.Row{changed}})
	if name := scalar[string](t, pool, "SELECT name FROM auth.users WHERE user_id = 7 AND is_admin"); name != "new" {
		t.Errorf("name %q, want new", name)
	}
	checkChain(t, pool, journal)
}

func TestQueueAndQuarantine(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	rows := func(list ...commands.Row) {
		t.Helper()
		must(t, j, scopeOf(journal), commands.Decision{Rows: list})
	}
	rows(commands.QueueRow{Account: 1, Sync: 5, Cause: "request", At: testAt}, commands.QueueRow{Account: 1, Sync: 6, Cause: "push", At: testAt})
	rows(commands.DequeueRow{Account: 1, Sync: 6})
	if n := scalar[int64](t, pool, "SELECT sync_id FROM state.sync_queue"); n != 5 {
		t.Errorf("run %d is queued, want 5", n)
	}
	rows(commands.DequeueRow{Account: 1}) // whichever it is
	if n := scalar[int](t, pool, "SELECT count(*) FROM state.sync_queue"); n != 0 {
		t.Error("a run is still queued")
	}
	later := time.Now().Add(time.Hour)
	bad := commands.QuarantineRow{Mailbox: 1, UID: 20, Attempts: -1, Reason: "nul \x00 \xff", LastError: strings.Repeat("é", 2000), NextAt: later}
	due := commands.QuarantineRow{Mailbox: 1, UID: 21, Attempts: 3, NextAt: testAt}
	rows(bad, due)
	rows(bad)
	if n := scalar[int](t, pool, "SELECT attempts FROM state.quarantine WHERE uid = 20"); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
	waits, is, err := j.Quarantine(t.Context(), journal, 1)
	if err != nil || waits.String() != "20" || is.String() != "21" {
		t.Errorf("in quarantine %v, due %v, %v, want 20 and 21", waits, is, err)
	}
	bad.Attempts, due.Attempts = 0, 0
	rows(bad, due)
	if waits, is, err := j.Quarantine(t.Context(), journal, 1); len(waits)+len(is) > 0 || err != nil {
		t.Errorf("in quarantine %v, due %v, %v, want none", waits, is, err)
	}
}

func TestKnownByMsgKey(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	addAccount(t, j, journal, 2)
	other := fetched(2, 4, putRaw(t, pool, journal, "raw 1"))
	other.Account, other.Mailbox, other.MsgID = 2, 2, "m1@example.org"
	none := fetched(3, 30, putRaw(t, pool, journal, "raw 1"))
	none.MsgID = ""
	must(t, j, scopeOf(journal), decisionOf(events.MailboxFound{Account: 2, Mailbox: 2, Name: "INBOX"}, other, none))
	keys := []domain.Key{domain.MsgKey("m1@example.org"), {}, domain.MsgKey("m1@example.org")}
	got, err := j.KnownByMsgKey(t.Context(), journal, 1, keys)
	if err != nil || len(got) != 1 || got[0].ID != 1 || got[0].Mailbox != 1 || got[0].UID != 10 {
		t.Errorf("found %v, %v, want message 1 of account 1", got, err)
	}
}

// What a run did is told at its end, of each thread once, as the thread is then.
func TestTouchedThreads(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	sum := putRaw(t, pool, journal, "raw 1")
	in := func(list ...events.Event) {
		t.Helper()
		scope := scopeOf(journal)
		scope.Meta.Sync = 1
		must(t, j, scope, decisionOf(list...))
	}
	two, three, four := fetched(2, 11, sum), fetched(3, 12, sum), fetched(4, 13, sum)
	two.Flags, two.Backfill = []domain.Flag{domain.FlagSeen}, true
	four.Backfill = true
	in(two, three, four)
	five := fetched(5, 14, sum)
	five.Thread, five.Merged = 2, []domain.ThreadID{3}
	in(five, events.FlagsChanged{Message: three.Message, Flags: []domain.Flag{domain.FlagSeen}})
	six := fetched(6, 15, sum)
	in(six)
	in(events.MessageExpunged{Message: six.Message})
	last := &events.LatestMessage{ID: 5, Subject: "subject 5", Sender: "ann@example.org", Date: five.Summary.Date}
	want := []events.ThreadUpdated{
		{
			Thread: 2, Account: 1, Messages: 3, Unseen: 1, Causes: []string{"email.received", "email.flags_changed"},
			IDs: []domain.MessageID{2, 5, 3}, Merged: []domain.ThreadID{3}, Latest: last,
		},
		{
			Thread: 4, Account: 1, Messages: 1, Unseen: 1, Causes: []string{"email.received"},
			IDs: []domain.MessageID{4}, Merged: []domain.ThreadID{}, Backfill: true,
			Latest: &events.LatestMessage{ID: 4, Subject: "subject 4", Sender: "ann@example.org", Date: four.Summary.Date},
		},
		{
			Thread: 6, Account: 1, Causes: []string{"email.received", "email.deleted"},
			IDs: []domain.MessageID{6}, Merged: []domain.ThreadID{},
		},
	}
	var got []events.ThreadUpdated
	for after := domain.ThreadID(0); ; after = got[len(got)-1].Thread {
		part, err := j.TouchedThreads(t.Context(), journal, 1, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, part...); len(part) < 2 {
			break
		}
	}
	byID := cmpopts.SortSlices(func(a, b domain.MessageID) bool { return a < b })
	if diff := cmp.Diff(want, got, byID); diff != "" {
		t.Errorf("touched threads (-want +got):\n%s", diff)
	}
	must(t, j, scopeOf(journal), commands.Decision{Rows: []commands.Row{
		commands.ToldThreadsRow{Account: 1, Threads: []domain.ThreadID{2, 4}}, commands.ToldThreadsRow{Account: 1, Threads: []domain.ThreadID{6}},
	}})
	if left, err := j.TouchedThreads(t.Context(), journal, 1, 0, 10); len(left) != 0 || err != nil {
		t.Errorf("left to tell: %v, %v", left, err)
	}
}
