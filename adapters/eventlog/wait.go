package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const (
	waitAtMost = 2 * time.Second
	waitPoll   = 50 * time.Millisecond // for what other processes do
)

// models knows the projections of this program.
type models struct {
	mu      sync.Mutex
	tasks   map[string]projections.Task
	kept    map[string]scratcher // the read models themselves
	aside   map[string]bool      // those that nobody waits for
	outside map[string]bool      // those whose rows are not in Postgres
	subs    map[chan struct{}]struct{}
}

func newModels() *models {
	return &models{
		tasks: map[string]projections.Task{}, kept: map[string]scratcher{}, aside: map[string]bool{}, outside: map[string]bool{},
		subs: map[chan struct{}]struct{}{},
	}
}

// subscribe sends to the channel when generations came or went in this process.
func (m *models) subscribe() (ch chan struct{}, cancel func()) {
	ch = make(chan struct{}, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subs[ch] = struct{}{}
	return ch, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.subs, ch)
	}
}

// changed is called when generations came or went.
func (m *models) changed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ch := range m.subs {
		select {
		case ch <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// Register tells the log which versions of the projections this program reads. A
// program without a Consumer needs it for WaitFor, WaitLive, ReadPosition, Models and
// Erase.
func (l *Log) Register(tasks ...projections.Task) {
	l.models.mu.Lock()
	defer l.models.mu.Unlock()
	for _, t := range tasks {
		l.models.tasks[t.Name] = t
	}
}

// task returns the registered task with a name. It returns domain.ErrNotFound.
func (m *models) task(name string) (projections.Task, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tasks[name]
	if !ok {
		return t, fmt.Errorf("read model %q: %w", name, domain.ErrNotFound)
	}
	return t, nil
}

func (m *models) keep(name string, model scratcher, aside, outside bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[name], m.aside[name], m.outside[name] = model, aside || outside, outside
}

// isOutside reports whether the rows of a read model are not in Postgres.
func (m *models) isOutside(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.outside[name]
}

func (m *models) heal(ctx context.Context, name string, version int) error {
	if h, ok := m.scratcher(name).(healer); ok {
		return h.heal(ctx, version)
	}
	return nil
}

func (m *models) scratcher(name string) scratcher {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[name]
}

// of returns names and versions, of all projections for no names.
func (m *models) of(names []string) (projection []string, version []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(names) == 0 {
		for n := range m.tasks {
			names = append(names, n)
		}
	}
	for _, n := range names {
		if t, ok := m.tasks[n]; ok {
			projection, version = append(projection, n), append(version, int32(t.Version))
		}
	}
	return projection, version
}

// awaited returns names and versions, of all projections that are waited for for no names.
func (m *models) awaited(names []string) (projection []string, version []int32) {
	m.mu.Lock()
	if len(names) == 0 {
		for n := range m.tasks {
			if !m.aside[n] {
				names = append(names, n)
			}
		}
	}
	m.mu.Unlock()
	if len(names) == 0 {
		return nil, nil
	}
	return m.of(names)
}

// move is a checkpoint that moved in this process.
type move struct {
	projection string
	generation int
	position   events.Position
}

// moves tells those who wait for a journal that a checkpoint moved.
type moves struct {
	mu   sync.Mutex
	subs map[events.JournalID]map[chan move]struct{}
}

func newMoves() *moves { return &moves{subs: map[events.JournalID]map[chan move]struct{}{}} }

func (m *moves) subscribe(j events.JournalID) (ch chan move, cancel func()) {
	ch = make(chan move, 16)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.subs[j] == nil {
		m.subs[j] = map[chan move]struct{}{}
	}
	m.subs[j][ch] = struct{}{}
	return ch, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.subs[j], ch)
		if len(m.subs[j]) == 0 {
			delete(m.subs, j)
		}
	}
}

func (m *moves) publish(j events.JournalID, v move) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ch := range m.subs[j] {
		select {
		case ch <- v:
		default: // the reader polls
		}
	}
}

// WaitFor blocks until the live generations of the named projections, of all that
// are kept in Postgres for none, hold all events of a journal up to pos. It does not wait for one that is
// stopped in this journal. It returns domain.ErrUnavailable after two seconds, or
// the error of ctx.
func (l *Log) WaitFor(ctx context.Context, journal events.JournalID, pos events.Position, tasks []string) error {
	if pos <= 0 {
		return nil
	}
	moved, cancel := l.moves.subscribe(journal)
	defer cancel()
	deadline := time.NewTimer(waitAtMost)
	defer deadline.Stop()
	poll := time.NewTicker(waitPoll)
	defer poll.Stop()
	behind, err := l.behind(ctx, journal, pos, tasks)
	if err == nil && len(behind) > 0 {
		defer l.wants.begin(journal)()
	}
	for err == nil && len(behind) > 0 {
		select {
		case m := <-moved:
			if m.position >= pos {
				delete(behind, model{m.projection, m.generation})
			}
		case <-poll.C:
			behind, err = l.behind(ctx, journal, pos, tasks)
		case <-ctx.Done():
			return fmt.Errorf("wait for position %d: %w", pos, ctx.Err())
		case <-deadline.C:
			return fmt.Errorf("wait for position %d of journal %d: %w", pos, journal, domain.ErrUnavailable)
		}
	}
	return err
}

// model names a generation.
type model struct {
	projection string
	generation int
}

const behindQuery = `
SELECT g.projection, coalesce(l.generation, 0)
FROM unnest($3::text[], $4::int[]) g(projection, version)
LEFT JOIN log.generations l ON l.projection = g.projection AND l.version = g.version AND l.status = 'live'
LEFT JOIN log.checkpoints c ON c.journal_id = $1 AND c.projection = g.projection AND c.generation = l.generation
WHERE coalesce(c.position, 0) < $2 AND coalesce(c.attempts, 0) = 0`

// behind returns the live generations that have not come to pos.
func (l *Log) behind(ctx context.Context, journal events.JournalID, pos events.Position, tasks []string) (map[model]bool, error) {
	names, versions := l.models.awaited(tasks)
	rows, err := l.pool.Query(ctx, behindQuery, int64(journal), int64(pos), names, versions)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", translate(err))
	}
	out := map[model]bool{}
	var m model
	_, err = pgx.ForEachRow(rows, []any{&m.projection, &m.generation}, func() error {
		out[m] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", translate(err))
	}
	return out, nil
}

const readPositionQuery = `
SELECT coalesce(min(coalesce(c.position, 0)), 0)
FROM unnest($2::text[], $3::int[]) g(projection, version)
LEFT JOIN log.generations l ON l.projection = g.projection AND l.version = g.version AND l.status = 'live'
LEFT JOIN log.checkpoints c ON c.journal_id = $1 AND c.projection = g.projection AND c.generation = l.generation`

// ReadPosition returns the position that all live read models of this program that
// are kept in Postgres hold: the least checkpoint in the journal.
func (l *Log) ReadPosition(ctx context.Context, journal events.JournalID) (events.Position, error) {
	names, versions := l.models.awaited(nil)
	var pos int64
	err := l.pool.QueryRow(ctx, readPositionQuery, int64(journal), names, versions).Scan(&pos)
	if err != nil {
		return 0, fmt.Errorf("read checkpoints: %w", translate(err))
	}
	return events.Position(pos), nil
}

// Applied returns the position up to which the live generation of a projection holds a journal.
func (l *Log) Applied(ctx context.Context, journal events.JournalID, projection string) (events.Position, error) {
	names, versions := l.models.of([]string{projection})
	var pos int64
	if err := l.pool.QueryRow(ctx, readPositionQuery, int64(journal), names, versions).Scan(&pos); err != nil {
		return 0, fmt.Errorf("read checkpoint of %s: %w", projection, err)
	}
	return events.Position(pos), nil
}

const headQuery = `SELECT coalesce((SELECT position FROM log.journals WHERE journal_id = $1), 0)`

// Head returns the position of the last event of a journal, 0 for one without
// events or unknown. All positions up to it can be read.
func (l *Log) Head(ctx context.Context, journal events.JournalID) (events.Position, error) {
	var pos int64
	if err := l.pool.QueryRow(ctx, headQuery, int64(journal)).Scan(&pos); err != nil {
		return 0, fmt.Errorf("read head: %w", translate(err))
	}
	return events.Position(pos), nil
}
