package commands

import (
	"context"
	"errors"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const (
	readableWithin = time.Second // then it is looked again whether the event can be read
	recordWithin   = 10 * time.Second
)

// attempt makes one request and records it. No transaction is open meanwhile.
func (d *Deliverer) attempt(ctx context.Context, c ClaimedDelivery) error {
	err := d.waitReadable(ctx, c)
	if errors.Is(err, domain.ErrUnavailable) { // no attempt: the receiver would be told of what nobody can read
		at := d.opts.Now().Add(readableWithin)
		if err := d.queue.Postpone(ctx, c, at); err != nil {
			return err
		}
		d.due(at)
		return nil
	}
	if err != nil {
		return err
	}
	a := Attempt{Number: c.Attempts + 1, Trigger: TriggerAutomatic}
	if c.Again {
		a.Trigger = TriggerManual
	}
	a.WebhookAnswer = d.sender.Send(ctx, WebhookRequest{
		URL: c.URL, Secrets: c.Secrets, ID: c.MessageID, Type: c.Type, Attempt: a.Number, Body: c.Body,
	})
	if d.opts.Observe != nil {
		d.opts.Observe(c, a.WebhookAnswer)
	}
	return d.record(ctx, c, a, judge(c.Step, a.WebhookAnswer))
}

// waitReadable waits until an event can be read; how far a journal can be read is remembered.
func (d *Deliverer) waitReadable(ctx context.Context, c ClaimedDelivery) error {
	d.mu.Lock()
	read := d.read[c.Journal]
	d.mu.Unlock()
	if c.Position <= read {
		return nil
	}
	if err := d.readable.WaitReadable(ctx, c.Journal, c.Position); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read[c.Journal] = max(d.read[c.Journal], c.Position)
	return nil
}

// record records an attempt, and switches the webhook off if that is due.
func (d *Deliverer) record(ctx context.Context, c ClaimedDelivery, a Attempt, v Verdict) error {
	ctx, cancel := context.WithTimeout(ctx, recordWithin)
	defer cancel()
	longAgo := a.StartedAt.Add(a.Took - disableAfter)
	health, err := d.queue.Record(ctx, c, a, v, longAgo)
	if err != nil {
		return err
	}
	switch {
	case v.Succeeded:
		return nil
	case v.Gone:
		return d.disable.Handle(ctx, DisableWebhook{c.Journal, c.Webhook, events.DisabledByGone, health.FailingSince})
	case health.FailingSince != nil && !health.FailingSince.After(longAgo) && health.Failed >= disableFailures:
		return d.disable.Handle(ctx, DisableWebhook{c.Journal, c.Webhook, events.DisabledByFailures, health.FailingSince})
	case v.NextAt != nil && !c.Again:
		d.due(*v.NextAt)
	}
	return nil
}
