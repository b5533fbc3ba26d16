package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// abreastQuery compares with the head of the journal where the other read model has no live
// generation.
const abreastQuery = `
SELECT g.schema_name, g.version, g.started_at, coalesce(c.position, 0) >= coalesce(oc.position, CASE WHEN o.generation IS NULL
	THEN (SELECT position FROM log.journals WHERE journal_id = $1) END, 0)
FROM log.generations g
LEFT JOIN log.checkpoints c ON c.journal_id = $1 AND c.projection = g.projection AND c.generation = g.generation
LEFT JOIN log.generations o ON o.projection = $4 AND o.version = $5 AND o.status = 'live'
LEFT JOIN log.checkpoints oc ON oc.journal_id = $1 AND oc.projection = o.projection AND oc.generation = o.generation
WHERE g.projection = $2 AND g.version = $3 AND g.status = 'live'`

// Abreast returns the place of the live generation of a read model, and whether it has
// come as far in a journal as another one, both registered: who may ask either of the
// two then sees the same. It returns domain.ErrUnavailable if there is no live generation.
func (l *Log) Abreast(ctx context.Context, journal events.JournalID, model, other string) (Place, bool, error) {
	names, versions := l.models.of([]string{model, other})
	if len(names) != 2 {
		return Place{}, false, fmt.Errorf("compare %s with %s: not registered: %w", model, other, domain.ErrUnavailable)
	}
	var abreast bool
	row := l.pool.QueryRow(ctx, abreastQuery, int64(journal), model, versions[0], other, versions[1])
	p, err := scanPlace(alsoScan{row, &abreast})
	if errors.Is(err, pgx.ErrNoRows) {
		return p, false, fmt.Errorf("%s has no live generation: %w", model, domain.ErrUnavailable)
	}
	if err != nil {
		return p, false, fmt.Errorf("compare %s with %s: %w", model, other, translate(err))
	}
	return p, abreast, nil
}

// alsoScan is a row with one more column.
type alsoScan struct {
	pgx.Row
	dest any
}

// Scan reads the columns, and the last one.
func (r alsoScan) Scan(dest ...any) error { return r.Row.Scan(append(dest, r.dest)...) }

// awayFor is how long a journal waits when what its rows are kept in is away.
const awayFor = 5 * time.Second

// isAway reports whether err is that of a store outside of Postgres which is away.
func isAway(err error) bool { return errors.Is(err, domain.ErrUnavailable) && !isTransient(err) }
