package eventlog

import (
	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
)

const loadWebhooks = `
SELECT webhook_id, version, url, description, event_types, accounts, folders, include_backfill, is_active, disabled_reason
FROM hooks.webhooks
WHERE journal_id = $1
ORDER BY webhook_id`

func (l *loaded) queueWebhooks(b *pgx.Batch, scope commands.Scope) {
	if !scope.Webhooks {
		return
	}
	b.Queue(loadWebhooks, int64(scope.Journal)).Query(func(rows pgx.Rows) (err error) {
		l.state.Webhooks, err = pgx.CollectRows(rows, scanWebhook)
		return err
	})
}

func scanWebhook(row pgx.CollectableRow) (commands.Webhook, error) {
	var w commands.Webhook
	s := &w.Settings
	err := row.Scan(&w.ID, &w.Version, &s.URL, &s.Description, &s.Types, &s.Accounts, &s.Folders, &s.Backfill, &s.Active,
		&w.DisabledReason)
	return w, err
}

// saveWebhook leaves alone what the attempts say of a webhook; one that is switched on begins anew.
const saveWebhook = `
INSERT INTO hooks.webhooks AS w (journal_id, webhook_id, version, url, description, event_types, accounts, folders, include_backfill,
	is_active, disabled_reason, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
ON CONFLICT (journal_id, webhook_id) DO UPDATE SET
	version = excluded.version, url = excluded.url, description = excluded.description, event_types = excluded.event_types,
	accounts = excluded.accounts, folders = excluded.folders, include_backfill = excluded.include_backfill,
	is_active = excluded.is_active, disabled_reason = excluded.disabled_reason, updated_at = excluded.updated_at,
	failing_since = CASE WHEN w.is_active OR NOT excluded.is_active THEN w.failing_since END,
	cautious = w.cautious AND (w.is_active OR NOT excluded.is_active)`

// saveSecret keeps the secret before the new one, unless this is the first.
const saveSecret = `
UPDATE hooks.webhooks SET sealed = $3, secret_hint = $4, old_sealed = nullif(sealed, ''), old_until = $5
WHERE journal_id = $1 AND webhook_id = $2`

const (
	deleteWebhook    = `DELETE FROM hooks.webhooks WHERE journal_id = $1 AND webhook_id = $2`
	cancelDeliveries = `
UPDATE hooks.deliveries SET status = 'cancelled', next_attempt_at = NULL, again = false, finished_at = $3
WHERE journal_id = $1 AND webhook_id = $2 AND status = 'pending'`
)

// webhooks queues what a decision says of webhooks: one or two are in it, so each takes a statement.
func (w rowWriter) webhooks(rows []commands.Row) {
	for _, row := range rows {
		switch r := row.(type) {
		case commands.WebhookRow:
			s := r.Settings
			w.batch.Queue(saveWebhook, w.journal, int64(r.ID), r.Version, s.URL, s.Description, orNone(s.Types),
				orNone(s.Accounts), orNone(s.Folders), s.Backfill, s.Active, r.DisabledReason, w.at)
		case commands.WebhookSecretRow:
			w.batch.Queue(saveSecret, w.journal, int64(r.Webhook), r.Sealed, r.Hint, r.OldUntil)
		case commands.WebhookGoneRow:
			w.batch.Queue(deleteWebhook, w.journal, int64(r.ID))
		case commands.CancelDeliveriesRow:
			w.batch.Queue(cancelDeliveries, w.journal, int64(r.Webhook), w.at)
		}
	}
}

// orNone returns an empty list for nil, which would be NULL.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// The webhooks of an erased user go at once, so that nothing is sent; what was to be sent goes with the
// rest of the content, as does what was to be sent of an erased account.
const (
	eraseWebhooks = `DELETE FROM hooks.webhooks WHERE journal_id = $1`
	eraseAttempts = `
DELETE FROM hooks.attempts a USING hooks.deliveries d
WHERE a.journal_id = $1 AND d.journal_id = $1 AND d.webhook_id = a.webhook_id AND d.delivery_id = a.delivery_id
	AND ($2::bigint = 0 OR d.account_id = $2) AND d.position < $3`
	eraseDeliveries    = `DELETE FROM hooks.deliveries WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2) AND position < $3`
	eraseGmailWatches  = `DELETE FROM hooks.gmail_watches WHERE journal_id = $1`
	eraseSubscriptions = `DELETE FROM hooks.subscriptions WHERE journal_id = $1`
)
