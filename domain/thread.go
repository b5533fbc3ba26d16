package domain

import "time"

// NodeKind says what messages of one thread share.
type NodeKind int16

// The kinds of node of the thread index. The numbers are stored.
const (
	NodeMsgID   NodeKind = 1 // a message-id, of a message or in a reference to it
	NodeWeakID  NodeKind = 2 // a message-id that strangers share, such as yes; Sub is the base subject
	NodeRaw     NodeKind = 3 // the octets of a message without a message-id of its own
	NodeIndex   NodeKind = 4 // the GUID of a Thread-Index field; Sub is the base subject
	NodeSubject NodeKind = 5 // a base subject; Sub is the message, in the order of dates
)

// Key is the first 16 octets of a SHA-256: how long texts become keys.
type Key [16]byte

// Node is one entry of the thread index of an account: messages that have a
// node in common are of one thread. Sub tells nodes with the same key apart and
// is zero where it is not named at the kind. The Sub of a subject node is one
// octet, 1 for a reply without any reference, the seconds since 1970 as 8 octets
// that sort as the numbers do, and 7 octets of the message, so that what
// ThreadLookup asks for is next to each other in an index of (kind, key, sub).
type Node struct {
	Kind NodeKind
	Key  Key
	Sub  Key
}

// IndexedNode is a Node as the thread index has it.
type IndexedNode struct {
	Node
	Thread ThreadID
	People []Key // of a subject node: ThreadHints.People
}

// ThreadHints is what of one message decides about its thread.
type ThreadHints struct {
	MsgID       CanonicalID   // "" without one
	Refs        []CanonicalID // References and In-Reply-To, the own id and addresses of people left out
	BaseSubject string
	Reply       bool // the subject had a prefix of a reply or forward
	Date        time.Time
	People      []Key  // addresses of From, To and Cc, at most MaxPeople; ascending, each once
	ThreadIndex []byte // the GUID of the Thread-Index field, nil without one
	Raw         Key    // of the octets; zero if copies of them say nothing, as of a message without a header
}

// ThreadLookup names what a ThreadIndex needs from the stored index for a set of
// messages. Sorted, each once; ranges do not overlap.
type ThreadLookup struct {
	Nodes  []Node
	Ranges []NodeRange
}

// NodeRange names the nodes of one kind and key with From <= Sub <= To, as octets compare.
type NodeRange struct {
	Kind     NodeKind
	Key      Key
	From, To Key
}

// Placement is the thread of one message, and what changes in the index by it.
type Placement struct {
	Thread ThreadID
	Merged []ThreadID    // threads that this message joins to Thread; ascending, all greater
	Nodes  []IndexedNode // new in the index
}
