package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/events"
)

// ListWebhookLags asks how far behind the webhooks of all users are.
type ListWebhookLags struct{}

// WebhookLag is how far behind one webhook is.
type WebhookLag struct {
	Webhook
	Journal events.JournalID
	Behind  int64         // events that were not looked at yet, and deliveries that no request was made for
	Lag     time.Duration // age of the oldest of these deliveries
	Pending int           // deliveries that are still to be made, those that wait for a repeat among them
}

// WebhookLagReader reads lags.
type WebhookLagReader interface {
	// WebhookLags returns the lag of all webhooks, by user and id.
	WebhookLags(ctx context.Context) ([]WebhookLag, error)
}

// ListWebhookLagsHandler answers ListWebhookLags.
type ListWebhookLagsHandler struct{ lags WebhookLagReader }

// NewListWebhookLags returns the handler.
func NewListWebhookLags(lags WebhookLagReader) *ListWebhookLagsHandler {
	return &ListWebhookLagsHandler{lags}
}

// Handle answers q.
func (h *ListWebhookLagsHandler) Handle(ctx context.Context, _ ListWebhookLags) ([]WebhookLag, error) {
	out, err := h.lags.WebhookLags(ctx)
	if err != nil {
		return nil, fmt.Errorf("list lags of webhooks: %w", err)
	}
	return out, nil
}
