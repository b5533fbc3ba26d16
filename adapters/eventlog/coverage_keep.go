package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// What is kept of a comparison. Accounts that have neither messages nor rows any more go.
const (
	forgetCoverage = `DELETE FROM log.coverage WHERE journal_id = $1 AND projection = $2 AND account_id <> ALL ($3::bigint[])`

	keepCoverage = `
INSERT INTO log.coverage AS c (journal_id, projection, generation, position, checked_at,
	account_id, emails, pending, known_sum, held, held_sum, missing, surplus, altered, repaired, repaired_at)
SELECT $1, $2, $3, $4, $5::timestamptz, u.*, CASE WHEN u.repaired > 0 THEN $5::timestamptz END
FROM unnest($6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
	$12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])
	AS u (account_id, emails, pending, known_sum, held, held_sum, missing, surplus, altered, repaired)
ON CONFLICT (journal_id, projection, account_id) DO UPDATE SET
	generation = excluded.generation, position = excluded.position, checked_at = excluded.checked_at,
	emails = excluded.emails, pending = excluded.pending, known_sum = excluded.known_sum,
	held = excluded.held, held_sum = excluded.held_sum,
	missing = excluded.missing, surplus = excluded.surplus, altered = excluded.altered,
	repaired = c.repaired + excluded.repaired, repaired_at = coalesce(excluded.repaired_at, c.repaired_at)`

	// unfinishedRepair asks whether a gap was found and not told to be repaired.
	unfinishedRepair = `
SELECT EXISTS (SELECT FROM log.coverage WHERE journal_id = $1 AND projection = $2 AND missing + surplus + altered > 0)`
)

// keep keeps the outcome of a comparison; found is what was there before a repair.
func (c *coverageCheck) keep(ctx context.Context, m *coveredModel, s, found *comparison) error {
	if found != nil {
		left := map[int64]int64{}
		for _, a := range s.accounts {
			left[a.account] = a.missing + a.surplus + a.altered
		}
		repaired := map[int64]int64{}
		for _, a := range found.accounts {
			repaired[a.account] = max(0, a.missing+a.surplus+a.altered-left[a.account])
		}
		for _, a := range s.accounts {
			a.repaired = repaired[a.account]
		}
	}
	of := func(value func(*accountRows) int64) []int64 { return column(s.accounts, value) }
	accounts := of(func(a *accountRows) int64 { return a.account })
	b := &pgx.Batch{}
	b.Queue(forgetCoverage, int64(s.journal), m.task.Name, accounts)
	b.Queue(keepCoverage, int64(s.journal), m.task.Name, m.gen.Number, int64(s.position), s.at, accounts,
		of(func(a *accountRows) int64 { return a.known + a.pending }), of(func(a *accountRows) int64 { return a.pending }),
		of(func(a *accountRows) int64 { return a.knownSum }), of(func(a *accountRows) int64 { return a.held }),
		of(func(a *accountRows) int64 { return a.heldSum }), of(func(a *accountRows) int64 { return a.missing }),
		of(func(a *accountRows) int64 { return a.surplus }), of(func(a *accountRows) int64 { return a.altered }),
		of(func(a *accountRows) int64 { return a.repaired }))
	if err := c.conn.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("keep what was compared: %w", err)
	}
	return nil
}

// unfinished reports whether the last repair was broken off. Its rows may be right by now, and
// what the store counts of them is not.
func (c *coverageCheck) unfinished(ctx context.Context, m *coveredModel, j events.JournalID) (begun bool, err error) {
	if err := c.conn.QueryRow(ctx, unfinishedRepair, int64(j), m.task.Name).Scan(&begun); err != nil {
		return false, fmt.Errorf("read what was compared: %w", err)
	}
	return begun, nil
}

const maxServersCovered = 1000

// Sums over all accounts, and the accounts themselves, those with a gap first.
const (
	coverageTotals = `
SELECT projection, min(checked_at), sum(emails)::bigint, sum(emails - pending)::bigint, sum(held)::bigint,
	sum(pending)::bigint, sum(missing)::bigint, sum(surplus)::bigint, sum(altered)::bigint,
	count(*) FILTER (WHERE emails - pending <> held OR known_sum <> held_sum), sum(repaired)::bigint, max(repaired_at)
FROM log.coverage WHERE projection = ANY ($1) GROUP BY projection`

	coverageRows = `
SELECT projection, journal_id, coalesce(name, ''), account_id, generation, position, checked_at, emails - pending, known_sum, held, held_sum,
	pending, missing, surplus, altered, repaired, repaired_at
FROM (
	SELECT c.*, u.name, row_number() OVER (PARTITION BY c.projection
		ORDER BY c.missing + c.surplus + c.altered > 0 DESC, c.journal_id, c.account_id) AS place
	FROM log.coverage c LEFT JOIN auth.users u ON u.user_id = c.journal_id
	WHERE c.projection = ANY ($1)) AS x
WHERE place <= $2 ORDER BY projection, place`
)

// Coverage returns what the last checks have found, by read model: of those of this program
// that have a row for each message.
func (l *Log) Coverage(ctx context.Context) (map[string]queries.Coverage, error) {
	names, _ := l.models.of(nil)
	b := &pgx.Batch{}
	b.Queue(coverageTotals, names)
	b.Queue(coverageRows, names, maxServersCovered)
	res := l.pool.SendBatch(ctx, b)
	out, err := receiveCoverage(res)
	if closed := res.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("read coverage: %w", translate(err))
	}
	return out, nil
}

func receiveCoverage(res pgx.BatchResults) (map[string]queries.Coverage, error) {
	out := map[string]queries.Coverage{}
	rows, err := res.Query()
	if err != nil {
		return nil, err
	}
	var name string
	var c queries.Coverage
	sums := []any{
		&name, &c.CheckedAt, &c.Emails, &c.Known, &c.Held,
		&c.Pending, &c.Missing, &c.Surplus, &c.Altered, &c.Differing, &c.Repaired, &c.RepairedAt,
	}
	_, err = pgx.ForEachRow(rows, sums, func() error {
		c.Servers = []queries.ServerCoverage{}
		out[name] = c
		return nil
	})
	if err != nil {
		return nil, err
	}
	if rows, err = res.Query(); err != nil {
		return nil, err
	}
	var s queries.ServerCoverage
	var known, held int64
	one := []any{
		&name, (*int64)(&s.Journal), &s.User, (*int64)(&s.Account), &s.Generation, (*int64)(&s.Position), &s.CheckedAt,
		&s.Known.Emails, &known, &s.Held.Emails, &held,
		&s.Pending, &s.Missing, &s.Surplus, &s.Altered, &s.Repaired, &s.RepairedAt,
	}
	_, err = pgx.ForEachRow(rows, one, func() error {
		s.Known.Checksum, s.Held.Checksum = uint64(known), uint64(held)
		c := out[name]
		c.Servers = append(c.Servers, s)
		out[name] = c
		return nil
	})
	return out, err
}
