package eventlog

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// Log knows when the history can be read.
var _ queries.MomentReader = (*Log)(nil)

const reachedQuery = `
SELECT coalesce(max(c.position), 0) FROM log.generations g
JOIN log.checkpoints c ON c.journal_id = $1 AND c.projection = g.projection AND c.generation = g.generation
WHERE g.projection = $2 AND g.version = $3 AND g.status = 'live'`

// Reach waits as WaitFor does for one read model. Unlike it, it returns domain.ErrUnavailable also if the model
// is stopped, or has no live generation, before it holds all events up to pos.
func (l *Log) Reach(ctx context.Context, journal events.JournalID, pos events.Position, name string) error {
	held := func() (bool, error) {
		names, versions := l.models.of([]string{name})
		if len(names) == 0 {
			return false, fmt.Errorf("read model %s is not kept here: %w", name, domain.ErrUnavailable)
		}
		var at int64
		if err := l.pool.QueryRow(ctx, reachedQuery, int64(journal), name, versions[0]).Scan(&at); err != nil {
			return false, fmt.Errorf("read checkpoint of %s: %w", name, translate(err))
		}
		return at >= int64(pos), nil
	}
	if ok, err := held(); ok || err != nil {
		return err
	}
	if err := l.WaitFor(ctx, journal, pos, []string{name}); err != nil {
		return err
	}
	if ok, err := held(); ok || err != nil {
		return err
	}
	return fmt.Errorf("read model %s does not hold position %d of journal %d: %w", name, pos, journal, domain.ErrUnavailable)
}
