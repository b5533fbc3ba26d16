package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const (
	maxRecovered = 100_000 // events of one request (webhooks.md 2.6)
	recoverBatch = 500
)

// RecoverWebhook asks for the events of a journal that a webhook was not told of with success to be sent
// to it: from while it was switched off, or failed, or did not exist.
type RecoverWebhook struct {
	Journal events.JournalID
	Webhook domain.WebhookID
	After   events.Position
	Since   *time.Time // only events of then and later; nil: from After on
	Types   []string   // public names and families; empty: all that the webhook wants
}

// EventRange reads a journal.
type EventRange interface {
	// EventsAfter returns some events after a position and up to another, oldest first; those of other types
	// and those before since are left out. more: there may be further ones.
	EventsAfter(ctx context.Context, journal events.JournalID, after, until events.Position, since *time.Time, limit int) (list []events.Recorded, more bool, err error)
	// Head returns the position of the last event.
	Head(ctx context.Context, journal events.JournalID) (events.Position, error)
}

// Recovery queues what was missed.
type Recovery interface {
	// Filter returns what a webhook wants now, whether it is switched on or not. It returns domain.ErrNotFound.
	Filter(ctx context.Context, journal events.JournalID, hook domain.WebhookID) (events.WebhookFilter, error)
	// Delivered returns which of the positions a webhook was told of with success.
	Delivered(ctx context.Context, journal events.JournalID, hook domain.WebhookID, positions []events.Position) (map[events.Position]bool, error)
	// Requeue queues deliveries, also those that are there and did not succeed, and returns how many.
	Requeue(ctx context.Context, journal events.JournalID, hook domain.WebhookID, list []NewDelivery) (int, error)
}

// RecoverWebhookHandler carries out RecoverWebhook.
type RecoverWebhookHandler struct {
	log      EventRange
	recovery Recovery
	public   PublicEvents
	wake     DeliveryWaker
}

// NewRecoverWebhook returns the handler.
func NewRecoverWebhook(log EventRange, recovery Recovery, public PublicEvents, wake DeliveryWaker) *RecoverWebhookHandler {
	return &RecoverWebhookHandler{log, recovery, public, wake}
}

// Handle queues the events and returns how many. They are sent at a pace, in order. It returns
// domain.ErrNotFound, or a *domain.FieldError for too many events, and then queues none.
func (h *RecoverWebhookHandler) Handle(ctx context.Context, cmd RecoverWebhook) (int, error) {
	filter, err := h.recovery.Filter(ctx, cmd.Journal, cmd.Webhook)
	if err != nil {
		return 0, fmt.Errorf("recover webhook %d: %w", cmd.Webhook, err)
	}
	head, err := h.log.Head(ctx, cmd.Journal)
	if err != nil {
		return 0, fmt.Errorf("recover webhook %d: %w", cmd.Webhook, err)
	}
	if cmd.Since == nil && cmd.After > head {
		return 0, &domain.FieldError{Field: "after_position", Message: "This position does not exist yet."}
	}
	matching := 0
	err = h.walk(ctx, cmd, filter, head, func(list []NewDelivery) error {
		if matching += len(list); matching > maxRecovered {
			return tooManyToRecover(cmd)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("recover webhook %d: %w", cmd.Webhook, err)
	}
	queued := 0
	err = h.walk(ctx, cmd, filter, head, func(list []NewDelivery) error {
		n, err := h.recovery.Requeue(ctx, cmd.Journal, cmd.Webhook, list)
		queued += n
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("recover webhook %d: %w", cmd.Webhook, err)
	}
	h.wake.Wake(cmd.Journal)
	return queued, nil
}

func tooManyToRecover(cmd RecoverWebhook) error {
	field := "since"
	if cmd.Since == nil {
		field = "after_position"
	}
	return &domain.FieldError{Field: field, Message: fmt.Sprintf("More than %d events match; choose a later start.", maxRecovered)}
}

// walk calls fn with what matches and was not delivered, batch by batch.
func (h *RecoverWebhookHandler) walk(ctx context.Context, cmd RecoverWebhook, filter events.WebhookFilter, head events.Position, fn func([]NewDelivery) error) error {
	after := cmd.After
	for more := true; more; {
		recs, goesOn, err := h.log.EventsAfter(ctx, cmd.Journal, after, head, cmd.Since, recoverBatch)
		if err != nil {
			return err
		}
		more = goesOn && len(recs) > 0
		var list []NewDelivery
		for _, rec := range recs {
			after = rec.Position
			name, deliverable := h.public.TypeOf(rec.Type)
			if rec.Event == nil || !deliverable || !wantsType(cmd.Types, name) || !Wants(cmd.Webhook, filter, name, rec) {
				continue
			}
			list = append(list, NewDelivery{cmd.Webhook, rec.Position, rec.ID, name, rec.Account, h.public.Body(rec)})
		}
		if list, err = h.missing(ctx, cmd, list); err != nil {
			return err
		}
		if len(list) == 0 {
			continue
		}
		if err := fn(list); err != nil {
			return err
		}
	}
	return nil
}

// missing returns those that were not delivered.
func (h *RecoverWebhookHandler) missing(ctx context.Context, cmd RecoverWebhook, list []NewDelivery) ([]NewDelivery, error) {
	if len(list) == 0 {
		return nil, nil
	}
	positions := make([]events.Position, len(list))
	for i, d := range list {
		positions[i] = d.Position
	}
	delivered, err := h.recovery.Delivered(ctx, cmd.Journal, cmd.Webhook, positions)
	if err != nil {
		return nil, err
	}
	out := list[:0]
	for _, d := range list {
		if !delivered[d.Position] {
			out = append(out, d)
		}
	}
	return out, nil
}

// Redeliver asks for one more attempt of a delivery, now, whatever its status.
type Redeliver struct {
	Journal  events.JournalID
	Webhook  domain.WebhookID
	Delivery domain.DeliveryID
}

// Redelivery asks for attempts.
type Redelivery interface {
	// DeliverAgain asks for one more attempt. It returns domain.ErrNotFound, or domain.ErrConflict if the
	// webhook is switched off.
	DeliverAgain(ctx context.Context, journal events.JournalID, hook domain.WebhookID, id domain.DeliveryID) error
}

// RedeliverHandler carries out Redeliver.
type RedeliverHandler struct {
	again Redelivery
	wake  DeliveryWaker
}

// NewRedeliver returns the handler.
func NewRedeliver(again Redelivery, wake DeliveryWaker) *RedeliverHandler {
	return &RedeliverHandler{again, wake}
}

// Handle has the attempt made at once, beside. It returns domain.ErrNotFound, or domain.ErrConflict if the
// webhook is switched off.
func (h *RedeliverHandler) Handle(ctx context.Context, cmd Redeliver) (domain.DeliveryID, error) {
	if err := h.again.DeliverAgain(ctx, cmd.Journal, cmd.Webhook, cmd.Delivery); err != nil {
		return 0, fmt.Errorf("redeliver %d: %w", cmd.Delivery, err)
	}
	h.wake.Wake(cmd.Journal)
	return cmd.Delivery, nil
}
