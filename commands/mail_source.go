package commands

import (
	"context"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// Login is how to reach an account.
type Login struct {
	Host       string
	Port       int
	Username   string
	Password   string
	Bearer     Bearer // instead of Password: OAuth 2.0; nil: Password
	UseTLS     bool   // from the first octet; else STARTTLS if offered, else plain text (api.md D22)
	CertSHA256 string // pinned certificate, 64 hex digits; "": by authority
}

// MailSource reaches IMAP servers. Reading changes nothing on them.
type MailSource interface {
	// Open connects and logs in. Its errors are *SourceError.
	Open(ctx context.Context, login Login) (MailConn, error)
	// Probe tries a login and lists the mailboxes with their message counts. What
	// fails is in the result.
	Probe(ctx context.Context, login Login) Probe
}

// MailConn is one login on a server. It reads mailboxes that it opens with EXAMINE and fetches
// with BODY.PEEK, so nothing is marked as seen; Change alone changes anything. After a fault of the connection or of
// an answer it connects again by itself and asks in smaller steps; an error is what
// it could not heal. It is used by one goroutine at a time. Errors are *SourceError.
type MailConn interface {
	// List returns all mailboxes, with their status where the server gives it along
	// (LIST-STATUS, RFC 5819) or by a STATUS each. A refused STATUS leaves Status nil.
	List(ctx context.Context) ([]domain.Listed, error)
	// Examine opens a mailbox read-only (RFC 9051 section 6.3.3). Mailbox calls below
	// are about the one examined last.
	Examine(ctx context.Context, name domain.MailboxName) (domain.MailboxStatus, error)
	// Resume opens a mailbox as Examine does, and learns what has happened to it since a status in which
	// known were all its UIDs, if the server can tell (QRESYNC, RFC 7162 section 3.2.5).
	Resume(ctx context.Context, name domain.MailboxName, since domain.MailboxStatus, known domain.UIDSet) (Resumed, error)
	// UIDs returns the UIDs of the mailbox, those of messages with an internal date on or
	// after the day of since (in any zone, so a day more) if it is not zero.
	UIDs(ctx context.Context, since time.Time) (domain.UIDSet, error)
	// Flags calls fn with the flags of messages, those changed after a mod-sequence if
	// it is not 0 (RFC 7162 section 3.1.4.1), in any order.
	Flags(ctx context.Context, uids domain.UIDSet, after domain.ModSeq, fn func(FlagState) error) error
	// Headers calls fn with what recognises messages without their octets, in any order.
	Headers(ctx context.Context, uids domain.UIDSet, fn func(MessageHead) error) error
	// Fetch calls fn with the messages, newest (highest UID) first as far as the server
	// answers in order; never twice for a UID. The octets are fn's to keep. maxSize is the most octets
	// to take of one message; of a larger one the header and the first 256 KiB come,
	// Truncated. What the server does not give, asked again and alone, is returned as
	// missing, with an error too: without a note of it the next call ends at the same place.
	Fetch(ctx context.Context, uids domain.UIDSet, maxSize int64, fn func(FetchedMessage) error) (missing []Missing, err error)
	// Change changes messages of a mailbox. Nothing is changed if the mailbox has another UIDVALIDITY; messages that are not
	// there are passed over. After an error nobody knows what was done: it is not tried again. Mailbox calls above need an Examine then.
	Change(ctx context.Context, of MailboxChange) (Changed, error)
	// Abilities returns what the server can do for somebody who waits for changes.
	Abilities() Abilities
	// Idle waits until something moves in the mailbox examined last, until a value can be received from
	// stop, or for a span, and reports whether something has moved since it was examined. The connection can be
	// used afterwards unless ctx has ended. Idle never connects again: an error says that the connection is lost.
	Idle(ctx context.Context, stop <-chan struct{}, span time.Duration) (moved bool, err error)
	// Close logs out, at most a second, and closes.
	Close() error
}

// Abilities are what a server can do for somebody who waits for changes.
type Abilities struct {
	Idle       bool // tells of changes in the open mailbox (RFC 2177)
	ListStatus bool // gives the status of all mailboxes in one answer (RFC 5819)
}

// MailboxChange is what is to become of messages of one mailbox: flags first, then one of the last three.
type MailboxChange struct {
	Mailbox     domain.MailboxName
	UIDValidity domain.UIDValidity
	UIDs        domain.UIDSet
	Add, Remove []domain.Flag
	MoveTo      domain.MailboxName // "": they stay
	CopyTo      domain.MailboxName // "": none is copied; only where Expunge can follow
	Expunge     bool               // they, and no others, are taken away
}

// Changed is what has become of a MailboxChange.
type Changed struct {
	Refused string // by the server, in its words; "": it has done all that was asked
	Another bool   // it is another mailbox by now, of which nothing was changed
	NoMove  bool   // the server has no MOVE (RFC 6851): nothing was changed
	// After a move, where the server tells: the UIDVALIDITY of the other mailbox, and the new UIDs by the old ones (COPYUID).
	Validity domain.UIDValidity
	UIDs     map[domain.UID]domain.UID
}

// Resumed is a mailbox that was opened again.
type Resumed struct {
	Status domain.MailboxStatus
	// Sure: the server has told what has happened, and it adds up. Else there is nothing but the status.
	Sure bool
	UIDs domain.UIDSet // all that are there
	// Flags are those that have changed; nil: they are to be asked for.
	Flags map[domain.UID]FlagState
}

// FlagState is the flags of one message.
type FlagState struct {
	UID    domain.UID
	Flags  []domain.Flag
	ModSeq domain.ModSeq // 0 without CONDSTORE
}

// MessageHead is what recognises a message without its octets.
type MessageHead struct {
	UID          domain.UID
	InternalDate time.Time
	Size         int64  // RFC822.SIZE
	MsgID        string // as sent, "" without one
}

// FetchedMessage is a message as the server gave it.
type FetchedMessage struct {
	UID          domain.UID
	Flags        []domain.Flag
	InternalDate time.Time // zero if the server gave none that can be read
	ModSeq       domain.ModSeq
	Raw          []byte
	Size         int64 // of the whole message; len(Raw) unless Truncated
	Truncated    bool
}

// Missing is a message that was asked for and did not come.
type Missing struct {
	UID    domain.UID
	Gone   bool   // the server does not list it any more
	Reason string // in the server's words, for the quarantine; "" if Gone
}

// Probe is what a connection test found (api.md 10.1).
type Probe struct {
	Code         string // ok or why not
	Message      string // one sentence, without secrets and octets of what is not IMAP
	TLS          string // such as "TLS 1.3", "" without
	Capabilities []string
	Mailboxes    []domain.Listed
	Took         time.Duration
}

// SourceError is a failure of the mail server or the way to it.
type SourceError struct {
	Code    string        // of api.md 10.1: dns_failed, connect_failed, timeout, tls_failed ...
	Message string        // one sentence for clients, without secrets
	Err     error         // the cause, for the log
	Reason  string        // limit or bye where the code does not tell them; "": by the code
	Wait    time.Duration // for which the server asks to be left alone; 0: it does not say
}

// Error returns code and cause.
func (e *SourceError) Error() string {
	if e.Err == nil {
		return e.Code + ": " + e.Message
	}
	return e.Code + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// Codes of SourceError (api.md 10.1 and 10.2).
const (
	CodeOK                 = "ok"
	CodeDNSFailed          = "dns_failed"
	CodeBlockedAddress     = "blocked_address"
	CodeConnectFailed      = "connect_failed"
	CodeTimeout            = "timeout"
	CodeTLSFailed          = "tls_failed"
	CodeCertificateInvalid = "certificate_invalid"
	CodeNotIMAP            = "not_imap"
	CodeAuthFailed         = "auth_failed"
	CodeProtocolError      = "protocol_error"
	CodeFolderMissing      = "folder_missing"
	CodeThrottled          = "throttled"
	CodeCancelled          = "cancelled"
	CodeInternal           = "internal"
	// CodeNeedsReauthorization: somebody must sign in at the provider.
	CodeNeedsReauthorization = "needs_reauthorization"
)
