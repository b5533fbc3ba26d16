package queries

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// nameBook is the accounts and folders of a journal; it counts how often it is asked.
type nameBook struct {
	users   map[domain.AccountID]string
	folders map[domain.AccountID][]Folder
	asked   *int
	// noAccounts and noFolders are why they cannot be read, nil if they can.
	noAccounts, noFolders error
}

func (b nameBook) Accounts(_ context.Context, _ events.JournalID, ids []domain.AccountID) ([]Account, error) {
	*b.asked++
	var out []Account
	for id := domain.AccountID(1); id < 10; id++ {
		if name, ok := b.users[id]; ok && allowed(ids, id) {
			out = append(out, Account{ID: id, Settings: events.AccountSettings{Username: name}})
		}
	}
	return out, b.noAccounts
}

func (b nameBook) Folders(_ context.Context, _ events.JournalID, acc domain.AccountID) ([]Folder, error) {
	*b.asked++
	return b.folders[acc], b.noFolders
}

func testBook() nameBook {
	return nameBook{
		users: map[domain.AccountID]string{1: "ann@example.org", 2: "Bob@Example.net", 3: "ANN@example.org", 4: "carol"},
		folders: map[domain.AccountID][]Folder{
			1: {
				{Name: "INBOX"},
				{Name: "Archive/2024"},
				{Name: "Clients, EU"},
				{Name: "Sent Mail", Role: domain.RoleSent},
				{Name: "Drafts", Role: domain.RoleDrafts},
				{Name: "Deleted", Role: domain.RoleTrash},
				{Name: "Archive", Role: domain.RoleArchive},
				{Name: "All", Role: domain.RoleAll},
			},
			2: {{Name: "INBOX"}, {Name: "INBOX.Sent"}, {Name: "INBOX.Draft"}, {Name: "INBOX.Clients.New"}, {Name: "INBOX.Junk", Role: domain.RoleJunk}, {Name: "Deleted"}},
			3: {{Name: "INBOX"}, {Name: "Größe"}, {Name: "Priority", Role: domain.RoleImportant}, {Name: "Stars", Role: domain.RoleFlagged}, {Name: "clients EU"}},
		},
		asked: new(int),
	}
}

func inFolders(names ...domain.MailboxName) InFolders        { return InFolders{names} }
func ofAccounts(ids ...domain.AccountID) OfAccounts          { return OfAccounts{ids} }
func hasFlag(f domain.Flag) HasFlag                          { return HasFlag{f} }
func accountIDs(list ...domain.AccountID) []domain.AccountID { return list }

func TestResolve(t *testing.T) {
	t.Parallel()
	deletedOf1 := All{ofAccounts(1), inFolders("Deleted")}
	user1, user2 := All{ofAccounts(1), inFolders("Archive/2024", "Clients, EU")}, All{ofAccounts(2), inFolders("INBOX.Sent", "INBOX.Draft", "INBOX.Clients.New", "Deleted")}
	user3 := All{ofAccounts(3), inFolders("Größe", "Stars", "clients EU")}
	for _, test := range []struct {
		q        string
		accounts []domain.AccountID
		want     Condition
		asked    int
	}{
		{"", nil, nil, 0},
		{"a is:read", nil, All{word("a"), Seen{true}}, 0},
		{"has:drive", nil, Any{}, 0},
		{"in:anywhere a", nil, word("a"), 0},
		{"in:anywhere OR a", nil, nil, 0},
		{"-in:anywhere", nil, Any{}, 0},
		{"a -in:anywhere", nil, Any{}, 0},

		{"in:inbox", nil, inFolders("INBOX"), 5},
		{"in:inbox in:inbox OR in:sent", accountIDs(1), All{inFolders("INBOX"), Any{inFolders("INBOX"), inFolders("Sent Mail")}}, 2},
		{"in:sent", nil, inFolders("INBOX.Sent", "Sent Mail"), 5},
		{"in:drafts", nil, inFolders("Drafts", "INBOX.Draft"), 5},
		{"label:draft", accountIDs(2), inFolders("INBOX.Draft"), 2},
		{"in:archive", nil, inFolders("Archive"), 5},
		{"in:spam", accountIDs(1, 2), Any{hasFlag("$Junk"), inFolders("INBOX.Junk")}, 3},
		{"in:spam", accountIDs(1), hasFlag("$Junk"), 2},
		{"is:important", nil, Any{hasFlag("$Important"), inFolders("Priority")}, 5},
		{"is:important", accountIDs(1), hasFlag("$Important"), 2},
		{"-label:important", accountIDs(3), Not{Any{hasFlag("$Important"), inFolders("Priority")}}, 2},

		{`label:"clients, eu"`, nil, inFolders("Clients, EU"), 5},
		{"label:Clients,-EU", nil, inFolders("Clients, EU"), 5},
		{"label:clients-eu", nil, inFolders("clients EU"), 5},
		{"in:GRÖSSE", nil, Any{}, 5}, // simple case folding
		{"in:größe", nil, inFolders("Größe"), 5},
		{"label:Label_218efad066ae", nil, inFolders("Clients, EU"), 5},
		{"label:Label_218efad066af", nil, Any{}, 5},
		{"label:inbox/clients/new", nil, inFolders("INBOX.Clients.New"), 5},
		{"label:clients/new", nil, Any{}, 5},
		{"label:archive", nil, inFolders("Archive"), 5},
		{"label:archive/2024", nil, inFolders("Archive/2024"), 5},
		{"label:sent", accountIDs(3), Any{}, 2},
		{"-label:nowhere a", nil, word("a"), 5},
		{"in:inbox", []domain.AccountID{}, Any{}, 1},

		// One name, two meanings.
		{"in:trash", nil, deletedOf1, 5},
		{"in:trash", accountIDs(1), inFolders("Deleted"), 2},
		{"label:deleted", nil, inFolders("Deleted"), 5},
		{"-in:trash label:deleted", nil, All{Not{deletedOf1}, inFolders("Deleted")}, 5},
		{"has:userlabels", accountIDs(1, 2, 3), Any{user1, user2, user3}, 4},
		{"has:nouserlabels", accountIDs(1, 2, 3), Not{Any{user1, user2, user3}}, 4},
		{"has:userlabels", accountIDs(1), inFolders("Archive/2024", "Clients, EU"), 2},
		{"has:nouserlabels", accountIDs(4), nil, 2},

		{"from:me", accountIDs(1), wholly(InFrom, "ann@example.org"), 1},
		{"to:me -from:me", accountIDs(1, 3), All{wholly(InTo, "ann@example.org"), Not{wholly(InFrom, "ann@example.org")}}, 1},
		{"from:me", nil, Any{
			All{ofAccounts(1, 3), wholly(InFrom, "ann@example.org")},
			All{ofAccounts(2), wholly(InFrom, "bob@example.net")},
			All{ofAccounts(4), wholly(InFrom, "carol")},
		}, 1},
		{"from:me", []domain.AccountID{}, Any{}, 1},
		{"-from:me", []domain.AccountID{}, nil, 1},
	} {
		book := testBook()
		got, err := Resolve(t.Context(), ParseSearch(test.q, searchTime), 7, test.accounts, book)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q of %v (-want +got):\n%s", test.q, test.accounts, diff)
		}
		if *book.asked != test.asked {
			t.Errorf("%q of %v: names read %d times, want %d", test.q, test.accounts, *book.asked, test.asked)
		}
	}
}

func TestResolveUnavailable(t *testing.T) {
	t.Parallel()
	accounts, folders := testBook(), testBook()
	accounts.noAccounts, folders.noFolders = domain.ErrUnavailable, domain.ErrUnavailable
	for q, book := range map[string]nameBook{
		"in:inbox": folders, "-is:important": folders, "in:spam": accounts, "a OR from:me": accounts, "(has:userlabels b)": folders, "-(a -has:nouserlabels)": accounts,
	} {
		if _, err := Resolve(t.Context(), ParseSearch(q, searchTime), 7, nil, book); !errors.Is(err, domain.ErrUnavailable) {
			t.Errorf("%q: got %v", q, err)
		}
	}
}
