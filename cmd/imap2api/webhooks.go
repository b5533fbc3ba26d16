package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/adapters/httpapi"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/adapters/webhook"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// webhooks is what tells receivers of events.
type webhooks struct {
	guard     *webhook.Guard
	queue     *postgres.DeliveryQueue
	reader    *postgres.WebhookReader
	sender    *webhook.Sender
	deliverer *commands.Deliverer
	public    publicEvents
}

func (s *system) buildWebhooks() {
	c := s.config
	w := &webhooks{
		guard: webhook.NewGuard(c.webhookAllowed, c.allowsPlainWebhooks()), queue: postgres.NewDeliveryQueue(s.db.pool, s.secrets, now),
		reader: postgres.NewWebhookReader(s.db.pool), public: publicEvents{c.rootURL() + "api/"},
	}
	w.sender = webhook.New(webhook.Options{Guard: w.guard, Now: now})
	w.deliverer = commands.NewDeliverer(w.queue, tracedSender{w.sender, s.metrics}, readable{s.events}, s.journal, commands.DelivererOptions{
		Now: now, Logger: s.log, Observe: s.metrics.webhooks.attempted,
	})
	s.webhooks = w
}

// reaction queues deliveries for events.
func (w *webhooks) reaction(log *eventlog.Log) eventlog.Reaction {
	queue := commands.NewQueueDeliveries(w.public)
	return eventlog.NewReaction(log, eventlog.ReactionOptions[*postgres.DispatchStore]{
		Name: "webhooks", Schema: postgres.HooksSchema, Idle: postgres.NoWebhooks,
		Types: append(public.Deliverable(), commands.SubscriptionTypes...), NewStore: postgres.NewDispatchStore,
		Apply: func(ctx context.Context, store *postgres.DispatchStore, batch []events.Recorded) error {
			return queue.Apply(ctx, store, batch)
		},
		Done: w.deliverer.Wake,
	})
}

// publicEvents is events as receivers see them.
type publicEvents struct{ base string }

// TypeOf returns the public name of a stored type, and whether webhooks may get it.
func (publicEvents) TypeOf(t events.Type) (string, bool) {
	return public.TypeOf(t), public.IsDeliverable(t)
}

// Body returns the body for an event.
func (p publicEvents) Body(rec events.Recorded) []byte { return public.Body(rec, p.base) }

// Sample returns a body with sample data.
func (publicEvents) Sample(name string, at time.Time) ([]byte, bool) {
	return public.SampleBody(name, public.Stamp(at))
}

// MessageID returns the webhook-id of an event.
func (publicEvents) MessageID(event [16]byte) string { return public.MessageID(event) }

// readable knows what can be read of a journal.
type readable struct{ log *eventlog.Log }

// WaitReadable blocks until all read models in Postgres contain a position.
func (r readable) WaitReadable(ctx context.Context, journal events.JournalID, pos events.Position) error {
	return r.log.WaitFor(ctx, journal, pos, nil)
}

// eventRange reads a journal from a position on.
type eventRange struct{ *eventlog.Log }

// EventsAfter returns events that webhooks may get.
func (l eventRange) EventsAfter(ctx context.Context, journal events.JournalID, after, until events.Position, since *time.Time, limit int) ([]events.Recorded, bool, error) {
	page, err := l.Events(ctx, queries.ListEvents{
		Journal: journal, After: after, Before: until + 1, Since: since, Types: public.Deliverable(), Limit: limit,
	})
	return page.Items, page.More, err
}

func (s *system) wireWebhooks(app *httpapi.App) {
	o, l, w := s.metrics, s.log, s.webhooks
	list, deliveries := queries.NewListWebhooks(w.reader), queries.NewListDeliveries(w.reader)
	app.ListWebhooks = observe(o, l, "list_webhooks", list.Handle)
	app.GetWebhook = observe(o, l, "get_webhook", list.Get)
	app.CreateWebhook = observe(o, l, "create_webhook", commands.NewCreateWebhook(s.journal, s.secrets, now).Handle)
	app.ChangeWebhook = observe(o, l, "change_webhook", commands.NewChangeWebhook(s.journal, w.deliverer).Handle)
	app.RemoveWebhook = observe(o, l, "remove_webhook", commands.NewRemoveWebhook(s.journal).Handle)
	app.RotateWebhookSecret = observe(o, l, "rotate_webhook_secret", commands.NewRotateWebhookSecret(s.journal, s.secrets, now).Handle)
	app.TestWebhook = observe(o, l, "test_webhook", commands.NewTestWebhook(w.queue, w.public, w.sender, w.queue, now).Handle)
	app.RecoverWebhook = observe(o, l, "recover_webhook", commands.NewRecoverWebhook(eventRange{s.events}, w.queue, w.public, w.deliverer).Handle)
	app.ListDeliveries = observe(o, l, "list_deliveries", deliveries.Handle)
	app.GetDelivery = observe(o, l, "get_delivery", deliveries.Get)
	app.Redeliver = observe(o, l, "redeliver", commands.NewRedeliver(w.queue, w.deliverer).Handle)
	app.CheckTarget = w.guard.Check
}

// sweepDeliveries deletes deliveries that are kept long enough.
func (s *system) sweepDeliveries(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		if _, err := postgres.SweepDeliveries(ctx, s.db.pool, now()); err != nil && ctx.Err() == nil {
			s.log.Warn("sweep deliveries", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
