package domain

import (
	"crypto/sha256"
	"strings"
)

// CanonicalID is a message-id as it is compared: without brackets and white
// space, the part after the last @ in lower case (RFC 5322 section 3.6.4).
type CanonicalID string

// Canonical returns the canonical form of a message-id as sent, with or without brackets.
func Canonical(sent string) CanonicalID {
	id := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(sent), "<"), ">")
	id = strings.Join(strings.Fields(id), "")
	if at := strings.LastIndexByte(id, '@'); at >= 0 {
		id = id[:at] + strings.ToLower(id[at:])
	}
	return CanonicalID(id)
}

// KeyOf returns the key of a text.
func KeyOf(text string) Key {
	sum := sha256.Sum256([]byte(text))
	return Key(sum[:16])
}

// MsgKey returns the key of a message-id as sent, zero for "".
func MsgKey(sent string) Key {
	id := Canonical(sent)
	if id == "" {
		return Key{}
	}
	return KeyOf(string(id))
}
