package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
)

// The attempt gets the number that the delivery then has; a delivery that is gone gets none.
const (
	insertAttempt = `
INSERT INTO hooks.attempts (journal_id, webhook_id, delivery_id, number, trigger, started_at, duration_ms, request_headers,
	status_code, response_headers, response_body, error_code, error_message)
SELECT journal_id, webhook_id, delivery_id, attempts, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM d`

	recordSuccess = `
WITH d AS (
	UPDATE hooks.deliveries SET attempts = attempts + 1, claimed_until = NULL, again = false, status = 'succeeded', next_attempt_at = NULL,
		finished_at = CASE WHEN status = 'succeeded' THEN finished_at ELSE $13 END
	WHERE journal_id = $1 AND webhook_id = $2 AND delivery_id = $3
	RETURNING *
)` + insertAttempt

	recordFailure = `
WITH d AS (
	UPDATE hooks.deliveries SET attempts = attempts + 1, claimed_until = NULL, step = step + 1, lane = 2,
		status = CASE WHEN status = 'pending' AND $14::timestamptz IS NULL THEN 'failed' ELSE status END,
		next_attempt_at = CASE WHEN status = 'pending' THEN $14::timestamptz END,
		finished_at = CASE WHEN status = 'pending' AND $14::timestamptz IS NULL THEN $13 ELSE finished_at END
	WHERE journal_id = $1 AND webhook_id = $2 AND delivery_id = $3
	RETURNING *
)` + insertAttempt

	// The schedule stays as it is (webhooks.md 2.4).
	recordFailureAgain = `
WITH d AS (
	UPDATE hooks.deliveries SET attempts = attempts + 1, claimed_until = NULL, again = false
	WHERE journal_id = $1 AND webhook_id = $2 AND delivery_id = $3
	RETURNING *
)` + insertAttempt
)

const (
	healthySince = `
UPDATE hooks.webhooks SET last_success_at = $3, failing_since = NULL, cautious = false
WHERE journal_id = $1 AND webhook_id = $2`

	failingSince = `
UPDATE hooks.webhooks SET last_failure_at = $3, failing_since = coalesce(failing_since, $3), cautious = cautious OR $4
WHERE journal_id = $1 AND webhook_id = $2
RETURNING failing_since`

	failedSince = `
SELECT count(DISTINCT delivery_id) FROM hooks.attempts
WHERE journal_id = $1 AND webhook_id = $2 AND started_at >= $3 AND trigger <> 'test'`
)

// Record ends a claim with what came of it. It is done if the delivery is gone meanwhile. A failure is
// durable, since a schedule survives everything.
func (q *DeliveryQueue) Record(ctx context.Context, d commands.ClaimedDelivery, a commands.Attempt, v commands.Verdict, longAgo time.Time) (commands.WebhookHealth, error) {
	var health commands.WebhookHealth
	ended := a.StartedAt.Add(a.Took)
	args := append([]any{d.Journal, d.Webhook, d.Delivery}, attemptArgs(a)...)
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		if v.Succeeded {
			b.Queue(notDurable)
			b.Queue(healthySince, d.Journal, d.Webhook, ended) // first the webhook, as all do who lock both
			b.Queue(recordSuccess, append(args, ended)...)
			return tx.SendBatch(ctx, b).Close()
		}
		b.Queue(failingSince, d.Journal, d.Webhook, ended, v.Overload).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&health.FailingSince)
			if errors.Is(err, pgx.ErrNoRows) { // the webhook is gone
				return nil
			}
			return err
		})
		if d.Again {
			b.Queue(recordFailureAgain, args...)
		} else {
			b.Queue(recordFailure, append(args, ended, v.NextAt)...)
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		if health.FailingSince == nil || health.FailingSince.After(longAgo) {
			return nil
		}
		return tx.QueryRow(ctx, failedSince, d.Journal, d.Webhook, health.FailingSince).Scan(&health.Failed)
	})
	if err != nil {
		return health, fmt.Errorf("record attempt of delivery %d: %w", d.Delivery, translate(err))
	}
	return health, nil
}

// attemptArgs are the columns of an attempt.
func attemptArgs(a commands.Attempt) []any {
	code, message := "", ""
	if a.Error != nil {
		code, message = a.Error.Code, a.Error.Message
	}
	var status *int
	if a.Status != 0 {
		status = &a.Status
	}
	return []any{
		a.Trigger, a.StartedAt, a.Took.Milliseconds(), storedHeaders(a.RequestHeaders), status, storedHeaders(a.ResponseHeaders),
		storedText(a.ResponseBody), code, storedText(message),
	}
}

// storedText is text as Postgres takes it, which knows no NUL.
func storedText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

func storedHeaders(headers map[string]string) map[string]string {
	out := make(map[string]string, len(headers))
	for name, value := range headers {
		out[storedText(name)] = storedText(value)
	}
	return out
}

const recordTest = `
WITH d AS (
	INSERT INTO hooks.deliveries (journal_id, webhook_id, position, event_id, event_type, account_id, body, status, lane, attempts,
		created_at, finished_at)
	SELECT h.journal_id, h.webhook_id, 0, $13, $3, 0, $14, $15, 0, 1, $16, $17 FROM hooks.webhooks h
	WHERE h.journal_id = $1 AND h.webhook_id = $2
	RETURNING *
)` + insertAttempt

// RecordTest records a delivery with its only attempt.
func (q *DeliveryQueue) RecordTest(ctx context.Context, journal events.JournalID, d commands.NewDelivery, a commands.Attempt) error {
	status := "failed"
	if a.Succeeded() {
		status = "succeeded"
	}
	args := append([]any{journal, d.Webhook, d.Type}, attemptArgs(a)...)
	args = append(args, d.EventID, d.Body, status, a.StartedAt, a.StartedAt.Add(a.Took))
	if _, err := q.pool.Exec(ctx, recordTest, args...); err != nil {
		return fmt.Errorf("record test: %w", translate(err))
	}
	return nil
}
