package queries

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// MailboxCoverage is the last check of a mailbox against the server.
type MailboxCoverage struct {
	events.CoverageChecked
	CheckedAt time.Time
	Position  events.Position // of the check
	Status    string          // complete, incomplete, stale, excluded
}

// MailboxException is messages of a mailbox that are on the server and not stored as a whole.
type MailboxException struct {
	Mailbox domain.MailboxName
	events.CoverageException
}

// AccountCoverage says what became of every message that the server listed.
type AccountCoverage struct {
	Account   domain.AccountID
	Status    string // complete, incomplete, stale
	CheckedAt time.Time
	Position  events.Position // of the last check
	events.CoverageCounts
	Mailboxes  []MailboxCoverage  // by name
	Exceptions []MailboxException // at most 1000: missing first, then in quarantine, then the others
}

// CoverageReader reads the checks of mailboxes from the accounts read model.
type CoverageReader interface {
	// Coverage returns the last check of each mailbox of an account, without Status.
	Coverage(ctx context.Context, journal events.JournalID, acc domain.AccountID) ([]MailboxCoverage, error)
}

// GetAccountCoverage asks whether all mail of an account is there.
type GetAccountCoverage struct {
	Journal events.JournalID
	Account domain.AccountID
	Mailbox domain.MailboxName // "": all
}

// GetAccountCoverageHandler answers GetAccountCoverage.
type GetAccountCoverageHandler struct {
	checks CoverageReader
	now    func() time.Time
}

// NewGetAccountCoverage returns the handler.
func NewGetAccountCoverage(checks CoverageReader, now func() time.Time) *GetAccountCoverageHandler {
	return &GetAccountCoverageHandler{checks, now}
}

const (
	staleAfter    = 48 * time.Hour // api.md 10.13
	maxExceptions = 1000
)

// The states of a check.
const (
	coverageComplete   = "complete"
	coverageIncomplete = "incomplete"
	coverageStale      = "stale"
	coverageExcluded   = "excluded"
)

// Handle answers q. It returns domain.ErrNotFound before the first check.
func (h *GetAccountCoverageHandler) Handle(ctx context.Context, q GetAccountCoverage) (AccountCoverage, error) {
	checks, err := h.checks.Coverage(ctx, q.Journal, q.Account)
	if err != nil {
		return AccountCoverage{}, fmt.Errorf("coverage of account %d: %w", q.Account, err)
	}
	if q.Mailbox != "" {
		checks = slices.DeleteFunc(checks, func(c MailboxCoverage) bool { return !sameMailbox(c.Name, q.Mailbox) })
	}
	if len(checks) == 0 {
		return AccountCoverage{}, fmt.Errorf("coverage of account %d: %w", q.Account, domain.ErrNotFound)
	}
	slices.SortFunc(checks, func(a, b MailboxCoverage) int { return cmp.Compare(a.Name, b.Name) })
	out := AccountCoverage{Account: q.Account, Status: coverageComplete, Mailboxes: checks}
	for i := range checks {
		c := &checks[i]
		c.Status = c.status(h.now())
		out.add(*c)
	}
	slices.SortStableFunc(out.Exceptions, func(a, b MailboxException) int { return urgency(a) - urgency(b) })
	out.Exceptions = out.Exceptions[:min(len(out.Exceptions), maxExceptions)]
	return out, nil
}

// sameMailbox reports whether two names are of one mailbox: INBOX is so in any case.
func sameMailbox(a, b domain.MailboxName) bool {
	return a == b || a == "INBOX" && strings.EqualFold(string(b), "INBOX")
}

func (c MailboxCoverage) status(now time.Time) string {
	switch {
	case c.Missing > 0:
		return coverageIncomplete
	case now.Sub(c.CheckedAt) > staleAfter:
		return coverageStale
	case !c.Selected:
		return coverageExcluded
	}
	return coverageComplete
}

// add adds the check of a mailbox to that of its account.
func (a *AccountCoverage) add(c MailboxCoverage) {
	a.CoverageCounts = a.Plus(c.CoverageCounts)
	a.Position = max(a.Position, c.Position)
	if c.CheckedAt.After(a.CheckedAt) {
		a.CheckedAt = c.CheckedAt
	}
	if c.Status == coverageIncomplete || c.Status == coverageStale && a.Status == coverageComplete {
		a.Status = c.Status
	}
	for _, e := range c.Exceptions {
		a.Exceptions = append(a.Exceptions, MailboxException{c.Name, e})
	}
}

// urgency orders exceptions.
func urgency(e MailboxException) int {
	switch e.Kind {
	case events.CoverageMissing:
		return 0
	case events.CoverageQuarantined:
		return 1
	}
	return 2
}
