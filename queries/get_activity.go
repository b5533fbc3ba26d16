package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// GetActivity asks how much mail there is by day and by sender, by the date of the messages.
type GetActivity struct {
	Journal      events.JournalID
	Accounts     []domain.AccountID // nil: all
	Since, Until time.Time          // Until is not in it
	Senders      int                // at most so many
}

// Activity is mail by day and by sender.
type Activity struct {
	Days    []DayCount    // oldest first; days without mail are left out
	Senders []SenderCount // most messages first, ties by address
}

// DayCount is a day of UTC and its messages.
type DayCount struct {
	Day      time.Time // its midnight
	Messages int
}

// SenderCount is a sender and its messages.
type SenderCount struct {
	Name, Address string // Name as in one of the messages; "" if none has one
	Messages      int
}

// ActivityReader counts mail in the mail read model.
type ActivityReader interface {
	// Activity answers GetActivity.
	Activity(ctx context.Context, q GetActivity) (Activity, error)
}

// GetActivityHandler answers GetActivity.
type GetActivityHandler struct{ mail ActivityReader }

// NewGetActivity returns the handler.
func NewGetActivity(mail ActivityReader) *GetActivityHandler { return &GetActivityHandler{mail} }

// Handle answers q.
func (h *GetActivityHandler) Handle(ctx context.Context, q GetActivity) (Activity, error) {
	out, err := h.mail.Activity(ctx, q)
	if err != nil {
		return out, fmt.Errorf("activity of journal %d: %w", q.Journal, err)
	}
	return out, nil
}
