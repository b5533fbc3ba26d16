package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// trace is what a message keeps when it is moved (RFC 9051 sections 6.4.7 and 6.4.8).
type trace struct {
	key  domain.Key
	size int64
	date time.Time
}

// left is a stored message that is no longer where it was.
type left struct {
	from  domain.Mailbox
	uid   domain.UID
	known domain.Known
}

// maxLeft bounds the memory for messages that left: beyond it they are recorded as gone and new.
const maxLeft = 200_000

// moves recognises messages that left one mailbox and appeared in another, by
// what they keep, unique on both sides, and records them as moved: no download, the ids stay.
func (r *accountRun) moves(ctx context.Context) error {
	gone, err := r.collectLeft(ctx)
	if err != nil {
		return err
	}
	news := len(r.goneNow) > 0 || slices.ContainsFunc(r.mailboxes, func(m *mailboxRun) bool { return len(m.fresh) > 0 })
	for _, m := range r.mailboxes {
		if m.skip || len(m.come) == 0 || len(gone) == 0 && (r.archives(m) || len(r.archived().known) == 0) {
			continue
		}
		if m.lookedAt < r.looks && !news {
			continue
		}
		if err := r.each(ctx, m, func(ctx context.Context, m *mailboxRun) error { return r.movesInto(ctx, m, gone) }); err != nil {
			return err
		}
	}
	return nil
}

// collectLeft returns what vanished from the mailboxes, by its trace.
func (r *accountRun) collectLeft(ctx context.Context) (map[trace][]left, error) {
	gone := map[trace][]left{}
	total := 0
	add := func(m domain.Mailbox, uids domain.UIDSet) error {
		for _, part := range uids {
			if total += int(part.Hi-part.Lo) + 1; total > maxLeft {
				return nil
			}
			known, err := r.state.Known(ctx, r.Journal, m.ID, part.Lo, part.Hi)
			if err != nil {
				return fmt.Errorf("known messages of mailbox %d: %w", m.ID, err)
			}
			for _, k := range known {
				t := trace{k.MsgKey, k.Size, k.InternalDate.UTC()}
				gone[t] = append(gone[t], left{m, k.UID, k})
			}
		}
		return nil
	}
	for _, m := range r.mailboxes {
		if err := add(m.state, m.vanished); err != nil {
			return nil, err
		}
	}
	for _, m := range r.gone {
		known, err := r.state.KnownUIDs(ctx, r.Journal, m.ID)
		if err != nil {
			return nil, fmt.Errorf("known uids of mailbox %d: %w", m.ID, err)
		}
		if err := add(m, known); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// movesInto records the messages that moved into m.
func (r *accountRun) movesInto(ctx context.Context, m *mailboxRun, gone map[trace][]left) error {
	status, err := r.conn.Examine(ctx, m.listed.Name)
	if err != nil {
		return err
	}
	if status.UIDValidity != m.status.UIDValidity {
		m.escaped = true // it is listed as another now
		return nil
	}
	arrived, err := r.arrivedIn(ctx, m)
	if err != nil {
		return err
	}
	if err := r.unarchived(ctx, m, arrived, gone); err != nil {
		return err
	}
	pairs := r.foretoldPairs(m, gone, arrived)
	maps.Copy(pairs, pair(gone, arrived))
	if len(pairs) == 0 {
		return nil
	}
	uids := make([]domain.UID, 0, len(pairs))
	for uid := range pairs {
		uids = append(uids, uid)
	}
	states, err := r.flagsOf(ctx, uids)
	if err != nil {
		return err
	}
	slices.Sort(uids)
	for batch := range slices.Chunk(uids, updateBatch/2) { // a move may come with a change of flags
		if err := r.recordMoves(ctx, m, batch, pairs, states); err != nil {
			return err
		}
	}
	return nil
}

// arrivedIn returns what is new in a mailbox, by its trace.
func (r *accountRun) arrivedIn(ctx context.Context, m *mailboxRun) (map[trace][]domain.UID, error) {
	arrived := map[trace][]domain.UID{}
	heads := 0
	err := r.conn.Headers(ctx, m.come, func(h MessageHead) error {
		heads++
		if key := domain.MsgKey(h.MsgID); key != (domain.Key{}) {
			t := trace{key, h.Size, h.InternalDate.UTC()}
			arrived[t] = append(arrived[t], h.UID)
		}
		return nil
	})
	m.escaped = m.escaped || heads < m.come.Count()
	return arrived, err
}

// pair matches messages that left with those that arrived, if there is one of
// each with a trace. Copies of one message with the same octets are all alike: as many as arrived are
// matched in order.
func pair(gone map[trace][]left, arrived map[trace][]domain.UID) map[domain.UID]left {
	pairs := map[domain.UID]left{}
	for t, uids := range arrived {
		lefts := gone[t]
		same := !slices.ContainsFunc(lefts, func(l left) bool { return l.known.SHA256 != lefts[0].known.SHA256 })
		if len(lefts) == 0 || len(uids) > len(lefts) || !same {
			continue
		}
		slices.Sort(uids)
		for i, uid := range uids {
			pairs[uid] = lefts[i]
		}
		gone[t] = lefts[len(uids):]
	}
	return pairs
}

func (r *accountRun) flagsOf(ctx context.Context, uids []domain.UID) (map[domain.UID]FlagState, error) {
	states := map[domain.UID]FlagState{}
	err := r.conn.Flags(ctx, domain.UIDs(uids...), 0, func(f FlagState) error {
		states[f.UID] = f
		return nil
	})
	return states, err
}

// recordMoves records a batch of moves into m, and where flags changed with the move, that too.
func (r *accountRun) recordMoves(ctx context.Context, m *mailboxRun, uids []domain.UID, pairs map[domain.UID]left, states map[domain.UID]FlagState) error {
	scope := r.scope()
	scope.UIDs = map[domain.MailboxID]domain.UIDSet{m.state.ID: domain.UIDs(uids...)}
	for _, uid := range uids {
		l := pairs[uid]
		scope.UIDs[l.from.ID] = scope.UIDs[l.from.ID].Union(domain.UIDs(l.uid))
	}
	to := m.state
	to.UIDValidity = m.status.UIDValidity
	var moved []domain.UID
	_, err := r.journal.Update(ctx, scope, func(s State) (Decision, error) {
		var d Decision
		moved = moved[:0]
		for _, uid := range uids {
			l := pairs[uid]
			k, there := s.Known[l.from.ID][l.uid]
			if _, taken := s.Known[to.ID][uid]; !there || taken {
				continue
			}
			d.Events = append(d.Events, movedTo(r.Account, to, uid, l, k))
			moved = append(moved, uid)
			if f, ok := states[uid]; ok {
				k.UID = uid
				if e := flagsChanged(messageAt(r.Account, to, k), k, f); e != nil {
					d.Events = append(d.Events, e)
				}
			}
		}
		return d, nil
	})
	if err != nil {
		return fmt.Errorf("record moves into mailbox %d: %w", m.state.ID, err)
	}
	r.settleMoves(m, moved, pairs)
	return nil
}

func movedTo(acc domain.AccountID, to domain.Mailbox, uid domain.UID, l left, k domain.Known) events.MessageMoved {
	from := messageAt(acc, l.from, k).Place
	k.UID = uid
	return events.MessageMoved{
		Message: messageAt(acc, to, k), From: from, Flags: nonNil(k.Flags), Size: k.Size,
	}
}

// settleMoves takes what has moved out of what is to be done.
func (r *accountRun) settleMoves(m *mailboxRun, moved []domain.UID, pairs map[domain.UID]left) {
	m.result.Moved += len(moved)
	here := domain.UIDs(moved...)
	planned := m.todo.Intersect(here).Count()
	m.come, m.todo, m.known = m.come.Minus(here), m.todo.Minus(here), m.known.Union(here)
	for _, uid := range moved {
		for _, o := range r.mailboxes {
			if o.state.ID == pairs[uid].from.ID {
				o.vanished = o.vanished.Minus(domain.UIDs(pairs[uid].uid))
				o.known = o.known.Minus(domain.UIDs(pairs[uid].uid))
			}
		}
	}
	r.progress.update(func(p *SyncProgress) { p.MessagesDone += planned })
}
