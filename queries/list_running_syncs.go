package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ListRunningSyncs asks how far the runs of some journals have come that go on now.
type ListRunningSyncs struct{ Journals []events.JournalID }

// RunningSync is how far a run had come when its worker last told.
type RunningSync struct {
	Journal  events.JournalID
	Account  domain.AccountID
	Sync     domain.SyncID
	Progress SyncProgress
	At       time.Time
}

// RunningSyncReader reads the queue of runs.
type RunningSyncReader interface {
	// RunningSyncs answers ListRunningSyncs, by account; a run that has told nothing yet is left out.
	RunningSyncs(ctx context.Context, journals []events.JournalID) ([]RunningSync, error)
}

// ListRunningSyncsHandler answers ListRunningSyncs.
type ListRunningSyncsHandler struct{ runs RunningSyncReader }

// NewListRunningSyncs returns the handler.
func NewListRunningSyncs(runs RunningSyncReader) *ListRunningSyncsHandler {
	return &ListRunningSyncsHandler{runs}
}

// Handle answers q.
func (h *ListRunningSyncsHandler) Handle(ctx context.Context, q ListRunningSyncs) ([]RunningSync, error) {
	out, err := h.runs.RunningSyncs(ctx, q.Journals)
	if err != nil {
		return nil, fmt.Errorf("list running syncs: %w", err)
	}
	return out, nil
}
