package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// DisableWebhook says that a webhook is to be switched off automatically.
type DisableWebhook struct {
	Journal      events.JournalID
	Webhook      domain.WebhookID
	Reason       string // events.DisabledByGone, events.DisabledByFailures
	FailingSince *time.Time
}

// DisableWebhookHandler carries out DisableWebhook.
type DisableWebhookHandler struct{ journal Journal }

// NewDisableWebhook returns the handler.
func NewDisableWebhook(journal Journal) *DisableWebhookHandler {
	return &DisableWebhookHandler{journal}
}

// Handle records that the webhook is off and cancels what is still to be sent to it. It does nothing to
// one that is off already, or gone.
func (h *DisableWebhookHandler) Handle(ctx context.Context, cmd DisableWebhook) error {
	scope := Scope{
		Journal: cmd.Journal, Append: NewAppendID(), Webhooks: true,
		Meta: events.Meta{Actor: events.Actor{Kind: events.ActorSystem, Name: "webhooks"}},
	}
	_, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		w, err := webhookIn(s.Webhooks, cmd.Webhook)
		if err != nil || !w.Settings.Active {
			return Decision{}, err
		}
		w.Settings.Active, w.DisabledReason = false, cmd.Reason
		w.Version++
		return Decision{
			Events: []events.Event{events.WebhookDisabled{Webhook: w.ID, Reason: cmd.Reason, FailingSince: cmd.FailingSince}},
			Rows:   []Row{WebhookRow{w}, CancelDeliveriesRow{w.ID}},
		}, nil
	})
	if err != nil && !errors.Is(err, domain.ErrNotFound) {
		return fmt.Errorf("disable webhook %d: %w", cmd.Webhook, err)
	}
	return nil
}
