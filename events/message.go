package events

import (
	"time"

	"github.com/imap2api/imap2api/domain"
)

// Stored names of the events of messages, threads and mailboxes.
const (
	TypeMessageFetched  Type = "message-fetched"
	TypeFlagsChanged    Type = "flags-changed"
	TypeMessageMoved    Type = "message-moved"
	TypeMessageExpunged Type = "message-expunged"
	TypeThreadUpdated   Type = "thread-updated"
	TypeMailboxFound    Type = "mailbox-found"
	TypeMailboxRemoved  Type = "mailbox-removed"
	TypeMailboxReset    Type = "mailbox-reset"
)

// Place is where a message is, or was.
type Place struct {
	Mailbox     domain.MailboxID   `json:"mailbox"`
	Folder      domain.MailboxName `json:"folder"` // its name then
	UIDValidity domain.UIDValidity `json:"uid_validity"`
	UID         domain.UID         `json:"uid"`
}

// Message is what all events of messages name.
type Message struct {
	ID      domain.MessageID `json:"id"`
	Account domain.AccountID `json:"account"`
	Place
	Thread domain.ThreadID `json:"thread"`
	MsgID  string          `json:"msg_id,omitempty"` // without brackets, "" without one
}

// Summary is what lists show of a message, as the parser of that day read it.
type Summary struct {
	Subject        string    `json:"subject,omitempty"`
	Sender         string    `json:"sender,omitempty"`
	SenderName     string    `json:"sender_name,omitempty"`
	Recipient      string    `json:"recipient,omitempty"` // bare addresses of To, joined by ", "
	InReplyTo      string    `json:"in_reply_to,omitempty"`
	Date           time.Time `json:"date"` // of the header, else the internal date; UTC, whole seconds
	Snippet        string    `json:"snippet,omitempty"`
	HasAttachments bool      `json:"has_attachments,omitempty"` // at least one that is not inline
}

// MessageFetched says that a message of a mailbox is stored.
type MessageFetched struct {
	Message
	SHA256       []byte            `json:"sha256"`        // of the raw message
	Size         int64             `json:"size"`          // octets of the raw message
	InternalDate time.Time         `json:"internal_date"` // UTC, whole seconds
	Flags        []domain.Flag     `json:"flags"`
	ModSeq       domain.ModSeq     `json:"mod_seq,omitempty"`
	Merged       []domain.ThreadID `json:"merged,omitempty"` // threads that this message joined to Thread
	Summary      Summary           `json:"summary"`
	Parser       int               `json:"parser"`              // version that made Summary
	Truncated    bool              `json:"truncated,omitempty"` // only the beginning is stored
	Backfill     bool              `json:"backfill,omitempty"`
}

// FlagsChanged says that flags of a message are other than they were.
type FlagsChanged struct {
	Message
	Added   []domain.Flag `json:"added"`
	Removed []domain.Flag `json:"removed"`
	Flags   []domain.Flag `json:"flags"` // all, now
	ModSeq  domain.ModSeq `json:"mod_seq,omitempty"`
}

// MessageMoved says that a message was recognised at another place. Message has the new one.
type MessageMoved struct {
	Message
	From   Place         `json:"from"`
	Flags  []domain.Flag `json:"flags"` // before the move and after; a change has an event of its own
	Size   int64         `json:"size"`
	ModSeq domain.ModSeq `json:"mod_seq,omitempty"`
}

// Reasons of MessageExpunged.
const (
	ReasonExpunged       = "expunged"
	ReasonMailboxRemoved = "folder_removed"
	ReasonAccountChanged = "account_changed"
)

// MessageExpunged says that a message is gone from its mailbox (RFC 9051 section 7.5.1).
type MessageExpunged struct {
	Message
	Reason string        `json:"reason"`
	Flags  []domain.Flag `json:"flags"` // as last known
	Size   int64         `json:"size"`
}

// LatestMessage is the newest message of a thread.
type LatestMessage struct {
	ID      domain.MessageID `json:"id"`
	Subject string           `json:"subject"`
	Sender  string           `json:"sender"`
	Date    time.Time        `json:"date"`
}

// ThreadUpdated sums up what a sync run did in one thread.
type ThreadUpdated struct {
	Thread   domain.ThreadID    `json:"thread"`
	Account  domain.AccountID   `json:"account"`
	Messages int                `json:"messages"`
	Unseen   int                `json:"unseen"`
	Causes   []string           `json:"causes"`      // public types of the events it sums up
	IDs      []domain.MessageID `json:"message_ids"` // at most 100
	Merged   []domain.ThreadID  `json:"merged"`
	Latest   *LatestMessage     `json:"latest"` // nil when the last message is gone
	Backfill bool               `json:"backfill,omitempty"`
}

// MailboxFound says that a mailbox appeared on the server, or that its role or selection changed.
type MailboxFound struct {
	Account     domain.AccountID   `json:"account"`
	Mailbox     domain.MailboxID   `json:"mailbox"`
	Name        domain.MailboxName `json:"name"`
	Role        domain.Role        `json:"role,omitempty"`
	Delimiter   string             `json:"delimiter,omitempty"` // between the levels of names; "" if there is no hierarchy, or it was not recorded
	Selected    bool               `json:"selected"`            // it is synced
	UIDValidity domain.UIDValidity `json:"uid_validity"`
}

// MailboxRemoved says that a mailbox is no longer on the server.
type MailboxRemoved struct {
	Account domain.AccountID   `json:"account"`
	Mailbox domain.MailboxID   `json:"mailbox"`
	Name    domain.MailboxName `json:"name"`
	Role    domain.Role        `json:"role,omitempty"`
}

// UIDRun is a run of UIDs that moved by one distance: From+i became To+i.
type UIDRun struct {
	From  domain.UID `json:"from"`
	To    domain.UID `json:"to"`
	Count uint32     `json:"count"`
}

// MailboxReset says that a mailbox got a new UIDVALIDITY; messages recognised by content
// keep their ids and move to the UIDs of Mapping. A mapping too long for one event is
// continued in another, with the counts of its own part.
//
// Mapping covers every message that is stored when the mailbox is reset. Those not
// recognised, which Deleted counts, get the highest UIDs, which the mailbox has not reached, until they
// are recognised elsewhere as moved or are expunged; what does not fit there is expunged before, under the old
// UIDVALIDITY. All parts follow one another in one decision, and what is new to the mailbox is
// fetched after them. So a crash leaves either UIDVALIDITY, and the next run finds the rest to do. An
// append that breaks this fails.
type MailboxReset struct {
	Account        domain.AccountID   `json:"account"`
	Mailbox        domain.MailboxID   `json:"mailbox"`
	Name           domain.MailboxName `json:"name"`
	OldUIDValidity domain.UIDValidity `json:"old_uid_validity"`
	UIDValidity    domain.UIDValidity `json:"uid_validity"`
	Mapping        []UIDRun           `json:"mapping"`
	Kept           int                `json:"kept"`
	Received       int                `json:"received"`
	Deleted        int                `json:"deleted"`
}

// EventStream returns the message.
func (e Message) EventStream() Stream { return Stream{StreamMessage, int64(e.ID)} }

// EventAccount returns the account.
func (e Message) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (MessageFetched) EventType() (Type, int) { return TypeMessageFetched, 1 }

// EventType returns the stored name and version.
func (FlagsChanged) EventType() (Type, int) { return TypeFlagsChanged, 1 }

// EventType returns the stored name and version.
func (MessageMoved) EventType() (Type, int) { return TypeMessageMoved, 1 }

// EventType returns the stored name and version.
func (MessageExpunged) EventType() (Type, int) { return TypeMessageExpunged, 1 }

// EventType returns the stored name and version.
func (ThreadUpdated) EventType() (Type, int) { return TypeThreadUpdated, 1 }

// EventStream returns the thread.
func (e ThreadUpdated) EventStream() Stream { return Stream{StreamThread, int64(e.Thread)} }

// EventAccount returns the account.
func (e ThreadUpdated) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (MailboxFound) EventType() (Type, int) { return TypeMailboxFound, 2 }

// EventStream returns the mailbox.
func (e MailboxFound) EventStream() Stream { return Stream{StreamMailbox, int64(e.Mailbox)} }

// EventAccount returns the account.
func (e MailboxFound) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (MailboxRemoved) EventType() (Type, int) { return TypeMailboxRemoved, 1 }

// EventStream returns the mailbox.
func (e MailboxRemoved) EventStream() Stream { return Stream{StreamMailbox, int64(e.Mailbox)} }

// EventAccount returns the account.
func (e MailboxRemoved) EventAccount() domain.AccountID { return e.Account }

// EventType returns the stored name and version.
func (MailboxReset) EventType() (Type, int) { return TypeMailboxReset, 1 }

// EventStream returns the mailbox.
func (e MailboxReset) EventStream() Stream { return Stream{StreamMailbox, int64(e.Mailbox)} }

// EventAccount returns the account.
func (e MailboxReset) EventAccount() domain.AccountID { return e.Account }
