package commands

import (
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Run is a sync run that a worker has claimed.
type Run struct {
	Journal  events.JournalID
	Account  domain.AccountID
	Sync     domain.SyncID
	Cause    string // request, schedule, push, created
	QueuedAt time.Time
	Lease    int64 // number of the claim; grows with each, and a decision under an older one is refused
}

// SyncProgress is how far a run has come: for people, not for decisions.
type SyncProgress struct {
	MailboxesTotal int                `json:"mailboxes_total"`
	MailboxesDone  int                `json:"mailboxes_done"`
	Current        domain.MailboxName `json:"current,omitempty"` // "" between mailboxes
	MessagesTotal  int                `json:"messages_total"`
	MessagesDone   int                `json:"messages_done"`
}
