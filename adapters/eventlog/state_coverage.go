package eventlog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// coverageOp is the last check of a mailbox in a decision.
type coverageOp struct {
	account  domain.AccountID
	mailbox  domain.MailboxID
	position events.Position
}

// coverageOps folds checks of mailboxes against their servers.
type coverageOps struct {
	last map[domain.MailboxID]coverageOp
	gone []int64
}

func (o *coverageOps) checked(pos events.Position, e events.CoverageChecked) {
	if o.last == nil {
		o.last = map[domain.MailboxID]coverageOp{}
	}
	o.last[e.Mailbox] = coverageOp{e.Account, e.Mailbox, pos}
}

func (o *coverageOps) forget(m domain.MailboxID) {
	delete(o.last, m)
	o.gone = append(o.gone, int64(m))
}

const deleteChecks = `DELETE FROM state.coverage WHERE journal_id = $1 AND mailbox_id = ANY ($2::bigint[])`

const saveChecks = `
INSERT INTO state.coverage (journal_id, account_id, mailbox_id, position, checked_at)
SELECT $1, u.*, $5 FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS u
ON CONFLICT (journal_id, account_id, mailbox_id) DO UPDATE SET
	position = excluded.position, checked_at = excluded.checked_at, due = false`

func (o *coverageOps) flush(fx *effects) {
	if len(o.gone) > 0 {
		fx.queue(deleteChecks, o.gone)
	}
	if len(o.last) > 0 {
		list := slices.Collect(maps.Values(o.last))
		fx.queue(saveChecks,
			column(list, func(c coverageOp) int64 { return int64(c.account) }),
			column(list, func(c coverageOp) int64 { return int64(c.mailbox) }),
			column(list, func(c coverageOp) int64 { return int64(c.position) }), fx.at)
	}
}

const markChecks = `UPDATE state.coverage SET due = true WHERE journal_id = $1 AND account_id = ANY ($2::bigint[])`

func (w rowWriter) checksDue(rows []commands.CoverageDueRow) {
	if len(rows) > 0 {
		w.batch.Queue(markChecks, w.journal, column(rows, func(r commands.CoverageDueRow) int64 { return int64(r.Account) }))
	}
}

const lastChecks = `
SELECT c.mailbox_id, c.checked_at, c.due, e.type, e.schema_version, e.encoding, e.payload
FROM state.coverage c
JOIN log.events e ON e.journal_id = c.journal_id AND e.position = c.position
WHERE c.journal_id = $1 AND c.account_id = $2 AND e.payload IS NOT NULL`

// Checks returns the last check of each mailbox of an account against the server.
func (j *Journal) Checks(ctx context.Context, journal events.JournalID, acc domain.AccountID) (map[domain.MailboxID]commands.CoverageCheck, error) {
	list, err := collect(ctx, j, "read last checks", scanCheck, lastChecks, int64(journal), int64(acc))
	out := make(map[domain.MailboxID]commands.CoverageCheck, len(list))
	for _, c := range list {
		out[c.Mailbox] = c
	}
	return out, err
}

func scanCheck(row pgx.CollectableRow) (c commands.CoverageCheck, err error) {
	var mailbox int64
	var typ string
	var version, encoding int16
	var payload []byte
	if err := row.Scan(&mailbox, &c.At, &c.Due, &typ, &version, &encoding, &payload); err != nil {
		return c, err
	}
	e, err := storedEvent(typ, version, encoding, payload)
	if err != nil {
		return c, err
	}
	checked, ok := e.(events.CoverageChecked)
	if !ok {
		return c, fmt.Errorf("the last check of mailbox %d is a %s", mailbox, typ)
	}
	c.CoverageChecked, c.At = checked, c.At.UTC()
	return c, nil
}

const truncatedUIDs = `
SELECT uid
FROM state.messages
WHERE journal_id = $1 AND mailbox_id = $2 AND truncated
ORDER BY uid`

const quarantineRows = `
SELECT mailbox_id, uid, attempts, reason, last_error, next_at
FROM state.quarantine
WHERE journal_id = $1 AND mailbox_id = $2
ORDER BY uid`

// Exceptions returns the UIDs of a mailbox of which only the beginning is stored, and all of its quarantine.
func (j *Journal) Exceptions(ctx context.Context, journal events.JournalID, mailbox domain.MailboxID) (domain.UIDSet, []commands.QuarantineRow, error) {
	uids, err := collect(ctx, j, "read truncated messages", pgx.RowTo[domain.UID], truncatedUIDs, int64(journal), int64(mailbox))
	if err != nil {
		return nil, nil, err
	}
	rows, err := collect(ctx, j, "read quarantine", scanQuarantine, quarantineRows, int64(journal), int64(mailbox))
	return domain.UIDs(uids...), rows, err
}

func scanQuarantine(row pgx.CollectableRow) (q commands.QuarantineRow, err error) {
	var next time.Time
	err = row.Scan(&q.Mailbox, &q.UID, &q.Attempts, &q.Reason, &q.LastError, &next)
	q.NextAt = next.UTC()
	return q, err
}
