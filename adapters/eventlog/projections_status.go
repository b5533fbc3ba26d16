package eventlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

const (
	// modelsQuery sums up each generation of this program's versions over all
	// journals. What lags is looked up for the live ones only.
	modelsQuery = `
SELECT g.projection, g.generation, g.status, g.reads, g.started_at, count(j.journal_id),
	count(*) FILTER (WHERE j.position > coalesce(c.position, 0)), count(*) FILTER (WHERE c.attempts > 0),
	coalesce(sum(j.position), 0)::bigint, coalesce(sum(least(coalesce(c.position, 0), j.position)), 0)::bigint,
	coalesce(extract(epoch FROM clock_timestamp() - min(lag.recorded_at)), 0)::float8,
	coalesce(g.last_error, max(c.last_error), ''), coalesce(max(c.updated_at), g.started_at)
FROM unnest($1::text[], $2::int[]) p(projection, version)
JOIN log.generations g ON g.projection = p.projection AND g.version = p.version
LEFT JOIN log.journals j ON j.position > 0
LEFT JOIN log.checkpoints c ON c.journal_id = j.journal_id AND c.projection = g.projection AND c.generation = g.generation
LEFT JOIN LATERAL (SELECT e.recorded_at FROM log.events e WHERE g.status = 'live' AND j.position > coalesce(c.position, 0)
	AND e.journal_id = j.journal_id AND e.position = coalesce(c.position, 0) + 1) lag ON true
GROUP BY g.projection, g.generation`

	totalsQuery = `SELECT count(*), coalesce(sum(position), 0)::bigint, clock_timestamp() FROM log.journals WHERE position > 0`

	failuresQuery = `
SELECT CASE c.journal_id WHEN 0 THEN 'system' ELSE coalesce(u.name, c.journal_id::text) END, c.position + 1,
	coalesce(e.type, ''), coalesce(c.last_error, ''), c.attempts, c.failed_since, coalesce(c.next_retry_at, c.updated_at)
FROM log.checkpoints c
LEFT JOIN auth.users u ON u.user_id = c.journal_id
LEFT JOIN log.events e ON e.journal_id = c.journal_id AND e.position = c.position + 1
WHERE c.projection = $1 AND c.generation = $2 AND c.attempts > 0
ORDER BY c.failed_since, c.journal_id LIMIT 100`
)

// generationState is a row of modelsQuery.
type generationState struct {
	Projection               string
	Generation               int
	Status, Reads            string
	StartedAt                time.Time
	Journals, Behind, Failed int
	Total, Applied           int64
	LagSeconds               float64
	LastError                string
	UpdatedAt                time.Time
}

// Models returns the state of all read models of this program, by name: of those
// that a Consumer or Register named.
func (l *Log) Models(ctx context.Context) ([]queries.Model, error) {
	names, versions := l.models.of(nil)
	b := &pgx.Batch{}
	b.Queue(totalsQuery)
	b.Queue(modelsQuery, names, versions)
	res := l.pool.SendBatch(ctx, b)
	empty, states, err := receiveStates(res)
	if err := errors.Join(err, res.Close()); err != nil {
		return nil, fmt.Errorf("read the state of read models: %w", translate(err))
	}
	out := make([]queries.Model, len(names))
	for i, name := range names {
		out[i] = empty
		out[i].Name, out[i].Version = name, int(versions[i])
		reads := ""
		if m := l.models.scratcher(name); m != nil {
			reads = m.reads()
		}
		failing := sumUp(&out[i], states, reads)
		if failing == 0 {
			continue
		}
		if out[i].Failures, err = l.failures(ctx, name, failing); err != nil {
			return nil, fmt.Errorf("read failures of %s: %w", name, translate(err))
		}
	}
	slices.SortFunc(out, func(a, b queries.Model) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// receiveStates returns a model that has no generation yet, and what there is.
func receiveStates(res pgx.BatchResults) (empty queries.Model, states []generationState, err error) {
	empty.Status = "rebuilding"
	err = res.QueryRow().Scan(&empty.Journals, &empty.EventsTotal, &empty.UpdatedAt)
	if err != nil {
		return empty, nil, err
	}
	empty.JournalsBehind, empty.UpdatedAt = empty.Journals, empty.UpdatedAt.UTC()
	rows, err := res.Query()
	if err != nil {
		return empty, nil, err
	}
	states, err = pgx.CollectRows(rows, pgx.RowToStructByPos[generationState])
	return empty, states, err
}

// sumUp fills in a model from its generations; reads are the versions that a rebuild would
// read messages with. It returns the generation in which journals are stopped, 0 if in none.
func sumUp(m *queries.Model, states []generationState, reads string) (failing int) {
	for _, s := range states {
		if s.Projection != m.Name {
			continue
		}
		switch s.Status {
		case "live":
			m.Generation, m.Journals, m.JournalsBehind, m.JournalsFailed = s.Generation, s.Journals, s.Behind, s.Failed
			m.EventsTotal, m.EventsApplied, m.LagSeconds = s.Total, s.Applied, max(0, s.LagSeconds)
			m.UpdatedAt, m.Outdated = s.UpdatedAt.UTC(), s.Reads != reads
			if s.Failed > 0 {
				failing = s.Generation
			}
		case "building":
			m.Rebuild = &queries.ModelRebuild{
				Generation: s.Generation, EventsApplied: s.Applied, Percent: percent(s.Applied, s.Total),
				StartedAt: s.StartedAt.UTC(), LastError: s.LastError,
			}
		case "kept":
			m.RollbackAvailable = true
		}
	}
	switch {
	case failing > 0:
		m.Status = "failed"
	case m.Generation == 0 || m.Rebuild != nil:
		m.Status = "rebuilding"
	default:
		m.Status = "running"
	}
	return failing
}

func percent(part, whole int64) int {
	if whole == 0 {
		return 100
	}
	return int(100 * part / whole)
}

func (l *Log) failures(ctx context.Context, projection string, generation int) ([]queries.ModelFailure, error) {
	rows, err := l.pool.Query(ctx, failuresQuery, projection, generation)
	if err != nil {
		return nil, err
	}
	var (
		out []queries.ModelFailure
		f   queries.ModelFailure
		pos int64
		typ string
	)
	dest := []any{&f.User, &pos, &typ, &f.Error, &f.Attempts, &f.FirstFailed, &f.NextRetry}
	_, err = pgx.ForEachRow(rows, dest, func() error {
		f.Position, f.Type = events.Position(pos), events.Type(typ)
		f.FirstFailed, f.NextRetry = f.FirstFailed.UTC(), f.NextRetry.UTC()
		out = append(out, f)
		return nil
	})
	return out, err
}
