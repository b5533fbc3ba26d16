package projections

import (
	"context"
	"fmt"
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Mailboxes keeps one row for each mailbox: what the folder lists show.
//
// Table: mailbox. Reader: queries.MailboxReader.
var Mailboxes = Projection[MailboxStore]{
	Name:    "mailboxes",
	Version: 2,
	Handles: []events.Type{
		events.TypeMessageFetched, events.TypeFlagsChanged, events.TypeMessageMoved, events.TypeMessageExpunged,
		events.TypeMailboxFound, events.TypeMailboxRemoved, events.TypeMailboxReset,
	},
	Apply: applyMailboxes,
}

// Mailbox is one row of mailbox.
type Mailbox struct {
	Key         domain.MailboxKey
	Name        domain.MailboxName
	Role        domain.Role
	Delimiter   string // between the levels of names; "" if there is none, or it is not known
	Selected    bool   // it is synced
	UIDValidity domain.UIDValidity
	Messages    int
	Unseen      int
	Size        int64 // octets of all messages
	Removed     bool  // no longer on the server
}

// MailboxStore holds the rows of Mailboxes.
type MailboxStore interface {
	Store
	// Load returns the rows with the given keys; an unknown key is left out.
	Load(ctx context.Context, keys []domain.MailboxKey) (map[domain.MailboxKey]*Mailbox, error)
	// Save writes all rows, new and changed; one that is removed and has no messages is deleted.
	Save(ctx context.Context, rows map[domain.MailboxKey]*Mailbox) error
}

// applyMailboxes loads the rows that the batch touches, folds and saves them:
// two statements a batch, whatever its size.
func applyMailboxes(ctx context.Context, store MailboxStore, batch []events.Recorded) error {
	rows, err := store.Load(ctx, mailboxesIn(batch))
	if err != nil {
		return fmt.Errorf("load mailboxes: %w", err)
	}
	for _, rec := range batch {
		evolveMailboxes(rows, rec)
	}
	if err := store.Save(ctx, rows); err != nil {
		return fmt.Errorf("save mailboxes: %w", err)
	}
	return nil
}

func mailboxesIn(batch []events.Recorded) []domain.MailboxKey {
	seen := map[domain.MailboxKey]bool{}
	for _, rec := range batch {
		switch e := rec.Event.(type) {
		case events.MessageFetched:
			seen[domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}] = true
		case events.FlagsChanged:
			seen[domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}] = true
		case events.MessageMoved:
			seen[domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}] = true
			seen[domain.MailboxKey{Account: e.Account, Mailbox: e.From.Mailbox}] = true
		case events.MessageExpunged:
			seen[domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}] = true
		case events.MailboxFound:
			seen[domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}] = true
		case events.MailboxRemoved:
			seen[domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}] = true
		case events.MailboxReset:
			seen[domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}] = true
		}
	}
	out := make([]domain.MailboxKey, 0, len(seen))
	for k := range seen {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b domain.MailboxKey) int { return int(a.Mailbox - b.Mailbox) })
	return out
}

// evolveMailboxes is the fold.
func evolveMailboxes(rows map[domain.MailboxKey]*Mailbox, rec events.Recorded) {
	switch e := rec.Event.(type) {
	case events.MessageFetched:
		mailboxOf(rows, e.Account, e.Mailbox).count(1, e.Flags, e.Size)
	case events.FlagsChanged:
		m := mailboxOf(rows, e.Account, e.Mailbox)
		if domain.HasFlag(e.Added, domain.FlagSeen) {
			m.Unseen--
		}
		if domain.HasFlag(e.Removed, domain.FlagSeen) {
			m.Unseen++
		}
	case events.MessageMoved:
		mailboxOf(rows, e.Account, e.From.Mailbox).count(-1, e.Flags, e.Size)
		mailboxOf(rows, e.Account, e.Mailbox).count(1, e.Flags, e.Size)
	case events.MessageExpunged:
		mailboxOf(rows, e.Account, e.Mailbox).count(-1, e.Flags, e.Size)
	case events.MailboxFound:
		m := mailboxOf(rows, e.Account, e.Mailbox)
		m.Name, m.Role, m.Delimiter, m.Selected, m.UIDValidity, m.Removed = e.Name, e.Role, e.Delimiter, e.Selected, e.UIDValidity, false
	case events.MailboxReset:
		mailboxOf(rows, e.Account, e.Mailbox).UIDValidity = e.UIDValidity
	case events.MailboxRemoved:
		mailboxOf(rows, e.Account, e.Mailbox).Removed = true
	}
}

func (m *Mailbox) count(sign int, flags []domain.Flag, size int64) {
	m.Messages += sign
	m.Size += int64(sign) * size
	if !domain.HasFlag(flags, domain.FlagSeen) {
		m.Unseen += sign
	}
}

func mailboxOf(rows map[domain.MailboxKey]*Mailbox, acc domain.AccountID, id domain.MailboxID) *Mailbox {
	key := domain.MailboxKey{Account: acc, Mailbox: id}
	m := rows[key]
	if m == nil {
		m = &Mailbox{Key: key}
		rows[key] = m
	}
	return m
}
