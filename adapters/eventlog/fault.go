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
