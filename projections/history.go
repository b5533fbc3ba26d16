package projections

import (
	"context"
	"fmt"
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// History keeps what each message, mailbox and account was, and from which position to which: all
// that is asked as of a moment.
//
// Tables: version, merge, mailbox_version, account_version. Reader: postgres.HistoryReader.
func History(contents ContentReader) Projection[HistoryStore] {
	return Projection[HistoryStore]{
		Name:    "history",
		Version: 1,
		Handles: slices.Concat([]events.Type{
			events.TypeMessageFetched, events.TypeFlagsChanged, events.TypeMessageMoved, events.TypeMessageExpunged,
			events.TypeMailboxFound, events.TypeMailboxRemoved,
		}, accountEvents),
		Apply: func(ctx context.Context, store HistoryStore, batch []events.Recorded) error {
			return applyHistory(ctx, store, contents, batch)
		},
	}
}

// Now is the Until of a version that is still so.
const Now events.Position = 1<<63 - 1

// Version is one row of version: a message as it was after the event at Position and all
// others before Until.
type Version struct {
	Message
	Until events.Position
}

// MailboxVersion is one row of mailbox_version: a mailbox from a position on.
type MailboxVersion struct {
	Key      domain.MailboxKey
	Position events.Position
	Name     domain.MailboxName
	Role     domain.Role
	Removed  bool // it is no longer on the server
}

// AccountVersion is one row of account_version: an account from a position on.
type AccountVersion struct {
	Account
	Position events.Position
	State    string // running, error or idle
}

// HistoryChanges is what a batch does to the rows of History.
type HistoryChanges struct {
	Forget    []domain.MessageID // whose versions go, all of them, before anything else
	Add       []*Version
	Close     []*Version // that have an end now, of those stored and of those added
	Merges    []Merge
	Mailboxes []MailboxVersion
	Accounts  []AccountVersion
}

// HistoryStore holds the rows of History.
type HistoryStore interface {
	Store
	// Journal returns the journal the store is of.
	Journal() events.JournalID
	// Load returns the versions that are still so, of the messages named and of all in the threads
	// named, and the last version of each account named. What is unknown is left out.
	Load(ctx context.Context, ids []domain.MessageID, threads []domain.ThreadID, accounts []domain.AccountID) ([]*Version, []AccountVersion, error)
	// Save writes the changes.
	Save(ctx context.Context, changes HistoryChanges) error
}

// applyHistory loads what is now and the batch changes, folds, and saves the ends of what was and
// what came after it.
func applyHistory(ctx context.Context, store HistoryStore, contents ContentReader, batch []events.Recorded) error {
	merges := mergesIn(batch)
	threads := make([]domain.ThreadID, len(merges))
	for i, m := range merges {
		threads[i] = m.From
	}
	versions, accounts, err := store.Load(ctx, changedIn(batch), threads, accountsIn(batch))
	if err != nil {
		return fmt.Errorf("load versions: %w", err)
	}
	reread, err := contents.Contents(ctx, store.Journal(), outdatedIn(batch, contents.ParserVersion()))
	if err != nil {
		return fmt.Errorf("read contents: %w", err)
	}
	fold := newHistoryFold(versions, accounts, merges)
	for _, rec := range batch {
		fold.evolve(rec, reread, contents.ParserVersion())
	}
	if err := store.Save(ctx, fold.out); err != nil {
		return fmt.Errorf("save versions: %w", err)
	}
	return nil
}

// historyFold is the state of a fold over one batch.
type historyFold struct {
	now      map[domain.MessageID]*Version          // of the messages that the batch touches
	threads  map[domain.ThreadID][]domain.MessageID // that were in a thread, and may be
	accounts map[domain.AccountID]*Account
	out      HistoryChanges
}

func newHistoryFold(versions []*Version, accounts []AccountVersion, merges []Merge) *historyFold {
	f := &historyFold{
		now:      make(map[domain.MessageID]*Version, len(versions)),
		threads:  map[domain.ThreadID][]domain.MessageID{},
		accounts: map[domain.AccountID]*Account{},
		out:      HistoryChanges{Merges: merges},
	}
	for _, v := range versions {
		f.put(v)
	}
	for i := range accounts {
		f.accounts[accounts[i].ID] = &accounts[i].Account
	}
	return f
}

// put makes v what its message is now.
func (f *historyFold) put(v *Version) {
	f.now[v.ID] = v
	f.threads[v.Thread] = append(f.threads[v.Thread], v.ID)
}

// evolve is the fold of one event. A fact about a message that is not there
// (its account is being erased) changes nothing.
func (f *historyFold) evolve(rec events.Recorded, reread map[[32]byte]*domain.Content, parser int) {
	switch e := rec.Event.(type) {
	case events.MessageFetched:
		for _, from := range e.Merged {
			for _, id := range f.threads[from] {
				if v := f.now[id]; v != nil && v.Thread == from {
					f.change(rec, id, func(m *Message) { m.Thread = e.Thread })
				}
			}
		}
		f.add(&Version{*messageOf(rec, e, reread, parser), Now})
	case events.FlagsChanged:
		f.change(rec, e.ID, func(m *Message) { m.Flags = e.Flags })
	case events.MessageMoved:
		f.change(rec, e.ID, func(m *Message) { m.Mailbox, m.Folder = e.Mailbox, e.Folder })
	case events.MessageExpunged:
		f.expunge(rec, e.ID)
	case events.MailboxFound:
		f.out.Mailboxes = append(f.out.Mailboxes, MailboxVersion{
			domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}, rec.Position, e.Name, e.Role, false,
		})
	case events.MailboxRemoved:
		f.out.Mailboxes = append(f.out.Mailboxes, MailboxVersion{
			domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}, rec.Position, e.Name, e.Role, true,
		})
	default:
		f.account(rec)
	}
}

func (f *historyFold) add(v *Version) {
	f.put(v)
	f.out.Add = append(f.out.Add, v)
}

// change ends the version that is now and begins the next.
func (f *historyFold) change(rec events.Recorded, id domain.MessageID, set func(*Message)) {
	v := f.now[id]
	if v == nil {
		return
	}
	f.end(v, rec.Position)
	next := *v
	next.Until, next.Position, next.UpdatedAt = Now, rec.Position, rec.RecordedAt
	set(&next.Message)
	f.add(&next)
}

// expunge ends what a message was. At no position it was taken out to be made anew: nothing of it stays.
func (f *historyFold) expunge(rec events.Recorded, id domain.MessageID) {
	if rec.Position == 0 {
		f.out.Forget = append(f.out.Forget, id)
		delete(f.now, id)
		return
	}
	if v := f.now[id]; v != nil {
		f.end(v, rec.Position)
		delete(f.now, id)
	}
}

func (f *historyFold) end(v *Version, at events.Position) {
	v.Until = at
	f.out.Close = append(f.out.Close, v)
}

// account keeps what the account is after an event of it.
func (f *historyFold) account(rec events.Recorded) {
	evolveAccounts(f.accounts, map[domain.SyncID]*SyncRun{}, rec)
	a := f.accounts[rec.Account]
	if a == nil {
		return
	}
	state := "idle"
	if a.LastError != "" {
		state = "error"
	}
	if _, running := rec.Event.(events.SyncStarted); running {
		state = "running"
	}
	f.out.Accounts = append(f.out.Accounts, AccountVersion{*a, rec.Position, state})
}
