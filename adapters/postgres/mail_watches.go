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

// MailWatches is the watches of mailboxes of the Gmail surface. It is the MailWatches of commands.
type MailWatches struct {
	pool *pgxpool.Pool
	now  func() time.Time
}

// NewMailWatches returns the watches in the database of pool.
func NewMailWatches(pool *pgxpool.Pool, now func() time.Time) *MailWatches {
	return &MailWatches{pool, now}
}

const setMailWatch = `
INSERT INTO hooks.gmail_watches (journal_id, mailbox, webhook_id, topic_project, accounts, address, labels, excluded, told, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (journal_id, mailbox) DO UPDATE SET webhook_id = excluded.webhook_id, topic_project = excluded.topic_project,
	accounts = excluded.accounts, address = excluded.address, labels = excluded.labels, excluded = excluded.excluded,
	told = excluded.told, expires_at = excluded.expires_at, next_at = '-infinity', tries = 0`

// Set sets the watch of a mailbox.
func (m *MailWatches) Set(ctx context.Context, w commands.MailWatch) error {
	labels := append([]string{}, w.Labels...)
	_, err := m.pool.Exec(ctx, setMailWatch, w.Journal, w.Mailbox, w.Webhook, w.Project, accountIDs(w.Accounts), w.Address, labels,
		w.Excluded, w.Told, w.Expires)
	if err != nil {
		return fmt.Errorf("set watch: %w", translate(err))
	}
	return nil
}

const dropMailWatch = `DELETE FROM hooks.gmail_watches WHERE journal_id = $1 AND mailbox = $2`

// Drop removes the watch of a mailbox, if there is one.
func (m *MailWatches) Drop(ctx context.Context, journal events.JournalID, mailbox string) error {
	if _, err := m.pool.Exec(ctx, dropMailWatch, journal, mailbox); err != nil {
		return fmt.Errorf("drop watch: %w", translate(err))
	}
	return nil
}

// Those that have expired go, too.
const claimMailWatches = `
WITH expired AS (DELETE FROM hooks.gmail_watches WHERE expires_at <= $1)
UPDATE hooks.gmail_watches w SET next_at = $2
FROM (
	SELECT g.journal_id, g.mailbox
	FROM hooks.gmail_watches g JOIN log.journals j ON j.journal_id = g.journal_id
	WHERE g.expires_at > $1 AND g.next_at <= $1 AND j.position > g.told AND j.erased_by IS NULL
	ORDER BY g.next_at
	LIMIT 20
	FOR UPDATE OF g SKIP LOCKED) d
WHERE w.journal_id = d.journal_id AND w.mailbox = d.mailbox
RETURNING w.journal_id, w.mailbox, w.webhook_id, w.topic_project, w.accounts, w.address, w.labels, w.excluded, w.told, w.expires_at, w.tries`

// mailWatchClaim is how long a claim holds: longer than a receiver may take to answer.
const mailWatchClaim = time.Minute

// Claim returns watches whose journal has grown since they were told, and keeps them from others for a while.
func (m *MailWatches) Claim(ctx context.Context) ([]commands.MailWatch, error) {
	rows, err := m.pool.Query(ctx, claimMailWatches, m.now(), m.now().Add(mailWatchClaim))
	if err != nil {
		return nil, fmt.Errorf("claim watches: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w commands.MailWatch, err error) {
		var accounts []int64
		err = row.Scan(&w.Journal, &w.Mailbox, &w.Webhook, &w.Project, &accounts, &w.Address, &w.Labels, &w.Excluded, &w.Told, &w.Expires, &w.Tries)
		if accounts != nil {
			w.Accounts = column(accounts, func(a int64) domain.AccountID { return domain.AccountID(a) })
		}
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("claim watches: %w", translate(err))
	}
	return out, nil
}

// One that was set anew meanwhile begins anew.
const toldMailWatch = `
UPDATE hooks.gmail_watches SET told = greatest(told, $3), tries = $4, next_at = $5
WHERE journal_id = $1 AND mailbox = $2 AND expires_at = $6`

// Told notes up to which position all was told, that so many tries have failed since, and when the next may be.
func (m *MailWatches) Told(ctx context.Context, w commands.MailWatch, next time.Time) error {
	if _, err := m.pool.Exec(ctx, toldMailWatch, w.Journal, w.Mailbox, w.Told, w.Tries, next, w.Expires); err != nil {
		return fmt.Errorf("note what was told: %w", translate(err))
	}
	return nil
}
