package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const (
	listPage   = 1000 // ids of one request to a Lister
	repairPage = 500  // messages of one transaction
)

// heldOutside has the ids of a read model that is not in Postgres, for one comparison.
const heldOutside = `
CREATE TEMP TABLE IF NOT EXISTS coverage_held (journal_id bigint, id bigint PRIMARY KEY, account_id bigint NOT NULL);
TRUNCATE pg_temp.coverage_held`

// locatedRows has the ids of messages whose rows are not as they should be.
const locatedRows = `
CREATE TEMP TABLE IF NOT EXISTS coverage_gap (id bigint PRIMARY KEY, account_id bigint NOT NULL, kind smallint NOT NULL);
TRUNCATE pg_temp.coverage_gap`

// Kinds of coverage_gap.
const (
	gapMissing int16 = 1
	gapSurplus int16 = 2
	gapAltered int16 = 3
)

// comparison is what was seen of one journal in one read model.
type comparison struct {
	journal  events.JournalID
	position events.Position
	at       time.Time
	accounts []*accountRows
}

// accountRows are the messages of an account as the journal knows them and as the read model
// has them, those that are pending left out.
type accountRows struct {
	account, pending          int64
	known, knownSum           int64
	held, heldSum             int64
	missing, surplus, altered int64
	repaired                  int64
}

func (s *comparison) differs() bool {
	for _, a := range s.accounts {
		if a.known != a.held || a.knownSum != a.heldSum {
			return true
		}
	}
	return false
}

func (s *comparison) total() (missing, surplus, altered int64) {
	for _, a := range s.accounts {
		missing, surplus, altered = missing+a.missing, surplus+a.surplus, altered+a.altered
	}
	return missing, surplus, altered
}

// sides returns what a journal knows and what a read model holds at a position that it has
// reached. Whatever has happened since to a message names it in an event, which makes the
// message pending: of all others both sides are as they were at the position, although they
// are read later. Accounts that are being erased are no longer known, and their rows may be
// there until the read model comes to the event.
func (m *coveredModel) sides() string {
	table, known, held := pgx.Identifier{m.gen.Schema, m.rows.Table}.Sanitize(), "hash_array_extended(m.flags, 0)", "hash_array_extended(r.flags, 0)"
	if m.list != nil {
		table, known, held = "pg_temp.coverage_held", "0::bigint", "0::bigint"
	}
	return `
WITH pending AS MATERIALIZED (
	SELECT DISTINCT stream_id AS id FROM log.events WHERE journal_id = $1 AND position > $2 AND stream_kind = $3),
accounts AS (
	SELECT account_id FROM state.accounts WHERE journal_id = $1 AND erased_by IS NULL),
known AS (
	SELECT m.id, b.account_id, ` + known + ` AS digest
	FROM state.messages m JOIN state.mailboxes b ON b.journal_id = $1 AND b.mailbox_id = m.mailbox_id
	WHERE m.journal_id = $1 AND b.account_id IN (SELECT account_id FROM accounts)),
held AS (
	SELECT r.id, r.account_id, ` + held + ` AS digest
	FROM ` + table + ` r LEFT JOIN state.accounts a ON a.journal_id = $1 AND a.account_id = r.account_id
	WHERE r.journal_id = $1 AND coalesce(a.erased_by <= $2, true))`
}

// count compares by count and by a checksum that knows no order, account by account.
func (m *coveredModel) count() string {
	return m.sides() + `,
sides AS (
	SELECT account_id, 0 AS side, 0::bigint AS id, 0::bigint AS digest FROM accounts
	UNION ALL SELECT account_id, 1, id, digest FROM known
	UNION ALL SELECT account_id, 2, id, digest FROM held)
SELECT account_id, count(*) FILTER (WHERE side = 1 AND p.id IS NOT NULL),
	count(*) FILTER (WHERE side = 1 AND p.id IS NULL),
	coalesce(bit_xor(hashint8extended(b.id, digest)) FILTER (WHERE side = 1 AND p.id IS NULL), 0),
	count(*) FILTER (WHERE side = 2 AND p.id IS NULL),
	coalesce(bit_xor(hashint8extended(b.id, digest)) FILTER (WHERE side = 2 AND p.id IS NULL), 0)
FROM sides b LEFT JOIN pending p ON p.id = b.id GROUP BY account_id ORDER BY account_id`
}

// difference finds the messages that differ.
func (m *coveredModel) difference() string {
	return `INSERT INTO pg_temp.coverage_gap` + m.sides() + `
SELECT coalesce(k.id, h.id), coalesce(k.account_id, h.account_id),
	CASE WHEN h.id IS NULL THEN 1 WHEN k.id IS NULL THEN 2 ELSE 3 END
FROM known k FULL JOIN held h ON h.id = k.id
WHERE (k.id IS NULL OR h.id IS NULL OR k.account_id <> h.account_id OR k.digest <> h.digest)
	AND NOT EXISTS (SELECT FROM pending p WHERE p.id = coalesce(k.id, h.id))`
}

// compare compares a journal with a read model at the position that this has reached; nil if
// it is far behind.
func (c *coverageCheck) compare(ctx context.Context, m *coveredModel, j events.JournalID) (*comparison, error) {
	out := &comparison{journal: j}
	var head events.Position
	row := c.conn.QueryRow(ctx, modelPosition, int64(j), m.task.Name, m.gen.Number)
	if err := row.Scan((*int64)(&head), (*int64)(&out.position), &out.at); err != nil {
		return nil, fmt.Errorf("read position: %w", err)
	}
	c.out.Lags = c.out.Lags || out.position < head
	if head-out.position > maxCoverageLag {
		return nil, nil
	}
	if m.list != nil {
		if err := c.readOutside(ctx, m, j); err != nil {
			return nil, err
		}
	}
	rows, err := c.conn.Query(ctx, m.count(), int64(j), int64(out.position), int16(events.StreamMessage))
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	out.accounts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*accountRows, error) {
		a := &accountRows{}
		return a, row.Scan(&a.account, &a.pending, &a.known, &a.knownSum, &a.held, &a.heldSum)
	})
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	return out, nil
}

// The account of a row outside of Postgres is what the first event of its message says.
const addHeld = `
SELECT u.id, coalesce((SELECT e.account_id FROM log.events e
	WHERE e.journal_id = $1 AND e.stream_kind = $3 AND e.stream_id = u.id ORDER BY e.position LIMIT 1), 0)
FROM unnest($2::bigint[]) AS u (id)`

// readOutside fills coverage_held. No transaction is open while the other side answers.
func (c *coverageCheck) readOutside(ctx context.Context, m *coveredModel, j events.JournalID) error {
	if _, err := c.conn.Exec(ctx, heldOutside); err != nil {
		return fmt.Errorf("make table: %w", err)
	}
	for after := domain.MessageID(0); ; {
		ids, err := m.list(ctx, j, after, listPage)
		if err != nil {
			return fmt.Errorf("list messages: %w", err)
		}
		if len(ids) > 0 {
			_, err := c.conn.Exec(ctx, `INSERT INTO pg_temp.coverage_held SELECT $1, * FROM (`+addHeld+`) AS x ON CONFLICT DO NOTHING`,
				int64(j), ids, int16(events.StreamMessage))
			if err != nil {
				return fmt.Errorf("keep messages: %w", err)
			}
			if last := ids[len(ids)-1]; last > after {
				after = last
			} else {
				return fmt.Errorf("list messages: %d comes after %d", last, after)
			}
		}
		if len(ids) < listPage {
			return nil
		}
	}
}

// locate finds the messages whose rows are not as they should be, and counts them.
func (c *coverageCheck) locate(ctx context.Context, m *coveredModel, s *comparison) error {
	if _, err := c.conn.Exec(ctx, locatedRows); err != nil {
		return fmt.Errorf("make table: %w", err)
	}
	_, err := c.conn.Exec(ctx, m.difference(), int64(s.journal), int64(s.position), int16(events.StreamMessage))
	if err != nil {
		return fmt.Errorf("find what differs: %w", err)
	}
	rows, err := c.conn.Query(ctx, `SELECT account_id, kind, count(*) FROM pg_temp.coverage_gap GROUP BY 1, 2`)
	if err != nil {
		return fmt.Errorf("count what differs: %w", err)
	}
	byID := map[int64]*accountRows{}
	for _, a := range s.accounts {
		byID[a.account] = a
	}
	var (
		account, n int64
		kind       int16
	)
	_, err = pgx.ForEachRow(rows, []any{&account, &kind, &n}, func() error {
		a := byID[account]
		switch {
		case a == nil: // it came meanwhile
		case kind == gapMissing:
			a.missing = n
		case kind == gapSurplus:
			a.surplus = n
		case kind == gapAltered:
			a.altered = n
		}
		return nil
	})
	return err
}

// located returns the next messages whose rows are not as they should be.
func (c *coverageCheck) located(ctx context.Context, after int64) ([]int64, error) {
	ids, err := readColumn[int64](ctx, c.conn, `SELECT id FROM pg_temp.coverage_gap WHERE id > $1 ORDER BY id LIMIT $2`, after, repairPage)
	if err != nil {
		return nil, fmt.Errorf("read what differs: %w", err)
	}
	return ids, nil
}

// readColumn returns a column.
func readColumn[T any](ctx context.Context, q querier, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}
