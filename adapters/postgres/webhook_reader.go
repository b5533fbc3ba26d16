package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// WebhookReader reads webhooks and their deliveries. It is the WebhookReader and the DeliveryReader of
// queries.
type WebhookReader struct{ pool *pgxpool.Pool }

var (
	_ queries.WebhookReader  = (*WebhookReader)(nil)
	_ queries.DeliveryReader = (*WebhookReader)(nil)
)

// NewWebhookReader returns the reader.
func NewWebhookReader(pool *pgxpool.Pool) *WebhookReader { return &WebhookReader{pool} }

const listWebhooks = `
SELECT webhook_id, version, url, description, event_types, accounts, folders, include_backfill, is_active, disabled_reason,
	failing_since, last_success_at, last_failure_at, secret_hint, created_at, updated_at
FROM hooks.webhooks
WHERE journal_id = $1
ORDER BY webhook_id`

// Webhooks returns the webhooks of a user, by id.
func (r *WebhookReader) Webhooks(ctx context.Context, journal events.JournalID) ([]queries.Webhook, error) {
	rows, err := r.pool.Query(ctx, listWebhooks, journal)
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (queries.Webhook, error) {
		var w queries.Webhook
		err := row.Scan(&w.ID, &w.Version, &w.URL, &w.Description, &w.Types, &w.Accounts, &w.Folders, &w.Backfill, &w.Active,
			&w.DisabledReason, &w.FailingSince, &w.LastSuccess, &w.LastFailure, &w.SecretHint, &w.CreatedAt, &w.UpdatedAt)
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", translate(err))
	}
	return out, nil
}

const deliveriesWhere = `
WHERE d.journal_id = @journal AND d.webhook_id = @webhook AND (@status = '' OR d.status = @status)
	AND (cardinality(@types::text[]) = 0 OR d.event_type LIKE ANY (@types))
	AND (@since::timestamptz IS NULL OR d.created_at >= @since) AND (@until::timestamptz IS NULL OR d.created_at <= @until)`

const deliveryColumns = `
SELECT d.delivery_id, d.webhook_id, d.event_id, d.event_type, d.position, d.status, d.attempts, d.next_attempt_at, d.created_at,
	d.finished_at
FROM hooks.deliveries d`

func deliveryArgs(q queries.ListDeliveries) pgx.NamedArgs {
	return pgx.NamedArgs{
		"journal": q.Journal, "webhook": q.Webhook, "status": q.Status, "types": q.TypePatterns(), "since": q.Since, "until": q.Until,
	}
}

const countDeliveries = `SELECT count(*) FROM hooks.deliveries d` + deliveriesWhere

// CountDeliveries returns how many there are.
func (r *WebhookReader) CountDeliveries(ctx context.Context, q queries.ListDeliveries) (int, error) {
	var count int
	if err := r.pool.QueryRow(ctx, countDeliveries, deliveryArgs(q)).Scan(&count); err != nil {
		return 0, fmt.Errorf("count deliveries: %w", translate(err))
	}
	return count, nil
}

const (
	listDeliveries = deliveryColumns + deliveriesWhere + ` AND (@before = 0 OR d.delivery_id < @before)
ORDER BY d.delivery_id DESC LIMIT @limit OFFSET @offset`
	listDeliveriesAfter = deliveryColumns + deliveriesWhere + ` AND d.delivery_id > @after
ORDER BY d.delivery_id LIMIT @limit`
)

// Deliveries returns up to limit deliveries, newest first: those before an id, or those next after one; 0:
// not given.
func (r *WebhookReader) Deliveries(ctx context.Context, q queries.ListDeliveries, before, after domain.DeliveryID, offset, limit int) ([]queries.Delivery, error) {
	sql, args := listDeliveries, deliveryArgs(q)
	args["before"], args["after"], args["limit"], args["offset"] = before, after, limit, offset
	if after != 0 {
		sql = listDeliveriesAfter
	}
	rows, err := r.pool.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, scanDelivery)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", translate(err))
	}
	if after != 0 {
		slices.Reverse(out)
	}
	return out, nil
}

func scanDelivery(row pgx.CollectableRow) (queries.Delivery, error) {
	var d queries.Delivery
	var event [16]byte
	err := row.Scan(&d.ID, &d.Webhook, &event, &d.Type, &d.Position, &d.Status, &d.Attempts, &d.NextAt, &d.CreatedAt, &d.FinishedAt)
	d.MessageID = public.MessageID(event)
	return d, err
}

const getDelivery = deliveryColumns + ` WHERE d.journal_id = $1 AND d.webhook_id = $2 AND d.delivery_id = $3`

const deliveryBody = `SELECT body FROM hooks.deliveries WHERE journal_id = $1 AND webhook_id = $2 AND delivery_id = $3`

const listAttempts = `
SELECT number, trigger, started_at, duration_ms, request_headers, status_code, response_headers, response_body, error_code, error_message
FROM hooks.attempts
WHERE journal_id = $1 AND webhook_id = $2 AND delivery_id = $3
ORDER BY number`

// Delivery returns one. It returns domain.ErrNotFound.
func (r *WebhookReader) Delivery(ctx context.Context, q queries.GetDelivery) (queries.DeliveryDetail, error) {
	var out queries.DeliveryDetail
	args := []any{q.Journal, q.Webhook, q.ID}
	b := &pgx.Batch{}
	b.Queue(getDelivery, args...).Query(func(rows pgx.Rows) (err error) {
		out.Delivery, err = pgx.CollectExactlyOneRow(rows, scanDelivery)
		return err
	})
	b.Queue(deliveryBody, args...).QueryRow(func(row pgx.Row) error { return row.Scan(&out.Body) })
	b.Queue(listAttempts, args...).Query(func(rows pgx.Rows) (err error) {
		out.History, err = pgx.CollectRows(rows, scanAttempt)
		return err
	})
	if err := r.pool.SendBatch(ctx, b).Close(); err != nil {
		return out, fmt.Errorf("delivery %d: %w", q.ID, translate(err))
	}
	return out, nil
}

func scanAttempt(row pgx.CollectableRow) (queries.DeliveryAttempt, error) {
	var a queries.DeliveryAttempt
	var took int64
	err := row.Scan(&a.Number, &a.Trigger, &a.StartedAt, &took, &a.RequestHeaders, &a.StatusCode, &a.ResponseHeaders, &a.ResponseBody,
		&a.ErrorCode, &a.ErrorMessage)
	a.Took = time.Duration(took) * time.Millisecond
	return a, err
}
