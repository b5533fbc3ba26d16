package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// flags records flags that are other than the stored ones: with CONDSTORE of the
// messages that changed since the checkpoint (RFC 7162 section 3.1.4.1), else of all.
func (r *accountRun) flags(ctx context.Context, m *mailboxRun) error {
	both := m.known.Intersect(m.server)
	if len(both) == 0 {
		return nil
	}
	after := domain.ModSeq(0)
	if m.state.Level && m.state.ModSeq > 0 && m.status.ModSeq > 0 {
		if m.status.ModSeq == m.state.ModSeq {
			return nil
		}
		if m.status.ModSeq > m.state.ModSeq { // else it counts anew, or the checkpoint was wrong
			after = m.state.ModSeq
		}
	}
	if after > 0 && m.told != nil {
		maps.DeleteFunc(m.told, func(uid domain.UID, _ FlagState) bool { return !both.Contains(uid) })
		return r.recordFlags(ctx, m, m.told)
	}
	seen := make(map[domain.UID]FlagState, updateBatch)
	flush := func() error {
		defer clear(seen)
		return r.recordFlags(ctx, m, seen)
	}
	err := r.conn.Flags(ctx, both, after, func(f FlagState) error {
		seen[f.UID] = f
		if len(seen) < flagBatch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// flagBatch is how many flags are compared at once.
const flagBatch = 5000

// recordFlags compares flags with the stored ones and records the differences.
func (r *accountRun) recordFlags(ctx context.Context, m *mailboxRun, seen map[domain.UID]FlagState) error {
	if len(seen) == 0 {
		return nil
	}
	uids := slices.Sorted(maps.Keys(seen))
	known, err := r.state.Known(ctx, r.Journal, m.state.ID, uids[0], uids[len(uids)-1])
	if err != nil {
		return fmt.Errorf("known messages of mailbox %d: %w", m.state.ID, err)
	}
	var differ []domain.UID
	for _, k := range known {
		if f, ok := seen[k.UID]; ok && !slices.Equal(k.Flags, domain.Flags(f.Flags)) {
			differ = append(differ, k.UID)
		}
	}
	for batch := range slices.Chunk(differ, updateBatch) {
		if err := r.update(ctx, m.state.ID, batch, &m.result.FlagsChanged, func(k domain.Known) events.Event {
			return flagsChanged(r.placed(m, k), k, seen[k.UID])
		}); err != nil {
			return fmt.Errorf("record flags of mailbox %d: %w", m.state.ID, err)
		}
	}
	return nil
}

// flagsChanged decides on one message; nil if it is level.
func flagsChanged(msg events.Message, k domain.Known, f FlagState) events.Event {
	now := domain.Flags(f.Flags)
	added, removed := domain.DiffFlags(k.Flags, now)
	if len(added)+len(removed) == 0 {
		return nil
	}
	return events.FlagsChanged{
		Message: msg, Added: nonNil(added), Removed: nonNil(removed), Flags: now, ModSeq: f.ModSeq,
	}
}

func nonNil(flags []domain.Flag) []domain.Flag {
	if flags == nil {
		return []domain.Flag{}
	}
	return flags
}

// update records one event for each of the known messages at uids, as they are
// when the journal is locked; decide returns nil for none. What was recorded is counted.
func (r *accountRun) update(ctx context.Context, mailbox domain.MailboxID, uids []domain.UID, count *int, decide func(domain.Known) events.Event) error {
	scope := r.scope()
	scope.UIDs = map[domain.MailboxID]domain.UIDSet{mailbox: domain.UIDs(uids...)}
	n := 0
	_, err := r.journal.Update(ctx, scope, func(s State) (Decision, error) {
		var d Decision
		for _, uid := range uids {
			if k, ok := s.Known[mailbox][uid]; ok {
				if e := decide(k); e != nil {
					d.Events = append(d.Events, e)
				}
			}
		}
		n = len(d.Events)
		return d, nil
	})
	*count += n
	return err
}

// placed returns how events name a known message of a mailbox.
func (r *accountRun) placed(m *mailboxRun, k domain.Known) events.Message {
	return messageAt(r.Account, m.state, k)
}

func messageAt(acc domain.AccountID, m domain.Mailbox, k domain.Known) events.Message {
	return events.Message{
		ID: k.ID, Account: acc, Thread: k.Thread, MsgID: k.MsgID,
		Place: events.Place{Mailbox: m.ID, Folder: m.Name, UIDValidity: m.UIDValidity, UID: k.UID},
	}
}

// expunge records that messages are gone from a mailbox.
func (r *accountRun) expunge(ctx context.Context, m domain.Mailbox, gone domain.UIDSet, reason string, result *events.MailboxResult) error {
	for uids := range slices.Chunk(slices.Collect(gone.All), updateBatch) {
		err := r.update(ctx, m.ID, uids, &result.Deleted, func(k domain.Known) events.Event {
			return events.MessageExpunged{Message: messageAt(r.Account, m, k), Reason: reason, Flags: nonNil(k.Flags), Size: k.Size}
		})
		if err != nil {
			return fmt.Errorf("record messages gone from mailbox %d: %w", m.ID, err)
		}
	}
	return nil
}

// removeGone records mailboxes that the server no longer lists, and what was left in them.
func (r *accountRun) removeGone(ctx context.Context) error {
	for _, g := range r.gone {
		known, err := r.state.KnownUIDs(ctx, r.Journal, g.ID)
		if err != nil {
			return fmt.Errorf("known uids of mailbox %d: %w", g.ID, err)
		}
		result := events.MailboxResult{Name: string(g.Name), Status: "success"}
		if err := r.expunge(ctx, g, known, events.ReasonMailboxRemoved, &result); err != nil {
			return err
		}
		if result.Deleted > 0 {
			r.removed = append(r.removed, result)
		}
		removed := events.MailboxRemoved{Account: r.Account, Mailbox: g.ID, Name: g.Name, Role: g.Role}
		if err := r.record(ctx, []events.Event{removed}); err != nil {
			return err
		}
	}
	return nil
}
