package queries

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// FindMailbox asks which accounts a name of the Gmail surface stands for (api.md 11.3).
type FindMailbox struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // that the token may see; nil: all
	Name     string             // me, the name that an account logs in with, or its id
}

// FindMailboxHandler answers FindMailbox.
type FindMailboxHandler struct{ accounts AccountReader }

// NewFindMailbox returns the handler.
func NewFindMailbox(accounts AccountReader) *FindMailboxHandler { return &FindMailboxHandler{accounts} }

// Handle returns the accounts, nil for all of the journal. It returns domain.ErrNotFound if there are none of that name.
func (h *FindMailboxHandler) Handle(ctx context.Context, q FindMailbox) ([]domain.AccountID, error) {
	if q.Name == "me" {
		return q.Accounts, nil
	}
	all, err := h.accounts.Accounts(ctx, q.Journal, q.Accounts)
	if err != nil {
		return nil, fmt.Errorf("find mailbox in journal %d: %w", q.Journal, err)
	}
	id, _ := strconv.ParseInt(q.Name, 10, 64) // 0 is no account
	var out []domain.AccountID
	for _, a := range all {
		if int64(a.ID) == id || domain.Fold(a.Settings.Username) == domain.Fold(q.Name) {
			out = append(out, a.ID)
		}
	}
	if out == nil {
		return nil, fmt.Errorf("mailbox of journal %d: %w", q.Journal, domain.ErrNotFound)
	}
	return out, nil
}

// GetProfile asks for what a Gmail mailbox is, all in all.
type GetProfile struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	Email    string             // of the user, if no account logs in with an address
}

// Profile is what a Gmail mailbox is, all in all.
type Profile struct {
	Address           string
	Messages, Threads int
	Position          events.Position // that the mail read model holds
}

// AppliedReader tells how far read models have come.
type AppliedReader interface {
	// Applied returns the position up to which the live generation of a projection holds a journal.
	Applied(ctx context.Context, journal events.JournalID, projection string) (events.Position, error)
}

// mailModel is the projection that lists of messages and histories are read from.
const mailModel = "mail"

// GetProfileHandler answers GetProfile.
type GetProfileHandler struct {
	accounts AccountReader
	mail     StatisticsReader
	applied  AppliedReader
}

// NewGetProfile returns the handler.
func NewGetProfile(accounts AccountReader, mail StatisticsReader, applied AppliedReader) *GetProfileHandler {
	return &GetProfileHandler{accounts, mail, applied}
}

// Handle answers q. The position is read first: what is counted holds it.
func (h *GetProfileHandler) Handle(ctx context.Context, q GetProfile) (Profile, error) {
	pos, err := h.applied.Applied(ctx, q.Journal, mailModel)
	if err != nil {
		return Profile{}, fmt.Errorf("get profile of journal %d: %w", q.Journal, err)
	}
	sums, err := h.mail.Statistics(ctx, GetStatistics{Journal: q.Journal, Accounts: q.Accounts})
	if err != nil {
		return Profile{}, fmt.Errorf("get profile of journal %d: %w", q.Journal, err)
	}
	out := Profile{Address: q.Email, Messages: sums.Messages, Threads: sums.Threads, Position: pos}
	accounts, err := h.accounts.Accounts(ctx, q.Journal, q.Accounts)
	if err != nil {
		return Profile{}, fmt.Errorf("get profile of journal %d: %w", q.Journal, err)
	}
	if i := slices.IndexFunc(accounts, Account.hasAddress); i >= 0 {
		out.Address = accounts[i].Settings.Username
	}
	return out, nil
}

// hasAddress reports whether an account logs in with an address.
func (a Account) hasAddress() bool { return slices.Contains([]byte(a.Settings.Username), '@') }
