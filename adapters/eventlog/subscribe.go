package eventlog

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-sql/v3/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const (
	sweepEvery    = 15 * time.Second
	sweepAllEvery = time.Hour
	sweepOverlap  = time.Minute // of two sweeps: commits take their time
	noSweep       = 100 * 365 * 24 * time.Hour
	lagPage       = 100  // journals of one query
	maxRecent     = 1000 // journals, before those of long ago are forgotten
	retryFirst    = 100 * time.Millisecond
	retryMost     = 5 * time.Second
	journalKey    = "journal" // metadata of a message
)

// With a bare LIMIT the planner takes a nested loop over all journals, five times
// slower: so the ones that lag are found first.
const (
	lagFrom = `WITH due AS MATERIALIZED (
	SELECT j.journal_id, j.position FROM log.journals j
	LEFT JOIN log.checkpoints c ON c.journal_id = j.journal_id AND c.projection = $1 AND c.generation = $2
	WHERE j.position > coalesce(c.position, 0) AND coalesce(c.next_retry_at <= now(), true) AND `
	lagHinted = lagFrom + `j.journal_id = ANY ($3))
SELECT journal_id, position FROM due LIMIT 100`
	lagAll = lagFrom + `mod(j.journal_id, $3) = $4 AND j.journal_id > $5)
SELECT journal_id, position FROM due ORDER BY journal_id LIMIT 100`
	lagRecent = lagFrom + `mod(j.journal_id, $3) = $4 AND j.journal_id > $5 AND j.journal_id IN (
		SELECT journal_id FROM log.commits WHERE recorded_at >= now() - make_interval(secs => $6)
		UNION SELECT journal_id FROM log.checkpoints
		WHERE projection = $1 AND generation = $2 AND attempts > 0 AND next_retry_at <= now()))
SELECT journal_id, position FROM due ORDER BY journal_id LIMIT 100`
)

// lagSchema delivers the journals of one shard whose head is ahead of the
// checkpoint of one generation: a message is a journal, not an event. It is the
// schema, the offsets and the backoff of one Watermill subscriber, and of this one
// only. What it is hinted at comes first; a sweep finds what no hint told.
//
// A journal that lags by more than a batch goes on in a second lane, long, so that
// the others do not wait for it.
type lagSchema struct {
	projection          string
	generation          int
	part, parts         int64                          // journals with journal % parts = part
	recent              map[events.JournalID]time.Time // worked on within the last moment or so; of the handler alone
	behind              map[events.JournalID]bool      // had more when they were worked on last; of the handler alone
	done                chan struct{}                  // closed when the subscriber is to end
	wake                chan struct{}
	long                *lagSchema // nil: this is it
	most                int        // journals that are taken at once
	wants               *wants
	patience, stillness time.Duration

	mu        sync.Mutex
	queue     []events.JournalID // hinted, the first first
	queued    map[events.JournalID]bool
	awaited   events.JournalID   // by still
	hints     int                // of awaited, ever
	taken     []events.JournalID // by the query that runs
	page      int                // journals that the query returned
	handled   int                // of these
	sweeping  bool
	swept     bool      // the query that runs is of a sweep
	all       bool      // the sweep is over all journals
	after     int64     // the sweep has come to this journal
	before    int64     // after, when the query began
	started   time.Time // the sweep
	lastSweep time.Time // began
	nextSweep time.Time
	nextAll   time.Time
	failures  int // of queries, in a row
}

func newLagSchema(w *wants, task projections.Task, generation int, part, parts int64) *lagSchema {
	lane := func(most int) *lagSchema {
		return &lagSchema{
			projection: task.Name, generation: generation, part: part, parts: parts, most: most, wants: w,
			patience: task.Patience, stillness: task.Stillness,
			done: make(chan struct{}), wake: make(chan struct{}, 1),
			queued: map[events.JournalID]bool{}, recent: map[events.JournalID]time.Time{}, behind: map[events.JournalID]bool{},
		}
	}
	s := lane(lagPage)
	s.long = lane(1)
	s.long.nextSweep = time.Now().Add(noSweep)
	return s
}

// hint puts a journal at the end of the queue, that of the long lane if it is there.
func (s *lagSchema) hint(j events.JournalID) {
	if s.passOn(j) {
		return
	}
	s.mu.Lock()
	if j == s.awaited {
		s.hints++
	}
	if !s.queued[j] {
		s.queued[j] = true
		s.queue = append(s.queue, j)
	}
	s.mu.Unlock()
	s.rouse()
}

// sweepBy lets the next sweep come at t, if it would come later.
func (s *lagSchema) sweepBy(t time.Time) {
	s.mu.Lock()
	if t.Before(s.nextSweep) {
		s.nextSweep = t
	}
	s.mu.Unlock()
	s.rouse()
}

// passOn hands a journal to the long lane if that has it already.
func (s *lagSchema) passOn(j events.JournalID) bool {
	if s.long == nil {
		return false
	}
	s.long.mu.Lock()
	has := s.long.queued[j] || slices.Contains(s.long.taken, j)
	s.long.mu.Unlock()
	if has {
		s.long.hint(j)
	}
	return has
}

func (s *lagSchema) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// worked notes that a batch of a journal is done, and whether there is more.
func (s *lagSchema) worked(j events.JournalID, more bool) {
	if s.patience == 0 {
		return
	}
	now := time.Now()
	if len(s.recent) >= maxRecent {
		maps.DeleteFunc(s.recent, func(_ events.JournalID, at time.Time) bool { return now.Sub(at) >= s.stillness })
	}
	s.recent[j] = now
	if more {
		s.behind[j] = true
	} else {
		delete(s.behind, j)
	}
}

// again reports whether a journal was worked on a moment ago, and nobody waits for it.
func (s *lagSchema) again(j events.JournalID) bool {
	at, ok := s.recent[j]
	wanted, _ := s.wants.of(j)
	return ok && !wanted && time.Since(at) < s.stillness
}

// still waits until a journal has had no hint for a moment, at most patience; not in the middle
// of its backlog, nor while somebody waits for it. It returns false if somebody waits for another
// that is queued here.
func (s *lagSchema) still(ctx context.Context, j events.JournalID) bool {
	if s.behind[j] {
		return true
	}
	for end := time.Now().Add(s.patience); time.Now().Before(end); {
		before := s.hintsOf(j)
		if !s.moment(ctx, j) {
			return !s.othersWanted(j)
		}
		if s.hintsOf(j) == before {
			break
		}
	}
	return true
}

// othersWanted reports whether somebody waits for another journal that is queued.
func (s *lagSchema) othersWanted(j events.JournalID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.queue, func(q events.JournalID) bool {
		wanted, _ := s.wants.of(q)
		return wanted && q != j
	})
}

// hintsOf counts the hints of a journal, from its first call on.
func (s *lagSchema) hintsOf(j events.JournalID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaited = j
	return s.hints
}

// moment waits for the time of stillness; false if it ended earlier.
func (s *lagSchema) moment(ctx context.Context, j events.JournalID) bool {
	timer := time.NewTimer(s.stillness)
	defer timer.Stop()
	for {
		wanted, begun := s.wants.of(j)
		if wanted || s.othersWanted(j) {
			return false
		}
		select {
		case <-begun:
		case <-timer.C:
			return true
		case <-s.done:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// contended reports whether another journal waits while one is handled.
func (s *lagSchema) contended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) > 0 || s.handled < s.page
}

func (s *lagSchema) handling() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handled++
}

// SelectQuery returns the query for journals that lag: of those hinted at, or of
// the sweep, in turns if there are both.
func (s *lagSchema) SelectQuery(string, string, sql.OffsetsAdapter) sql.Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page, s.handled = 0, 0
	now := time.Now()
	if !s.sweeping && !now.Before(s.nextSweep) {
		s.sweeping, s.started, s.after = true, now, -1
		s.all = !now.Before(s.nextAll)
	}
	s.swept = s.sweeping && (len(s.queue) == 0 || !s.swept)
	if !s.swept {
		n := min(len(s.queue), s.most)
		s.taken = append(s.taken[:0], s.queue[:n]...)
		s.queue = append(s.queue[:0], s.queue[n:]...)
		ids := make([]int64, n)
		for i, j := range s.taken {
			ids[i] = int64(j)
			delete(s.queued, j)
		}
		return sql.Query{Query: lagHinted, Args: []any{s.projection, s.generation, ids}}
	}
	s.before = s.after
	args := []any{s.projection, s.generation, s.parts, s.part, s.after}
	if s.all {
		return sql.Query{Query: lagAll, Args: args}
	}
	recent := now.Sub(s.lastSweep) + sweepOverlap
	return sql.Query{Query: lagRecent, Args: append(args, recent.Seconds())}
}

// UnmarshalMessage returns a journal as a message: its name is journal@position.
func (s *lagSchema) UnmarshalMessage(row sql.Scanner) (sql.Row, error) {
	var journal, position int64
	if err := row.Scan(&journal, &position); err != nil {
		return sql.Row{}, fmt.Errorf("read a journal that lags: %w", err)
	}
	s.mu.Lock()
	s.page++
	if s.swept {
		s.after = journal
	}
	s.mu.Unlock()
	id := strconv.FormatInt(journal, 10)
	msg := message.NewMessage(id+"@"+strconv.FormatInt(position, 10), nil)
	msg.Metadata.Set(journalKey, id)
	return sql.Row{Offset: position, UUID: []byte(msg.UUID), Msg: msg}, nil
}

// HandleError is called in the loop of the subscriber after each query. It blocks
// until there is something to ask for: a hint, or the time of a sweep.
func (s *lagSchema) HandleError(logger watermill.LoggerAdapter, _ bool, err error) time.Duration {
	if err != nil {
		return s.failed(logger, err)
	}
	s.finished()
	for {
		wait := s.idle()
		if wait <= 0 {
			return 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.wake:
			timer.Stop()
		case <-s.done:
			timer.Stop()
			return time.Hour // the loop sees its end first
		}
	}
}

// failed puts back what the query had taken.
func (s *lagSchema) failed(logger watermill.LoggerAdapter, err error) time.Duration {
	select {
	case <-s.done:
		return time.Hour
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.swept {
		s.after = s.before
	} else {
		for _, j := range s.taken {
			if !s.queued[j] {
				s.queued[j] = true
				s.queue = append(s.queue, j)
			}
		}
	}
	wait := min(retryFirst<<min(s.failures, 10), retryMost)
	s.failures++
	logger.Error("Asking for journals that lag", err, watermill.LogFields{"wait": wait})
	return wait
}

func (s *lagSchema) finished() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = 0
	s.taken = s.taken[:0]
	if !s.swept || s.page == lagPage {
		return
	}
	s.sweeping, s.lastSweep, s.nextSweep = false, s.started, s.started.Add(sweepEvery)
	if s.all {
		s.nextAll = s.started.Add(sweepAllEvery)
	}
}

// idle returns how long there is nothing to ask for.
func (s *lagSchema) idle() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 || s.sweeping {
		return 0
	}
	return time.Until(s.nextSweep)
}

// SubscribeIsolationLevel is READ COMMITTED: while a journal is handled, in a
// transaction of its own, that of the subscriber holds no snapshot.
func (s *lagSchema) SubscribeIsolationLevel() stdsql.IsolationLevel { return stdsql.LevelReadCommitted }

// InsertQuery is refused: nothing is published here.
func (s *lagSchema) InsertQuery(string, message.Messages) (sql.Query, error) {
	return sql.Query{}, errors.New("lags are not published")
}

// SchemaInitializingQueries returns none: migrations own the tables.
func (s *lagSchema) SchemaInitializingQueries(string) []sql.Query { return nil }

// noOffsets keeps no offsets: the checkpoint is the offset.
type noOffsets struct{}

// AckMessageQuery returns a query that does nothing.
func (noOffsets) AckMessageQuery(string, sql.Row, string) sql.Query {
	return sql.Query{Query: "SELECT 1"}
}

// ConsumedMessageQuery returns none.
func (noOffsets) ConsumedMessageQuery(string, sql.Row, string, []byte) sql.Query { return sql.Query{} }

// NextOffsetQuery returns none.
func (noOffsets) NextOffsetQuery(string, string) sql.Query { return sql.Query{} }

// SchemaInitializingQueries returns none.
func (noOffsets) SchemaInitializingQueries(string) []sql.Query { return nil }

// BeforeSubscribingQueries returns none.
func (noOffsets) BeforeSubscribingQueries(string, string) []sql.Query { return nil }
