package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/events"
)

const (
	commitsQuery = `
SELECT first_position, last_position, recorded_at, append_id, meta, meta_leaf, root, link
FROM log.commits WHERE journal_id = $1 AND last_position > $2 AND last_position <= $3 ORDER BY last_position LIMIT 1000`

	verifyEvents = `
SELECT position, type, schema_version, encoding, key_id, stream_kind, stream_id, account_id, recorded_at, event_id, payload, leaf
FROM log.events WHERE journal_id = $1 AND position > $2 AND position <= $3 ORDER BY position`

	unitEvents = 5000 // events that are verified in one piece, if commits end there
)

// chainCheck verifies the chain of one journal.
type chainCheck struct {
	*verifier
	head   events.Head
	erased erased

	mu       sync.Mutex
	findings []Finding
}

func (c *chainCheck) damage(first, last events.Position, format string, args ...any) {
	c.found(Finding{Position: first, Last: last, What: fmt.Sprintf(format, args...)})
}

func (c *chainCheck) found(f Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.Journal = c.head.Journal
	c.findings = append(c.findings, f)
}

// link is a commit as stored.
type link struct {
	events.Commit // MetaLeaf is that of meta as stored, Root as stored
	link          events.Hash
	erasedMeta    bool
}

func scanLink(row pgx.CollectableRow) (k link, err error) {
	var meta, metaLeaf, root, stored []byte
	err = row.Scan((*int64)(&k.First), (*int64)(&k.Last), &k.RecordedAt, &k.AppendID, &meta, &metaLeaf, &root, &stored)
	if err != nil {
		return k, err
	}
	if k.erasedMeta = meta == nil; k.erasedMeta {
		copy(k.MetaLeaf[:], metaLeaf)
	} else {
		k.MetaLeaf = events.MetaLeaf(meta)
	}
	copy(k.Root[:], root)
	copy(k.link[:], stored)
	return k, nil
}

// walk goes through the commits of the journal in order, and hands pieces of the
// chain to those who look at events: a piece needs nothing of the one before it
// but the commit it ended with, as stored.
func (c *chainCheck) walk(ctx context.Context) error {
	var err error
	if c.erased, err = c.log.allErasures(ctx, c.head.Journal); err != nil {
		return fmt.Errorf("read erasures: %w", translate(err))
	}
	g, ctx := errgroup.WithContext(ctx)
	before := link{link: events.FirstLink(c.head.Journal)}
	for err == nil && before.Last < c.head.Position {
		var page []link
		if page, err = c.commits(ctx, before.Last); err != nil || len(page) == 0 {
			break
		}
		for len(page) > 0 && err == nil {
			n := unitOf(page)
			piece, from := page[:n], before
			before, page = page[n-1], page[n:]
			select {
			case c.slots <- struct{}{}:
				g.Go(func() error { defer func() { <-c.slots }(); return c.piece(ctx, from, piece) })
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
	}
	if failed := g.Wait(); failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	if before.Last != c.head.Position || before.link != c.head.Link || before.Last > 0 && !before.RecordedAt.Equal(c.head.RecordedAt) {
		c.damage(c.head.Position, 0, "the head does not agree with the last commit, which ends at %d", before.Last)
	}
	return nil
}

func (c *chainCheck) commits(ctx context.Context, after events.Position) ([]link, error) {
	rows, err := c.log.pool.Query(ctx, commitsQuery, int64(c.head.Journal), int64(after), int64(c.head.Position))
	if err != nil {
		return nil, fmt.Errorf("read commits: %w", err)
	}
	page, err := pgx.CollectRows(rows, scanLink)
	if err != nil {
		return nil, fmt.Errorf("read commits: %w", err)
	}
	return page, nil
}

// unitOf returns how many commits make a piece.
func unitOf(page []link) int {
	for i := range page {
		if page[i].Last-page[0].First >= unitEvents {
			return i + 1
		}
	}
	return len(page)
}

// piece verifies commits that follow one another, and their events.
func (c *chainCheck) piece(ctx context.Context, before link, piece []link) error {
	rows, err := c.log.pool.Query(ctx, verifyEvents, int64(c.head.Journal), int64(before.Last), int64(piece[len(piece)-1].Last))
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	r := &eventRows{rows: rows}
	named := &rawNames{}
	for i := range piece {
		piece[i].Journal = c.head.Journal
		c.link(before, &piece[i])
		if err := c.events(r, named, &piece[i]); err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		before = piece[i]
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	c.verifier.commits.Add(int64(len(piece)))
	return c.rawsThere(ctx, named)
}

// link verifies what a commit says of itself.
func (c *chainCheck) link(before link, k *link) {
	if k.First != before.Last+1 {
		c.damage(k.First, k.Last, "the commit does not follow the one before it, which ends at %d", before.Last)
	}
	if k.RecordedAt.Before(before.RecordedAt) {
		c.damage(k.First, k.Last, "time runs backwards: recorded at %s", k.RecordedAt.UTC().Format(time.RFC3339Nano))
	}
	if k.Link(before.link) != k.link {
		c.damage(k.First, k.Last, "the link does not agree: time, range, id, meta or root of the commit is not what was recorded")
	}
	if by := c.erased[wholeUser]; k.erasedMeta && by <= k.Last {
		c.damage(k.First, k.Last, "meta is gone, and no event erased it")
	}
}

// events verifies the events of a commit. Those before it that are in no commit
// are passed by.
func (c *chainCheck) events(r *eventRows, named *rawNames, k *link) error {
	leaves := make([]events.Hash, 0, max(0, k.Last-k.First+1))
	want := k.First
	var seen int64
	for {
		e, err := r.next(k.Last)
		if err != nil || e == nil {
			c.progress(seen)
			if err == nil && want <= k.Last {
				c.damage(want, k.Last, "missing")
			}
			if err == nil && len(leaves) == int(k.Last-k.First+1) && events.Root(leaves) != k.Root {
				c.damage(k.First, k.Last, "the root does not agree: an event of the commit is not what was recorded")
			}
			return err
		}
		seen++
		if e.position < want {
			c.damage(e.position, 0, "the event is in no commit")
			continue
		}
		if e.position > want {
			c.damage(want, e.position-1, "missing")
		}
		want = e.position + 1
		leaves = append(leaves, c.event(e, k, named))
	}
}

// event verifies one event, and returns its leaf.
func (c *chainCheck) event(e *eventRow, k *link, named *rawNames) events.Hash {
	if !e.at.Equal(k.RecordedAt) {
		c.damage(e.position, 0, "recorded at %s, its commit at %s", e.at.UTC().Format(time.RFC3339Nano), k.RecordedAt.UTC().Format(time.RFC3339Nano))
	}
	by := c.erased.of(e.account, e.position)
	if e.payload == nil {
		if by == 0 {
			c.damage(e.position, 0, "the payload is gone, and no event erased it")
		} else {
			c.verifier.erased.Add(1)
			c.found(Finding{Position: e.position, ErasedBy: by, What: fmt.Sprintf("erased by event %d", by)})
		}
		var leaf events.Hash
		copy(leaf[:], e.leaf)
		return leaf
	}
	event, err := storedEvent(e.typ, e.version, e.encoding, e.payload)
	if err != nil {
		c.damage(e.position, 0, "%v", err)
	} else if m, ok := event.(events.MessageFetched); ok && by == 0 {
		named.add(m.SHA256, e.position)
	}
	return events.Leaf(events.Type(e.typ), e.version, e.encoding, e.key, e.stream, e.account, e.id, e.payload)
}
