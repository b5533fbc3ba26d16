package events

import (
	"time"

	"github.com/imap2api/imap2api/domain"
)

// Stored names of the events of accounts and their syncs.
const (
	TypeAccountAdded    Type = "account-added"
	TypeAccountChanged  Type = "account-changed"
	TypeAccountErased   Type = "account-erased"
	TypeSyncStarted     Type = "sync-started"
	TypeSyncCompleted   Type = "sync-completed"
	TypeSyncFailed      Type = "sync-failed"
	TypeSyncStalled     Type = "sync-stalled"
	TypeAccountExported Type = "account-exported"
)

// LimitType says how much of an account is fetched.
type LimitType string

// The sync limits (api.md 9.3).
const (
	LimitAll    LimitType = "all"
	LimitLastN  LimitType = "last_n"
	LimitDays   LimitType = "days"
	LimitWeeks  LimitType = "weeks"
	LimitMonths LimitType = "months"
	LimitYears  LimitType = "years"
)

// Values of AccountSettings.AuthType.
const (
	AuthPassword = "password"
	AuthOAuth2   = "oauth2"
)

// AccountSettings is all of an account that is not a secret.
type AccountSettings struct {
	Name          string    `json:"name"`
	Host          string    `json:"host"`
	Port          int       `json:"port"`
	Username      string    `json:"username"`
	UseTLS        bool      `json:"use_tls"` // from the first octet; else STARTTLS where offered
	LimitType     LimitType `json:"limit_type"`
	LimitValue    *int      `json:"limit_value"`
	Folders       string    `json:"folders"` // normalised list, "" for all
	ExcludeTrash  bool      `json:"exclude_trash"`
	IntervalMin   *int      `json:"interval_min"` // minutes between syncs; nil: on request only
	AllowChanges  bool      `json:"allow_changes"`
	AuthType      string    `json:"auth_type"`                // password, oauth2
	OAuthProvider string    `json:"oauth_provider,omitempty"` // google, microsoft, custom; "" with a password
	CertSHA256    string    `json:"cert_sha256,omitempty"`    // pinned certificate, 64 hex digits
}

// AccountAdded says that an IMAP account was added by its user.
type AccountAdded struct {
	Account  domain.AccountID `json:"account"`
	Settings AccountSettings  `json:"settings"`
}

// AccountChanged says that settings of an account changed. Version counts from 1, which is AccountAdded.
type AccountChanged struct {
	Account  domain.AccountID `json:"account"`
	Version  int64            `json:"version"`
	Settings AccountSettings  `json:"settings"` // all of them, as they are now
	Changed  []string         `json:"changed"`  // names of what changed as clients spell them; a new password is "password"
}

// AccountErased says that an account and all of its content were removed on purpose.
// Payloads of the account's events below this position are taken out.
type AccountErased struct {
	Account  domain.AccountID `json:"account"`
	Messages int              `json:"messages"` // that were stored
}

// AccountExported says that somebody began to take the mail of an account out as files.
type AccountExported struct {
	Account domain.AccountID `json:"account"`
	Name    string           `json:"name"`
	Format  string           `json:"format"` // mbox, maildir, jsonl
}

// SyncError is why a sync, or a mailbox in it, failed.
type SyncError struct {
	Code    string `json:"code"`    // of api.md 10.1 and 10.2
	Message string `json:"message"` // one sentence without secrets
}

// MailboxResult is what a sync did in one mailbox.
type MailboxResult struct {
	Name         string     `json:"name"`
	Status       string     `json:"status"` // success, error, running, pending, skipped
	Received     int        `json:"received"`
	FlagsChanged int        `json:"flags_changed"`
	Moved        int        `json:"moved"`
	Deleted      int        `json:"deleted"`
	Error        *SyncError `json:"error"`
}

// SyncStarted says that a run began. An earlier run of the account that has not ended was interrupted.
type SyncStarted struct {
	Sync        domain.SyncID    `json:"sync"`
	Account     domain.AccountID `json:"account"`
	AccountName string           `json:"account_name"`
	Trigger     string           `json:"trigger"` // request, schedule, push, created
	Initial     bool             `json:"initial"` // no run of the account has succeeded before
	QueuedAt    time.Time        `json:"queued_at"`
	StartedAt   time.Time        `json:"started_at"`
}

// SyncEnd is what SyncCompleted and SyncFailed have in common.
type SyncEnd struct {
	SyncStarted
	Status       string          `json:"status"` // success, partial; error, cancelled, interrupted
	FinishedAt   time.Time       `json:"finished_at"`
	Received     int             `json:"received"`
	FlagsChanged int             `json:"flags_changed"`
	Moved        int             `json:"moved"`
	Deleted      int             `json:"deleted"`
	Bytes        int64           `json:"bytes"`     // octets of the messages received
	Mailboxes    []MailboxResult `json:"mailboxes"` // at most 200
	Total        int             `json:"total"`     // mailboxes of the run
	Warnings     []string        `json:"warnings"`
}

// SyncCompleted says that a run ended with success or partial.
type SyncCompleted struct{ SyncEnd }

// SyncFailed says that a run ended without success.
type SyncFailed struct {
	SyncEnd
	Error               SyncError  `json:"error"`
	ConsecutiveFailures int        `json:"consecutive_failures"`
	NextAttemptAt       *time.Time `json:"next_attempt_at"`
}

// Why a sync is stalled (webhooks.md 3.1).
const (
	StalledNoProgress = "no_progress" // a run does nothing; another takes over
	StalledOverdue    = "overdue"     // no run has succeeded for long, although the account is synced by schedule
)

// SyncStalled says that an account is not kept level, without a failure that would say so. The next comes only after
// a run has succeeded.
type SyncStalled struct {
	Account     domain.AccountID `json:"account"`
	AccountName string           `json:"account_name"`
	Reason      string           `json:"reason"`
	Sync        domain.SyncID    `json:"sync"` // the run, or the last one; 0: there was none
	Since       time.Time        `json:"since"`
	LastSync    *time.Time       `json:"last_sync"` // end of the last run that succeeded; nil: none
	LastError   *SyncError       `json:"last_error"`
}

// EventType returns the stored name and version.
func (SyncStalled) EventType() (Type, int) { return TypeSyncStalled, 1 }

// EventStream returns the account.
func (e SyncStalled) EventStream() Stream { return Stream{StreamAccount, int64(e.Account)} }

// EventAccount returns the account.
func (e SyncStalled) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (AccountAdded) EventType() (Type, int) { return TypeAccountAdded, 2 }

// EventStream returns the account.
func (e AccountAdded) EventStream() Stream { return Stream{StreamAccount, int64(e.Account)} }

// EventAccount returns the account.
func (e AccountAdded) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (AccountChanged) EventType() (Type, int) { return TypeAccountChanged, 2 }

// EventStream returns the account.
func (e AccountChanged) EventStream() Stream { return Stream{StreamAccount, int64(e.Account)} }

// EventAccount returns the account.
func (e AccountChanged) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (AccountErased) EventType() (Type, int) { return TypeAccountErased, 1 }

// EventStream returns the account.
func (e AccountErased) EventStream() Stream { return Stream{StreamAccount, int64(e.Account)} }

// EventAccount returns the account.
func (e AccountErased) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (AccountExported) EventType() (Type, int) { return TypeAccountExported, 1 }

// EventStream returns the account.
func (e AccountExported) EventStream() Stream { return Stream{StreamAccount, int64(e.Account)} }

// EventAccount returns the account.
func (e AccountExported) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (SyncStarted) EventType() (Type, int) { return TypeSyncStarted, 1 }

// EventStream returns the run.
func (e SyncStarted) EventStream() Stream { return Stream{StreamSync, int64(e.Sync)} }

// EventAccount returns the account.
func (e SyncStarted) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (SyncCompleted) EventType() (Type, int) { return TypeSyncCompleted, 1 }

// EventType returns the stored name and version.
func (SyncFailed) EventType() (Type, int) { return TypeSyncFailed, 1 }
