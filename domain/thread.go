package domain

import "time"

// NodeKind says what messages of one thread may share.
type NodeKind int16

// The kinds of node of the thread index. The numbers are stored.
const (
	NodeMessage NodeKind = 1 // the message-id of a message that is here
	NodePhantom NodeKind = 2 // a message-id that messages refer to
	NodeRaw     NodeKind = 3 // the octets of a message without a message-id
	NodeIndex   NodeKind = 4 // the GUID of a Thread-Index field together with the base subject
	NodeSubject NodeKind = 5 // a base subject; Sub is the message
)

// Key is the first 16 octets of a SHA-256: how long texts become keys.
type Key [16]byte

// Node is one entry of the thread index of an account: messages that share a
// node are of one thread. Sub tells nodes with the same key apart.
type Node struct {
	Kind NodeKind
	Key  Key
	Sub  Key
}

// IndexedNode is a Node as the thread index has it.
type IndexedNode struct {
	Node
	Thread ThreadID
	// Of a subject node only: what decides whether two messages with one subject belong together.
	Date   time.Time
	People []Key // addresses of From, To and Cc
	Reply  bool  // has a reply prefix and no reference at all
}

// ThreadHints is what of one message decides about its thread.
type ThreadHints struct {
	MsgID       CanonicalID   // "" without one
	Refs        []CanonicalID // References and In-Reply-To, the own id and addresses of people left out
	BaseSubject string
	Reply       bool // the subject had a reply prefix
	Date        time.Time
	People      []Key
	ThreadIndex []byte
	Raw         Key // of the octets
}

// ThreadLookup names what PlaceInThread needs from the index for a set of messages.
type ThreadLookup struct {
	Keys     []Key     // nodes of the kinds 1 to 4 with these keys, with any Sub
	Subjects []Key     // subject nodes with these keys ...
	From, To time.Time // ... and a date in this range
}

// Placement is the thread of one message, and what changes in the index by it.
type Placement struct {
	Thread ThreadID
	Merged []ThreadID    // threads that this message joins to Thread; ascending, all greater
	Nodes  []IndexedNode // new in the index
}
