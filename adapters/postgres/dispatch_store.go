package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// HooksSchema is where the tables of webhooks are.
const HooksSchema = "hooks"

// DispatchStore queues the deliveries of one journal in one transaction. It is the DispatchStore of
// commands.
type DispatchStore struct {
	tx      pgx.Tx
	journal events.JournalID
}

var _ commands.DispatchStore = (*DispatchStore)(nil)

// NewDispatchStore returns the store of a journal in a transaction.
func NewDispatchStore(tx pgx.Tx, journal events.JournalID) *DispatchStore {
	return &DispatchStore{tx, journal}
}

// NoWebhooks reports whether journal $1 has no webhook at the checkpoint $2 and gets none after it.
const NoWebhooks = `
SELECT NOT EXISTS (SELECT FROM hooks.subscriptions WHERE journal_id = $1)
	AND NOT EXISTS (SELECT FROM log.events WHERE journal_id = $1 AND stream_kind = 6 AND position > $2)`

const loadSubscriptions = `SELECT webhook_id, filter FROM hooks.subscriptions WHERE journal_id = $1`

// Subscriptions returns what each webhook wants at the checkpoint.
func (s *DispatchStore) Subscriptions(ctx context.Context) (map[domain.WebhookID]events.WebhookFilter, error) {
	rows, err := s.tx.Query(ctx, loadSubscriptions, s.journal)
	if err != nil {
		return nil, translate(err)
	}
	out := map[domain.WebhookID]events.WebhookFilter{}
	var id int64
	var filter []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &filter}, func() error {
		var f events.WebhookFilter
		err := json.Unmarshal(filter, &f)
		out[domain.WebhookID(id)] = f
		return err
	})
	return out, translate(err)
}

const (
	dropSubscriptions = `DELETE FROM hooks.subscriptions WHERE journal_id = $1 AND webhook_id <> ALL ($2::bigint[])`
	saveSubscriptions = `
INSERT INTO hooks.subscriptions (journal_id, webhook_id, filter)
SELECT $1, u.webhook_id, u.filter FROM unnest($2::bigint[], $3::jsonb[]) AS u (webhook_id, filter)
ON CONFLICT (journal_id, webhook_id) DO UPDATE SET filter = excluded.filter`
)

// SaveSubscriptions replaces all of them.
func (s *DispatchStore) SaveSubscriptions(ctx context.Context, all map[domain.WebhookID]events.WebhookFilter) error {
	ids, filters := make([]int64, 0, len(all)), make([]string, 0, len(all))
	for id, f := range all {
		b, err := json.Marshal(f)
		if err != nil {
			return fmt.Errorf("encode filter of webhook %d: %w", id, err)
		}
		ids, filters = append(ids, int64(id)), append(filters, string(b))
	}
	b := &pgx.Batch{}
	b.Queue(dropSubscriptions, s.journal, ids)
	b.Queue(saveSubscriptions, s.journal, ids, filters)
	return translate(s.tx.SendBatch(ctx, b).Close())
}

// The lock makes sure of the state of the webhook: who removes it or switches it off waits, and then
// finds what is queued here.
const lockWebhooks = `
SELECT webhook_id, disabled_reason IN ('gone', 'failures') FROM hooks.webhooks
WHERE journal_id = $1 AND webhook_id = ANY ($2::bigint[]) ORDER BY webhook_id FOR SHARE`

// queueChunk is how many deliveries are queued by a statement.
const queueChunk = 1000

const queueDeliveries = `
INSERT INTO hooks.deliveries (journal_id, webhook_id, position, event_id, event_type, account_id, body, status, lane,
	next_attempt_at, created_at, finished_at)
SELECT $1, u.webhook_id, u.position, u.event_id, u.event_type, u.account_id, u.body,
	CASE WHEN u.off THEN 'cancelled' ELSE 'pending' END, 0,
	CASE WHEN NOT u.off THEN now() END, clock_timestamp(), CASE WHEN u.off THEN now() END
FROM unnest($2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::bigint[], $7::bytea[], $8::boolean[])
	AS u (webhook_id, position, event_id, event_type, account_id, body, off)
ON CONFLICT DO NOTHING`

// QueueDeliveries queues deliveries, but for those that are there already and those of webhooks that are
// gone. Those of a webhook that was switched off automatically meanwhile are cancelled.
func (s *DispatchStore) QueueDeliveries(ctx context.Context, list []commands.NewDelivery) error {
	rows, err := s.tx.Query(ctx, lockWebhooks, s.journal, column(list, func(d commands.NewDelivery) int64 { return int64(d.Webhook) }))
	if err != nil {
		return translate(err)
	}
	off := map[domain.WebhookID]bool{}
	var id int64
	var isOff bool
	if _, err := pgx.ForEachRow(rows, []any{&id, &isOff}, func() error { off[domain.WebhookID(id)] = isOff; return nil }); err != nil {
		return translate(err)
	}
	present := make([]commands.NewDelivery, 0, len(list))
	for _, d := range list {
		if _, ok := off[d.Webhook]; ok {
			present = append(present, d)
		}
	}
	for part := range slices.Chunk(present, queueChunk) {
		if err := s.queue(ctx, part, off); err != nil {
			return err
		}
	}
	return nil
}

func (s *DispatchStore) queue(ctx context.Context, present []commands.NewDelivery, off map[domain.WebhookID]bool) error {
	_, err := s.tx.Exec(ctx, queueDeliveries, s.journal,
		column(present, func(d commands.NewDelivery) int64 { return int64(d.Webhook) }),
		column(present, func(d commands.NewDelivery) int64 { return int64(d.Position) }),
		column(present, func(d commands.NewDelivery) [16]byte { return d.EventID }),
		column(present, func(d commands.NewDelivery) string { return d.Type }),
		column(present, func(d commands.NewDelivery) int64 { return int64(d.Account) }),
		column(present, func(d commands.NewDelivery) []byte { return d.Body }),
		column(present, func(d commands.NewDelivery) bool { return off[d.Webhook] }))
	return translate(err)
}

const eraseAttemptsOf = `
DELETE FROM hooks.attempts a USING hooks.deliveries d
WHERE a.journal_id = $1 AND d.journal_id = $1 AND d.webhook_id = a.webhook_id AND d.delivery_id = a.delivery_id AND d.account_id = $2`

const eraseDeliveriesOf = `DELETE FROM hooks.deliveries WHERE journal_id = $1 AND account_id = $2`

// EraseAccount deletes all deliveries of an account.
func (s *DispatchStore) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	b := &pgx.Batch{}
	b.Queue(eraseAttemptsOf, s.journal, acc)
	b.Queue(eraseDeliveriesOf, s.journal, acc)
	return translate(s.tx.SendBatch(ctx, b).Close())
}
