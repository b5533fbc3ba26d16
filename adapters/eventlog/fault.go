package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/imap2api/imap2api/events"
)

// StoppedError says that a projection stopped in one journal: the event at
// Position cannot be decoded or folded. It is kept with the checkpoint and tried
// again when its time has come.
type StoppedError struct {
	Projection string
	Journal    events.JournalID
	Position   events.Position
	RetryAfter time.Duration // until it is tried again
	Err        error
}

// Error says which projection stopped where, and why.
func (e *StoppedError) Error() string {
	return fmt.Sprintf("%s stopped before position %d of journal %d: %v", e.Projection, e.Position, e.Journal, e.Err)
}

// Unwrap returns why.
func (e *StoppedError) Unwrap() error { return e.Err }

// eventError marks an error as that of an event, whatever it wraps.
type eventError struct{ err error }

func (e *eventError) Error() string { return e.err.Error() }
func (e *eventError) Unwrap() error { return e.err }

// isDatabase reports whether err is the database's and not an event's: it is
// away, busy or stopped, as what a store keeps its rows in may be, or the caller gave up. conn is that on which it occurred.
func isDatabase(conn *pgx.Conn, err error) bool {
	if conn.IsClosed() || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || isAway(err) {
		return true
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || len(pgErr.Code) < 2 {
		return false
	}
	switch pgErr.Code[:2] {
	case "08", "40", "53", "55", "57":
		return true
	}
	return false
}

// failureQuery notes a failed attempt at the event after a position. Waiting
// doubles from one second to ten minutes.
const failureQuery = `
UPDATE log.checkpoints SET attempts = attempts + 1, failed_since = coalesce(failed_since, clock_timestamp()),
	next_retry_at = clock_timestamp() + least(power(2, least(attempts, 20)), 600) * interval '1 second',
	last_error = $5, updated_at = clock_timestamp()
WHERE journal_id = $1 AND projection = $2 AND generation = $3 AND position = $4
RETURNING extract(epoch FROM next_retry_at - clock_timestamp())::float8`

const maxFailureText = 2000 // octets of last_error

// retryStopped lets what stopped before this program started be tried at once:
// it may have been mended.
func (c *Consumer) retryStopped(ctx context.Context) error {
	names, versions := c.log.models.of(nil)
	_, err := c.log.pool.Exec(ctx, `
UPDATE log.checkpoints c SET next_retry_at = NULL FROM log.generations g
JOIN unnest($1::text[], $2::int[]) p(projection, version) ON p.projection = g.projection AND p.version = g.version
WHERE c.projection = g.projection AND c.generation = g.generation AND c.attempts > 0`, names, versions)
	if err != nil {
		return err
	}
	_, err = c.log.pool.Exec(ctx, `UPDATE log.checkpoints SET next_retry_at = NULL WHERE generation = 0 AND attempts > 0`)
	return err
}
