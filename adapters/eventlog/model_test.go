package eventlog

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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

// Whatever happens, in whatever decisions, the inline state is what a plain
// program makes of the events.
func TestInlineState(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3, 1795381236359796781, uint64(time.Now().UnixNano())} {
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
			if found, sum := verify(t, j.log, VerifyOptions{State: true}); sum.Damages > 0 || sum.StateTables == 0 {
				t.Errorf("verify: %+v %q", sum, found)
			}
		})
	}
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
		if diff := cmp.Diff(domain.UIDs(s.in(b.ID)...), uids, cmpopts.EquateEmpty()); diff != "" || err != nil {
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
	diff := cmp.Diff(&want, got, cmp.AllowUnexported(plainState{}, messagePlace{}), cmpopts.EquateEmpty())
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
