package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/queries"
)

const webhookLags = `
SELECT h.journal_id, h.webhook_id, h.url, h.is_active, h.disabled_reason, h.failing_since, h.last_success_at, h.last_failure_at,
	d.pending, d.first + CASE WHEN h.is_active THEN j.position - coalesce(c.position, 0) ELSE 0 END,
	coalesce(extract(epoch FROM clock_timestamp() - d.oldest), 0)::float8
FROM hooks.webhooks h
JOIN log.journals j ON j.journal_id = h.journal_id
LEFT JOIN log.checkpoints c ON c.journal_id = h.journal_id AND c.projection = 'webhooks' AND c.generation = 0
CROSS JOIN LATERAL (
	SELECT count(*) AS pending, count(*) FILTER (WHERE lane < 2) AS first, min(created_at) FILTER (WHERE lane < 2) AS oldest
	FROM hooks.deliveries
	WHERE journal_id = h.journal_id AND webhook_id = h.webhook_id AND status = 'pending'
) d
ORDER BY h.journal_id, h.webhook_id`

// WebhookLags returns the lag of all webhooks, by user and id.
func (r *WebhookReader) WebhookLags(ctx context.Context) ([]queries.WebhookLag, error) {
	rows, err := r.pool.Query(ctx, webhookLags)
	if err != nil {
		return nil, fmt.Errorf("read lags: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (queries.WebhookLag, error) {
		var w queries.WebhookLag
		var seconds float64
		err := row.Scan(&w.Journal, &w.ID, &w.URL, &w.Active, &w.DisabledReason, &w.FailingSince, &w.LastSuccess, &w.LastFailure,
			&w.Pending, &w.Behind, &seconds)
		w.Lag = time.Duration(max(0, seconds) * float64(time.Second))
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("read lags: %w", translate(err))
	}
	return out, nil
}
