package eventlog

import (
	"errors"
	"testing"

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
	_ = domain.UID(0)
}
