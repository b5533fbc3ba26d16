package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ListEvents asks for events of one journal.
type ListEvents struct {
	Journal       events.JournalID
	After, Before events.Position    // exclusive; 0: not given
	Since, Until  *time.Time         // inclusive
	Types         []events.Type      // nil: all
	Accounts      []domain.AccountID // events of these accounts only; nil: all, also those of no account
	Stream        *events.Stream     // events about this one thing only
	Actor         string             // name of the actor; "": any
	Desc          bool               // newest first
	Limit         int
}

// EventPage is a part of a journal.
type EventPage struct {
	Items  []events.Recorded
	More   bool            // there are further ones in the direction of the list
	Latest events.Position // the end of the journal
}

// EventReader reads journals.
type EventReader interface {
	// Events answers ListEvents. Meta is filled in; an erased payload leaves Event nil.
	Events(ctx context.Context, q ListEvents) (EventPage, error)
	// Event returns one event. It returns domain.ErrNotFound.
	Event(ctx context.Context, journal events.JournalID, pos events.Position) (events.Recorded, error)
	// Head returns the position of the last event.
	Head(ctx context.Context, journal events.JournalID) (events.Position, error)
	// ReadPosition returns up to where all read models have come.
	ReadPosition(ctx context.Context, journal events.JournalID) (events.Position, error)
}

// ListEventsHandler answers ListEvents.
type ListEventsHandler struct{ reader EventReader }

// NewListEvents returns the handler.
func NewListEvents(reader EventReader) *ListEventsHandler { return &ListEventsHandler{reader} }

// Handle answers q.
func (h *ListEventsHandler) Handle(ctx context.Context, q ListEvents) (EventPage, error) {
	page, err := h.reader.Events(ctx, q)
	if err != nil {
		return page, fmt.Errorf("list events of journal %d: %w", q.Journal, err)
	}
	return page, nil
}

// GetEvent asks for one event.
type GetEvent struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all, also those of no account
	Position events.Position
}

// GetEventHandler answers GetEvent.
type GetEventHandler struct{ reader EventReader }

// NewGetEvent returns the handler.
func NewGetEvent(reader EventReader) *GetEventHandler { return &GetEventHandler{reader} }

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetEventHandler) Handle(ctx context.Context, q GetEvent) (events.Recorded, error) {
	rec, err := h.reader.Event(ctx, q.Journal, q.Position)
	if err != nil {
		return rec, fmt.Errorf("get event %d of journal %d: %w", q.Position, q.Journal, err)
	}
	if !allowed(q.Accounts, rec.Account) {
		return rec, fmt.Errorf("event %d: %w", q.Position, domain.ErrNotFound)
	}
	return rec, nil
}

// GetPositions asks how far a journal and its read models have come.
type GetPositions struct{ Journal events.JournalID }

// Positions are the end of a journal and what can be read of it.
type Positions struct{ Latest, Read events.Position }

// GetPositionsHandler answers GetPositions.
type GetPositionsHandler struct{ reader EventReader }

// NewGetPositions returns the handler.
func NewGetPositions(reader EventReader) *GetPositionsHandler { return &GetPositionsHandler{reader} }

// Handle answers q.
func (h *GetPositionsHandler) Handle(ctx context.Context, q GetPositions) (Positions, error) {
	read, err := h.reader.ReadPosition(ctx, q.Journal)
	if err != nil {
		return Positions{}, fmt.Errorf("read position of journal %d: %w", q.Journal, err)
	}
	latest, err := h.reader.Head(ctx, q.Journal)
	if err != nil {
		return Positions{}, fmt.Errorf("head of journal %d: %w", q.Journal, err)
	}
	return Positions{latest, read}, nil
}
