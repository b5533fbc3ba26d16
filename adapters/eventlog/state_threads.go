package eventlog

import (
	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Causes of a touched thread, as bits. The numbers are stored.
const (
	causeReceived     int16 = 1
	causeFlagsChanged int16 = 2
	causeMoved        int16 = 4
	causeDeleted      int16 = 8
)

const insertNodes = `
INSERT INTO state.threads (journal_id, account_id, thread_id, kind, key, sub, people)
SELECT $1, $2, u.* FROM unnest($3::bigint[], $4::smallint[], $5::bytea[], $6::bytea[], $7::bytea[]) AS u
ON CONFLICT DO NOTHING`

// queueNodes adds to the thread index of the scope's account.
func queueNodes(b *pgx.Batch, scope commands.Scope, nodes []domain.IndexedNode) {
	if len(nodes) == 0 {
		return
	}
	b.Queue(insertNodes, int64(scope.Journal), int64(scope.Account),
		column(nodes, func(n domain.IndexedNode) int64 { return int64(n.Thread) }),
		column(nodes, func(n domain.IndexedNode) int16 { return int16(n.Kind) }),
		column(nodes, func(n domain.IndexedNode) []byte { return n.Key[:] }),
		column(nodes, func(n domain.IndexedNode) []byte { return subOctets(n.Sub) }),
		column(nodes, func(n domain.IndexedNode) []byte { return peopleOctets(n.People) }))
}

// threadMerges are threads that became part of others.
type threadMerges struct {
	into map[domain.ThreadID]domain.ThreadID
	list []threadMerge
}

type threadMerge struct {
	account      domain.AccountID
	thread, into domain.ThreadID
}

func (m *threadMerges) add(e events.MessageFetched) {
	for _, t := range e.Merged {
		if m.into == nil {
			m.into = map[domain.ThreadID]domain.ThreadID{}
		}
		m.into[t] = e.Thread
		m.list = append(m.list, threadMerge{account: e.Account, thread: t})
	}
}

// Chains stay one link long: what was merged into a thread that is merged now
// points to the survivor.
const mergeEarlier = `
UPDATE state.thread_merges g
SET into_id = u.into_id
FROM unnest($2::bigint[], $3::bigint[]) AS u (thread_id, into_id)
WHERE g.journal_id = $1 AND g.into_id = u.thread_id`

const insertMerges = `
INSERT INTO state.thread_merges (journal_id, account_id, thread_id, into_id)
SELECT $1, u.* FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS u
ON CONFLICT (journal_id, thread_id) DO UPDATE SET into_id = excluded.into_id`

func (m *threadMerges) flush(fx *effects) {
	if len(m.list) == 0 {
		return
	}
	m.list = lastOf(m.list, func(g threadMerge) domain.ThreadID { return g.thread })
	for i := range m.list {
		g := &m.list[i]
		g.into = m.into[g.thread]
		for next, ok := m.into[g.into]; ok; next, ok = m.into[g.into] {
			g.into = next
		}
	}
	accounts, threads, into := m.columns()
	fx.queue(mergeEarlier, threads, into)
	fx.queue(insertMerges, accounts, threads, into)
}

func (m *threadMerges) columns() (accounts, threads, into []int64) {
	return column(m.list, func(g threadMerge) int64 { return int64(g.account) }),
		column(m.list, func(g threadMerge) int64 { return int64(g.thread) }),
		column(m.list, func(g threadMerge) int64 { return int64(g.into) })
}

// threadTouches gathers what ThreadUpdated has to tell at the end of a sync run.
type threadTouches struct {
	at   map[touchKey]int
	list []threadTouch
}

type touchKey struct {
	thread  domain.ThreadID
	message domain.MessageID
}

type threadTouch struct {
	touchKey
	account  domain.AccountID
	causes   int16
	backfill bool
}

func (t *threadTouches) add(m events.Message, cause int16, backfill bool) {
	if t.at == nil {
		t.at = map[touchKey]int{}
	}
	key := touchKey{m.Thread, m.ID}
	i, ok := t.at[key]
	if !ok {
		t.at[key] = len(t.list)
		t.list = append(t.list, threadTouch{key, m.Account, cause, backfill})
		return
	}
	t.list[i].causes |= cause
	t.list[i].backfill = t.list[i].backfill && backfill
}

// The threads are those after the merges of this decision. At most 100 messages
// of a thread are told of.
const touchThreads = `
INSERT INTO state.touched_threads AS t (journal_id, account_id, thread_id, causes, message_ids, merged, backfill)
SELECT $1, u.account_id, coalesce(g.into_id, u.thread_id), bit_or(u.causes),
	(array_agg(u.message_id ORDER BY u.n))[1:100], '{}', bool_and(u.backfill)
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::boolean[])
	WITH ORDINALITY AS u (account_id, thread_id, message_id, causes, backfill, n)
LEFT JOIN state.thread_merges g ON g.journal_id = $1 AND g.thread_id = u.thread_id
GROUP BY 2, 3
ON CONFLICT (journal_id, account_id, thread_id) DO UPDATE SET
	causes = t.causes | excluded.causes,
	message_ids = (t.message_ids || ARRAY(
		SELECT m.id FROM unnest(excluded.message_ids) WITH ORDINALITY AS m (id, n)
		WHERE m.id <> ALL (t.message_ids) ORDER BY m.n))[1:100],
	backfill = t.backfill AND excluded.backfill`

func (t *threadTouches) flush(fx *effects) {
	if len(t.list) == 0 {
		return
	}
	fx.queue(touchThreads,
		column(t.list, func(t threadTouch) int64 { return int64(t.account) }),
		column(t.list, func(t threadTouch) int64 { return int64(t.thread) }),
		column(t.list, func(t threadTouch) int64 { return int64(t.message) }),
		column(t.list, func(t threadTouch) int16 { return t.causes }),
		column(t.list, func(t threadTouch) bool { return t.backfill }))
}

// moveTouched gives what is to be told of merged threads to their survivors.
const moveTouched = `
WITH gone AS (
	DELETE FROM state.touched_threads t
	USING unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS u (account_id, thread_id, into_id)
	WHERE t.journal_id = $1 AND t.account_id = u.account_id AND t.thread_id = u.thread_id
	RETURNING t.*, u.into_id
)
INSERT INTO state.touched_threads AS t (journal_id, account_id, thread_id, causes, message_ids, merged, backfill)
SELECT $1, account_id, into_id, bit_or(causes),
	(ARRAY(SELECT DISTINCT unnest(s.message_ids) FROM gone s WHERE s.into_id = g.into_id ORDER BY 1))[1:100],
	ARRAY(SELECT unnest(s.merged) FROM gone s WHERE s.into_id = g.into_id),
	bool_and(backfill)
FROM gone g
GROUP BY account_id, into_id
ON CONFLICT (journal_id, account_id, thread_id) DO UPDATE SET
	causes = t.causes | excluded.causes,
	message_ids = (t.message_ids || ARRAY(
		SELECT m.id FROM unnest(excluded.message_ids) WITH ORDINALITY AS m (id, n)
		WHERE m.id <> ALL (t.message_ids) ORDER BY m.n))[1:100],
	merged = t.merged || excluded.merged,
	backfill = t.backfill AND excluded.backfill`

const noteMerges = `
UPDATE state.touched_threads t
SET merged = t.merged || m.threads
FROM (
	SELECT account_id, into_id, array_agg(thread_id) AS threads
	FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS u (account_id, thread_id, into_id)
	GROUP BY account_id, into_id
) m
WHERE t.journal_id = $1 AND t.account_id = m.account_id AND t.thread_id = m.into_id`

// flushTouched queues what merges do to the touched threads, after the events of
// the decision have touched them.
func (m *threadMerges) flushTouched(fx *effects) {
	if len(m.list) == 0 {
		return
	}
	accounts, threads, into := m.columns()
	fx.queue(moveTouched, accounts, threads, into)
	if fx.inSync {
		fx.queue(noteMerges, accounts, threads, into)
	}
}
