package domain

import "strconv"

// Ids that clients see. They are positive, drawn from sequences by commands and
// recorded in events; none is ever used again.
type (
	// UserID names a user of this installation. The user's journal has the same number.
	UserID int64
	// AccountID names one login on one IMAP server.
	AccountID int64
	// MailboxID names a mailbox of an account. It outlives a rename and a new UIDVALIDITY.
	MailboxID int64
	// MessageID names one message in one mailbox (RFC 9051 section 2.3.1.1); it outlives a
	// recognised move. It is not the Message-ID field, which is a MsgID.
	MessageID int64
	// ThreadID names a thread; of two threads that merge, the lower id survives.
	ThreadID int64
	// SyncID names a sync run.
	SyncID int64
	// TokenID names an API token.
	TokenID int64
	// WebhookID names a webhook.
	WebhookID int64
	// ChangeID names a change of messages that was asked for here.
	ChangeID int64
	// DeliveryID names one event, or test, for one webhook.
	DeliveryID int64
)

// String returns the form that clients see: thread-17.
func (t ThreadID) String() string { return "thread-" + strconv.FormatInt(int64(t), 10) }

// IDKind says from which sequence ids are drawn.
type IDKind string

// The sequences.
const (
	IDAccount IDKind = "account"
	IDMailbox IDKind = "mailbox"
	IDMessage IDKind = "message"
	IDThread  IDKind = "thread"
	IDSync    IDKind = "sync"
	IDToken   IDKind = "token"
	IDUser    IDKind = "user"
	IDWebhook IDKind = "webhook"
	IDChange  IDKind = "change"
)

// Protocol numbers of RFC 9051 section 2.3.1 and RFC 7162.
type (
	// UID is 32 bits, never 0, and grows in a mailbox (RFC 9051 section 2.3.1.1).
	UID uint32
	// UIDValidity says which UIDs are meant; if it changes, all UIDs are void (RFC 9051 section 2.3.1.1).
	UIDValidity uint32
	// ModSeq is a mod-sequence of 63 bits; 0 where the server has none (RFC 7162 section 3.1).
	ModSeq uint64
)
