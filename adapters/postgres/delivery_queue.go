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
	"github.com/imap2api/imap2api/events/public"
)

// DeliveryQueue is where deliveries wait for their requests. It is the DeliveryQueue, the WebhookTargets
// and the WebhookTests of commands.
type DeliveryQueue struct {
	pool    *pgxpool.Pool
	secrets *Secrets
	now     func() time.Time
}

var (
	_ commands.DeliveryQueue  = (*DeliveryQueue)(nil)
	_ commands.WebhookTargets = (*DeliveryQueue)(nil)
	_ commands.WebhookTests   = (*DeliveryQueue)(nil)
)

// NewDeliveryQueue returns the queue; secrets open what signs.
func NewDeliveryQueue(pool *pgxpool.Pool, secrets *Secrets, now func() time.Time) *DeliveryQueue {
	return &DeliveryQueue{pool, secrets, now}
}

// due is of a delivery d of a webhook h that nobody attempts.
const due = `d.journal_id = h.journal_id AND d.webhook_id = h.webhook_id AND coalesce(d.claimed_until <= @now, true)`

// claimDeliveries locks the webhooks first: the limits hold over all processes. One that is locked is
// being changed, and who does so wakes its journal again.
const claimDeliveries = `
WITH h AS MATERIALIZED (
	SELECT h.journal_id, h.webhook_id, h.url, h.sealed, CASE WHEN h.old_until > @now THEN h.old_sealed END AS old_sealed,
		h.cautious, h.paced_at <= @now AS paced, h.failing_since IS NOT NULL AS failing
	FROM hooks.webhooks h
	WHERE h.journal_id = ANY (@journals::bigint[]) AND h.is_active
	AND EXISTS (SELECT FROM auth.users u WHERE u.user_id = h.journal_id AND u.is_active)
	FOR NO KEY UPDATE SKIP LOCKED
), busy AS MATERIALIZED (
	SELECT h.*, b.* FROM h CROSS JOIN LATERAL (
		SELECT count(*) FILTER (WHERE lane < 2) AS first, count(*) FILTER (WHERE lane = 2) AS repeat, count(*) AS total
		FROM hooks.deliveries d
		WHERE d.journal_id = h.journal_id AND d.webhook_id = h.webhook_id AND d.claimed_until > @now) b
), found AS (
	SELECT h.*, f.delivery_id, f.again, f.rank
	FROM busy h CROSS JOIN LATERAL (
		(SELECT d.delivery_id, true AS again, 0 AS rank, d.position FROM hooks.deliveries d
			WHERE ` + due + ` AND d.again ORDER BY d.delivery_id LIMIT 1)
		UNION ALL
		(SELECT d.delivery_id, false, 1, d.position FROM hooks.deliveries d
			WHERE ` + due + ` AND d.status = 'pending' AND d.lane = 2 AND d.next_attempt_at <= @now AND NOT d.again
			ORDER BY d.next_attempt_at LIMIT greatest(0, 2 - h.repeat))
		UNION ALL
		(SELECT d.delivery_id, false, 2, d.position FROM hooks.deliveries d
			WHERE ` + due + ` AND d.status = 'pending' AND d.lane = 0 AND d.next_attempt_at <= @now AND NOT d.again
			ORDER BY d.position LIMIT greatest(0, 4 - h.first))
		UNION ALL
		(SELECT d.delivery_id, false, 3, d.position FROM hooks.deliveries d
			WHERE ` + due + ` AND d.status = 'pending' AND d.lane = 1 AND d.next_attempt_at <= @now AND NOT d.again AND h.paced
			ORDER BY d.position LIMIT least(1, greatest(0, 4 - h.first)))
		ORDER BY rank, position
	) f
), numbered AS (
	SELECT f.*, row_number() OVER (PARTITION BY journal_id, webhook_id ORDER BY rank, delivery_id) AS nth FROM found f
), chosen AS (
	SELECT n.*, row_number() OVER (PARTITION BY failing ORDER BY nth, random()) AS turn FROM numbered n
	WHERE NOT cautious OR nth <= 1 - total
), paced AS (
	UPDATE hooks.webhooks w SET paced_at = @paced_at FROM chosen c
	WHERE c.rank = 3 AND w.journal_id = c.journal_id AND w.webhook_id = c.webhook_id
)
UPDATE hooks.deliveries d SET claimed_until = @until FROM chosen c
WHERE d.journal_id = c.journal_id AND d.webhook_id = c.webhook_id AND d.delivery_id = c.delivery_id
	AND c.turn <= CASE WHEN c.failing THEN @failing::bigint ELSE @healthy::bigint END
RETURNING d.journal_id, d.webhook_id, d.delivery_id, d.position, d.event_id, d.event_type, d.body, d.attempts, d.step, d.lane = 1,
	c.again, c.failing, d.created_at, c.url, c.sealed, c.old_sealed`

// Claim claims deliveries of webhooks that are switched on: of each, up to four first attempts in the
// order of positions, two repeats, one that was asked for; one in all while it is overloaded.
func (q *DeliveryQueue) Claim(ctx context.Context, c commands.ClaimDeliveries) ([]commands.ClaimedDelivery, error) {
	var out []commands.ClaimedDelivery
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, notDurable); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, claimDeliveries, pgx.StrictNamedArgs{
			"journals": c.Journals, "now": c.Now, "until": c.Until, "paced_at": c.Now.Add(c.Pace),
			"healthy": max(0, c.Healthy), "failing": max(0, c.Failing),
		})
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, q.scanClaimed)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim deliveries: %w", translate(err))
	}
	return out, nil
}

// notDurable: what a crash takes of claims and successes is sent once more.
const notDurable = `SELECT set_config('synchronous_commit', 'off', true)`

func (q *DeliveryQueue) scanClaimed(row pgx.CollectableRow) (commands.ClaimedDelivery, error) {
	var d commands.ClaimedDelivery
	var event [16]byte
	var sealed, old []byte
	err := row.Scan(&d.Journal, &d.Webhook, &d.Delivery, &d.Position, &event, &d.Type, &d.Body, &d.Attempts, &d.Step, &d.Recovered,
		&d.Again, &d.Failing, &d.CreatedAt, &d.URL, &sealed, &old)
	if err != nil {
		return d, err
	}
	d.MessageID, d.Active = public.MessageID(event), true
	d.Secrets, err = q.open(d.Journal, d.Webhook, sealed, old)
	return d, err
}

// open returns the secrets that sign.
func (q *DeliveryQueue) open(journal events.JournalID, id domain.WebhookID, sealed ...[]byte) ([]string, error) {
	var out []string
	for _, s := range sealed {
		if s == nil {
			continue
		}
		secret, err := q.secrets.Unseal(s, webhookAAD(journal, id))
		if err != nil {
			return nil, fmt.Errorf("secret of webhook %d: %w", id, err)
		}
		out = append(out, string(secret))
	}
	return out, nil
}

const webhookTarget = `
SELECT url, is_active, sealed, CASE WHEN old_until > $3 THEN old_sealed END
FROM hooks.webhooks
WHERE journal_id = $1 AND webhook_id = $2`

// Target returns the target of a webhook. It returns domain.ErrNotFound.
func (q *DeliveryQueue) Target(ctx context.Context, journal events.JournalID, id domain.WebhookID) (commands.WebhookTarget, error) {
	var t commands.WebhookTarget
	var sealed, old []byte
	err := q.pool.QueryRow(ctx, webhookTarget, journal, id, q.now()).Scan(&t.URL, &t.Active, &sealed, &old)
	if err != nil {
		return t, fmt.Errorf("target of webhook %d: %w", id, translate(err))
	}
	t.Secrets, err = q.open(journal, id, sealed, old)
	return t, err
}

const (
	dueJournals = `
SELECT journal_id FROM hooks.deliveries
WHERE status = 'pending' AND next_attempt_at > $1 AND next_attempt_at <= $2 AND coalesce(claimed_until <= $2, true)
UNION
SELECT journal_id FROM hooks.deliveries WHERE again AND coalesce(claimed_until <= $2, true)`

	nextDue = `SELECT min(next_attempt_at) FROM hooks.deliveries WHERE status = 'pending' AND next_attempt_at > $1`
)

// Due returns the journals with deliveries that became due after one moment and up to another and are not
// claimed, and when the next one is due; nil: none.
func (q *DeliveryQueue) Due(ctx context.Context, after, until time.Time) (journals []events.JournalID, next *time.Time, err error) {
	b := &pgx.Batch{}
	b.Queue(dueJournals, after, until).Query(func(rows pgx.Rows) (err error) {
		journals, err = pgx.CollectRows(rows, pgx.RowTo[events.JournalID])
		return err
	})
	b.Queue(nextDue, until).QueryRow(func(row pgx.Row) error { return row.Scan(&next) })
	if err := q.pool.SendBatch(ctx, b).Close(); err != nil {
		return nil, nil, fmt.Errorf("look for due deliveries: %w", translate(err))
	}
	return journals, next, nil
}

const postponeDelivery = `
UPDATE hooks.deliveries SET claimed_until = NULL, next_attempt_at = CASE WHEN status = 'pending' THEN $4::timestamptz END
WHERE journal_id = $1 AND webhook_id = $2 AND delivery_id = $3`

// Postpone ends a claim without an attempt.
func (q *DeliveryQueue) Postpone(ctx context.Context, d commands.ClaimedDelivery, until time.Time) error {
	if _, err := q.pool.Exec(ctx, postponeDelivery, d.Journal, d.Webhook, d.Delivery, until); err != nil {
		return fmt.Errorf("postpone delivery %d: %w", d.Delivery, translate(err))
	}
	return nil
}
