package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// PublicEvents is events as clients see them.
type PublicEvents interface {
	// TypeOf returns the public name of a stored type; deliverable is false for what webhooks never get.
	TypeOf(t events.Type) (name string, deliverable bool)
	// Body returns the body with which webhooks tell of an event; it follows from the event alone.
	Body(rec events.Recorded) []byte
}

// NewDelivery is an event that a webhook is to be told of.
type NewDelivery struct {
	Webhook  domain.WebhookID
	Position events.Position
	EventID  [16]byte
	Type     string // public
	Account  domain.AccountID
	Body     []byte
}

// DispatchStore is where a journal's deliveries are queued. A store is of one journal and one transaction.
type DispatchStore interface {
	// Subscriptions returns what each webhook wants at the checkpoint.
	Subscriptions(ctx context.Context) (map[domain.WebhookID]events.WebhookFilter, error)
	// SaveSubscriptions replaces all of them.
	SaveSubscriptions(ctx context.Context, all map[domain.WebhookID]events.WebhookFilter) error
	// QueueDeliveries queues deliveries, but for those that are there already and those of webhooks that are
	// gone. Those of a webhook that was switched off automatically meanwhile are cancelled.
	QueueDeliveries(ctx context.Context, list []NewDelivery) error
	// EraseAccount deletes all deliveries of an account.
	EraseAccount(ctx context.Context, acc domain.AccountID) error
}

// QueueDeliveries is the reaction of webhooks to events: it queues a delivery for each webhook that wants
// one. What a webhook wanted when an event was written follows from the events before it, so it does not
// matter when the reaction comes to it.
type QueueDeliveries struct{ public PublicEvents }

// NewQueueDeliveries returns the reaction.
func NewQueueDeliveries(public PublicEvents) *QueueDeliveries { return &QueueDeliveries{public} }

// SubscriptionTypes are the events that change what webhooks want.
var SubscriptionTypes = []events.Type{
	events.TypeWebhookAdded, events.TypeWebhookChanged, events.TypeWebhookRemoved, events.TypeWebhookDisabled,
}

// Apply queues the deliveries of a batch of one journal.
func (q *QueueDeliveries) Apply(ctx context.Context, store DispatchStore, batch []events.Recorded) error {
	wanted, err := store.Subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("load subscriptions: %w", err)
	}
	var list []NewDelivery
	changed := false
	for _, rec := range batch {
		list = q.deliveries(list, wanted, rec)
		changed = evolveSubscriptions(wanted, rec.Event) || changed
	}
	if len(list) > 0 {
		if err := store.QueueDeliveries(ctx, list); err != nil {
			return fmt.Errorf("queue %d deliveries: %w", len(list), err)
		}
	}
	if changed {
		if err := store.SaveSubscriptions(ctx, wanted); err != nil {
			return fmt.Errorf("save subscriptions: %w", err)
		}
	}
	return nil
}

// deliveries appends those of one event. All webhooks get the same body.
func (q *QueueDeliveries) deliveries(list []NewDelivery, wanted map[domain.WebhookID]events.WebhookFilter, rec events.Recorded) []NewDelivery {
	name, deliverable := q.public.TypeOf(rec.Type)
	if !deliverable {
		return list
	}
	var body []byte
	for id, filter := range wanted {
		if !Wants(id, filter, name, rec) {
			continue
		}
		if body == nil {
			body = q.public.Body(rec)
		}
		list = append(list, NewDelivery{id, rec.Position, rec.ID, name, rec.Account, body})
	}
	return list
}

// evolveSubscriptions folds an event into what webhooks want, and reports whether it changed.
func evolveSubscriptions(wanted map[domain.WebhookID]events.WebhookFilter, event events.Event) bool {
	switch e := event.(type) {
	case events.WebhookAdded:
		wanted[e.Webhook] = e.Filter
	case events.WebhookChanged:
		wanted[e.Webhook] = e.Filter
	case events.WebhookRemoved:
		delete(wanted, e.Webhook)
	case events.WebhookDisabled:
		f := wanted[e.Webhook]
		f.Active = false
		wanted[e.Webhook] = f
	default:
		return false
	}
	return true
}

// Wants reports whether a webhook gets an event of a public type (webhooks.md 2.1).
func Wants(id domain.WebhookID, f events.WebhookFilter, name string, rec events.Recorded) bool {
	if !f.Active || !wantsType(f.Types, name) {
		return false
	}
	// What is of no account goes to webhooks that are limited to none: as with tokens.
	if len(f.Accounts) > 0 && !slices.Contains(f.Accounts, rec.Account) {
		return false
	}
	switch e := rec.Event.(type) {
	case events.MessageFetched:
		return (f.Backfill || !e.Backfill) && wantsFolder(f.Folders, e.Folder)
	case events.FlagsChanged:
		return wantsFolder(f.Folders, e.Folder)
	case events.MessageMoved: // who follows a mailbox wants to know what leaves it
		return wantsFolder(f.Folders, e.Folder, e.From.Folder)
	case events.MessageExpunged:
		return wantsFolder(f.Folders, e.Folder)
	case events.ThreadUpdated:
		return f.Backfill || !e.Backfill
	case events.WebhookDisabled:
		return e.Webhook != id
	}
	return true
}

func wantsType(types []string, name string) bool {
	if len(types) == 0 {
		return true
	}
	return slices.ContainsFunc(types, func(t string) bool {
		family, isFamily := strings.CutSuffix(t, "*")
		return t == name || isFamily && strings.HasPrefix(name, family)
	})
}

// wantsFolder compares names of mailboxes; INBOX in any case is INBOX (RFC 9051 section 5.1).
func wantsFolder(folders []domain.MailboxName, names ...domain.MailboxName) bool {
	return len(folders) == 0 || slices.ContainsFunc(folders, func(f domain.MailboxName) bool {
		return slices.ContainsFunc(names, func(n domain.MailboxName) bool {
			return f == n || strings.EqualFold(string(f), "INBOX") && strings.EqualFold(string(n), "INBOX")
		})
	})
}
