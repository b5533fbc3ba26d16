package eventlog

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// plainState is the inline state as a plain program keeps it, one event at a time.
type plainState struct {
	mailboxes map[domain.MailboxID]domain.Mailbox
	messages  map[messagePlace]domain.Known
	merges    map[domain.ThreadID]domain.ThreadID
	touched   map[domain.ThreadID]touched
}

type touched struct {
	Causes   int16
	IDs      map[domain.MessageID]bool
	Merged   map[domain.ThreadID]bool
	Backfill bool
}

func newPlainState() *plainState {
	return &plainState{
		mailboxes: map[domain.MailboxID]domain.Mailbox{}, messages: map[messagePlace]domain.Known{},
		merges: map[domain.ThreadID]domain.ThreadID{}, touched: map[domain.ThreadID]touched{},
	}
}

func (m *plainState) now(t domain.ThreadID) domain.ThreadID {
	if into, ok := m.merges[t]; ok {
		return into
	}
	return t
}

func (m *plainState) touch(t domain.ThreadID, id domain.MessageID, cause int16, backfill bool) {
	t = m.now(t)
	was, ok := m.touched[t]
	if !ok {
		was = touched{IDs: map[domain.MessageID]bool{}, Merged: map[domain.ThreadID]bool{}, Backfill: true}
	}
	was.Causes |= cause
	was.IDs[id] = true
	was.Backfill = was.Backfill && backfill
	m.touched[t] = was
}

func (m *plainState) merge(from, into domain.ThreadID, inSync bool) {
	for t, to := range m.merges {
		if to == from {
			m.merges[t] = into
		}
	}
	m.merges[from] = into
	gone, ok := m.touched[from]
	delete(m.touched, from)
	if ok {
		for id := range gone.IDs {
			m.touch(into, id, gone.Causes, gone.Backfill)
		}
		maps.Copy(m.touched[into].Merged, gone.Merged)
	}
	if inSync {
		m.touched[into].Merged[from] = true
	}
}

func (m *plainState) apply(event events.Event, inSync bool) {
	touch := func(e events.Message, cause int16, backfill bool) {
		if inSync {
			m.touch(e.Thread, e.ID, cause, backfill)
		}
	}
	switch e := event.(type) {
	case events.MessageFetched:
		touch(e.Message, 1, e.Backfill)
		for _, from := range e.Merged {
			m.merge(from, e.Thread, inSync)
		}
		m.messages[messagePlace{e.Mailbox, e.UID}] = domain.Known{
			UID: e.UID, ID: e.ID, Thread: e.Thread, ModSeq: e.ModSeq, Flags: e.Flags, SHA256: [32]byte(e.SHA256),
			MsgID: e.MsgID, MsgKey: domain.MsgKey(e.MsgID), Size: e.Size, InternalDate: e.InternalDate, Date: e.Summary.Date,
		}
	case events.FlagsChanged:
		touch(e.Message, 2, false)
		k := m.messages[messagePlace{e.Mailbox, e.UID}]
		k.Flags, k.ModSeq = e.Flags, e.ModSeq
		m.messages[messagePlace{e.Mailbox, e.UID}] = k
	case events.MessageMoved:
		touch(e.Message, 4, false)
		k := m.messages[messagePlace{e.From.Mailbox, e.From.UID}]
		delete(m.messages, messagePlace{e.From.Mailbox, e.From.UID})
		k.UID, k.Flags, k.ModSeq = e.UID, e.Flags, e.ModSeq
		m.messages[messagePlace{e.Mailbox, e.UID}] = k
	case events.MessageExpunged:
		touch(e.Message, 8, false)
		delete(m.messages, messagePlace{e.Mailbox, e.UID})
	case events.MailboxFound:
		b, known := m.mailboxes[e.Mailbox]
		b.ID, b.Account, b.Name, b.Role, b.Selected = e.Mailbox, e.Account, e.Name, e.Role, e.Selected
		if !known {
			b.UIDValidity = e.UIDValidity
		}
		m.mailboxes[e.Mailbox] = b
	case events.MailboxRemoved:
		delete(m.mailboxes, e.Mailbox)
	case events.MailboxReset:
		m.reset(e)
	}
}

func (m *plainState) reset(e events.MailboxReset) {
	b := m.mailboxes[e.Mailbox]
	m.mailboxes[e.Mailbox] = domain.Mailbox{
		ID: b.ID, Account: b.Account, Name: b.Name, Role: b.Role, Selected: b.Selected,
		UIDValidity: e.UIDValidity, WindowKey: b.WindowKey,
	}
	moved := map[messagePlace]domain.Known{}
	for _, r := range e.Mapping {
		for i := range domain.UID(r.Count) {
			at := messagePlace{e.Mailbox, r.From + i}
			k := m.messages[at]
			delete(m.messages, at)
			k.UID, k.ModSeq = r.To+i, 0
			moved[messagePlace{e.Mailbox, r.To + i}] = k
		}
	}
	maps.Copy(m.messages, moved)
}

// story makes up what may happen to an account, a decision at a time.
type story struct {
	*rand.Rand
	m       *plainState
	pool    *pgxpool.Pool
	journal events.JournalID
	inSync  bool
	last    domain.MessageID
	next    map[domain.MailboxID]domain.UID
	list    []events.Event
}

func (s *story) tell(e events.Event) {
	s.m.apply(e, s.inSync)
	s.list = append(s.list, e)
}

func (s *story) decision(t *testing.T) []events.Event {
	s.list = nil
	for range s.IntN(25) + 1 {
		s.happen(t)
	}
	return s.list
}

func (s *story) happen(t *testing.T) {
	switch n := s.IntN(40); {
	case len(s.m.mailboxes) < 2 || n == 0:
		id := domain.MailboxID(len(s.next) + 1)
		s.next[id] = 1
		s.tell(events.MailboxFound{Account: 1, Mailbox: id, Name: domain.MailboxName(fmt.Sprint("box", id)), UIDValidity: 1})
	case n == 1:
		s.swapNames()
	case n == 2:
		s.remove()
	case n == 3:
		s.reset()
	case n < 18 || len(s.m.messages) == 0:
		s.fetch(t)
	default:
		s.change()
	}
}

func (s *story) mailbox() domain.Mailbox {
	ids := slices.Sorted(maps.Keys(s.m.mailboxes))
	return s.m.mailboxes[ids[s.IntN(len(ids))]]
}

func (s *story) place(b domain.Mailbox) events.Place {
	uid := s.next[b.ID]
	s.next[b.ID] += domain.UID(s.IntN(3) + 1)
	return events.Place{Mailbox: b.ID, Folder: b.Name, UIDValidity: b.UIDValidity, UID: uid}
}

func (s *story) flags() []domain.Flag {
	return domain.Flags([]domain.Flag{`\Seen`, "$Junk", "with space", `\Flagged`}[:s.IntN(5)])
}

// threads are those that are, lowest first.
func (s *story) threads() []domain.ThreadID {
	seen := map[domain.ThreadID]bool{}
	for _, k := range s.m.messages {
		seen[s.m.now(k.Thread)] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func (s *story) fetch(t *testing.T) {
	s.last++
	sum := putRaw(t, s.pool, s.journal, fmt.Sprint("raw ", s.last%50))
	e := fetched(s.last, 0, sum)
	e.Place, e.Flags, e.ModSeq, e.Backfill = s.place(s.mailbox()), s.flags(), domain.ModSeq(s.IntN(1000)), s.IntN(2) == 0
	if threads := s.threads(); len(threads) > 2 && s.IntN(2) == 0 {
		i := s.IntN(len(threads) - 2)
		e.Thread = threads[i]
		e.Merged = threads[i+1 : i+1+s.IntN(3)]
	}
	s.tell(e)
}

func (s *story) change() {
	at := slices.SortedFunc(maps.Keys(s.m.messages), func(a, b messagePlace) int {
		return cmp.Or(cmp.Compare(a.mailbox, b.mailbox), cmp.Compare(a.uid, b.uid))
	})
	place := at[s.IntN(len(at))]
	e := s.message(place)
	switch s.IntN(3) {
	case 0:
		s.tell(events.FlagsChanged{Message: e, Flags: s.flags(), ModSeq: domain.ModSeq(s.IntN(1000))})
	case 1:
		moved := events.MessageMoved{Message: e, From: e.Place, Flags: s.m.messages[place].Flags, ModSeq: 7}
		moved.Place = s.place(s.mailbox())
		s.tell(moved)
	case 2:
		s.tell(events.MessageExpunged{Message: e, Reason: events.ReasonExpunged})
	}
}

func (s *story) message(at messagePlace) events.Message {
	k, b := s.m.messages[at], s.m.mailboxes[at.mailbox]
	thread := k.Thread // as a decision had it that was loaded before a merge
	if s.IntN(2) == 0 {
		thread = s.m.now(thread)
	}
	return events.Message{
		ID: k.ID, Account: 1, Thread: thread, MsgID: k.MsgID,
		Place: events.Place{Mailbox: at.mailbox, Folder: b.Name, UIDValidity: b.UIDValidity, UID: at.uid},
	}
}

func (s *story) swapNames() {
	a, b := s.mailbox(), s.mailbox()
	s.tell(events.MailboxFound{Account: 1, Mailbox: a.ID, Name: b.Name, Selected: true})
	s.tell(events.MailboxFound{Account: 1, Mailbox: b.ID, Name: a.Name, Role: domain.RoleSent})
}

func (s *story) in(mailbox domain.MailboxID) []domain.UID {
	var uids []domain.UID
	for at := range s.m.messages {
		if at.mailbox == mailbox {
			uids = append(uids, at.uid)
		}
	}
	slices.Sort(uids)
	return uids
}

func (s *story) remove() {
	b := s.mailbox()
	for _, uid := range s.in(b.ID) {
		s.tell(events.MessageExpunged{Message: s.message(messagePlace{b.ID, uid}), Reason: events.ReasonMailboxRemoved})
	}
	s.tell(events.MailboxRemoved{Account: 1, Mailbox: b.ID, Name: b.Name})
}

// reset forgets some messages and gives the others UIDs in another order.
func (s *story) reset() {
	b := s.mailbox()
	e := events.MailboxReset{Account: 1, Mailbox: b.ID, Name: b.Name, OldUIDValidity: b.UIDValidity, UIDValidity: b.UIDValidity + 1}
	for _, uid := range s.in(b.ID) {
		if s.IntN(4) == 0 {
			s.tell(events.MessageExpunged{Message: s.message(messagePlace{b.ID, uid}), Reason: events.ReasonExpunged})
		}
	}
	kept := s.in(b.ID)
	to := s.Perm(len(kept))
	for i, uid := range kept {
		e.Mapping = append(e.Mapping, events.UIDRun{From: uid, To: domain.UID(to[i] + 1), Count: 1})
		if s.IntN(5) == 0 { // goes on in another event
			s.list = append(s.list, e)
			e.Mapping = nil
		}
	}
	s.list = append(s.list, e)
	whole := e
	whole.Mapping = nil
	for i, uid := range kept {
		whole.Mapping = append(whole.Mapping, events.UIDRun{From: uid, To: domain.UID(to[i] + 1), Count: 1})
	}
	s.m.apply(whole, s.inSync)
	s.next[b.ID] = domain.UID(len(kept) + 1)
}

// Whatever happens, in whatever decisions, the inline state is what a plain
// program makes of the events.
func TestInlineState(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3, uint64(time.Now().UnixNano())} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			j := New(pool, Options{}).Journal()
			journal := addUser(t, j, 1)
			addAccount(t, j, journal, 1)
			s := &story{
				Rand: rand.New(rand.NewPCG(seed, 0)), m: newPlainState(), pool: pool, journal: journal,
				next: map[domain.MailboxID]domain.UID{},
			}
			for n := range 60 {
				s.inSync = s.IntN(3) > 0
				scope := scopeOf(journal)
				scope.Meta.Sync = map[bool]domain.SyncID{true: 9}[s.inSync]
				must(t, j, scope, commands.Decision{Events: s.decision(t), Rows: s.told()})
				if n%10 == 9 && !s.compare(t, j) {
					t.Fatalf("after decision %d", n)
				}
			}
			checkChain(t, pool, journal)
		})
	}
}

// told are the threads that have become too many to be told of in one event.
func (s *story) told() []commands.Row {
	row := commands.ToldThreadsRow{Account: 1}
	for id, t := range s.m.touched {
		if len(t.IDs) > 50 {
			row.Threads = append(row.Threads, id)
			delete(s.m.touched, id)
		}
	}
	return []commands.Row{row}
}

// compare compares the model with the tables, as the ports read them where they do.
func (s *story) compare(t *testing.T, j *Journal) bool {
	t.Helper()
	got := newPlainState()
	list, err := j.Mailboxes(t.Context(), s.journal, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range list {
		got.mailboxes[b.ID] = b
		known, err := j.Known(t.Context(), s.journal, b.ID, 1, 1<<32-1)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range known {
			got.messages[messagePlace{b.ID, k.UID}] = k
		}
		uids, err := j.KnownUIDs(t.Context(), s.journal, b.ID)
		if diff := gocmp.Diff(domain.UIDs(s.in(b.ID)...), uids, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("known UIDs of mailbox %d: %v %s", b.ID, err, diff)
		}
	}
	s.readThreads(t, got)
	want := *s.m
	want.messages = map[messagePlace]domain.Known{}
	for at, k := range s.m.messages {
		k.Thread = s.m.now(k.Thread)
		want.messages[at] = k
	}
	diff := gocmp.Diff(&want, got, gocmp.AllowUnexported(plainState{}, messagePlace{}), cmpopts.EquateEmpty())
	if diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if n := scalar[int](t, s.pool, "SELECT count(*) FROM state.messages"); n != len(want.messages) {
		t.Errorf("%d known messages in all, want %d", n, len(want.messages))
	}
	sums := map[[32]byte]bool{}
	for id := range int(s.last) {
		sums[sha256.Sum256([]byte(fmt.Sprint("raw ", (id+1)%50)))] = true
	}
	if n := scalar[int](t, s.pool, "SELECT count(*) FROM raw.uses"); n != len(sums) {
		t.Errorf("%d uses, want %d", n, len(sums))
	}
	return !t.Failed()
}

func (s *story) readThreads(t *testing.T, m *plainState) {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), "SELECT thread_id, into_id FROM state.thread_merges")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var from, into domain.ThreadID
		if err := rows.Scan(&from, &into); err != nil {
			t.Fatal(err)
		}
		m.merges[from] = into
	}
	rows, err = s.pool.Query(t.Context(), "SELECT thread_id, causes, message_ids, merged, backfill FROM state.touched_threads")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var id domain.ThreadID
		var ids []domain.MessageID
		var merged []domain.ThreadID
		u := touched{IDs: map[domain.MessageID]bool{}, Merged: map[domain.ThreadID]bool{}}
		if err := rows.Scan(&id, &u.Causes, &ids, &merged, &u.Backfill); err != nil {
			t.Fatal(err)
		}
		for _, i := range ids {
			u.IDs[i] = true
		}
		for _, i := range merged {
			u.Merged[i] = true
		}
		m.touched[id] = u
	}
}
