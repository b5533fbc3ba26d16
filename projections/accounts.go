package projections

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Accounts keeps one row for each account, each of its sync runs, and the last check of each of its
// mailboxes against the server.
//
// Tables: account, sync_run, mailbox_coverage. Reader: queries.AccountReader.
var Accounts = Projection[AccountStore]{
	Name:    "accounts",
	Version: 3, // 3: old runs are dropped
	Handles: slices.Concat(accountEvents, []events.Type{events.TypeCoverageChecked, events.TypeMailboxRemoved}),
	Apply:   applyAccounts,
}

// accountEvents are those that change an account: of itself and of its syncs.
var accountEvents = []events.Type{
	events.TypeAccountAdded, events.TypeAccountChanged,
	events.TypeSyncStarted, events.TypeSyncCompleted, events.TypeSyncFailed,
}

// Account is one row of account.
type Account struct {
	ID        domain.AccountID
	Version   int64
	Settings  events.AccountSettings
	LastSync  *time.Time // end of the last run that succeeded at least in part
	LastError string     // of the last run, "" if it did not fail
	LastRun   domain.SyncID
	CreatedAt time.Time
	UpdatedAt time.Time // of the settings
}

// SyncRun is one row of sync_run. End.Status is running until the run has ended.
type SyncRun struct {
	End   events.SyncEnd
	Ended bool
	Error *events.SyncError
}

// MailboxCoverage is one row of mailbox_coverage: the last check of a mailbox.
type MailboxCoverage struct {
	Checked  events.CoverageChecked
	At       time.Time
	Position events.Position
}

// AccountStore holds the rows of Accounts.
type AccountStore interface {
	Store
	// Load returns the accounts with the given ids, and of each the runs that have not ended.
	Load(ctx context.Context, ids []domain.AccountID) (map[domain.AccountID]*Account, map[domain.SyncID]*SyncRun, error)
	// DropRuns deletes the runs of an account that were queued before a moment.
	DropRuns(ctx context.Context, acc domain.AccountID, before time.Time) error
	// Save writes all rows, new and changed. A nil check deletes the row.
	Save(ctx context.Context, accounts map[domain.AccountID]*Account, runs map[domain.SyncID]*SyncRun, checks map[domain.MailboxKey]*MailboxCoverage) error
}

// applyAccounts loads the rows that the batch touches, folds and saves them.
func applyAccounts(ctx context.Context, store AccountStore, batch []events.Recorded) error {
	accounts, runs, err := store.Load(ctx, accountsIn(batch))
	if err != nil {
		return fmt.Errorf("load accounts: %w", err)
	}
	checks := map[domain.MailboxKey]*MailboxCoverage{}
	for _, rec := range batch {
		evolveAccounts(accounts, runs, rec)
		evolveCoverage(checks, rec)
	}
	if err := store.Save(ctx, accounts, runs, checks); err != nil {
		return fmt.Errorf("save accounts: %w", err)
	}
	return dropRuns(ctx, store, batch)
}

// keepRuns is how long runs are kept (api.md 10.2), counted back from the latest one of the account.
const keepRuns = 90 * 24 * time.Hour

// dropRuns deletes runs that are older than may be asked for.
func dropRuns(ctx context.Context, store AccountStore, batch []events.Recorded) error {
	latest := map[domain.AccountID]time.Time{}
	for _, rec := range batch {
		if e, ok := rec.Event.(events.SyncStarted); ok && e.QueuedAt.After(latest[e.Account]) {
			latest[e.Account] = e.QueuedAt
		}
	}
	for acc, at := range latest {
		if err := store.DropRuns(ctx, acc, at.Add(-keepRuns)); err != nil {
			return fmt.Errorf("drop old runs: %w", err)
		}
	}
	return nil
}

// accountsIn returns the accounts that events of accounts and syncs are about.
func accountsIn(batch []events.Recorded) []domain.AccountID {
	var out []domain.AccountID
	for _, rec := range batch {
		if slices.Contains(accountEvents, rec.Type) && !slices.Contains(out, rec.Account) {
			out = append(out, rec.Account)
		}
	}
	return out
}

// evolveAccounts is the fold.
func evolveAccounts(accounts map[domain.AccountID]*Account, runs map[domain.SyncID]*SyncRun, rec events.Recorded) {
	switch e := rec.Event.(type) {
	case events.AccountAdded:
		accounts[e.Account] = &Account{
			ID: e.Account, Version: 1, Settings: e.Settings, CreatedAt: rec.RecordedAt, UpdatedAt: rec.RecordedAt,
		}
	case events.AccountChanged:
		if a := accounts[e.Account]; a != nil {
			a.Version, a.Settings, a.UpdatedAt = e.Version, e.Settings, rec.RecordedAt
		}
	case events.SyncStarted:
		interrupt(runs, e, rec.RecordedAt)
		runs[e.Sync] = &SyncRun{End: events.SyncEnd{SyncStarted: e, Status: "running"}}
		if a := accounts[e.Account]; a != nil {
			a.LastRun = e.Sync
		}
	case events.SyncCompleted:
		runs[e.Sync] = &SyncRun{End: e.SyncEnd, Ended: true}
		if a := accounts[e.Account]; a != nil {
			a.LastSync, a.LastError, a.LastRun = &e.FinishedAt, "", e.Sync
		}
	case events.SyncFailed:
		runs[e.Sync] = &SyncRun{End: e.SyncEnd, Ended: true, Error: &e.Error}
		if a := accounts[e.Account]; a != nil {
			a.LastRun = e.Sync
			if e.Status == "error" {
				a.LastError = e.Error.Message
			}
		}
	}
}

// interrupt ends the runs that a new one found unfinished: an account has one at a time.
func interrupt(runs map[domain.SyncID]*SyncRun, next events.SyncStarted, at time.Time) {
	for _, r := range runs {
		if r.End.Account == next.Account && !r.Ended {
			r.Ended, r.End.Status, r.End.FinishedAt = true, "interrupted", at
		}
	}
}

// evolveCoverage is the fold of the checks of mailboxes: the last one counts, while there is a mailbox.
func evolveCoverage(checks map[domain.MailboxKey]*MailboxCoverage, rec events.Recorded) {
	switch e := rec.Event.(type) {
	case events.CoverageChecked:
		checks[domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}] = &MailboxCoverage{e, rec.RecordedAt, rec.Position}
	case events.MailboxRemoved:
		checks[domain.MailboxKey{Account: e.Account, Mailbox: e.Mailbox}] = nil
	}
}
