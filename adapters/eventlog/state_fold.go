package eventlog

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// effects is what the events of a decision do to the tables beside the log. They
// are folded here first, so that a table takes a statement or two whatever the
// number of events.
type effects struct {
	batch    *pgx.Batch
	journal  events.JournalID
	inSync   bool // the events are of a sync run
	at       time.Time
	erasedBy *int64 // position of UserErased
	// elsewhere, if set, returns a statement on other tables than those of the state, "" for none at all.
	elsewhere func(sql string) string

	messages  messageOps // since the last reset
	resets    resetOps
	uses      []messageUse
	merges    threadMerges
	touches   threadTouches
	mailboxes mailboxOps
	coverage  coverageOps
}

func newEffects(b *pgx.Batch, scope commands.Scope, at time.Time) *effects {
	return &effects{batch: b, journal: scope.Journal, inSync: scope.Meta.Sync != 0, at: at}
}

// fold takes in the event at a position. Events come in order.
func (fx *effects) fold(pos events.Position, event events.Event) {
	switch e := event.(type) {
	case events.MessageFetched:
		fx.resets.flush(fx)
		fx.messages.fetched(e)
		fx.uses = append(fx.uses, messageUse{[32]byte(e.SHA256), e.Account})
		fx.merges.add(e)
		fx.touch(e.Message, causeReceived, e.Backfill)
	case events.FlagsChanged:
		fx.resets.flush(fx)
		fx.messages.flagged(e)
		fx.touch(e.Message, causeFlagsChanged, false)
	case events.MessageMoved:
		fx.resets.flush(fx)
		fx.messages.moved(e)
		fx.touch(e.Message, causeMoved, false)
	case events.MessageExpunged:
		fx.resets.flush(fx)
		fx.messages.expunged(e)
		fx.touch(e.Message, causeDeleted, false)
	case events.MailboxFound:
		fx.mailboxes.found(e)
	case events.MailboxRemoved:
		fx.mailboxes.removed(e)
		fx.coverage.forget(e.Mailbox)
	case events.MailboxReset:
		fx.messages.flush(fx)
		if fx.resets.another(e) {
			fx.resets.flush(fx)
		}
		fx.resets.add(e)
		fx.mailboxes.reset(e)
	case events.CoverageChecked:
		fx.coverage.checked(pos, e)
	case events.ChangeRequested:
		fx.queue(insertChange, int64(e.Account), int64(e.Change), int64(pos))
	case events.ChangeEnded:
		fx.queue(deleteChange, int64(e.Account), int64(e.Change))
	default:
		fx.foldAccount(pos, event)
	}
}

// flush queues what was folded.
func (fx *effects) flush() {
	fx.mailboxes.flush(fx)
	fx.coverage.flush(fx)
	fx.resets.flush(fx)
	fx.messages.flush(fx)
	fx.flushUses()
	fx.merges.flush(fx)
	fx.touches.flush(fx)
	fx.merges.flushTouched(fx)
}

func (fx *effects) queue(sql string, args ...any) {
	if fx.elsewhere != nil {
		if sql = fx.elsewhere(sql); sql == "" {
			return
		}
	}
	fx.batch.Queue(sql, append([]any{int64(fx.journal)}, args...)...)
}

func (fx *effects) touch(m events.Message, cause int16, backfill bool) {
	if fx.inSync {
		fx.touches.add(m, cause, backfill)
	}
}

// messageUse is the use of a raw message by an account.
type messageUse struct {
	sum     [32]byte
	account domain.AccountID
}

// A raw message that is not there breaks the foreign key: it was collected meanwhile.
const insertUses = `
INSERT INTO raw.uses (journal_id, sha256, account_id)
SELECT $1, u.* FROM unnest($2::bytea[], $3::bigint[]) AS u
ON CONFLICT DO NOTHING`

func (fx *effects) flushUses() {
	if len(fx.uses) == 0 {
		return
	}
	fx.queue(insertUses,
		column(fx.uses, func(u messageUse) []byte { return u.sum[:] }),
		column(fx.uses, func(u messageUse) int64 { return int64(u.account) }))
}
