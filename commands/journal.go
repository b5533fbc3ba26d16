package commands

import (
	"context"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// AppendID makes an append repeatable: the same for each try of one decision.
type AppendID [16]byte

// Journal is the write side's store: one journal per user.
type Journal interface {
	// NextIDs draws n ids that clients will see, ascending. Those not used are lost.
	NextIDs(ctx context.Context, kind domain.IDKind, n int) ([]int64, error)
	// Update locks the journal of scope, gives decide the state in scope and
	// appends the events it returns. The state they lead to and the rows of the
	// decision commit with them, or neither does. decide may be called again, so it
	// does no I/O. Update returns the position of the last event, or of the head if
	// there was nothing to record; a repeated AppendID is answered with the position
	// of the first time. It returns domain.ErrConflict if a raw message that an event
	// names is not stored, or the lease of the scope is not the account's any more;
	// domain.ErrNotFound if the user or the account of the scope is erased or was
	// never there. An error of decide is returned as it is and nothing is recorded.
	Update(ctx context.Context, scope Scope, decide func(State) (Decision, error)) (events.Position, error)
}

// SyncState reads what the log knows of an account's mailboxes, outside of a
// decision: to compare it with the server.
type SyncState interface {
	// Mailboxes returns all mailboxes of an account, by name.
	Mailboxes(ctx context.Context, journal events.JournalID, acc domain.AccountID) ([]domain.Mailbox, error)
	// KnownUIDs returns the UIDs of a mailbox that are stored.
	KnownUIDs(ctx context.Context, journal events.JournalID, mailbox domain.MailboxID) (domain.UIDSet, error)
	// Known returns the stored messages of a mailbox with lo <= UID <= hi, by UID.
	Known(ctx context.Context, journal events.JournalID, mailbox domain.MailboxID, lo, hi domain.UID) ([]domain.Known, error)
	// KnownByMsgKey returns where messages with these keys are in the account.
	KnownByMsgKey(ctx context.Context, journal events.JournalID, acc domain.AccountID, keys []domain.Key) ([]KnownAt, error)
	// Quarantine returns the UIDs of a mailbox that could not be had: those that rest, and
	// those that are due to be tried again.
	Quarantine(ctx context.Context, journal events.JournalID, mailbox domain.MailboxID) (waiting, due domain.UIDSet, err error)
	// Exceptions returns the UIDs of a mailbox of which only the beginning is stored, and all of its quarantine.
	Exceptions(ctx context.Context, journal events.JournalID, mailbox domain.MailboxID) (truncated domain.UIDSet, quarantine []QuarantineRow, err error)
	// Checks returns the last check of each mailbox of an account against the server.
	Checks(ctx context.Context, journal events.JournalID, acc domain.AccountID) (map[domain.MailboxID]CoverageCheck, error)
	ChangeState
	// TouchedThreads returns up to limit threads that ThreadUpdated has still to tell
	// of, lowest id first, as they are now, with ids after the given one.
	TouchedThreads(ctx context.Context, journal events.JournalID, acc domain.AccountID, after domain.ThreadID, limit int) ([]events.ThreadUpdated, error)
}

// KnownAt is a stored message and its mailbox.
type KnownAt struct {
	Mailbox domain.MailboxID
	domain.Known
}

// Scope names the state that a decision needs. Zero values need nothing.
type Scope struct {
	Journal       events.JournalID
	Append        AppendID
	Meta          events.Meta
	Account       domain.AccountID                   // whose AccountState to load; refused if erased
	Lease         int64                              // of the account, when a sync worker decides; 0: not compared
	UIDs          map[domain.MailboxID]domain.UIDSet // mailboxes to load, and of each the known messages
	Threads       domain.ThreadLookup                // of Account
	User          domain.UserID                      // whose User to load
	CountMessages bool                               // of Account: fill in AccountState.Messages
	Tokens        bool                               // all tokens of the journal's user
	Webhooks      bool                               // all webhooks of the journal's user
}

// State is what the log says of a Scope.
type State struct {
	Position  events.Position // of the head
	Account   *AccountState
	Mailboxes map[domain.MailboxID]domain.Mailbox
	Known     map[domain.MailboxID]map[domain.UID]domain.Known
	Threads   []domain.IndexedNode // of the lookup; Thread is the surviving id
	User      *User
	Tokens    []Token
	Webhooks  []Webhook
}

// AccountState is an account as decisions need it.
type AccountState struct {
	Version    int64
	Settings   events.AccountSettings
	SyncedOnce bool
	Failures   int
	Running    domain.SyncID // the run that goes on; 0: none
	SyncedAt   *time.Time    // end of the last run that succeeded; nil: none
	Stalled    bool          // SyncStalled was recorded, and no run has succeeded since
	Messages   int           // stored; 0 without Scope.CountMessages
	Grant      string        // state of the OAuth 2.0 grant; "" with a password
}

// User is a user as decisions need it.
type User struct {
	ID              domain.UserID
	Name            string
	Email           string
	Admin, Active   bool
	PasswordHash    string
	LoginGeneration int
}

// Token is an API token as decisions need it.
type Token struct {
	ID        domain.TokenID
	Kind      string // login, api
	Name      string
	Prefix    string
	Hash      []byte // SHA-256; not loaded
	Scopes    []string
	Accounts  []domain.AccountID // empty: all
	Version   int64
	CreatedAt time.Time
	Expires   *time.Time
}

// Decision is what becomes true, and the rows beside the log that must commit
// with it. No secret is in an event.
type Decision struct {
	Events []events.Event
	Nodes  []domain.IndexedNode // new in the thread index of the scope's account
	Rows   []Row
}

// Row is a row beside the log that commits with a decision: one of the types below.
type Row interface{ row() }

type (
	// CheckpointRow sets the checkpoint of a mailbox.
	CheckpointRow struct{ Mailbox domain.Mailbox }
	// QuarantineRow notes a UID that the server lists and does not give, or, with
	// Attempts 0, forgets it.
	QuarantineRow struct {
		Mailbox   domain.MailboxID
		UID       domain.UID
		Attempts  int // 1 more than before if negative
		Reason    string
		LastError string
		NextAt    time.Time
	}
	// CoverageDueRow has all mailboxes of an account checked by the next run.
	CoverageDueRow struct{ Account domain.AccountID }
	// SealedRow sets the sealed password of an account.
	SealedRow struct {
		Account domain.AccountID
		Sealed  []byte
	}
	// QueueRow queues a sync run; without effect if one is queued or running.
	QueueRow struct {
		Account domain.AccountID
		Sync    domain.SyncID
		Cause   string
		At      time.Time
	}
	// DequeueRow removes the run of an account from the queue, whichever it is for Sync 0.
	DequeueRow struct {
		Account domain.AccountID
		Sync    domain.SyncID
	}
	// ScheduleRow sets when the account is synced next; nil: on request only.
	ScheduleRow struct {
		Account domain.AccountID
		At      *time.Time
	}
	// StalledRow notes that SyncStalled is recorded, until a run succeeds.
	StalledRow struct{ Account domain.AccountID }
	// TakeoverRow ends the lease of the scope: who has it can record nothing more, and another worker takes the run.
	TakeoverRow struct{ Account domain.AccountID }
	// ToldThreadsRow forgets threads that ThreadUpdated told of.
	ToldThreadsRow struct {
		Account domain.AccountID
		Threads []domain.ThreadID
	}
	// TriedChangesRow notes that changes are about to be made on the server, once more.
	TriedChangesRow struct {
		Account domain.AccountID
		Changes []domain.ChangeID
	}
	// UserRow inserts a user, or sets all of one that is there. With a new user
	// comes a new journal.
	UserRow struct {
		User
		At time.Time
	}
	// TokenRow inserts a token, or sets name, expiry and version of one that is there.
	TokenRow struct{ Token }
	// TokenGoneRow removes a token.
	TokenGoneRow struct{ ID domain.TokenID }
	// SessionRow inserts a session of the journal's user; those that have expired go.
	SessionRow struct {
		Hash               []byte // SHA-256 of its secret
		Generation         int    // LoginGeneration of the user
		CreatedAt, Expires time.Time
		Remote, Agent      string
	}
	// SessionGoneRow removes a session.
	SessionGoneRow struct{ Hash []byte }
	// WebhookRow inserts a webhook, or sets all of one that is there.
	WebhookRow struct{ Webhook }
	// WebhookSecretRow sets the sealed secret of a webhook; the one before signs too until OldUntil.
	WebhookSecretRow struct {
		Webhook  domain.WebhookID
		Sealed   []byte
		Hint     string // what may be shown of the secret
		OldUntil time.Time
	}
	// WebhookGoneRow removes a webhook. Nothing of its deliveries is sent any more.
	WebhookGoneRow struct{ ID domain.WebhookID }
	// CancelDeliveriesRow cancels what is still to be sent to a webhook.
	CancelDeliveriesRow struct{ Webhook domain.WebhookID }
)

func (CheckpointRow) row()   {}
func (QuarantineRow) row()   {}
func (CoverageDueRow) row()  {}
func (SealedRow) row()       {}
func (QueueRow) row()        {}
func (DequeueRow) row()      {}
func (ScheduleRow) row()     {}
func (StalledRow) row()      {}
func (TakeoverRow) row()     {}
func (ToldThreadsRow) row()  {}
func (TriedChangesRow) row() {}
func (UserRow) row()         {}
func (TokenRow) row()        {}
func (TokenGoneRow) row()    {}
func (SessionRow) row()      {}
func (SessionGoneRow) row()  {}

func (WebhookRow) row()          {}
func (WebhookSecretRow) row()    {}
func (WebhookGoneRow) row()      {}
func (CancelDeliveriesRow) row() {}
