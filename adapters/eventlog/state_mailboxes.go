package eventlog

import (
	"maps"
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// mailboxOps folds events of mailboxes: what is gone goes first, then what is
// found comes, then the reset ones begin anew.
type mailboxOps struct {
	gone   map[domain.MailboxID]bool
	come   map[domain.MailboxID]events.MailboxFound
	resets map[domain.MailboxID]domain.UIDValidity
}

func (o *mailboxOps) found(e events.MailboxFound) {
	if o.come == nil {
		o.come = map[domain.MailboxID]events.MailboxFound{}
	}
	if before := o.come[e.Mailbox]; before.UIDValidity != 0 {
		e.UIDValidity = before.UIDValidity
	}
	o.come[e.Mailbox] = e
}

func (o *mailboxOps) removed(e events.MailboxRemoved) {
	if o.gone == nil {
		o.gone = map[domain.MailboxID]bool{}
	}
	o.gone[e.Mailbox] = true
	delete(o.come, e.Mailbox)
	delete(o.resets, e.Mailbox)
}

func (o *mailboxOps) reset(e events.MailboxReset) {
	if o.resets == nil {
		o.resets = map[domain.MailboxID]domain.UIDValidity{}
	}
	o.resets[e.Mailbox] = e.UIDValidity
}

const deleteMailboxes = `DELETE FROM state.mailboxes WHERE journal_id = $1 AND mailbox_id = ANY ($2::bigint[])`

const forgetQuarantine = `DELETE FROM state.quarantine WHERE journal_id = $1 AND mailbox_id = ANY ($2::bigint[])`

// A mailbox that is known keeps its checkpoint: a new UIDVALIDITY comes by MailboxReset.
const upsertMailboxes = `
INSERT INTO state.mailboxes AS m (journal_id, mailbox_id, account_id, name, role, selected, uid_validity,
	uid_next, mod_seq, messages, level, window_key)
SELECT $1, u.*, 0, 0, 0, false, ''
FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::boolean[], $7::bigint[]) AS u
ON CONFLICT (journal_id, mailbox_id) DO UPDATE SET
	name = excluded.name, role = excluded.role, selected = excluded.selected,
	uid_validity = CASE WHEN m.uid_validity = 0 THEN excluded.uid_validity ELSE m.uid_validity END`

const resetMailboxes = `
UPDATE state.mailboxes m
SET uid_validity = u.uid_validity, uid_next = 0, mod_seq = 0, messages = 0, level = false
FROM unnest($2::bigint[], $3::bigint[]) AS u (mailbox_id, uid_validity)
WHERE m.journal_id = $1 AND m.mailbox_id = u.mailbox_id`

func (o *mailboxOps) flush(fx *effects) {
	if len(o.gone) > 0 {
		ids := mailboxIDs(o.gone)
		fx.queue(deleteMailboxes, ids)
		fx.queue(forgetQuarantine, ids)
	}
	if len(o.come) > 0 {
		list := slices.Collect(maps.Values(o.come))
		fx.queue(upsertMailboxes,
			column(list, func(e events.MailboxFound) int64 { return int64(e.Mailbox) }),
			column(list, func(e events.MailboxFound) int64 { return int64(e.Account) }),
			column(list, func(e events.MailboxFound) string { return mailboxName(e.Name) }),
			column(list, func(e events.MailboxFound) string { return string(e.Role) }),
			column(list, func(e events.MailboxFound) bool { return e.Selected }),
			column(list, func(e events.MailboxFound) int64 { return int64(e.UIDValidity) }))
	}
	if len(o.resets) > 0 {
		ids := mailboxIDs(o.resets)
		fx.queue(resetMailboxes, ids, column(ids, func(id int64) int64 { return int64(o.resets[domain.MailboxID(id)]) }))
		fx.queue(forgetQuarantine, ids)
	}
}

func mailboxIDs[V any](of map[domain.MailboxID]V) []int64 {
	ids := make([]int64, 0, len(of))
	for id := range of {
		ids = append(ids, int64(id))
	}
	return ids
}

// mailboxName returns a name fit for Postgres, cut to 64 KiB.
func mailboxName(n domain.MailboxName) string { return fit(string(n), 1<<16) }
