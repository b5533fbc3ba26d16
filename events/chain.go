package events

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Hash is a link, a root or a leaf of the chain.
type Hash [32]byte

// Leaf returns what the chain knows of an event: all that identifies it and its
// payload as stored, but not its position. log.leaf in SQL computes the same.
func Leaf(t Type, version, encoding, keyID int16, s Stream, account int64, id [16]byte, payload []byte) Hash {
	h := sha256.New()
	b := make([]byte, 0, 128)
	b = append(b, "leaf\x00"...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(t)))
	b = append(b, t...)
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint16(b, uint16(encoding))
	b = binary.BigEndian.AppendUint16(b, uint16(keyID))
	b = binary.BigEndian.AppendUint16(b, uint16(s.Kind))
	b = binary.BigEndian.AppendUint64(b, uint64(s.ID))
	b = binary.BigEndian.AppendUint64(b, uint64(account))
	b = append(b, id[:]...)
	h.Write(b)
	h.Write(payload)
	return Hash(h.Sum(nil))
}

// MetaLeaf returns what the chain knows of a commit's meta as stored.
func MetaLeaf(meta []byte) Hash {
	return sha256.Sum256(append([]byte("meta\x00"), meta...))
}

// Root returns the hash over the leaves of a commit, in order.
func Root(leaves []Hash) Hash {
	h := sha256.New()
	h.Write([]byte("root\x00"))
	for i := range leaves {
		h.Write(leaves[i][:])
	}
	return Hash(h.Sum(nil))
}

// FirstLink returns the link that a journal begins with.
func FirstLink(j JournalID) Hash {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("journal\x00"), uint64(j)))
}

// Commit is one append: the events from First to Last.
type Commit struct {
	Journal     JournalID
	First, Last Position
	RecordedAt  time.Time // microseconds
	AppendID    [16]byte
	MetaLeaf    Hash
	Root        Hash
}

// Link returns the link of a commit, given the one before it.
func (c Commit) Link(before Hash) Hash {
	b := make([]byte, 0, 192)
	b = append(b, "link\x00"...)
	b = append(b, before[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Journal))
	b = binary.BigEndian.AppendUint64(b, uint64(c.First))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Last))
	b = binary.BigEndian.AppendUint64(b, uint64(c.RecordedAt.UnixMicro()))
	b = append(b, c.AppendID[:]...)
	b = append(b, c.MetaLeaf[:]...)
	b = append(b, c.Root[:]...)
	return sha256.Sum256(b)
}
