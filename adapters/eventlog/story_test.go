package eventlog

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

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
