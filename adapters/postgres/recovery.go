package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

var (
	_ commands.Recovery   = (*DeliveryQueue)(nil)
	_ commands.Redelivery = (*DeliveryQueue)(nil)
)

const deliverAgain = `
UPDATE hooks.deliveries d SET again = h.is_active FROM hooks.webhooks h
WHERE d.journal_id = $1 AND d.webhook_id = $2 AND d.delivery_id = $3
	AND h.journal_id = d.journal_id AND h.webhook_id = d.webhook_id
RETURNING h.is_active`

// DeliverAgain asks for one more attempt. It returns domain.ErrNotFound, or domain.ErrConflict if the
// webhook is switched off.
func (q *DeliveryQueue) DeliverAgain(ctx context.Context, journal events.JournalID, hook domain.WebhookID, id domain.DeliveryID) error {
	var active bool
	if err := q.pool.QueryRow(ctx, deliverAgain, journal, hook, id).Scan(&active); err != nil {
		return fmt.Errorf("deliver %d again: %w", id, translate(err))
	}
	if !active {
		return fmt.Errorf("webhook %d is switched off: %w", hook, domain.ErrConflict)
	}
	return nil
}

const webhookFilter = `
SELECT event_types, accounts, folders, include_backfill
FROM hooks.webhooks
WHERE journal_id = $1 AND webhook_id = $2`

// Filter returns what a webhook wants now, whether it is switched on or not. It returns domain.ErrNotFound.
func (q *DeliveryQueue) Filter(ctx context.Context, journal events.JournalID, hook domain.WebhookID) (events.WebhookFilter, error) {
	f := events.WebhookFilter{Active: true}
	err := q.pool.QueryRow(ctx, webhookFilter, journal, hook).Scan(&f.Types, &f.Accounts, &f.Folders, &f.Backfill)
	if err != nil {
		return f, fmt.Errorf("webhook %d: %w", hook, translate(err))
	}
	return f, nil
}

const deliveredOf = `
SELECT position FROM hooks.deliveries
WHERE journal_id = $1 AND webhook_id = $2 AND position = ANY ($3::bigint[]) AND position > 0 AND status = 'succeeded'`

// Delivered returns which of the positions a webhook was told of with success.
func (q *DeliveryQueue) Delivered(ctx context.Context, journal events.JournalID, hook domain.WebhookID, positions []events.Position) (map[events.Position]bool, error) {
	rows, err := q.pool.Query(ctx, deliveredOf, journal, hook, positions)
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", translate(err))
	}
	out := map[events.Position]bool{}
	var pos int64
	if _, err := pgx.ForEachRow(rows, []any{&pos}, func() error { out[events.Position(pos)] = true; return nil }); err != nil {
		return nil, fmt.Errorf("read deliveries: %w", translate(err))
	}
	return out, nil
}

// What is being attempted just now is left alone: it is on its way.
const requeueDeliveries = `
INSERT INTO hooks.deliveries AS d (journal_id, webhook_id, position, event_id, event_type, account_id, body, status, lane,
	next_attempt_at, created_at)
SELECT $1, h.webhook_id, u.position, u.event_id, u.event_type, u.account_id, u.body, 'pending', 1, $3, $3
FROM hooks.webhooks h, unnest($4::bigint[], $5::uuid[], $6::text[], $7::bigint[], $8::bytea[])
	AS u (position, event_id, event_type, account_id, body)
WHERE h.journal_id = $1 AND h.webhook_id = $2
ON CONFLICT (journal_id, webhook_id, position) WHERE position > 0 DO UPDATE SET
	status = 'pending', lane = 1, step = 0, next_attempt_at = excluded.next_attempt_at, finished_at = NULL
WHERE d.status <> 'succeeded' AND coalesce(d.claimed_until <= $3, true)`

// Requeue queues deliveries, also those that are there and did not succeed, and returns how many.
func (q *DeliveryQueue) Requeue(ctx context.Context, journal events.JournalID, hook domain.WebhookID, list []commands.NewDelivery) (int, error) {
	tag, err := q.pool.Exec(ctx, requeueDeliveries, journal, hook, q.now(),
		column(list, func(d commands.NewDelivery) int64 { return int64(d.Position) }),
		column(list, func(d commands.NewDelivery) [16]byte { return d.EventID }),
		column(list, func(d commands.NewDelivery) string { return d.Type }),
		column(list, func(d commands.NewDelivery) int64 { return int64(d.Account) }),
		column(list, func(d commands.NewDelivery) []byte { return d.Body }))
	if err != nil {
		return 0, fmt.Errorf("queue %d deliveries again: %w", len(list), translate(err))
	}
	return int(tag.RowsAffected()), nil
}

const (
	keepDeliveries = 30 * 24 * time.Hour // after they ended
	sweepChunk     = 1000                // deliveries of one statement
)

const sweepDeliveries = `
WITH old AS (
	SELECT journal_id, webhook_id, delivery_id FROM hooks.deliveries d
	WHERE created_at < $1 AND status <> 'pending' AND coalesce(finished_at < $1, true)
		OR NOT EXISTS (SELECT FROM hooks.webhooks h WHERE h.journal_id = d.journal_id AND h.webhook_id = d.webhook_id)
	LIMIT $2
), attempts AS (
	DELETE FROM hooks.attempts a USING old
	WHERE a.journal_id = old.journal_id AND a.webhook_id = old.webhook_id AND a.delivery_id = old.delivery_id
)
DELETE FROM hooks.deliveries d USING old
WHERE d.journal_id = old.journal_id AND d.webhook_id = old.webhook_id AND d.delivery_id = old.delivery_id`

// SweepDeliveries deletes deliveries that ended thirty days ago and those of webhooks that are gone.
func SweepDeliveries(ctx context.Context, pool *pgxpool.Pool, now time.Time) (int, error) {
	total := 0
	for {
		tag, err := pool.Exec(ctx, sweepDeliveries, now.Add(-keepDeliveries), sweepChunk)
		if err != nil {
			return total, fmt.Errorf("sweep deliveries: %w", translate(err))
		}
		total += int(tag.RowsAffected())
		if tag.RowsAffected() < sweepChunk {
			return total, nil
		}
	}
}

const freeClaims = `UPDATE hooks.deliveries SET claimed_until = NULL WHERE claimed_until IS NOT NULL`

// FreeClaims ends all claims, for a start at which no other process can be at work.
func (q *DeliveryQueue) FreeClaims(ctx context.Context) error {
	if _, err := q.pool.Exec(ctx, freeClaims); err != nil {
		return fmt.Errorf("free claims of deliveries: %w", translate(err))
	}
	return nil
}
