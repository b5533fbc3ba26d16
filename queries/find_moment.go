package queries

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ErrFuture is returned for a moment that has not come yet.
var ErrFuture = errors.New("the moment is in the future")

// FindMoment asks for the position of the last event at a moment or before it: the one that the
// history is read as of.
type FindMoment struct {
	Journal  events.JournalID
	Position events.Position // a position, or
	At       *time.Time      // a time; nil: Position
}

// MomentReader knows journals and how far the history of each has come.
type MomentReader interface {
	// Head returns the position of the last event.
	Head(ctx context.Context, journal events.JournalID) (events.Position, error)
	// PositionAt returns the position of the last event that was recorded at a moment or before it, 0 if
	// there is none.
	PositionAt(ctx context.Context, journal events.JournalID, at time.Time) (events.Position, error)
	// Reach waits a little until the live generation of a read model holds all events of a journal up
	// to a position. It returns domain.ErrUnavailable if it does not.
	Reach(ctx context.Context, journal events.JournalID, pos events.Position, model string) error
}

// FindMomentHandler answers FindMoment.
type FindMomentHandler struct {
	reader MomentReader
	model  string // of the history
	now    func() time.Time
}

// NewFindMoment returns the handler; model is the name of the history.
func NewFindMoment(reader MomentReader, model string, now func() time.Time) *FindMomentHandler {
	return &FindMomentHandler{reader, model, now}
}

// Handle answers q once the history can be read as of the moment. It returns ErrFuture, or
// domain.ErrUnavailable if the history lags.
func (h *FindMomentHandler) Handle(ctx context.Context, q FindMoment) (events.Position, error) {
	pos, err := h.find(ctx, q)
	if err != nil {
		return 0, fmt.Errorf("find moment in journal %d: %w", q.Journal, err)
	}
	if err := h.reader.Reach(ctx, q.Journal, pos, h.model); err != nil {
		return 0, fmt.Errorf("read the history of journal %d: %w", q.Journal, err)
	}
	return pos, nil
}

func (h *FindMomentHandler) find(ctx context.Context, q FindMoment) (events.Position, error) {
	if q.At != nil {
		if q.At.After(h.now()) {
			return 0, ErrFuture
		}
		return h.reader.PositionAt(ctx, q.Journal, *q.At)
	}
	head, err := h.reader.Head(ctx, q.Journal)
	switch {
	case err != nil:
		return 0, err
	case q.Position > head:
		return 0, ErrFuture
	case q.Position < 0:
		return 0, fmt.Errorf("position %d: %w", q.Position, domain.ErrInvalid)
	}
	return q.Position, nil
}
