package eventlog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// collect runs a query outside of any decision.
func collect[T any](ctx context.Context, j *Journal, what string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := j.log.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, translate(err))
	}
	out, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, translate(err))
	}
	return out, nil
}

const listMailboxes = `
SELECT mailbox_id, account_id, name, role, selected, uid_validity, uid_next, mod_seq, messages, level, window_key
FROM state.mailboxes
WHERE journal_id = $1 AND account_id = $2
ORDER BY name`

// Mailboxes returns all mailboxes of an account, by name.
func (j *Journal) Mailboxes(ctx context.Context, journal events.JournalID, acc domain.AccountID) ([]domain.Mailbox, error) {
	return collect(ctx, j, "list mailboxes", scanMailbox, listMailboxes, int64(journal), int64(acc))
}

// UIDs without a gap differ from their row numbers by the same.
const knownUIDs = `
SELECT min(uid), max(uid)
FROM (
	SELECT uid, uid - row_number() OVER (ORDER BY uid) AS run
	FROM state.messages
	WHERE journal_id = $1 AND mailbox_id = $2
) u
GROUP BY run
ORDER BY 1`

// KnownUIDs returns the UIDs of a mailbox that are stored.
func (j *Journal) KnownUIDs(ctx context.Context, journal events.JournalID, mailbox domain.MailboxID) (domain.UIDSet, error) {
	ranges, err := collect(ctx, j, "read known UIDs", scanRange, knownUIDs, int64(journal), int64(mailbox))
	return domain.UIDSet(ranges), err
}

func scanRange(row pgx.CollectableRow) (r domain.UIDRange, err error) {
	err = row.Scan(&r.Lo, &r.Hi)
	return r, err
}

const known = `
SELECT m.mailbox_id, m.uid, m.id, coalesce(g.into_id, m.thread_id), m.mod_seq, m.flags, m.sha256, m.msg_id, m.msg_key,
	m.size, m.internal_date, m.date
FROM state.messages m
LEFT JOIN state.thread_merges g ON g.journal_id = m.journal_id AND g.thread_id = m.thread_id
WHERE m.journal_id = $1 AND m.mailbox_id = $2 AND m.uid BETWEEN $3 AND $4
ORDER BY m.uid`

// Known returns the stored messages of a mailbox with lo <= UID <= hi, by UID.
func (j *Journal) Known(ctx context.Context, journal events.JournalID, mailbox domain.MailboxID, lo, hi domain.UID) ([]domain.Known, error) {
	list, err := collect(ctx, j, "read known messages", scanKnown, known, int64(journal), int64(mailbox), int64(lo), int64(hi))
	return column(list, func(k commands.KnownAt) domain.Known { return k.Known }), err
}

// OFFSET keeps the planner from reading all messages where it has no statistics yet.
const knownByMsgKey = `
SELECT m.mailbox_id, m.uid, m.id, coalesce(g.into_id, m.thread_id), m.mod_seq, m.flags, m.sha256, m.msg_id, m.msg_key,
	m.size, m.internal_date, m.date
FROM unnest($3::bytea[]) AS k (msg_key)
CROSS JOIN LATERAL (
	SELECT * FROM state.messages
	WHERE journal_id = $1 AND msg_key = k.msg_key AND msg_key <> ''
	OFFSET 0
) m
JOIN state.mailboxes b ON b.journal_id = m.journal_id AND b.mailbox_id = m.mailbox_id AND b.account_id = $2
LEFT JOIN state.thread_merges g ON g.journal_id = m.journal_id AND g.thread_id = m.thread_id
ORDER BY m.mailbox_id, m.uid`

// KnownByMsgKey returns where messages with these keys are in the account. The
// zero key finds nothing.
func (j *Journal) KnownByMsgKey(ctx context.Context, journal events.JournalID, acc domain.AccountID, keys []domain.Key) ([]commands.KnownAt, error) {
	keys = lastOf(keys, func(k domain.Key) domain.Key { return k })
	octets := column(keys, subOctets)
	return collect(ctx, j, "find messages by message-id", scanKnown, knownByMsgKey, int64(journal), int64(acc), octets)
}

const quarantined = `
SELECT uid, next_at > clock_timestamp()
FROM state.quarantine
WHERE journal_id = $1 AND mailbox_id = $2`

type quarantinedUID struct {
	uid     domain.UID
	waiting bool
}

// Quarantine returns the UIDs of a mailbox that could not be had: those that rest, and
// those that are due to be tried again.
func (j *Journal) Quarantine(ctx context.Context, journal events.JournalID, mailbox domain.MailboxID) (waiting, due domain.UIDSet, err error) {
	all, err := collect(ctx, j, "read quarantine", func(row pgx.CollectableRow) (q quarantinedUID, err error) {
		err = row.Scan(&q.uid, &q.waiting)
		return q, err
	}, quarantined, int64(journal), int64(mailbox))
	is := map[bool][]domain.UID{}
	for _, q := range all {
		is[q.waiting] = append(is[q.waiting], q.uid)
	}
	return domain.UIDs(is[true]...), domain.UIDs(is[false]...), err
}

const touchedThreads = `
SELECT thread_id, account_id, causes, message_ids, merged, backfill
FROM state.touched_threads
WHERE journal_id = $1 AND account_id = $2 AND thread_id > $3
ORDER BY thread_id
LIMIT $4`

// The messages of a thread have its id or that of one that was merged into it.
const threadsNow = `
SELECT i.thread_id, count(*), count(*) FILTER (WHERE NOT '\Seen' = ANY (m.flags)),
	(array_agg(m.id ORDER BY m.date DESC, m.id DESC))[1], max(m.date)
FROM (
	SELECT u AS thread_id, u AS id FROM unnest($2::bigint[]) AS u
	UNION ALL
	SELECT into_id, thread_id FROM state.thread_merges WHERE journal_id = $1 AND into_id = ANY ($2::bigint[])
) i
JOIN state.messages m ON m.journal_id = $1 AND m.thread_id = i.id
GROUP BY i.thread_id`

const fetchedEvents = `
SELECT stream_id, type, schema_version, encoding, payload
FROM log.events
WHERE journal_id = $1 AND stream_kind = 1 AND stream_id = ANY ($2::bigint[]) AND type = 'message-fetched'
	AND payload IS NOT NULL`

// TouchedThreads returns up to limit threads that ThreadUpdated has still to tell
// of, lowest id first, as they are now, with ids after the given one.
func (j *Journal) TouchedThreads(ctx context.Context, journal events.JournalID, acc domain.AccountID,
	after domain.ThreadID, limit int,
) ([]events.ThreadUpdated, error) {
	list, err := collect(ctx, j, "read touched threads", scanTouched, touchedThreads,
		int64(journal), int64(acc), int64(after), limit)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	ids := column(list, func(t events.ThreadUpdated) int64 { return int64(t.Thread) })
	now, err := collect(ctx, j, "count threads", scanThreadNow, threadsNow, int64(journal), ids)
	if err != nil {
		return nil, err
	}
	fetched, err := collect(ctx, j, "read latest messages", scanFetched, fetchedEvents, int64(journal),
		column(now, func(t threadNow) int64 { return int64(t.latest) }))
	if err != nil {
		return nil, err
	}
	tell(list, now, fetched)
	return list, nil
}

// threadNow is a thread as it is now.
type threadNow struct {
	thread           domain.ThreadID
	messages, unseen int
	latest           domain.MessageID
	date             time.Time
}

// tell completes events by what threads are now and what their latest messages say.
func tell(list []events.ThreadUpdated, now []threadNow, fetched []events.MessageFetched) {
	said := make(map[domain.MessageID]events.Summary, len(fetched))
	for _, e := range fetched {
		said[e.ID] = e.Summary
	}
	at := make(map[domain.ThreadID]threadNow, len(now))
	for _, t := range now {
		at[t.thread] = t
	}
	for i := range list {
		u := &list[i]
		t, ok := at[u.Thread]
		if !ok {
			continue // the last message is gone
		}
		s := said[t.latest]
		u.Messages, u.Unseen = t.messages, t.unseen
		u.Latest = &events.LatestMessage{ID: t.latest, Subject: s.Subject, Sender: s.Sender, Date: t.date}
	}
}

// causeNames are the public types of events by the bits of causes.
var causeNames = []struct {
	bit  int16
	name string
}{
	{causeReceived, "email.received"},
	{causeFlagsChanged, "email.flags_changed"},
	{causeMoved, "email.moved"},
	{causeDeleted, "email.deleted"},
}

func scanTouched(row pgx.CollectableRow) (events.ThreadUpdated, error) {
	var u events.ThreadUpdated
	var causes int16
	err := row.Scan(&u.Thread, &u.Account, &causes, &u.IDs, &u.Merged, &u.Backfill)
	for _, c := range causeNames {
		if causes&c.bit != 0 {
			u.Causes = append(u.Causes, c.name)
		}
	}
	slices.Sort(u.Merged)
	return u, err
}

func scanThreadNow(row pgx.CollectableRow) (t threadNow, err error) {
	err = row.Scan(&t.thread, &t.messages, &t.unseen, &t.latest, &t.date)
	t.date = t.date.UTC()
	return t, err
}

func scanFetched(row pgx.CollectableRow) (events.MessageFetched, error) {
	var id int64
	var typ string
	var version, encoding int16
	var payload []byte
	if err := row.Scan(&id, &typ, &version, &encoding, &payload); err != nil {
		return events.MessageFetched{}, err
	}
	e, err := storedEvent(typ, version, encoding, payload)
	fetched, _ := e.(events.MessageFetched)
	return fetched, err
}
