package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

func found(acc domain.AccountID, id domain.MailboxID, name domain.MailboxName, role domain.Role) events.MailboxFound {
	return events.MailboxFound{Account: acc, Mailbox: id, Name: name, Role: role, Selected: true, UIDValidity: 7}
}

// TestMailboxLaws cuts a log of messages and mailboxes anywhere: the table is the
// same, and its sums are those of the mail read model.
func TestMailboxLaws(t *testing.T) {
	t.Parallel()
	pool := open(t)
	for round := range 5 {
		seed := rand.Uint64()
		writer := newMailLog(seed)
		log := writer.write(400)
		mail := live(t, pool, "mail", round+1)
		foldMail(t, pool, mail, 1, log)
		whole, cut := live(t, pool, "mailboxes", 2*round+1), live(t, pool, "mailboxes", 2*round+2)
		fold := func(schema string, batch []events.Recorded) {
			inSchema(t, pool, schema, func(tx pgx.Tx) error {
				return projections.Mailboxes.Apply(t.Context(), postgres.NewMailboxStore(tx, 1), batch)
			})
		}
		fold(whole, log)
		for rest := log; len(rest) > 0; {
			n := min(1+writer.IntN(30), len(rest))
			fold(cut, rest[:n])
			rest = rest[n:]
		}
		if diff := cmp.Diff(dump(t, pool, whole, "mailbox"), dump(t, pool, cut, "mailbox")); diff != "" {
			t.Fatalf("seed %d: (-whole +cut):\n%s", seed, diff)
		}
		sums := texts(t, pool, mail, `SELECT mailbox_id, sum(messages)::text, sum(unseen)::text, sum(size)::text FROM tally WHERE mailbox_id <> 0 GROUP BY 1 ORDER BY 1`)
		kept := texts(t, pool, cut, `SELECT mailbox_id, messages::text, unseen::text, size::text FROM mailbox WHERE messages > 0 ORDER BY 1`)
		if diff := cmp.Diff(sums, kept); diff != "" {
			t.Errorf("seed %d: (-mail +mailboxes):\n%s", seed, diff)
		}
	}
}

func TestMailboxReader(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "mailboxes", 1)
	list := []events.Event{
		found(1, 1, "INBOX", ""), found(1, 2, "[Gmail]/Sent Mail", domain.RoleSent), found(1, 3, "gone", ""),
		found(2, 4, "INBOX", ""), found(2, 5, "Sent", ""), found(2, 6, "empty", ""),
		events.MailboxRemoved{Account: 1, Mailbox: 3, Name: "gone"},
	}
	for i, at := range []struct {
		acc domain.AccountID
		box domain.MailboxID
	}{{1, 1}, {1, 1}, {1, 2}, {2, 4}, {2, 5}} {
		list = append(list, fetched(int64(i+1), func(e *events.MessageFetched) { e.Account, e.Mailbox = at.acc, at.box }))
	}
	list = append(list, events.MailboxRemoved{Account: 2, Mailbox: 5, Name: "Sent"})
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		return projections.Mailboxes.Apply(t.Context(), postgres.NewMailboxStore(tx, 1), recorded(1, list...))
	})
	reader := postgres.NewMailboxReader(pool, 1)
	counts, err := reader.FolderCounts(t.Context(), queries.ListFolders{Journal: 1})
	want := []queries.FolderCount{{Name: "INBOX", Messages: 3}, {Name: "Sent", Messages: 1}, {Name: "[Gmail]/Sent Mail", Messages: 1}}
	if diff := cmp.Diff(want, counts); diff != "" || err != nil {
		t.Errorf("counts: error %v (-want +got):\n%s", err, diff)
	}
	folders, err := reader.Folders(t.Context(), 1, 2)
	if err != nil || len(folders) != 2 || folders[0].Name != "INBOX" || folders[1].Name != "empty" || folders[0].Unseen != 1 || folders[0].UIDValidity != 7 {
		t.Errorf("folders of account 2: got %+v, error %v", folders, err)
	}
	for _, c := range []struct {
		accounts []domain.AccountID
		name     domain.MailboxName
		role     domain.Role
		want     string
	}{
		{nil, "Sent", domain.RoleSent, "[Sent]"},
		{[]domain.AccountID{1}, "Sent", domain.RoleSent, "[[Gmail]/Sent Mail]"},
		{[]domain.AccountID{1}, "Sent", "", "[]"},
		{nil, "INBOX", "", "[INBOX]"},
		{nil, "no such", "", "[]"},
		{nil, "a\x00b", "", "[]"},
	} {
		names, err := reader.FoldersNamed(t.Context(), 1, c.accounts, c.name, c.role)
		if got := fmt.Sprint(names); got != c.want || err != nil {
			t.Errorf("%q with role %q in %v: got %s, error %v; want %s", c.name, c.role, c.accounts, got, err, c.want)
		}
	}
	inSchema(t, pool, schema, func(tx pgx.Tx) error { return postgres.NewMailboxStore(tx, 1).EraseAccount(t.Context(), 1) })
	if counts, err := reader.FolderCounts(t.Context(), queries.ListFolders{Journal: 1}); err != nil || len(counts) != 2 || counts[0].Messages != 1 {
		t.Errorf("after erasing account 1: got %v, error %v", counts, err)
	}
}
