package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const insertChange = `INSERT INTO state.changes (journal_id, account_id, change_id, position) VALUES ($1, $2, $3, $4)`

const deleteChange = `DELETE FROM state.changes WHERE journal_id = $1 AND account_id = $2 AND change_id = $3`

const countTries = `
UPDATE state.changes SET tries = tries + 1
WHERE journal_id = $1 AND account_id = $2 AND change_id = ANY ($3::bigint[])`

func (w rowWriter) tried(rows []commands.TriedChangesRow) {
	for _, r := range rows {
		w.batch.Queue(countTries, w.journal, int64(r.Account), column(r.Changes, func(c domain.ChangeID) int64 { return int64(c) }))
	}
}

const pendingChanges = `
SELECT c.tries, e.type, e.schema_version, e.encoding, e.payload
FROM state.changes c
JOIN log.events e ON e.journal_id = c.journal_id AND e.position = c.position
WHERE c.journal_id = $1 AND c.account_id = $2 AND e.payload IS NOT NULL
ORDER BY c.position`

// PendingChanges returns the changes of an account that have not ended, in the order in which they were asked for.
func (j *Journal) PendingChanges(ctx context.Context, journal events.JournalID, acc domain.AccountID) ([]commands.PendingChange, error) {
	return collect(ctx, j, "read pending changes", scanChange, pendingChanges, int64(journal), int64(acc))
}

func scanChange(row pgx.CollectableRow) (c commands.PendingChange, err error) {
	var typ string
	var version, encoding int16
	var payload []byte
	if err := row.Scan(&c.Tries, &typ, &version, &encoding, &payload); err != nil {
		return c, err
	}
	e, err := storedEvent(typ, version, encoding, payload)
	if err != nil {
		return c, err
	}
	requested, ok := e.(events.ChangeRequested)
	if !ok {
		return c, fmt.Errorf("a pending change is a %s", typ)
	}
	c.ChangeRequested = requested
	return c, nil
}

// placesOf finds messages by the threads that they were in once, as that is what there is an index of; OFFSET keeps the
// planner from reading all messages.
const placesOf = `
SELECT m.mailbox_id, m.uid, m.id, coalesce(g.into_id, m.thread_id), m.mod_seq, m.flags, m.sha256, m.msg_id, m.msg_key,
	m.size, m.internal_date, m.date
FROM (
	SELECT coalesce(g.into_id, w.thread_id) AS thread_id, array_agg(w.id) AS ids
	FROM unnest($3::bigint[], $4::bigint[]) AS w (id, thread_id)
	LEFT JOIN state.thread_merges g ON g.journal_id = $1 AND g.thread_id = w.thread_id
	GROUP BY 1
) w
CROSS JOIN LATERAL (
	SELECT w.thread_id UNION SELECT g.thread_id FROM state.thread_merges g WHERE g.journal_id = $1 AND g.into_id = w.thread_id
) t (thread_id)
CROSS JOIN LATERAL (
	SELECT * FROM state.messages
	WHERE journal_id = $1 AND thread_id = t.thread_id AND id = ANY (w.ids)
	OFFSET 0
) m
JOIN state.mailboxes b ON b.journal_id = m.journal_id AND b.mailbox_id = m.mailbox_id AND b.account_id = $2
LEFT JOIN state.thread_merges g ON g.journal_id = m.journal_id AND g.thread_id = m.thread_id
ORDER BY m.mailbox_id, m.uid`

// PlacesOf returns where messages of an account are; those that are not stored are left out.
func (j *Journal) PlacesOf(ctx context.Context, journal events.JournalID, acc domain.AccountID, of []events.ChangedMessage) ([]commands.KnownAt, error) {
	return collect(ctx, j, "find messages", scanKnown, placesOf, int64(journal), int64(acc),
		column(of, func(m events.ChangedMessage) int64 { return int64(m.ID) }),
		column(of, func(m events.ChangedMessage) int64 { return int64(m.Thread) }))
}

// endsOfChanges reads the last event of each change; 10 is events.StreamChange.
const endsOfChanges = `
SELECT e.position, e.type, e.schema_version, e.encoding, e.payload
FROM unnest($2::bigint[]) AS c (change_id)
CROSS JOIN LATERAL (
	SELECT * FROM log.events
	WHERE journal_id = $1 AND stream_kind = 10 AND stream_id = c.change_id
	ORDER BY position DESC
	LIMIT 1
) e
WHERE e.payload IS NOT NULL`

// Ended returns the ends of those of the changes that have ended, and the position of the last of these.
func (j *Journal) Ended(ctx context.Context, journal events.JournalID, changes []domain.ChangeID) ([]events.ChangeEnded, events.Position, error) {
	var out []events.ChangeEnded
	var last events.Position
	all, err := collect(ctx, j, "read ends of changes", scanEnd, endsOfChanges, int64(journal), column(changes, func(c domain.ChangeID) int64 { return int64(c) }))
	for _, rec := range all {
		if e, ok := rec.Event.(events.ChangeEnded); ok {
			out, last = append(out, e), max(last, rec.Position)
		}
	}
	return out, last, err
}

func scanEnd(row pgx.CollectableRow) (rec events.Recorded, err error) {
	var typ string
	var version, encoding int16
	var payload []byte
	if err := row.Scan(&rec.Position, &typ, &version, &encoding, &payload); err != nil {
		return rec, err
	}
	rec.Event, err = storedEvent(typ, version, encoding, payload)
	return rec, err
}
