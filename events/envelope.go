package events

import (
	"time"

	"github.com/imap2api/imap2api/domain"
)

// JournalID names a journal: all events of one user, in order. It is the
// user's id; System is the journal of the installation.
type JournalID int64

// System is the journal of facts that concern no single user.
const System JournalID = 0

// Position is a place in one journal: 1, 2, 3 ... without gaps. When it can be
// read, so can all lower ones. 0 is before the first event.
type Position int64

// StreamKind says what a stream is about. The numbers are stored.
type StreamKind int16

// The kinds of stream, each named after what its id counts.
const (
	StreamMessage StreamKind = 1
	StreamThread  StreamKind = 2
	StreamMailbox StreamKind = 3
	StreamAccount StreamKind = 4
	StreamSync    StreamKind = 5
	StreamWebhook StreamKind = 6
	StreamToken   StreamKind = 7
	StreamUser    StreamKind = 8
	StreamModel   StreamKind = 9 // a projection
	StreamChange  StreamKind = 10
)

// Stream is one thing whose facts belong together.
type Stream struct {
	Kind StreamKind
	ID   int64
}

// Type is the stable name under which an event is stored.
type Type string

// An Event is a fact, in the past tense; it is never edited. Each concrete type
// is a plain struct whose JSON is its payload.
type Event interface {
	// EventType returns the stored name and the newest version of the payload.
	EventType() (Type, int)
	// EventStream returns what the event is about.
	EventStream() Stream
	// EventAccount returns the account it belongs to, 0 if none.
	EventAccount() domain.AccountID
}

// ActorKind says who did something.
type ActorKind string

// The kinds of actor.
const (
	ActorUser   ActorKind = "user"
	ActorSystem ActorKind = "system"
	ActorAdmin  ActorKind = "admin"
)

// Actor is who caused a commit.
type Actor struct {
	Kind  ActorKind      `json:"kind"`
	Name  string         `json:"name"`
	Token domain.TokenID `json:"token,omitempty"`
}

// Meta is what a commit knows beside its events.
type Meta struct {
	Actor     Actor         `json:"actor"`
	RequestID string        `json:"request_id,omitempty"`
	Sync      domain.SyncID `json:"sync,omitempty"`
}

// Recorded is an event as the log has it.
type Recorded struct {
	Journal    JournalID
	Position   Position
	ID         [16]byte // a ULID
	Type       Type
	Stream     Stream
	Account    domain.AccountID
	RecordedAt time.Time // UTC, microseconds; that of the commit
	Meta       Meta      // zero where it was not asked for
	// Event is nil if the payload was erased; ErasedBy is then the position of the
	// event that erased it.
	Event    Event
	ErasedBy Position
}
