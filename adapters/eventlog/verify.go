package eventlog

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// VerifyOptions says what Verify looks at, and whom it tells.
type VerifyOptions struct {
	// Journals are those to look at; nil: all.
	Journals []events.JournalID
	// Heads are ends of chains printed earlier, which must still be in them.
	Heads []events.Head
	// Tasks are the read models to build again and compare.
	Tasks []projections.Task
	// State has the inline state made again too, and compared.
	State bool
	// Progress, if set, is told now and then how many events are done, of how many.
	Progress func(done, total int64)
	// Finding, if set, is told of what is found, one at a time, those of a journal
	// by position.
	Finding func(Finding)
}

// Finding is what Verify found at a place of the log. It is sound if it is an
// erasure, else it is damage.
type Finding struct {
	Journal  events.JournalID
	Position events.Position // 0: of the journal as a whole
	Last     events.Position // end of the range; Position if it is one event
	ErasedBy events.Position // 0: damage
	What     string
}

// Damage reports whether the log is not sound there.
func (f Finding) Damage() bool { return f.ErasedBy == 0 }

// String returns the finding as one line.
func (f Finding) String() string {
	switch {
	case f.Position == 0:
		return fmt.Sprintf("journal %d: %s", f.Journal, f.What)
	case f.Last > f.Position:
		return fmt.Sprintf("journal %d, positions %d-%d: %s", f.Journal, f.Position, f.Last, f.What)
	}
	return fmt.Sprintf("journal %d, position %d: %s", f.Journal, f.Position, f.What)
}

// Summary is what Verify looked at.
type Summary struct {
	Journals    int
	Events      int64
	Commits     int64
	RawMessages int64
	StateTables int   // of the inline state, compared, over all journals
	ReadModels  int   // generations compared
	Erased      int64 // events whose payload is erased, soundly
	Damages     int64
	Took        time.Duration
}

const headsQuery = `
SELECT journal_id, position, link, recorded_at FROM log.journals WHERE $1::bigint[] IS NULL OR journal_id = ANY ($1) ORDER BY journal_id`

// Heads returns the ends of the chains of the journals named, of all for none, by journal: to be
// signed and kept elsewhere, since who can write to the database could write a whole new chain.
func (l *Log) Heads(ctx context.Context, journals ...events.JournalID) ([]events.Head, error) {
	var ids []int64
	for _, j := range journals {
		ids = append(ids, int64(j))
	}
	rows, err := l.pool.Query(ctx, headsQuery, ids)
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h events.Head, err error) {
		var link []byte
		if err = row.Scan((*int64)(&h.Journal), (*int64)(&h.Position), &link, &h.RecordedAt); err == nil && len(link) == len(h.Link) {
			h.Link = events.Hash(link)
		}
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", translate(err))
	}
	return out, nil
}

// verifier is one run of Verify.
type verifier struct {
	log  *Log
	opts VerifyOptions
	// slots bounds what is looked at in the same moment, over all journals.
	slots chan struct{}

	done, total, commits, raws, erased, damages atomic.Int64

	compared, stateTables atomic.Int64
	mu                    sync.Mutex // of the callbacks
	told                  time.Time  // of the progress
}

const tellEvery = 100 * time.Millisecond

// Verify proves journals sound: positions are contiguous, commits meet, leaves,
// roots, links and heads agree, time does not run backwards, every payload decodes,
// every raw message that is named is there with its hash, no checkpoint is beyond
// its head, what is erased was erased by an event, and the state and the read models are
// what the log makes of them. The log may grow meanwhile; what comes later is not looked at.
// The error is of the database or of ctx: damage is in the findings and the summary.
func (l *Log) Verify(ctx context.Context, opts VerifyOptions) (Summary, error) {
	begin := time.Now()
	heads, err := l.Heads(ctx, opts.Journals...)
	if err != nil {
		return Summary{}, err
	}
	v := &verifier{log: l, opts: opts, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for _, h := range heads {
		v.total.Add(int64(h.Position))
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(v.slots))
	// The longest first, so that none is left alone at the end.
	slices.SortStableFunc(heads, func(a, b events.Head) int { return int(b.Position - a.Position) })
	for _, h := range heads {
		g.Go(func() error { return v.journal(gctx, h) })
	}
	err = g.Wait()
	if err == nil && opts.State {
		err = v.states(ctx, heads)
	}
	if err == nil && len(opts.Tasks) > 0 {
		err = v.readModels(ctx, heads)
	}
	sum := Summary{
		Journals: len(heads), Events: v.done.Load(), Commits: v.commits.Load(), RawMessages: v.raws.Load(),
		StateTables: int(v.stateTables.Load()), ReadModels: int(v.compared.Load()), Erased: v.erased.Load(), Damages: v.damages.Load(), Took: time.Since(begin),
	}
	if err != nil {
		return sum, fmt.Errorf("verify: %w", err)
	}
	return sum, nil
}

// journal verifies one journal up to its head, and tells what it found.
func (v *verifier) journal(ctx context.Context, h events.Head) error {
	c := &chainCheck{verifier: v, head: h}
	err := errors.Join(c.walk(ctx), c.ends(ctx), c.raws(ctx))
	v.tell(c.findings)
	return err
}

// tell passes findings on, in order, ranges that meet as one.
func (v *verifier) tell(found []Finding) {
	slices.SortStableFunc(found, func(a, b Finding) int { return int(a.Position - b.Position) })
	var joined []Finding
	last := map[string]int{} // by what was found
	for _, f := range found {
		f.Last = max(f.Last, f.Position)
		if i, ok := last[f.What]; ok && joined[i].Last+1 == f.Position {
			joined[i].Last = f.Last
			continue
		}
		last[f.What] = len(joined)
		joined = append(joined, f)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range joined {
		if f.Damage() {
			v.damages.Add(1)
		}
		if v.opts.Finding != nil {
			v.opts.Finding(f)
		}
	}
}

func (v *verifier) progress(events int64) {
	done := v.done.Add(events)
	if v.opts.Progress == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if total := v.total.Load(); done == total || time.Since(v.told) >= tellEvery {
		v.told = time.Now()
		v.opts.Progress(done, total)
	}
}
