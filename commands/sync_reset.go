package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// heal matches the messages of a mailbox that got a new UIDVALIDITY with the
// stored ones, by content (RFC 9051 section 2.3.1.1: all old UIDs are void). What is
// recognised keeps its id; the rest has vanished, or is new.
func (r *accountRun) heal(ctx context.Context, m *mailboxRun, another bool) error {
	if another {
		m.reason = events.ReasonAccountChanged
	}
	kept, err := r.recognise(ctx, m)
	if err != nil {
		return err
	}
	runs := uidRuns(kept)
	runs = runs[:min(len(runs), maxRuns*maxParts)] // what a scattered mapping has beyond is fetched anew
	keptOld, keptNew := mapped(runs)
	left := m.known.Minus(keptOld)
	aside := setAside(left, max(m.server.Max(), m.status.UIDNext), maxRuns*maxParts-len(runs))
	asideOld, asideNew := mapped(aside)
	if err := r.expunge(ctx, m.state, left.Minus(asideOld), cmp.Or(m.reason, events.ReasonExpunged), &m.result); err != nil {
		return err
	}
	if err := r.recordReset(ctx, m, runs, aside, left.Count()); err != nil {
		return err
	}
	m.state.UIDValidity, m.state.ModSeq, m.state.Level = m.status.UIDValidity, 0, false
	m.state.UIDNext = 0
	if another || len(runs) == 0 { // another mailbox: what is in it is no news
		m.state.UIDNext = m.status.UIDNext
	}
	m.known, m.vanished = keptNew.Union(asideNew), asideNew
	return r.begin(ctx, m)
}

// setAside maps messages that a mailbox has no more to the highest UIDs, which it has not reached. As
// vanished from there they are looked for in the other mailboxes, like all that vanishes, before they are
// recorded as gone. What does not fit above a UID, or into a number of runs, is left out.
func setAside(left domain.UIDSet, above domain.UID, most int) []events.UIDRun {
	var runs []events.UIDRun
	free := maxUID - above
	for _, u := range left[:min(len(left), most)] {
		n := u.Hi - u.Lo + 1
		if n > free {
			break
		}
		free -= n
		runs = append(runs, events.UIDRun{From: u.Lo, To: above + free + 1, Count: uint32(n)})
	}
	return runs
}

// mapped returns the UIDs that a mapping is about, before and after.
func mapped(runs []events.UIDRun) (from, to domain.UIDSet) {
	var old, now []domain.UIDRange
	for _, u := range runs {
		n := domain.UID(u.Count) - 1
		old = append(old, domain.UIDRange{Lo: u.From, Hi: u.From + n})
		now = append(now, domain.UIDRange{Lo: u.To, Hi: u.To + n})
	}
	return domain.NewUIDSet(old...), domain.NewUIDSet(now...)
}

// recognise returns, for each stored message that is still there, its old and
// its new UID. A message is the same if Message-ID, size and internal date are, uniquely on both
// sides; where that does not decide, its octets are fetched and compared.
func (r *accountRun) recognise(ctx context.Context, m *mailboxRun) (map[domain.UID]domain.UID, error) {
	if len(m.known) == 0 {
		return nil, nil
	}
	old := map[trace][]domain.Known{}
	bySum := map[[32]byte][]domain.Known{}
	for _, part := range m.known {
		known, err := r.state.Known(ctx, r.Journal, m.state.ID, part.Lo, part.Hi)
		if err != nil {
			return nil, fmt.Errorf("known messages of mailbox %d: %w", m.state.ID, err)
		}
		for _, k := range known {
			t := trace{k.MsgKey, k.Size, k.InternalDate.UTC()}
			old[t] = append(old[t], k)
			bySum[k.SHA256] = append(bySum[k.SHA256], k)
		}
	}
	now := map[trace][]domain.UID{}
	err := r.conn.Headers(ctx, m.server, func(h MessageHead) error {
		t := trace{domain.MsgKey(h.MsgID), h.Size, h.InternalDate.UTC()}
		now[t] = append(now[t], h.UID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept := map[domain.UID]domain.UID{}
	var doubtful []domain.UID
	taken := map[domain.UID]bool{}
	for t, uids := range now {
		if t.key != (domain.Key{}) && len(uids) == 1 && len(old[t]) == 1 {
			kept[old[t][0].UID] = uids[0]
			taken[old[t][0].UID] = true
			continue
		}
		doubtful = append(doubtful, uids...)
	}
	return kept, r.compareOctets(ctx, domain.UIDs(doubtful...), bySum, taken, kept)
}

// compareOctets fetches messages and matches those whose octets are stored, with the same internal date: copies of one
// message may differ in that alone. Only sizes that occur on both sides are worth it, but sizes are hints, so all are
// fetched.
func (r *accountRun) compareOctets(ctx context.Context, uids domain.UIDSet, bySum map[[32]byte][]domain.Known, taken map[domain.UID]bool, kept map[domain.UID]domain.UID) error {
	stored := 0
	for _, same := range bySum {
		stored += len(same)
	}
	if len(uids) == 0 || stored == len(taken) {
		return nil
	}
	_, err := r.conn.Fetch(ctx, uids, r.opts.MaxMessage, func(f FetchedMessage) error {
		sum := sumOf(f.Raw)
		date := f.InternalDate.UTC().Truncate(time.Second)
		i := slices.IndexFunc(bySum[sum], func(k domain.Known) bool {
			return !taken[k.UID] && (date.Unix() <= 0 || k.InternalDate.Equal(date))
		})
		if i >= 0 {
			old := bySum[sum][i].UID
			taken[old] = true
			kept[old] = f.UID
		}
		return nil
	})
	return err // what did not come is fetched as new, or goes into quarantine
}

// Bounds of the mapping of a reset: runs of one event, and events of one decision.
const (
	maxRuns  = 1000
	maxParts = 60
)

// recordReset records the new UIDVALIDITY with the mapping of UIDs, whole in one decision.
func (r *accountRun) recordReset(ctx context.Context, m *mailboxRun, kept, aside []events.UIDRun, deleted int) error {
	reset := events.MailboxReset{
		Account: r.Account, Mailbox: m.state.ID, Name: m.state.Name,
		OldUIDValidity: m.state.UIDValidity, UIDValidity: m.status.UIDValidity,
		Received: m.server.Count() - countRuns(kept), Deleted: deleted, Mapping: []events.UIDRun{},
	}
	var d Decision
	for part := range slices.Chunk(slices.Concat(kept, aside), maxRuns) {
		n := min(len(kept), len(part))
		reset.Mapping, reset.Kept = part, countRuns(kept[:n])
		d.Events = append(d.Events, reset)
		reset.Received, reset.Deleted, kept = 0, 0, kept[n:] // counted in the first part
	}
	if len(d.Events) == 0 {
		d.Events = append(d.Events, reset)
	}
	if _, err := r.journal.Update(ctx, r.scope(), func(State) (Decision, error) { return d, nil }); err != nil {
		return fmt.Errorf("record reset of mailbox %d: %w", m.state.ID, err)
	}
	return nil
}

func countRuns(runs []events.UIDRun) int {
	n := 0
	for _, r := range runs {
		n += int(r.Count)
	}
	return n
}

// uidRuns writes a mapping as runs of one distance, by the old UID.
func uidRuns(kept map[domain.UID]domain.UID) []events.UIDRun {
	old := make([]domain.UID, 0, len(kept))
	for u := range kept {
		old = append(old, u)
	}
	slices.Sort(old)
	var runs []events.UIDRun
	for _, u := range old {
		if n := len(runs) - 1; n >= 0 {
			last := &runs[n]
			if last.From+domain.UID(last.Count) == u && last.To+domain.UID(last.Count) == kept[u] {
				last.Count++
				continue
			}
		}
		runs = append(runs, events.UIDRun{From: u, To: kept[u], Count: 1})
	}
	return runs
}
