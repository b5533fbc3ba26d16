package eventlog

import (
	"context"
	"fmt"
	"time"
)

const countLive = `
SELECT count(*) FROM unnest($1::text[], $2::int[]) g(projection, version)
JOIN log.generations l ON l.projection = g.projection AND l.version = g.version AND l.status = 'live'`

// WaitLive blocks until every registered read model that is kept in Postgres has a live generation, so
// that queries can be answered, or ctx ends. A database that is away is waited for.
func (l *Log) WaitLive(ctx context.Context) error {
	changed, cancel := l.models.subscribe()
	defer cancel()
	poll := time.NewTicker(waitPoll)
	defer poll.Stop()
	for {
		names, versions := l.models.awaited(nil)
		var live int
		if err := l.pool.QueryRow(ctx, countLive, names, versions).Scan(&live); err != nil && !isTransient(err) {
			return fmt.Errorf("count live read models: %w", err)
		}
		if live == len(names) {
			return nil
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
