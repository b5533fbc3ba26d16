package domain

import "time"

// MailboxName is the name of a mailbox in UTF-8 with the server's hierarchy
// separator. INBOX in any case is INBOX (RFC 9051 section 5.1).
type MailboxName string

// Role is the special use of a mailbox (RFC 6154 section 2), "" if none.
type Role string

// The special uses.
const (
	RoleAll       Role = `\All`
	RoleArchive   Role = `\Archive`
	RoleDrafts    Role = `\Drafts`
	RoleFlagged   Role = `\Flagged`
	RoleImportant Role = `\Important` // RFC 8457
	RoleJunk      Role = `\Junk`
	RoleSent      Role = `\Sent`
	RoleTrash     Role = `\Trash`
)

// MailboxKey names a mailbox of an account for ever.
type MailboxKey struct {
	Account AccountID
	Mailbox MailboxID
}

// Listed is a mailbox as LIST and STATUS show it (RFC 9051 sections 6.3.9 and 6.3.11).
type Listed struct {
	Name      MailboxName
	Delimiter string // "" if there is no hierarchy
	Role      Role   // as the server says by attribute
	NoSelect  bool   // \Noselect or \NonExistent
	// Status is what STATUS said; nil if it was not asked or refused.
	Status *MailboxStatus
}

// MailboxStatus is the state of a mailbox as STATUS, or EXAMINE, shows it.
type MailboxStatus struct {
	UIDValidity UIDValidity // 0 if the server keeps none
	UIDNext     UID         // 0 if unknown
	Messages    uint32
	ModSeq      ModSeq // HIGHESTMODSEQ; 0 without CONDSTORE
}

// Mailbox is what the log says of a mailbox: the checkpoint of its sync.
type Mailbox struct {
	ID          MailboxID
	Account     AccountID
	Name        MailboxName
	Role        Role
	Selected    bool
	UIDValidity UIDValidity
	UIDNext     UID
	ModSeq      ModSeq // up to which changes are recorded
	Messages    uint32 // EXISTS at the checkpoint
	// Level: at the checkpoint every message of the window was stored and every flag read.
	Level bool
	// WindowKey names the sync limit that the checkpoint was reached with.
	WindowKey string
}

// Known is a message as the log has it, at its UID.
type Known struct {
	UID          UID
	ID           MessageID
	Thread       ThreadID
	ModSeq       ModSeq
	Flags        []Flag
	SHA256       [32]byte
	MsgID        string // as events name it, "" without one
	MsgKey       Key    // of MsgID, zero without one
	Size         int64
	InternalDate time.Time
	Date         time.Time
}
