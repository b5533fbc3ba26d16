package eventlog

import (
	"errors"
	"strings"
	"testing"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

func TestEventProof(t *testing.T) {
	t.Parallel()
	l, _ := soundLog(t)
	first, err := l.EventProof(t.Context(), 1, 1)
	if err != nil || len(first.Faults) > 0 || first.Before != events.FirstLink(1) || first.Commit.First != 1 || first.Commit.Last != 2 {
		t.Errorf("the first event: %+v, %v", first, err)
	}
	p, err := l.EventProof(t.Context(), 1, 10)
	if err != nil || len(p.Faults) > 0 || p.Commit.First != 9 || p.Commit.Last != 11 || p.Commit.Link(p.Before) != p.Link {
		t.Fatalf("got %+v, %v", p, err)
	}
	leaves := []events.Hash{{}, p.Leaf, {}}
	for i, pos := range []events.Position{9, 11} {
		one, err := l.EventProof(t.Context(), 1, pos)
		if err != nil || one.Link != p.Link {
			t.Errorf("position %d: %+v, %v", pos, one, err)
		}
		leaves[2*i] = one.Leaf
	}
	if events.Root(leaves) != p.Commit.Root {
		t.Error("the leaves of the commit do not make its root")
	}
	tamper(t, l, `UPDATE log.events SET stream_id = 77 WHERE journal_id = 1 AND position = 9`)
	p, err = l.EventProof(t.Context(), 1, 10)
	if err != nil || !strings.Contains(strings.Join(p.Faults, "\n"), "positions 9-11: the root does not agree") {
		t.Errorf("after tampering: %+v, %v", p, err)
	}
	if _, err := l.EventProof(t.Context(), 1, 33); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("beyond the end: %v", err)
	}
}
