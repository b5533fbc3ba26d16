package events

import (
	"time"

	"github.com/imap2api/imap2api/domain"
)

// Types of events of OAuth 2.0 grants.
const (
	TypeGrantLost     Type = "grant-lost"
	TypeGrantRestored Type = "grant-restored"
)

// GrantLost says that the provider, or the mail server, takes the tokens of an account no more
// (RFC 6749 section 5.2, invalid_grant). Nothing is tried until somebody signs in again.
type GrantLost struct {
	Account  domain.AccountID `json:"account"`
	Name     string           `json:"name"`     // of the account
	Provider string           `json:"provider"` // google, microsoft, custom
	Since    time.Time        `json:"since"`
	Error    SyncError        `json:"error"`
}

// GrantRestored says that somebody signed in: for the first time, or again.
type GrantRestored struct {
	Account  domain.AccountID `json:"account"`
	Name     string           `json:"name"`
	Provider string           `json:"provider"`
	Since    time.Time        `json:"since"`
}

// EventType returns the name and version under which the event is stored.
func (GrantLost) EventType() (Type, int) { return TypeGrantLost, 1 }

// EventStream returns the stream of the event.
func (e GrantLost) EventStream() Stream { return Stream{StreamAccount, int64(e.Account)} }

// EventAccount returns the account of the event.
func (e GrantLost) EventAccount() domain.AccountID { return e.Account }

// EventType returns the name and version under which the event is stored.
func (GrantRestored) EventType() (Type, int) { return TypeGrantRestored, 1 }

// EventStream returns the stream of the event.
func (e GrantRestored) EventStream() Stream { return Stream{StreamAccount, int64(e.Account)} }

// EventAccount returns the account of the event.
func (e GrantRestored) EventAccount() domain.AccountID { return e.Account }
