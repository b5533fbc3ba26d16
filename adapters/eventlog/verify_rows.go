package eventlog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/imap2api/imap2api/events"
)

// eventRow is an event as stored. Payload and leaf are of the row only.
type eventRow struct {
	position      events.Position
	typ           string
	version       int16
	encoding, key int16
	stream        events.Stream
	account       int64
	at            time.Time
	id            [16]byte
	payload, leaf pgtype.DriverBytes
}

// eventRows reads events, and keeps one that is too far for the caller.
type eventRows struct {
	rows pgx.Rows
	row  eventRow
	kept bool
	dest []any
}

// next returns the next event up to a position, nil if there is none. It is good
// until the next call.
func (r *eventRows) next(last events.Position) (*eventRow, error) {
	if !r.kept {
		if !r.rows.Next() {
			return nil, r.rows.Err()
		}
		if r.dest == nil {
			e := &r.row
			r.dest = []any{
				(*int64)(&e.position), &e.typ, &e.version, &e.encoding, &e.key, (*int16)(&e.stream.Kind),
				&e.stream.ID, &e.account, &e.at, &e.id, &e.payload, &e.leaf,
			}
		}
		if err := r.rows.Scan(r.dest...); err != nil {
			return nil, err
		}
	}
	r.kept = r.row.position > last
	if r.kept {
		return nil, nil
	}
	return &r.row, nil
}

const allErasuresQuery = `
SELECT account_id, min(position) FROM log.events
WHERE journal_id = $1 AND stream_kind = $2 AND type = $3 GROUP BY account_id
UNION ALL SELECT -1, erased_by FROM log.journals WHERE journal_id = $1 AND erased_by IS NOT NULL
	AND EXISTS (SELECT FROM log.events WHERE journal_id = $1 AND position = erased_by AND type = $4)`

// allErasures returns what erased accounts of a journal, and the user: the events,
// not what the state says of them.
func (l *Log) allErasures(ctx context.Context, journal events.JournalID) (erased, error) {
	rows, err := l.pool.Query(ctx, allErasuresQuery, int64(journal), int16(events.StreamAccount),
		string(events.TypeAccountErased), string(events.TypeUserErased))
	if err != nil {
		return nil, err
	}
	return collectErased(rows)
}
