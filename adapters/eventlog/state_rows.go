package eventlog

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// rowSet is the rows of a decision by their types.
type rowSet struct {
	checkpoints []commands.CheckpointRow
	quarantine  []commands.QuarantineRow
	checksDue   []commands.CoverageDueRow
	grants      []commands.GrantRow
	grantsGone  []commands.GrantGoneRow
	sealed      []commands.SealedRow
	queued      []commands.QueueRow
	dequeued    []commands.DequeueRow
	schedules   []commands.ScheduleRow
	stalled     []commands.StalledRow
	takeovers   []commands.TakeoverRow
	told        []commands.ToldThreadsRow
	tried       []commands.TriedChangesRow
	users       []commands.UserRow
	tokens      []commands.TokenRow
	tokensGone  []commands.TokenGoneRow
	sessions    []commands.SessionRow
	ended       []commands.SessionGoneRow
	webhooks    []commands.Row // of all kinds, in order
}

func rowsByType(rows []commands.Row) (s rowSet) {
	for _, row := range rows {
		switch r := row.(type) {
		case commands.CheckpointRow:
			s.checkpoints = append(s.checkpoints, r)
		case commands.QuarantineRow:
			s.quarantine = append(s.quarantine, r)
		case commands.CoverageDueRow:
			s.checksDue = append(s.checksDue, r)
		case commands.GrantRow:
			s.grants = append(s.grants, r)
		case commands.GrantGoneRow:
			s.grantsGone = append(s.grantsGone, r)
		case commands.SealedRow:
			s.sealed = append(s.sealed, r)
		case commands.QueueRow:
			s.queued = append(s.queued, r)
		case commands.DequeueRow:
			s.dequeued = append(s.dequeued, r)
		case commands.ScheduleRow:
			s.schedules = append(s.schedules, r)
		case commands.StalledRow:
			s.stalled = append(s.stalled, r)
		case commands.TakeoverRow:
			s.takeovers = append(s.takeovers, r)
		case commands.ToldThreadsRow:
			s.told = append(s.told, r)
		case commands.TriedChangesRow:
			s.tried = append(s.tried, r)
		case commands.UserRow:
			s.users = append(s.users, r)
		case commands.TokenRow:
			s.tokens = append(s.tokens, r)
		case commands.TokenGoneRow:
			s.tokensGone = append(s.tokensGone, r)
		case commands.SessionRow:
			s.sessions = append(s.sessions, r)
		case commands.SessionGoneRow:
			s.ended = append(s.ended, r)
		default:
			s.webhooks = append(s.webhooks, r)
		}
	}
	return s
}

// rowWriter queues the rows of a decision, a statement for each type.
type rowWriter struct {
	batch   *pgx.Batch
	journal int64
	at      time.Time
}

// queueRows queues the rows of a decision, after what its events do: rows may be
// about what the events made. What goes makes room for what comes.
func queueRows(b *pgx.Batch, scope commands.Scope, at time.Time, rows []commands.Row) {
	if len(rows) == 0 {
		return
	}
	w := rowWriter{b, int64(scope.Journal), at}
	s := rowsByType(rows)
	w.checkpoints(s.checkpoints)
	w.quarantine(s.quarantine)
	w.checksDue(s.checksDue)
	w.dropGrants(s.grantsGone)
	w.grants(s.grants)
	w.sealed(s.sealed)
	w.dequeue(s.dequeued)
	w.queue(s.queued)
	w.schedule(s.schedules)
	w.stall(s.stalled)
	w.takeOver(s.takeovers)
	w.told(s.told)
	w.tried(s.tried)
	w.users(s.users)
	w.dropTokens(s.tokensGone)
	w.tokens(s.tokens)
	w.endSessions(s.ended)
	w.sessions(s.sessions)
	w.webhooks(s.webhooks)
}

const saveCheckpoints = `
UPDATE state.mailboxes m
SET uid_validity = u.uid_validity, uid_next = u.uid_next, mod_seq = u.mod_seq, messages = u.messages,
	level = u.level, window_key = u.window_key
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[], $8::text[])
	AS u (mailbox_id, uid_validity, uid_next, mod_seq, messages, level, window_key)
WHERE m.journal_id = $1 AND m.mailbox_id = u.mailbox_id`

func (w rowWriter) checkpoints(rows []commands.CheckpointRow) {
	if len(rows) == 0 {
		return
	}
	rows = lastOf(rows, func(r commands.CheckpointRow) domain.MailboxID { return r.Mailbox.ID })
	w.batch.Queue(saveCheckpoints, w.journal,
		column(rows, func(r commands.CheckpointRow) int64 { return int64(r.Mailbox.ID) }),
		column(rows, func(r commands.CheckpointRow) int64 { return int64(r.Mailbox.UIDValidity) }),
		column(rows, func(r commands.CheckpointRow) int64 { return int64(r.Mailbox.UIDNext) }),
		column(rows, func(r commands.CheckpointRow) int64 { return int64(r.Mailbox.ModSeq) }),
		column(rows, func(r commands.CheckpointRow) int64 { return int64(r.Mailbox.Messages) }),
		column(rows, func(r commands.CheckpointRow) bool { return r.Mailbox.Level }),
		column(rows, func(r commands.CheckpointRow) string { return r.Mailbox.WindowKey }))
}

const saveQuarantine = `
INSERT INTO state.quarantine AS q (journal_id, mailbox_id, uid, attempts, reason, last_error, first_at, next_at)
SELECT $1, u.mailbox_id, u.uid, CASE WHEN u.attempts < 0 THEN coalesce(b.attempts, 0) + 1 ELSE u.attempts END,
	u.reason, u.last_error, $8, u.next_at
FROM unnest($2::bigint[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::timestamptz[])
	AS u (mailbox_id, uid, attempts, reason, last_error, next_at)
LEFT JOIN state.quarantine b ON b.journal_id = $1 AND b.mailbox_id = u.mailbox_id AND b.uid = u.uid
ON CONFLICT (journal_id, mailbox_id, uid) DO UPDATE SET
	attempts = excluded.attempts, reason = excluded.reason, last_error = excluded.last_error, next_at = excluded.next_at`

const deleteQuarantine = `
DELETE FROM state.quarantine q
USING unnest($2::bigint[], $3::bigint[]) AS u (mailbox_id, uid)
WHERE q.journal_id = $1 AND q.mailbox_id = u.mailbox_id AND q.uid = u.uid`

const maxReason = 2000 // octets

func (w rowWriter) quarantine(rows []commands.QuarantineRow) {
	rows = lastOf(rows, func(r commands.QuarantineRow) messagePlace { return messagePlace{r.Mailbox, r.UID} })
	var save, drop []commands.QuarantineRow
	for _, r := range rows {
		if r.Attempts == 0 {
			drop = append(drop, r)
		} else {
			save = append(save, r)
		}
	}
	mailbox := func(r commands.QuarantineRow) int64 { return int64(r.Mailbox) }
	uid := func(r commands.QuarantineRow) int64 { return int64(r.UID) }
	if len(drop) > 0 {
		w.batch.Queue(deleteQuarantine, w.journal, column(drop, mailbox), column(drop, uid))
	}
	if len(save) > 0 {
		w.batch.Queue(saveQuarantine, w.journal, column(save, mailbox), column(save, uid),
			column(save, func(r commands.QuarantineRow) int32 { return int32(r.Attempts) }),
			column(save, func(r commands.QuarantineRow) string { return fit(r.Reason, maxReason) }),
			column(save, func(r commands.QuarantineRow) string { return fit(r.LastError, maxReason) }),
			column(save, func(r commands.QuarantineRow) time.Time { return r.NextAt }), w.at)
	}
}

const saveSealed = `
UPDATE state.accounts a
SET sealed = u.sealed
FROM unnest($2::bigint[], $3::bytea[]) AS u (account_id, sealed)
WHERE a.journal_id = $1 AND a.account_id = u.account_id AND a.erased_by IS NULL`

func (w rowWriter) sealed(rows []commands.SealedRow) {
	if len(rows) == 0 {
		return
	}
	rows = lastOf(rows, func(r commands.SealedRow) domain.AccountID { return r.Account })
	w.batch.Queue(saveSealed, w.journal,
		column(rows, func(r commands.SealedRow) int64 { return int64(r.Account) }),
		column(rows, func(r commands.SealedRow) []byte { return r.Sealed }))
}

const insertQueued = `
INSERT INTO state.sync_queue (journal_id, account_id, sync_id, cause, queued_at)
SELECT $1, u.* FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[]) AS u
ON CONFLICT DO NOTHING`

func (w rowWriter) queue(rows []commands.QueueRow) {
	if len(rows) == 0 {
		return
	}
	w.batch.Queue(insertQueued, w.journal,
		column(rows, func(r commands.QueueRow) int64 { return int64(r.Account) }),
		column(rows, func(r commands.QueueRow) int64 { return int64(r.Sync) }),
		column(rows, func(r commands.QueueRow) string { return r.Cause }),
		column(rows, func(r commands.QueueRow) time.Time { return r.At }))
}

const deleteQueued = `
DELETE FROM state.sync_queue q
USING unnest($2::bigint[], $3::bigint[]) AS u (account_id, sync_id)
WHERE q.journal_id = $1 AND q.account_id = u.account_id AND (u.sync_id = 0 OR q.sync_id = u.sync_id)`

func (w rowWriter) dequeue(rows []commands.DequeueRow) {
	if len(rows) == 0 {
		return
	}
	w.batch.Queue(deleteQueued, w.journal,
		column(rows, func(r commands.DequeueRow) int64 { return int64(r.Account) }),
		column(rows, func(r commands.DequeueRow) int64 { return int64(r.Sync) }))
}

const saveSchedule = `
UPDATE state.accounts a
SET next_sync_at = u.next_sync_at
FROM unnest($2::bigint[], $3::timestamptz[]) AS u (account_id, next_sync_at)
WHERE a.journal_id = $1 AND a.account_id = u.account_id AND a.erased_by IS NULL`

func (w rowWriter) schedule(rows []commands.ScheduleRow) {
	if len(rows) == 0 {
		return
	}
	rows = lastOf(rows, func(r commands.ScheduleRow) domain.AccountID { return r.Account })
	w.batch.Queue(saveSchedule, w.journal,
		column(rows, func(r commands.ScheduleRow) int64 { return int64(r.Account) }),
		column(rows, func(r commands.ScheduleRow) *time.Time { return r.At }))
}

const saveStalled = `
UPDATE state.accounts SET stalled_at = $3
WHERE journal_id = $1 AND account_id = ANY ($2::bigint[])`

func (w rowWriter) stall(rows []commands.StalledRow) {
	if len(rows) > 0 {
		w.batch.Queue(saveStalled, w.journal, column(rows, func(r commands.StalledRow) int64 { return int64(r.Account) }), w.at)
	}
}

// The next claim sees a run whose lease is over.
const endLeases = `
UPDATE state.accounts SET lease = lease + 1, lease_until = to_timestamp(0)
WHERE journal_id = $1 AND account_id = ANY ($2::bigint[])`

func (w rowWriter) takeOver(rows []commands.TakeoverRow) {
	if len(rows) > 0 {
		w.batch.Queue(endLeases, w.journal, column(rows, func(r commands.TakeoverRow) int64 { return int64(r.Account) }))
	}
}

const deleteTouched = `
DELETE FROM state.touched_threads t
USING unnest($2::bigint[], $3::bigint[]) AS u (account_id, thread_id)
WHERE t.journal_id = $1 AND t.account_id = u.account_id AND t.thread_id = u.thread_id`

func (w rowWriter) told(rows []commands.ToldThreadsRow) {
	var accounts, threads []int64
	for _, r := range rows {
		for _, t := range r.Threads {
			accounts, threads = append(accounts, int64(r.Account)), append(threads, int64(t))
		}
	}
	if len(threads) > 0 {
		w.batch.Queue(deleteTouched, w.journal, accounts, threads)
	}
}
