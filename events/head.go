package events

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Head is the end of a journal: its link stands for all that is before it.
type Head struct {
	Journal    JournalID
	Position   Position
	Link       Hash
	RecordedAt time.Time // of the last commit; UTC, microseconds
}

// Text is what is signed of a head, octet for octet: five lines, each with its end. The time has six
// digits of fraction.
func (h Head) Text() []byte {
	return fmt.Appendf(nil, "imap2api head of a journal, version 1\njournal %d\nposition %d\nlink %s\nrecorded_at %s\n",
		h.Journal, h.Position, hex.EncodeToString(h.Link[:]), h.RecordedAt.UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// SignedHead is a statement: whoever keeps it can prove later that the journal was not rewritten
// before its position.
type SignedHead struct {
	Head
	PublicKey ed25519.PublicKey
	Signature []byte // Ed25519 (RFC 8032) over Text
}

// Sign states a head.
func Sign(h Head, key ed25519.PrivateKey) SignedHead {
	return SignedHead{h, key.Public().(ed25519.PublicKey), ed25519.Sign(key, h.Text())}
}

// Holds reports whether the signature is that of the public key over the head.
func (s SignedHead) Holds() bool {
	return len(s.PublicKey) == ed25519.PublicKeySize && ed25519.Verify(s.PublicKey, s.Text(), s.Signature)
}

// KeyID returns the short name of a public key: the first 8 octets of its SHA-256.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}
