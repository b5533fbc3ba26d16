package events

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

// The vectors were computed by another program from the description of the chain.
func TestChain(t *testing.T) {
	t.Parallel()
	var id [16]byte
	for i := range id {
		id[i] = byte(i)
	}
	leaves := []Hash{
		Leaf("logged-in", 1, 0, 0, Stream{StreamUser, 1}, 0, id, []byte(`{"user":1}`)),
		Leaf("message-fetched", 2, 1, 3, Stream{StreamMessage, 1<<62 + 7}, -1, [16]byte(bytes.Repeat([]byte{0xff}, 16)), nil),
	}
	commit := Commit{
		Journal: 7, First: 1, Last: 2, RecordedAt: time.Date(2026, 1, 2, 4, 4, 5, 678901999, time.FixedZone("", 3600)),
		AppendID: [16]byte(bytes.Repeat([]byte{0xaa}, 16)), MetaLeaf: MetaLeaf([]byte(`{"actor":{}}`)), Root: Root(leaves),
	}
	for name, test := range map[string]struct {
		got  Hash
		want string
	}{
		"leaf":               {leaves[0], "95c2e2f1fe04b33dd85748963909ceed2df6c14a01e7ebfb94ebd14390ae9016"},
		"leaf of no payload": {leaves[1], "768153439630c3aa6da9397347bccd14502c5245877edbf7a8ce88d6fddd81c5"},
		"meta":               {commit.MetaLeaf, "719eb32b976a15e1ff2a0ae0b4ff5cd5e27e9616ecbdcf2646ebf2aa61b6278e"},
		"root":               {commit.Root, "7494a11d9b555524816f91392b90c8fd331eaeadd48512ea531fb935d26dc0b7"},
		"root of none":       {Root(nil), "492adeaa96b0681b1ca894c1b32fd5b9e0e5c9d84663bc45812dc1e701692464"},
		"first link":         {FirstLink(7), "1840a90bff89969a0a15e1f97d4ab73a4fb409185907baa4fefc87b2f15d44b4"},
		"of the system":      {FirstLink(System), "07c8571c49c58aaf6537a491835e8f70b572a55910c7f84e310cdf2a40f1646a"},
		"link":               {commit.Link(FirstLink(7)), "c306f4a79aae9d28a1c6edab7fde848edac2db8c61e87576755ecb1247bd6705"},
	} {
		if got := hex.EncodeToString(test.got[:]); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

// Nothing of a commit can change without its link: each field counts.
func TestLinkCoversAll(t *testing.T) {
	t.Parallel()
	base := Commit{Journal: 7, First: 1, Last: 2, RecordedAt: time.UnixMicro(5)}
	seen := map[Hash]string{base.Link(Hash{}): "base", base.Link(Hash{1}): "before"}
	for name, change := range map[string]func(*Commit){
		"journal": func(c *Commit) { c.Journal++ }, "first": func(c *Commit) { c.First++ }, "last": func(c *Commit) { c.Last++ },
		"time": func(c *Commit) { c.RecordedAt = c.RecordedAt.Add(time.Microsecond) }, "append id": func(c *Commit) { c.AppendID[15]++ },
		"meta": func(c *Commit) { c.MetaLeaf[0]++ }, "root": func(c *Commit) { c.Root[31]++ },
	} {
		c := base
		change(&c)
		if other, ok := seen[c.Link(Hash{})]; ok {
			t.Errorf("%s and %s have one link", name, other)
		}
		seen[c.Link(Hash{})] = name
	}
}
