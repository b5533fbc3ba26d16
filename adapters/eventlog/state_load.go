package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// journalHead is the head row of a journal, locked.
type journalHead struct {
	position   events.Position
	link       events.Hash
	recordedAt time.Time
	erased     bool
}

// loaded is what the first round trip of an append brings.
type loaded struct {
	head          journalHead
	at            time.Time       // recorded_at of the commit
	repeated      events.Position // of the commit with this append id; 0: none
	state         commands.State
	lease         int64
	accountErased bool
}

const setTimeouts = `SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '30s', true)`

const lockHead = `
SELECT position, link, recorded_at, erased_by IS NOT NULL
FROM log.journals
WHERE journal_id = $1
FOR UPDATE`

// findAppend also takes the time, which must be after the lock was won.
const findAppend = `
SELECT clock_timestamp(),
	coalesce((SELECT last_position FROM log.commits WHERE journal_id = $1 AND append_id = $2), 0)`

// load begins the transaction, locks the head and loads the state in scope: each
// statement sees what committed before the lock was won.
func load(ctx context.Context, conn *pgx.Conn, scope commands.Scope) (*loaded, error) {
	l := &loaded{}
	b := &pgx.Batch{}
	b.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	b.Queue(setTimeouts)
	b.Queue(lockHead, int64(scope.Journal)).QueryRow(func(row pgx.Row) error {
		var link []byte
		err := row.Scan(&l.head.position, &link, &l.head.recordedAt, &l.head.erased)
		copy(l.head.link[:], link)
		return err
	})
	b.Queue(findAppend, int64(scope.Journal), [16]byte(scope.Append)).QueryRow(func(row pgx.Row) error {
		return row.Scan(&l.at, &l.repeated)
	})
	l.queueAccount(b, scope)
	l.queueMailboxes(b, scope)
	l.queueThreads(b, scope)
	l.queueUser(b, scope)
	l.queueWebhooks(b, scope)
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("lock and load: %w", err)
	}
	// Time never runs backwards in a journal.
	if l.at = l.at.UTC(); l.at.Before(l.head.recordedAt) {
		l.at = l.head.recordedAt.UTC()
	}
	l.state.Position = l.head.position
	return l, nil
}

const loadAccount = `
SELECT version, settings, synced_once, failures, lease, erased_by IS NOT NULL, synced_at, stalled_at IS NOT NULL,
	coalesce((SELECT sync_id FROM state.sync_queue q
		WHERE q.journal_id = $1 AND q.account_id = $2 AND q.started_at IS NOT NULL), 0),
	coalesce((SELECT status FROM state.grants WHERE journal_id = $1 AND account_id = $2), ''),
	CASE WHEN $3 THEN (
		SELECT count(*) FROM state.mailboxes b
		JOIN state.messages m ON m.journal_id = b.journal_id AND m.mailbox_id = b.mailbox_id
		WHERE b.journal_id = $1 AND b.account_id = $2) ELSE 0 END
FROM state.accounts
WHERE journal_id = $1 AND account_id = $2`

func (l *loaded) queueAccount(b *pgx.Batch, scope commands.Scope) {
	if scope.Account == 0 {
		return
	}
	b.Queue(loadAccount, int64(scope.Journal), int64(scope.Account), scope.CountMessages).QueryRow(func(row pgx.Row) error {
		a := &commands.AccountState{}
		var settings []byte
		err := row.Scan(&a.Version, &settings, &a.SyncedOnce, &a.Failures, &l.lease, &l.accountErased,
			&a.SyncedAt, &a.Stalled, &a.Running, &a.Grant, &a.Messages)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = json.Unmarshal(settings, &a.Settings)
		}
		l.state.Account = a
		return err
	})
}

const loadMailboxes = `
SELECT mailbox_id, account_id, name, role, selected, uid_validity, uid_next, mod_seq, messages, level, window_key
FROM state.mailboxes
WHERE journal_id = $1 AND mailbox_id = ANY ($2::bigint[])`

// The thread of a known message is the one that it is in now.
//
// OFFSET, here and below, keeps the planner at one look into the index for each
// key. Before the first ANALYZE of a table that grows fast, as in the first sync
// of an account, it takes a journal for small and reads the whole of it: 800 ms
// for 2,000 nodes among 400,000, and 15 ms so.
const loadKnown = `
SELECT m.mailbox_id, m.uid, m.id, coalesce(g.into_id, m.thread_id), m.mod_seq, m.flags, m.sha256, m.msg_id, m.msg_key,
	m.size, m.internal_date, m.date
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS r (mailbox_id, lo, hi)
CROSS JOIN LATERAL (
	SELECT * FROM state.messages
	WHERE journal_id = $1 AND mailbox_id = r.mailbox_id AND uid BETWEEN r.lo AND r.hi
	OFFSET 0
) m
LEFT JOIN state.thread_merges g ON g.journal_id = m.journal_id AND g.thread_id = m.thread_id`

func (l *loaded) queueMailboxes(b *pgx.Batch, scope commands.Scope) {
	if len(scope.UIDs) == 0 {
		return
	}
	l.state.Mailboxes = make(map[domain.MailboxID]domain.Mailbox, len(scope.UIDs))
	l.state.Known = make(map[domain.MailboxID]map[domain.UID]domain.Known, len(scope.UIDs))
	var ids, in, lo, hi []int64
	for id, uids := range scope.UIDs {
		ids = append(ids, int64(id))
		l.state.Known[id] = make(map[domain.UID]domain.Known)
		for _, r := range uids {
			in, lo, hi = append(in, int64(id)), append(lo, int64(r.Lo)), append(hi, int64(r.Hi))
		}
	}
	b.Queue(loadMailboxes, int64(scope.Journal), ids).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scanMailbox)
		for _, m := range list {
			l.state.Mailboxes[m.ID] = m
		}
		return err
	})
	if len(in) == 0 {
		return
	}
	b.Queue(loadKnown, int64(scope.Journal), in, lo, hi).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scanKnown)
		for _, k := range list {
			l.state.Known[k.Mailbox][k.UID] = k.Known
		}
		return err
	})
}

func scanMailbox(row pgx.CollectableRow) (domain.Mailbox, error) {
	var m domain.Mailbox
	err := row.Scan(&m.ID, &m.Account, &m.Name, &m.Role, &m.Selected, &m.UIDValidity, &m.UIDNext, &m.ModSeq,
		&m.Messages, &m.Level, &m.WindowKey)
	return m, err
}

func scanKnown(row pgx.CollectableRow) (commands.KnownAt, error) {
	var k commands.KnownAt
	var flags []string
	var sum, key []byte
	err := row.Scan(&k.Mailbox, &k.UID, &k.ID, &k.Thread, &k.ModSeq, &flags, &sum, &k.MsgID, &key, &k.Size,
		&k.InternalDate, &k.Date)
	copy(k.SHA256[:], sum)
	copy(k.MsgKey[:], key)
	k.InternalDate, k.Date = k.InternalDate.UTC(), k.Date.UTC()
	k.Flags = make([]domain.Flag, len(flags))
	for i, f := range flags {
		k.Flags[i] = domain.Flag(f)
	}
	return k, err
}

const loadNodes = `
SELECT t.kind, t.key, t.sub, coalesce(g.into_id, t.thread_id), t.people
FROM unnest($3::smallint[], $4::bytea[], $5::bytea[]) AS n (kind, key, sub)
CROSS JOIN LATERAL (
	SELECT * FROM state.threads
	WHERE journal_id = $1 AND account_id = $2 AND kind = n.kind AND key = n.key AND sub = n.sub
	OFFSET 0
) t
LEFT JOIN state.thread_merges g ON g.journal_id = t.journal_id AND g.thread_id = t.thread_id`

const loadNodeRanges = `
SELECT t.kind, t.key, t.sub, coalesce(g.into_id, t.thread_id), t.people
FROM unnest($3::smallint[], $4::bytea[], $5::bytea[], $6::bytea[]) AS r (kind, key, lo, hi)
CROSS JOIN LATERAL (
	SELECT * FROM state.threads
	WHERE journal_id = $1 AND account_id = $2 AND kind = r.kind AND key = r.key AND sub BETWEEN r.lo AND r.hi
	OFFSET 0
) t
LEFT JOIN state.thread_merges g ON g.journal_id = t.journal_id AND g.thread_id = t.thread_id`

func (l *loaded) queueThreads(b *pgx.Batch, scope commands.Scope) {
	journal, account := int64(scope.Journal), int64(scope.Account)
	collect := func(rows pgx.Rows) error {
		nodes, err := pgx.CollectRows(rows, scanNode)
		l.state.Threads = append(l.state.Threads, nodes...)
		return err
	}
	if nodes := scope.Threads.Nodes; len(nodes) > 0 {
		b.Queue(loadNodes, journal, account,
			column(nodes, func(n domain.Node) int16 { return int16(n.Kind) }),
			column(nodes, func(n domain.Node) []byte { return n.Key[:] }),
			column(nodes, func(n domain.Node) []byte { return subOctets(n.Sub) })).Query(collect)
	}
	if ranges := scope.Threads.Ranges; len(ranges) > 0 {
		b.Queue(loadNodeRanges, journal, account,
			column(ranges, func(r domain.NodeRange) int16 { return int16(r.Kind) }),
			column(ranges, func(r domain.NodeRange) []byte { return r.Key[:] }),
			column(ranges, func(r domain.NodeRange) []byte { return r.From[:] }),
			column(ranges, func(r domain.NodeRange) []byte { return r.To[:] })).Query(collect)
	}
}

func scanNode(row pgx.CollectableRow) (domain.IndexedNode, error) {
	var n domain.IndexedNode
	var key, sub, people []byte
	err := row.Scan(&n.Kind, &key, &sub, &n.Thread, &people)
	copy(n.Key[:], key)
	copy(n.Sub[:], sub)
	for len(people) >= len(domain.Key{}) {
		n.People = append(n.People, domain.Key(people[:16]))
		people = people[16:]
	}
	return n, err
}

const loadUser = `
SELECT user_id, name, email, is_admin, is_active, password_hash, login_generation
FROM auth.users
WHERE user_id = $1 AND erased_by IS NULL`

const loadTokens = `
SELECT token_id, kind, name, prefix, scopes, accounts, version, created_at, expires_at
FROM auth.tokens
WHERE journal_id = $1
ORDER BY token_id`

func (l *loaded) queueUser(b *pgx.Batch, scope commands.Scope) {
	if scope.User != 0 {
		b.Queue(loadUser, int64(scope.User)).QueryRow(func(row pgx.Row) error {
			u := &commands.User{}
			err := row.Scan(&u.ID, &u.Name, &u.Email, &u.Admin, &u.Active, &u.PasswordHash, &u.LoginGeneration)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			l.state.User = u
			return err
		})
	}
	if scope.Tokens {
		b.Queue(loadTokens, int64(scope.Journal)).Query(func(rows pgx.Rows) (err error) {
			l.state.Tokens, err = pgx.CollectRows(rows, scanToken)
			return err
		})
	}
}

func scanToken(row pgx.CollectableRow) (commands.Token, error) {
	var t commands.Token
	err := row.Scan(&t.ID, &t.Kind, &t.Name, &t.Prefix, &t.Scopes, &t.Accounts, &t.Version, &t.CreatedAt, &t.Expires)
	t.CreatedAt = t.CreatedAt.UTC()
	if t.Expires != nil {
		*t.Expires = t.Expires.UTC()
	}
	return t, err
}
