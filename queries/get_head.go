package queries

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/events"
)

// GetHead asks for a signed statement of the end of a journal.
type GetHead struct{ Journal events.JournalID }

// HeadReader reads the ends of journals.
type HeadReader interface {
	// Heads returns the ends of the journals named, of all for none, by journal.
	Heads(ctx context.Context, journals ...events.JournalID) ([]events.Head, error)
}

// HeadSigner signs with the key of the installation.
type HeadSigner interface {
	// SignHead states a head.
	SignHead(head events.Head) events.SignedHead
}

// GetHeadHandler answers GetHead.
type GetHeadHandler struct {
	heads  HeadReader
	signer HeadSigner
}

// NewGetHead returns the handler.
func NewGetHead(heads HeadReader, signer HeadSigner) *GetHeadHandler {
	return &GetHeadHandler{heads, signer}
}

// Handle answers q. A journal without events ends before its first.
func (h *GetHeadHandler) Handle(ctx context.Context, q GetHead) (events.SignedHead, error) {
	found, err := h.heads.Heads(ctx, q.Journal)
	if err != nil {
		return events.SignedHead{}, fmt.Errorf("get head of journal %d: %w", q.Journal, err)
	}
	if len(found) == 0 {
		return h.signer.SignHead(events.Head{Journal: q.Journal, Link: events.FirstLink(q.Journal)}), nil
	}
	return h.signer.SignHead(found[0]), nil
}
