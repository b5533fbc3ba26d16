package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

const (
	leafOf = `
SELECT coalesce(leaf, log.leaf(type, schema_version, encoding, key_id, stream_kind, stream_id, account_id, event_id, payload))
FROM log.events WHERE journal_id = $1 AND position = $2`

	// The commit of an event, and the one before it.
	commitOf = `
(SELECT first_position, last_position, recorded_at, append_id, meta, meta_leaf, root, link
FROM log.commits WHERE journal_id = $1 AND last_position >= $2 ORDER BY last_position LIMIT 1)
UNION ALL
(SELECT first_position, last_position, recorded_at, append_id, meta, meta_leaf, root, link
FROM log.commits WHERE journal_id = $1 AND last_position < $2 ORDER BY last_position DESC LIMIT 1)`
)

// EventProof answers queries.GetEventProof: the commit of the event is verified as Verify does.
func (l *Log) EventProof(ctx context.Context, journal events.JournalID, pos events.Position) (queries.EventProof, error) {
	var p queries.EventProof
	var leaf []byte
	if err := l.pool.QueryRow(ctx, leafOf, int64(journal), int64(pos)).Scan(&leaf); err != nil {
		return p, fmt.Errorf("read leaf: %w", translate(err))
	}
	copy(p.Leaf[:], leaf)
	rows, err := l.pool.Query(ctx, commitOf, int64(journal), int64(pos))
	if err != nil {
		return p, fmt.Errorf("read commit: %w", translate(err))
	}
	found, err := pgx.CollectRows(rows, scanLink)
	if err != nil {
		return p, fmt.Errorf("read commit: %w", translate(err))
	}
	if len(found) == 0 || found[0].Last < pos {
		return p, fmt.Errorf("the event is in no commit: %w", domain.ErrNotFound)
	}
	before := link{link: events.FirstLink(journal)}
	if len(found) > 1 {
		before = found[1]
	}
	c := &chainCheck{verifier: &verifier{log: l}, head: events.Head{Journal: journal}}
	if c.erased, err = l.allErasures(ctx, journal); err != nil {
		return p, fmt.Errorf("read erasures: %w", translate(err))
	}
	if err := c.piece(ctx, before, found[:1]); err != nil {
		return p, translate(err)
	}
	for _, f := range c.findings {
		if f.Damage() {
			p.Faults = append(p.Faults, f.String())
		}
	}
	p.Commit, p.Before, p.Link = found[0].Commit, before.link, found[0].link
	return p, nil
}
