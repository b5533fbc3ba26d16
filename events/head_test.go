package events

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"
)

func TestSignedHead(t *testing.T) {
	t.Parallel()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	at := time.Date(2025, 3, 4, 11, 10, 2, 117300000, time.FixedZone("", 3600))
	head := Head{Journal: 3, Position: 4920, Link: Hash{0xab, 31: 0xcd}, RecordedAt: at}
	const text = "imap2api head of a journal, version 1\njournal 3\nposition 4920\n" +
		"link ab000000000000000000000000000000000000000000000000000000000000cd\nrecorded_at 2025-03-04T10:10:02.117300Z\n"
	if got := string(head.Text()); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
	signed := Sign(head, key)
	if !signed.Holds() {
		t.Error("what was signed does not hold")
	}
	for name, change := range map[string]func(*SignedHead){
		"journal":   func(s *SignedHead) { s.Journal++ },
		"position":  func(s *SignedHead) { s.Position-- },
		"link":      func(s *SignedHead) { s.Link[9] ^= 1 },
		"time":      func(s *SignedHead) { s.RecordedAt = s.RecordedAt.Add(time.Microsecond) },
		"signature": func(s *SignedHead) { s.Signature = append([]byte{s.Signature[0] ^ 1}, s.Signature[1:]...) },
		"key": func(s *SignedHead) {
			s.PublicKey = ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
		},
		"no key": func(s *SignedHead) { s.PublicKey = nil },
	} {
		other := signed
		if change(&other); other.Holds() {
			t.Errorf("with another %s it holds", name)
		}
	}
}
