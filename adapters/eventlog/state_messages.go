package eventlog

import (
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// opKind says what becomes of a row of state.messages.
type opKind int

const (
	opNone opKind = iota // came and went in one decision
	opInsert
	opUpdate
	opDelete
)

const maxMsgID = 1 << 16 // octets; events cut it before

// messagePlace is the key of a row of state.messages.
type messagePlace struct {
	mailbox domain.MailboxID
	uid     domain.UID
}

// messageOp is the sum of what a decision does to one message.
type messageOp struct {
	kind   opKind
	from   messagePlace // where the row is now; unless it is inserted
	to     messagePlace
	id     domain.MessageID
	flags  []domain.Flag
	modSeq domain.ModSeq
	row    events.MessageFetched // of opInsert
}

// messageOps folds events of messages by message, in order.
type messageOps struct {
	byID map[domain.MessageID]*messageOp
	list []*messageOp
}

// of returns the op of a message whose row is at a place if nothing was done to it yet.
func (o *messageOps) of(id domain.MessageID, at messagePlace) *messageOp {
	if op := o.byID[id]; op != nil {
		return op
	}
	if o.byID == nil {
		o.byID = map[domain.MessageID]*messageOp{}
	}
	op := &messageOp{kind: opUpdate, id: id, from: at, to: at}
	o.byID[id] = op
	o.list = append(o.list, op)
	return op
}

func (o *messageOps) fetched(e events.MessageFetched) {
	op := o.of(e.ID, messagePlace{e.Mailbox, e.UID})
	op.kind, op.row, op.flags, op.modSeq = opInsert, e, e.Flags, e.ModSeq
}

func (o *messageOps) flagged(e events.FlagsChanged) {
	op := o.of(e.ID, messagePlace{e.Mailbox, e.UID})
	op.flags, op.modSeq = e.Flags, e.ModSeq
}

func (o *messageOps) moved(e events.MessageMoved) {
	op := o.of(e.ID, messagePlace{e.From.Mailbox, e.From.UID})
	op.to, op.flags, op.modSeq = messagePlace{e.Mailbox, e.UID}, e.Flags, e.ModSeq
}

func (o *messageOps) expunged(e events.MessageExpunged) {
	op := o.of(e.ID, messagePlace{e.Mailbox, e.UID})
	if op.kind == opInsert {
		op.kind = opNone
		return
	}
	op.kind = opDelete
}

const deleteMessages = `
DELETE FROM state.messages m
USING unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS u (mailbox_id, uid, id)
WHERE m.journal_id = $1 AND m.mailbox_id = u.mailbox_id AND m.uid = u.uid AND m.id = u.id`

const updateMessages = `
UPDATE state.messages m
SET mailbox_id = u.to_mailbox, uid = u.to_uid, flags = string_to_array(u.flags, E'\n'), mod_seq = u.mod_seq
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[])
	AS u (mailbox_id, uid, id, to_mailbox, to_uid, flags, mod_seq)
WHERE m.journal_id = $1 AND m.mailbox_id = u.mailbox_id AND m.uid = u.uid AND m.id = u.id`

const insertMessages = `
INSERT INTO state.messages (journal_id, flags, mailbox_id, uid, id, thread_id, mod_seq, sha256, msg_id, msg_key,
	size, internal_date, date, truncated)
SELECT $1, string_to_array(u.flags, E'\n'), u.mailbox_id, u.uid, u.id, u.thread_id, u.mod_seq, u.sha256, u.msg_id, u.msg_key,
	u.size, u.internal_date, u.date, u.truncated
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[],
	$9::text[], $10::bytea[], $11::bigint[], $12::timestamptz[], $13::timestamptz[], $14::boolean[])
	AS u (flags, mailbox_id, uid, id, thread_id, mod_seq, sha256, msg_id, msg_key, size, internal_date, date, truncated)`

// flush queues the statements, deletions first, and begins anew.
func (o *messageOps) flush(fx *effects) {
	by := map[opKind][]*messageOp{}
	for _, op := range o.list {
		by[op.kind] = append(by[op.kind], op)
	}
	*o = messageOps{}
	id := func(op *messageOp) int64 { return int64(op.id) }
	from := func(op *messageOp) int64 { return int64(op.from.mailbox) }
	fromUID := func(op *messageOp) int64 { return int64(op.from.uid) }
	to := func(op *messageOp) int64 { return int64(op.to.mailbox) }
	toUID := func(op *messageOp) int64 { return int64(op.to.uid) }
	flags := func(op *messageOp) string { return lines(op.flags) }
	modSeq := func(op *messageOp) int64 { return int64(op.modSeq) }
	if ops := by[opDelete]; len(ops) > 0 {
		fx.queue(deleteMessages, column(ops, from), column(ops, fromUID), column(ops, id))
	}
	if ops := by[opUpdate]; len(ops) > 0 {
		fx.queue(updateMessages, column(ops, from), column(ops, fromUID), column(ops, id),
			column(ops, to), column(ops, toUID), column(ops, flags), column(ops, modSeq))
	}
	if ops := by[opInsert]; len(ops) > 0 {
		fx.queue(insertMessages, column(ops, flags), column(ops, to), column(ops, toUID), column(ops, id),
			column(ops, func(op *messageOp) int64 { return int64(op.row.Thread) }), column(ops, modSeq),
			column(ops, func(op *messageOp) []byte { return op.row.SHA256 }),
			column(ops, func(op *messageOp) string { return fit(op.row.MsgID, maxMsgID) }),
			column(ops, func(op *messageOp) []byte { return msgKeyOctets(op.row.MsgID) }),
			column(ops, func(op *messageOp) int64 { return op.row.Size }),
			column(ops, func(op *messageOp) time.Time { return op.row.InternalDate }),
			column(ops, func(op *messageOp) time.Time { return op.row.Summary.Date }),
			column(ops, func(op *messageOp) bool { return op.row.Truncated }))
	}
}

// resetOps gathers the parts of the mapping of mailboxes with a new UIDVALIDITY.
type resetOps struct {
	mailboxes []int64
	in, from  []int64 // mailbox and UID
	to        []int64
	now       map[domain.MailboxID]domain.UIDValidity
}

// another reports whether e begins another reset of a mailbox that is among those
// gathered: its mapping is about the UIDs that they lead to.
func (o *resetOps) another(e events.MailboxReset) bool {
	v, ok := o.now[e.Mailbox]
	return ok && v != e.UIDValidity
}

func (o *resetOps) add(e events.MailboxReset) {
	if o.now == nil {
		o.now = map[domain.MailboxID]domain.UIDValidity{}
	}
	if _, ok := o.now[e.Mailbox]; !ok {
		o.now[e.Mailbox] = e.UIDValidity
		o.mailboxes = append(o.mailboxes, int64(e.Mailbox))
	}
	for _, r := range e.Mapping {
		for i := range int64(r.Count) {
			o.in = append(o.in, int64(e.Mailbox))
			o.from = append(o.from, int64(r.From)+i)
			o.to = append(o.to, int64(r.To)+i)
		}
	}
}

// Old and new UIDs overlap, so the messages take a way round by negative ones.
const moveToNegative = `
UPDATE state.messages m
SET uid = -u.to_uid
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS u (mailbox_id, uid, to_uid)
WHERE m.journal_id = $1 AND m.mailbox_id = u.mailbox_id AND m.uid = u.uid`

// A message that no mapping names gets no UID, which the table refuses: it should
// have been expunged before. The old mod-sequences are void with the UIDs.
const moveFromNegative = `
UPDATE state.messages
SET uid = CASE WHEN uid < 0 THEN -uid END, mod_seq = 0
WHERE journal_id = $1 AND mailbox_id = ANY ($2::bigint[])`

func (o *resetOps) flush(fx *effects) {
	if len(o.mailboxes) == 0 {
		return
	}
	if len(o.in) > 0 {
		fx.queue(moveToNegative, o.in, o.from, o.to)
	}
	fx.queue(moveFromNegative, o.mailboxes)
	*o = resetOps{}
}
