package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Account is an account as its user sees it.
type Account struct {
	ID          domain.AccountID
	Version     int64
	Settings    events.AccountSettings
	LastSync    *time.Time
	State       string // idle, queued, running, error, needs_reauthorization
	OAuthStatus string // of the grant: pending, active, needs_reauthorization; "" with a password
	LastError   string // "" if the last run did not fail
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// SyncRun is a sync run; Progress is of a run that waits or goes on.
type SyncRun struct {
	events.SyncEnd
	Status         string // queued, running, success, partial, error, cancelled, interrupted
	Error          *events.SyncError
	Started, Ended *time.Time // nil: not yet
	LastProgress   *time.Time
	Progress       SyncProgress
}

// SyncProgress is how far a run has come.
type SyncProgress struct {
	MailboxesTotal, MailboxesDone int
	Current                       domain.MailboxName // "" between mailboxes
	MessagesTotal, MessagesDone   int
}

// AccountsByID reads accounts.
type AccountsByID interface {
	// Accounts returns all accounts of a journal, by id; only those in ids unless it is nil.
	Accounts(ctx context.Context, journal events.JournalID, ids []domain.AccountID) ([]Account, error)
}

// AccountReader reads the accounts read model, and with it the queue of runs.
type AccountReader interface {
	AccountsByID
	// SyncRuns returns runs of an account, newest first: at most limit with an id below
	// before (0: from the newest) or, if after is not 0, the oldest with an id above it,
	// still newest first. status and trigger limit them if not "".
	SyncRuns(ctx context.Context, q ListSyncRuns, before, after domain.SyncID, offset, limit int) ([]SyncRun, error)
	// CountSyncRuns returns how many there are.
	CountSyncRuns(ctx context.Context, q ListSyncRuns) (int, error)
	// SyncRun returns one run. It returns domain.ErrNotFound.
	SyncRun(ctx context.Context, journal events.JournalID, acc domain.AccountID, id domain.SyncID) (SyncRun, error)
}

// ListAccounts asks for accounts.
type ListAccounts struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	// Name, Host and Username are contained in the field, in any case; Search in one of the three.
	Name, Host, Username, Search string
	UseTLS                       *bool
	State                        string
	Order                        []Order // of AccountOrders; empty: name
	Paging
}

// AccountOrders are the fields a list of accounts can be ordered by.
var AccountOrders = []string{"name", "id", "host", "username", "last_sync", "created_at"}

// ListAccountsHandler answers ListAccounts.
type ListAccountsHandler struct{ accounts AccountReader }

// NewListAccounts returns the handler.
func NewListAccounts(accounts AccountReader) *ListAccountsHandler {
	return &ListAccountsHandler{accounts}
}

// GetAccount asks for one account.
type GetAccount struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	ID       domain.AccountID
}

// GetAccountHandler answers GetAccount.
type GetAccountHandler struct{ accounts AccountsByID }

// NewGetAccount returns the handler.
func NewGetAccount(accounts AccountsByID) *GetAccountHandler { return &GetAccountHandler{accounts} }

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetAccountHandler) Handle(ctx context.Context, q GetAccount) (Account, error) {
	if !allowed(q.Accounts, q.ID) {
		return Account{}, fmt.Errorf("account %d: %w", q.ID, domain.ErrNotFound)
	}
	found, err := h.accounts.Accounts(ctx, q.Journal, []domain.AccountID{q.ID})
	if err != nil {
		return Account{}, fmt.Errorf("get account %d: %w", q.ID, err)
	}
	if len(found) == 0 {
		return Account{}, fmt.Errorf("account %d: %w", q.ID, domain.ErrNotFound)
	}
	return found[0], nil
}

// ListSyncRuns asks for the runs of an account, newest first.
type ListSyncRuns struct {
	Journal         events.JournalID
	Account         domain.AccountID
	Status, Trigger string // "": any
	Paging
}

// ListSyncRunsHandler answers ListSyncRuns.
type ListSyncRunsHandler struct{ accounts AccountReader }

// NewListSyncRuns returns the handler.
func NewListSyncRuns(accounts AccountReader) *ListSyncRunsHandler {
	return &ListSyncRunsHandler{accounts}
}

// GetSyncRun asks for one run.
type GetSyncRun struct {
	Journal events.JournalID
	Account domain.AccountID
	ID      domain.SyncID // 0: the one that goes on, or the last
}

// GetSyncRunHandler answers GetSyncRun.
type GetSyncRunHandler struct{ accounts AccountReader }

// NewGetSyncRun returns the handler.
func NewGetSyncRun(accounts AccountReader) *GetSyncRunHandler { return &GetSyncRunHandler{accounts} }

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetSyncRunHandler) Handle(ctx context.Context, q GetSyncRun) (SyncRun, error) {
	if q.ID != 0 {
		run, err := h.accounts.SyncRun(ctx, q.Journal, q.Account, q.ID)
		if err != nil {
			return run, fmt.Errorf("get sync run %d: %w", q.ID, err)
		}
		return run, nil
	}
	runs, err := h.accounts.SyncRuns(ctx, ListSyncRuns{Journal: q.Journal, Account: q.Account}, 0, 0, 0, 1)
	if err != nil {
		return SyncRun{}, fmt.Errorf("get last sync run of account %d: %w", q.Account, err)
	}
	if len(runs) == 0 {
		return SyncRun{}, fmt.Errorf("sync run of account %d: %w", q.Account, domain.ErrNotFound)
	}
	return runs[0], nil
}
