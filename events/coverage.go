package events

import (
	"time"

	"github.com/imap2api/imap2api/domain"
)

// TypeCoverageChecked is the type of CoverageChecked.
const TypeCoverageChecked Type = "coverage-checked"

// CoverageCounts say what became of the messages that a server lists in a mailbox. OnServer is the sum
// of the others, counted by UID.
type CoverageCounts struct {
	OnServer    int `json:"on_server"`
	Stored      int `json:"stored"`
	Excluded    int `json:"excluded"`    // by a rule
	Quarantined int `json:"quarantined"` // not to be had; tried again
	Erased      int `json:"erased"`      // stored once, and erased on request
	Missing     int `json:"missing"`     // without a reason
}

// Plus returns the sums of two.
func (c CoverageCounts) Plus(o CoverageCounts) CoverageCounts {
	return CoverageCounts{
		c.OnServer + o.OnServer, c.Stored + o.Stored, c.Excluded + o.Excluded, c.Quarantined + o.Quarantined,
		c.Erased + o.Erased, c.Missing + o.Missing,
	}
}

// Kinds of CoverageException.
const (
	CoverageExcluded    = "excluded"
	CoverageQuarantined = "quarantined"
	CoverageMissing     = "missing"
)

// Reasons of CoverageException. Those of what is quarantined are fetch_failed and store_failed.
const (
	ReasonSyncLimit = "sync_limit"
	ReasonFolder    = "folder"
	ReasonSizeLimit = "size_limit"
	ReasonUnknown   = "unknown"
)

// CoverageException is messages of a mailbox that are on the server and not stored as a whole.
type CoverageException struct {
	Kind      string     `json:"kind"`
	Reason    string     `json:"reason"`
	Message   string     `json:"message"` // one sentence
	Count     int        `json:"count"`
	UIDs      string     `json:"uids"` // a sequence set (RFC 9051 section 9); of many it may span others too
	LastError string     `json:"last_error,omitempty"`
	NextAt    *time.Time `json:"next_at,omitempty"` // of the next try
}

// CoverageChecked says that all messages which the server lists in a mailbox were
// accounted for. It is recorded when they are other than the last time, and about once a day.
type CoverageChecked struct {
	Account     domain.AccountID   `json:"account"`
	Mailbox     domain.MailboxID   `json:"mailbox"`
	Sync        domain.SyncID      `json:"sync"`
	Name        domain.MailboxName `json:"name"`
	Selected    bool               `json:"selected"` // it is synced
	UIDValidity domain.UIDValidity `json:"uid_validity"`
	UIDNext     domain.UID         `json:"uid_next"` // 0: unknown
	CoverageCounts
	Exceptions []CoverageException `json:"exceptions"`
}

// EventType returns the name and version under which the event is stored.
func (CoverageChecked) EventType() (Type, int) { return TypeCoverageChecked, 1 }

// EventStream returns the stream of the event.
func (e CoverageChecked) EventStream() Stream { return Stream{StreamMailbox, int64(e.Mailbox)} }

// EventAccount returns the account of the event.
func (e CoverageChecked) EventAccount() domain.AccountID { return e.Account }
