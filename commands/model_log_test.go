package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// errDatabase is a fault that a test injects.
var errDatabase = fmt.Errorf("the database is away: %w", domain.ErrUnavailable)

type placeKey struct {
	mailbox domain.MailboxID
	uid     domain.UID
}

// memLog is a plain model of the write side: the Journal and the SyncState of
// one user with one account. It refuses what the real one refuses.
type memLog struct {
	mu         sync.Mutex
	now        func() time.Time
	next       map[domain.IDKind]int64
	log        []events.Event
	account    AccountState
	erased     bool
	lease      int64
	mailboxes  map[domain.MailboxID]domain.Mailbox
	messages   map[placeKey]domain.Known
	nodes      map[domain.Node]domain.IndexedNode
	merges     map[domain.ThreadID]domain.ThreadID
	touched    map[domain.ThreadID]*events.ThreadUpdated
	quarantine map[placeKey]QuarantineRow
	truncated  map[domain.MessageID]bool
	checks     map[domain.MailboxID]CoverageCheck
	raws       map[[32]byte]bool
	pending    []PendingChange
	parts      []events.UIDRun // of the mapping of a reset that goes on
	rows       []Row           // of other kinds than those above
	updates    int
	refused    error // decisions that the real journal would refuse, or that are wrong
	// fault is asked at each decision that changes something; before says whether it
	// comes before the commit, or after it, when only the answer is lost.
	fault func(n int) (err error, before bool)
}

func newMemLog(now func() time.Time) *memLog {
	return &memLog{
		now: now, next: map[domain.IDKind]int64{}, account: AccountState{Version: 1},
		mailboxes: map[domain.MailboxID]domain.Mailbox{}, messages: map[placeKey]domain.Known{},
		nodes: map[domain.Node]domain.IndexedNode{}, merges: map[domain.ThreadID]domain.ThreadID{},
		touched: map[domain.ThreadID]*events.ThreadUpdated{}, quarantine: map[placeKey]QuarantineRow{},
		raws: map[[32]byte]bool{}, truncated: map[domain.MessageID]bool{}, checks: map[domain.MailboxID]CoverageCheck{},
	}
}

func (l *memLog) NextIDs(_ context.Context, kind domain.IDKind, n int) ([]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]int64, n)
	for i := range ids {
		l.next[kind]++
		ids[i] = l.next[kind]
	}
	return ids, nil
}

func (l *memLog) Update(ctx context.Context, scope Scope, decide func(State) (Decision, error)) (events.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case l.erased:
		return 0, domain.ErrNotFound
	case scope.Lease != 0 && scope.Lease != l.lease:
		return 0, domain.ErrConflict
	}
	d, err := decide(l.stateFor(scope))
	if err != nil {
		return 0, err
	}
	if len(d.Events)+len(d.Nodes)+len(d.Rows) == 0 {
		return events.Position(len(l.log)), nil
	}
	l.updates++
	var fault error
	if l.fault != nil {
		var before bool
		if fault, before = l.fault(l.updates); fault != nil && before {
			return 0, fault
		}
	}
	if err := l.commit(d); err != nil {
		l.refused = errors.Join(l.refused, err)
		return 0, err
	}
	return events.Position(len(l.log)), fault
}

func (l *memLog) stateFor(scope Scope) State {
	account := l.account
	s := State{
		Position: events.Position(len(l.log)), Account: &account,
		Mailboxes: map[domain.MailboxID]domain.Mailbox{}, Known: map[domain.MailboxID]map[domain.UID]domain.Known{},
	}
	for id, uids := range scope.UIDs {
		s.Mailboxes[id] = l.mailboxes[id]
		s.Known[id] = map[domain.UID]domain.Known{}
		for at, k := range l.messages {
			if at.mailbox == id && uids.Contains(at.uid) {
				k.Thread = l.thread(k.Thread)
				s.Known[id][at.uid] = k
			}
		}
	}
	for _, n := range l.nodes {
		n.Thread = l.thread(n.Thread)
		s.Threads = append(s.Threads, n)
	}
	return s
}

func (l *memLog) thread(t domain.ThreadID) domain.ThreadID {
	for {
		into, ok := l.merges[t]
		if !ok {
			return t
		}
		t = into
	}
}

// commit applies a decision as a whole or not at all.
func (l *memLog) commit(d Decision) error {
	if len(d.Events) > 1000 {
		return fmt.Errorf("%d events in one decision", len(d.Events))
	}
	mailboxes, messages, merges := maps.Clone(l.mailboxes), maps.Clone(l.messages), maps.Clone(l.merges)
	octets := 0
	for i, e := range d.Events {
		b, err := events.Encode(e)
		if err != nil {
			return err
		}
		t, v := e.EventType()
		octets += len(b)
		if d.Events[i], err = events.Decode(t, v, b); err != nil {
			return err
		}
	}
	if octets > 4<<20 {
		return fmt.Errorf("%d octets in one decision", octets)
	}
	for i, e := range d.Events {
		last := i == len(d.Events)-1
		if !last {
			_, this := e.(events.MailboxReset)
			_, next := d.Events[i+1].(events.MailboxReset)
			last = !this || !next
		}
		if err := l.apply(e, last); err != nil {
			l.mailboxes, l.messages, l.merges = mailboxes, messages, merges
			return err
		}
	}
	for _, n := range d.Nodes {
		if _, ok := l.nodes[n.Node]; !ok {
			l.nodes[n.Node] = n
		}
	}
	for _, row := range d.Rows {
		l.applyRow(row)
	}
	l.log = append(l.log, d.Events...)
	return nil
}

func (l *memLog) apply(event events.Event, last bool) error {
	switch e := event.(type) {
	case events.MessageFetched:
		at := placeKey{e.Mailbox, e.UID}
		if _, taken := l.messages[at]; taken || !l.raws[[32]byte(e.SHA256)] {
			return fmt.Errorf("fetched at %v: taken %v, raw %v", at, taken, l.raws[[32]byte(e.SHA256)])
		}
		l.messages[at] = domain.Known{
			UID: e.UID, ID: e.ID, Thread: e.Thread, Flags: e.Flags, ModSeq: e.ModSeq, SHA256: [32]byte(e.SHA256), MsgID: e.MsgID,
			MsgKey: domain.MsgKey(e.MsgID), Size: e.Size, InternalDate: e.InternalDate, Date: e.Summary.Date,
		}
		for _, from := range e.Merged {
			l.merges[from] = e.Thread
		}
		l.truncated[e.ID] = e.Truncated
		l.touch(e.Message)
	case events.FlagsChanged:
		return l.change(e.Message, func(k *domain.Known) { k.Flags = e.Flags })
	case events.MessageMoved:
		from, to := placeKey{e.From.Mailbox, e.From.UID}, placeKey{e.Mailbox, e.UID}
		k, there := l.messages[from]
		if _, taken := l.messages[to]; taken || !there || k.ID != e.ID {
			return fmt.Errorf("moved %v to %v: there %v, taken %v", from, to, there, taken)
		}
		delete(l.messages, from)
		k.UID = e.UID
		l.messages[to] = k
		l.touch(e.Message)
	case events.MessageExpunged:
		if err := l.change(e.Message, func(*domain.Known) {}); err != nil {
			return err
		}
		delete(l.messages, placeKey{e.Mailbox, e.UID})
	case events.MailboxFound:
		b := l.mailboxes[e.Mailbox]
		b.ID, b.Account, b.Name, b.Role, b.Selected = e.Mailbox, e.Account, e.Name, e.Role, e.Selected
		if b.UIDValidity == 0 {
			b.UIDValidity = e.UIDValidity
		}
		l.mailboxes[e.Mailbox] = b
	case events.MailboxRemoved:
		if n := len(l.uids(e.Mailbox)); n > 0 {
			return fmt.Errorf("mailbox %d removed with %d messages", e.Mailbox, n)
		}
		delete(l.mailboxes, e.Mailbox)
		delete(l.checks, e.Mailbox)
		maps.DeleteFunc(l.quarantine, func(at placeKey, _ QuarantineRow) bool { return at.mailbox == e.Mailbox })
	case events.MailboxReset:
		return l.reset(e, last)
	case events.CoverageChecked:
		if sum := e.Stored + e.Excluded + e.Quarantined + e.Erased + e.Missing; sum != e.OnServer {
			return fmt.Errorf("%d messages are accounted for, not %+v", sum, e)
		}
		l.checks[e.Mailbox] = CoverageCheck{CoverageChecked: e, At: l.now()}
	case events.ChangeRequested:
		l.pending = append(l.pending, PendingChange{ChangeRequested: e})
	case events.ChangeEnded:
		l.pending = slices.DeleteFunc(l.pending, func(c PendingChange) bool { return c.Change == e.Change })
	case events.SyncCompleted:
		l.account.SyncedOnce, l.account.Failures = true, 0
	case events.SyncFailed:
		l.account.Failures = e.ConsecutiveFailures
	case events.AccountErased:
		l.erased = true
	}
	return nil
}

// change changes a message that must be where the event says, under the UIDVALIDITY of its mailbox.
func (l *memLog) change(m events.Message, do func(*domain.Known)) error {
	k, ok := l.messages[placeKey{m.Mailbox, m.UID}]
	if !ok || k.ID != m.ID {
		return fmt.Errorf("message %d is not at %d/%d", m.ID, m.Mailbox, m.UID)
	}
	if v := l.mailboxes[m.Mailbox].UIDValidity; v != m.UIDValidity {
		return fmt.Errorf("message %d under UIDVALIDITY %d, mailbox has %d", m.ID, m.UIDValidity, v)
	}
	do(&k)
	l.messages[placeKey{m.Mailbox, m.UID}] = k
	l.touch(m)
	return nil
}

func (l *memLog) touch(m events.Message) {
	t := l.thread(m.Thread)
	if l.touched[t] == nil {
		l.touched[t] = &events.ThreadUpdated{Thread: t, Account: m.Account, IDs: []domain.MessageID{}, Merged: []domain.ThreadID{}, Causes: []string{}}
	}
	if u := l.touched[t]; !slices.Contains(u.IDs, m.ID) && len(u.IDs) < 100 {
		u.IDs = append(u.IDs, m.ID)
	}
}

// reset carries out a mapping; the parts of one follow one another and are about the same UIDs.
func (l *memLog) reset(e events.MailboxReset, last bool) error {
	l.parts = append(l.parts, e.Mapping...)
	if !last {
		return nil
	}
	runs := l.parts
	l.parts = nil
	moved := map[placeKey]domain.Known{}
	for _, r := range runs {
		for i := range domain.UID(r.Count) {
			from, to := placeKey{e.Mailbox, r.From + i}, placeKey{e.Mailbox, r.To + i}
			k, ok := l.messages[from]
			if _, taken := moved[to]; !ok || taken {
				return fmt.Errorf("reset of mailbox %d moves UID %d, there %v, to %d, taken %v", e.Mailbox, from.uid, ok, to.uid, taken)
			}
			delete(l.messages, from)
			k.UID = to.uid
			moved[to] = k
		}
	}
	if left := l.uids(e.Mailbox); len(left) > 0 {
		return fmt.Errorf("reset of mailbox %d leaves UIDs %v", e.Mailbox, left)
	}
	maps.Copy(l.messages, moved)
	b := l.mailboxes[e.Mailbox]
	b.UIDValidity, b.UIDNext, b.ModSeq, b.Messages, b.Level = e.UIDValidity, 0, 0, 0, false
	l.mailboxes[e.Mailbox] = b
	maps.DeleteFunc(l.quarantine, func(at placeKey, _ QuarantineRow) bool { return at.mailbox == e.Mailbox })
	return nil
}

func (l *memLog) applyRow(row Row) {
	switch r := row.(type) {
	case CheckpointRow:
		if b, ok := l.mailboxes[r.Mailbox.ID]; ok {
			r.Mailbox.Name, r.Mailbox.Role, r.Mailbox.Selected = b.Name, b.Role, b.Selected
			l.mailboxes[b.ID] = r.Mailbox
		}
	case QuarantineRow:
		at := placeKey{r.Mailbox, r.UID}
		if r.Attempts == 0 {
			delete(l.quarantine, at)
			return
		}
		if r.Attempts < 0 {
			r.Attempts = l.quarantine[at].Attempts + 1
		}
		l.quarantine[at] = r
	case CoverageDueRow:
		for id, c := range l.checks {
			c.Due = true
			l.checks[id] = c
		}
	case TriedChangesRow:
		for i, c := range l.pending {
			if slices.Contains(r.Changes, c.Change) {
				l.pending[i].Tries++
			}
		}
	case ToldThreadsRow:
		for _, t := range r.Threads {
			delete(l.touched, t)
		}
	default:
		l.rows = append(l.rows, row)
	}
}

// uids returns the UIDs of a mailbox that are stored.
func (l *memLog) uids(mailbox domain.MailboxID) domain.UIDSet {
	var uids []domain.UID
	for at := range l.messages {
		if at.mailbox == mailbox {
			uids = append(uids, at.uid)
		}
	}
	return domain.UIDs(uids...)
}

func (l *memLog) Mailboxes(context.Context, events.JournalID, domain.AccountID) ([]domain.Mailbox, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.mailboxes)), nil
}

func (l *memLog) KnownUIDs(_ context.Context, _ events.JournalID, mailbox domain.MailboxID) (domain.UIDSet, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uids(mailbox), nil
}

func (l *memLog) Known(_ context.Context, _ events.JournalID, mailbox domain.MailboxID, lo, hi domain.UID) ([]domain.Known, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []domain.Known
	for at, k := range l.messages {
		if at.mailbox == mailbox && lo <= at.uid && at.uid <= hi {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b domain.Known) int { return int(a.UID) - int(b.UID) })
	return out, nil
}

func (l *memLog) KnownByMsgKey(_ context.Context, _ events.JournalID, _ domain.AccountID, keys []domain.Key) ([]KnownAt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []KnownAt
	for at, k := range l.messages {
		if k.MsgKey != (domain.Key{}) && slices.Contains(keys, k.MsgKey) {
			out = append(out, KnownAt{at.mailbox, k})
		}
	}
	return out, nil
}

func (l *memLog) Quarantine(_ context.Context, _ events.JournalID, mailbox domain.MailboxID) (waiting, due domain.UIDSet, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, q := range l.quarantine {
		switch {
		case at.mailbox != mailbox:
		case q.NextAt.After(l.now()):
			waiting = waiting.Union(domain.UIDs(at.uid))
		default:
			due = due.Union(domain.UIDs(at.uid))
		}
	}
	return waiting, due, nil
}

func (l *memLog) Exceptions(_ context.Context, _ events.JournalID, mailbox domain.MailboxID) (truncated domain.UIDSet, quarantine []QuarantineRow, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, k := range l.messages {
		if at.mailbox == mailbox && l.truncated[k.ID] {
			truncated = truncated.Union(domain.UIDs(at.uid))
		}
	}
	for at, q := range l.quarantine {
		if at.mailbox == mailbox {
			quarantine = append(quarantine, q)
		}
	}
	return truncated, quarantine, nil
}

func (l *memLog) Checks(context.Context, events.JournalID, domain.AccountID) (map[domain.MailboxID]CoverageCheck, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.checks), nil
}

func (l *memLog) PendingChanges(context.Context, events.JournalID, domain.AccountID) ([]PendingChange, error) {
	return slices.Clone(l.pending), nil
}

func (l *memLog) PlacesOf(_ context.Context, _ events.JournalID, _ domain.AccountID, of []events.ChangedMessage) (out []KnownAt, _ error) {
	for at, k := range l.messages {
		if slices.ContainsFunc(of, func(m events.ChangedMessage) bool { return m.ID == k.ID }) {
			out = append(out, KnownAt{at.mailbox, k})
		}
	}
	return out, nil
}

func (l *memLog) TouchedThreads(_ context.Context, _ events.JournalID, _ domain.AccountID, after domain.ThreadID, limit int) ([]events.ThreadUpdated, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []events.ThreadUpdated
	for _, t := range slices.Sorted(maps.Keys(l.touched)) {
		if t > after && len(out) < limit {
			out = append(out, *l.touched[t])
		}
	}
	return out, nil
}

// Put is RawStore.Put.
func (l *memLog) Put(_ context.Context, _ events.JournalID, msgs []RawMessage) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range msgs {
		l.raws[m.SHA256] = true
	}
	return nil
}
