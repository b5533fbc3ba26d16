package queries

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/events"
)

// GetEventProof asks what the chain knows of one event.
type GetEventProof struct {
	Journal  events.JournalID
	Position events.Position
}

// EventProof is the place of an event in the chain of its journal.
type EventProof struct {
	Leaf         events.Hash // of the event: SHA-256 over its columns and its payload as stored
	Commit       events.Commit
	Before, Link events.Hash // of the commit before, and of the event's own
	Faults       []string    // what does not agree; nil: events, root and link are what was recorded
}

// ProofReader reads the chain.
type ProofReader interface {
	// EventProof answers GetEventProof. It returns domain.ErrNotFound.
	EventProof(ctx context.Context, journal events.JournalID, pos events.Position) (EventProof, error)
}

// GetEventProofHandler answers GetEventProof.
type GetEventProofHandler struct{ reader ProofReader }

// NewGetEventProof returns the handler.
func NewGetEventProof(reader ProofReader) *GetEventProofHandler { return &GetEventProofHandler{reader} }

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetEventProofHandler) Handle(ctx context.Context, q GetEventProof) (EventProof, error) {
	p, err := h.reader.EventProof(ctx, q.Journal, q.Position)
	if err != nil {
		return p, fmt.Errorf("prove event %d of journal %d: %w", q.Position, q.Journal, err)
	}
	return p, nil
}
