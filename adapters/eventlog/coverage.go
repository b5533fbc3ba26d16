package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// CoverageOptions says what CheckCoverage compares.
type CoverageOptions struct {
	// Tasks are the read models; those that have no rows of single messages are left out.
	Tasks []projections.Task
	// Rows says, by the name of a read model in Postgres, where it has a row for each message. A
	// read model outside of Postgres needs none if it is a Lister.
	Rows map[string]MessageRows
	// Repair folds the events of messages again whose rows are not as they should be.
	Repair bool
}

// MessageRows says where a read model has one row for each message.
type MessageRows struct {
	// Table has the columns journal_id, id, account_id and flags.
	Table string
	// Threads is set if the rows name threads: messages of others may have moved them.
	Threads bool
}

// Lister is an Outside that can tell which messages it has.
type Lister interface {
	// List returns up to limit ids of messages of a journal that are in p, those after an id in
	// ascending order.
	List(ctx context.Context, p Place, journal events.JournalID, after domain.MessageID, limit int) ([]domain.MessageID, error)
}

// Gap is what CheckCoverage found wrong in the rows of a journal.
type Gap struct {
	Projection string
	Journal    events.JournalID
	Missing    int64 // messages without a row
	Surplus    int64 // rows of no message
	Altered    int64 // rows with other flags, or of another account
	Left       int64 // of these when it returned
}

func (g Gap) found() int64 { return g.Missing + g.Surplus + g.Altered }

// Repaired returns how many rows were repaired.
func (g Gap) Repaired() int64 { return max(0, g.found()-g.Left) }

// CoverageChecked is what CheckCoverage did.
type CoverageChecked struct {
	Gaps []Gap
	// Lags is set if there were events that a read model had yet to apply: what they are about
	// was not compared.
	Lags bool
	// Elsewhere is set if another process was at it, so that nothing was done.
	Elsewhere bool
}

const (
	// coverageLock lets one process at a time compare. It is of the session, whose end comes a
	// moment later than that of the connection.
	coverageLock   = `SELECT pg_try_advisory_lock(hashtextextended('imap2api coverage', 0))`
	coverageUnlock = `SELECT pg_advisory_unlock(hashtextextended('imap2api coverage', 0))`

	// longestUnchecked are the journals with events, those first that were compared longest ago.
	longestUnchecked = `
SELECT j.journal_id FROM log.journals j LEFT JOIN log.coverage c ON c.journal_id = j.journal_id
WHERE j.journal_id <> 0 AND j.position > 0 GROUP BY j.journal_id ORDER BY min(c.checked_at) NULLS FIRST, j.journal_id`

	modelPosition = `
SELECT j.position, coalesce(c.position, 0), clock_timestamp() FROM log.journals j
LEFT JOIN log.checkpoints c ON c.journal_id = j.journal_id AND c.projection = $2 AND c.generation = $3 WHERE j.journal_id = $1`

	// maxCoverageLag is how many events a read model may have yet to apply to be compared: what
	// they are about is left out one by one.
	maxCoverageLag = 100_000
)

// CheckCoverage compares, account by account, the messages that journals know with the rows of
// the live generations of read models, by count and checksum; keeps the outcome for Coverage;
// and, if asked to, repairs the rows that are not as they should be from their events alone. A
// read model that lags is no gap: messages with events that it has yet to apply are left out.
// It may be broken off at any moment and called again. A read model that cannot be compared, or
// repaired, does not keep it from the others; the error tells of all but those that are away.
func (l *Log) CheckCoverage(ctx context.Context, opts CoverageOptions) (CoverageChecked, error) {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return CoverageChecked{}, fmt.Errorf("check coverage: %w", translate(err))
	}
	defer conn.Release()
	// Lock, settings and temporary tables are of the session, which ends with the check.
	defer conn.Conn().Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is being given up
	c := &coverageCheck{log: l, conn: conn.Conn(), repair: opts.Repair}
	if err := c.run(ctx, opts); err != nil {
		return c.out, fmt.Errorf("check coverage: %w", translate(err))
	}
	return c.out, nil
}

// coverageCheck is one run of CheckCoverage.
type coverageCheck struct {
	log    *Log
	conn   *pgx.Conn
	repair bool
	models []*coveredModel
	out    CoverageChecked
}

// coveredModel is the live generation of a read model that can be compared.
type coveredModel struct {
	task  projections.Task
	gen   projections.Generation
	rows  MessageRows
	model mendable
	list  func(ctx context.Context, journal events.JournalID, after domain.MessageID, limit int) ([]domain.MessageID, error)
}

// mendable is a read model whose rows can be made again one by one.
type mendable interface {
	lister(ctx context.Context, gen projections.Generation) (func(context.Context, events.JournalID, domain.MessageID, int) ([]domain.MessageID, error), error)
	knowsFold() bool
	refold(ctx context.Context, gen projections.Generation, j events.JournalID, ids []int64, threads bool) error
	recount(ctx context.Context, gen projections.Generation, j events.JournalID) error
}

func (c *coverageCheck) run(ctx context.Context, opts CoverageOptions) error {
	if _, err := c.conn.Exec(ctx, `SET statement_timeout = 0; SET synchronous_commit = off; SET plan_cache_mode = force_custom_plan`); err != nil {
		return err
	}
	var alone bool
	if err := c.conn.QueryRow(ctx, coverageLock).Scan(&alone); err != nil {
		return err
	}
	if !alone {
		c.out.Elsewhere = true
		return nil
	}
	if err := c.find(ctx, opts); err != nil {
		return err
	}
	journals, err := readColumn[int64](ctx, c.conn, longestUnchecked)
	if err != nil {
		return err
	}
	var faults []error
	for _, j := range journals {
		for _, m := range c.models {
			err := c.check(ctx, m, events.JournalID(j))
			if err != nil && (ctx.Err() != nil || c.conn.IsClosed() || isTransient(err)) {
				return err
			}
			if isAway(err) {
				c.log.log.Debug("read model waits to be compared", slog.String("projection", m.task.Name), slog.Int64("journal", j), slog.Any("err", err))
			} else if err != nil && !isGone(err) {
				faults = append(faults, fmt.Errorf("%s in journal %d: %w", m.task.Name, j, err))
			}
		}
	}
	_, err = c.conn.Exec(ctx, coverageUnlock)
	return errors.Join(append(faults, err)...)
}

// find finds the read models that can be compared.
func (c *coverageCheck) find(ctx context.Context, opts CoverageOptions) error {
	for _, task := range opts.Tasks {
		model, ok := c.log.models.scratcher(task.Name).(mendable)
		if !ok {
			continue
		}
		gens, err := task.Generations(ctx)
		if err != nil {
			return err
		}
		m := &coveredModel{task: task, rows: opts.Rows[task.Name], model: model}
		if m.gen, ok = find(gens, task.Version, "live"); !ok {
			continue
		}
		if m.list, err = model.lister(ctx, m.gen); err != nil {
			return err
		}
		if m.list != nil || m.rows.Table != "" {
			c.models = append(c.models, m)
		}
	}
	return nil
}

// check compares one journal with one read model, and repairs what differs.
func (c *coverageCheck) check(ctx context.Context, m *coveredModel, j events.JournalID) error {
	seen, err := c.compare(ctx, m, j)
	if err != nil || seen == nil {
		return err
	}
	begun, err := c.unfinished(ctx, m, j)
	if err != nil {
		return err
	}
	gap := Gap{Projection: m.task.Name, Journal: j}
	if seen.differs() || begun && c.repair {
		if err := c.locate(ctx, m, seen); err != nil {
			return err
		}
		gap.Missing, gap.Surplus, gap.Altered = seen.total()
		gap.Left = gap.found()
	}
	if !c.repair || gap.Left == 0 && !begun {
		c.note(gap)
		return c.keep(ctx, m, seen, nil)
	}
	// What is kept says that a repair has begun, until the very end of it.
	if err := c.keep(ctx, m, seen, nil); err != nil {
		return err
	}
	after, err := c.mend(ctx, m, j)
	if err != nil {
		c.note(gap)
		return err
	}
	missing, surplus, altered := after.total()
	gap.Left = missing + surplus + altered
	c.note(gap)
	return c.keep(ctx, m, after, seen)
}

// mend repairs what locate found, and compares again.
func (c *coverageCheck) mend(ctx context.Context, m *coveredModel, j events.JournalID) (*comparison, error) {
	if !m.model.knowsFold() {
		var stopped *StoppedError
		if _, err := m.task.CatchUp(ctx, m.gen, j); err != nil && !errors.As(err, &stopped) {
			return nil, err
		}
	}
	for after := int64(0); ; {
		ids, err := c.located(ctx, after)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			break
		}
		if err := m.model.refold(ctx, m.gen, j, ids, m.rows.Threads); err != nil {
			return nil, fmt.Errorf("repair %d messages: %w", len(ids), err)
		}
		after = ids[len(ids)-1]
	}
	if err := m.model.recount(ctx, m.gen, j); err != nil {
		return nil, fmt.Errorf("count rows again: %w", err)
	}
	seen, err := c.compare(ctx, m, j)
	if err == nil && seen == nil {
		err = fmt.Errorf("read model fell behind: %w", domain.ErrUnavailable)
	}
	if err != nil || !seen.differs() {
		return seen, err
	}
	return seen, c.locate(ctx, m, seen)
}

// note tells of a gap.
func (c *coverageCheck) note(g Gap) {
	if g.found() == 0 {
		return
	}
	c.out.Gaps = append(c.out.Gaps, g)
	attrs := []any{
		slog.String("projection", g.Projection), slog.Int64("journal", int64(g.Journal)), slog.Int64("missing", g.Missing),
		slog.Int64("surplus", g.Surplus), slog.Int64("altered", g.Altered), slog.Int64("repaired", g.found()-g.Left),
	}
	switch {
	case g.Left == 0:
		c.log.log.Warn("read model had a gap, it is repaired", attrs...)
	case c.repair:
		c.log.log.Error("read model has a gap", attrs...)
	default:
		c.log.log.Debug("read model has a gap", attrs...)
	}
}

// isGone reports whether err is that of a generation which was dropped meanwhile.
func isGone(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "42P01" || pgErr.Code == "3F000")
}
