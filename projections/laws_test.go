package projections

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// journal writes random logs as commands do: ids are never used again, and a
// thread that merged never comes back.
type journal struct {
	*rand.Rand
	log      []events.Recorded
	messages []events.MessageFetched // as they are now
	threads  map[domain.AccountID][]domain.ThreadID
	open     map[domain.AccountID]domain.SyncID
	version  map[domain.AccountID]int64
	accounts domain.AccountID
	last     int64
}

func newJournal(seed uint64) *journal {
	j := &journal{
		Rand: rand.New(rand.NewPCG(seed, 0)), threads: map[domain.AccountID][]domain.ThreadID{},
		open: map[domain.AccountID]domain.SyncID{}, version: map[domain.AccountID]int64{},
	}
	for range 3 {
		j.add()
	}
	return j
}

func (j *journal) record(list ...events.Event) {
	for _, e := range list {
		typ, _ := e.EventType()
		j.log = append(j.log, events.Recorded{
			Journal: 1, Position: events.Position(len(j.log) + 1), Type: typ, Stream: e.EventStream(), Account: e.EventAccount(), Event: e,
			RecordedAt: time.Date(2026, 1, 2, 0, 0, len(j.log)+1, 0, time.UTC),
		})
	}
}

func (j *journal) add() {
	j.accounts++
	acc := j.accounts
	j.version[acc] = 1
	j.record(events.AccountAdded{Account: acc, Settings: events.AccountSettings{Name: fmt.Sprint("account ", acc)}})
	for box := range 3 {
		j.record(events.MailboxFound{Account: acc, Mailbox: j.box(acc, box), Name: names[box], Selected: true, UIDValidity: 7})
	}
}

var names = []domain.MailboxName{"INBOX", "Work", "Sent"}

func (*journal) box(acc domain.AccountID, n int) domain.MailboxID {
	return domain.MailboxID(int(acc)*10 + n)
}

func (j *journal) place(acc domain.AccountID) events.Place {
	n := j.IntN(3)
	return events.Place{Mailbox: j.box(acc, n), Folder: names[n], UIDValidity: 7, UID: domain.UID(j.IntN(1000) + 1)}
}

func (j *journal) flags() []domain.Flag {
	var out []domain.Flag
	for _, f := range []domain.Flag{domain.FlagSeen, domain.FlagFlagged, "$Junk"} {
		if j.IntN(2) == 0 {
			out = append(out, f)
		}
	}
	return domain.Flags(out)
}

// account returns an account that is not erased.
func (j *journal) account() domain.AccountID {
	for {
		if acc := 1 + domain.AccountID(j.IntN(int(j.accounts))); j.version[acc] > 0 {
			return acc
		}
	}
}

func (j *journal) step() {
	switch at := j.IntN(100); {
	case at < 35 || len(j.messages) == 0:
		j.fetch(j.account())
	case at < 50:
		m := &j.messages[j.IntN(len(j.messages))]
		now := j.flags()
		added, removed := domain.DiffFlags(m.Flags, now)
		m.Flags = now
		j.record(events.FlagsChanged{Message: m.Message, Added: added, Removed: removed, Flags: now})
	case at < 65:
		m := &j.messages[j.IntN(len(j.messages))]
		from := m.Place
		m.Place = j.place(m.Account)
		j.record(events.MessageMoved{Message: m.Message, From: from, Flags: m.Flags, Size: m.Size})
	case at < 75:
		i := j.IntN(len(j.messages))
		m := j.messages[i]
		j.messages = append(j.messages[:i:i], j.messages[i+1:]...)
		j.record(events.MessageExpunged{Message: m.Message, Flags: m.Flags, Size: m.Size})
	case at < 90:
		j.run(j.account())
	case at < 98:
		acc := j.account()
		n := j.IntN(3)
		j.version[acc]++
		settings := events.AccountSettings{Name: fmt.Sprint("name ", j.IntN(5))}
		j.record(
			events.MailboxFound{Account: acc, Mailbox: j.box(acc, n), Name: names[n], Selected: j.IntN(2) == 0, UIDValidity: 7},
			events.CoverageChecked{Account: acc, Mailbox: j.box(acc, n), CoverageCounts: events.CoverageCounts{OnServer: j.IntN(9)}},
			events.MailboxReset{Account: acc, Mailbox: j.box(acc, n), UIDValidity: domain.UIDValidity(j.IntN(9))},
			events.AccountChanged{Account: acc, Version: j.version[acc], Settings: settings},
		)
	default:
		j.erase(j.account())
	}
}

// fetch takes a message of a thread of its own, of another, or of several that it joins.
func (j *journal) fetch(acc domain.AccountID) {
	j.last++
	e := events.MessageFetched{
		Message: events.Message{ID: domain.MessageID(j.last), Account: acc, Place: j.place(acc), Thread: domain.ThreadID(j.last)},
		SHA256:  make([]byte, 32), Size: j.Int64N(100), Flags: j.flags(), Parser: 1,
		Summary: events.Summary{Date: time.Date(2026, 1, 1, j.IntN(24), 0, 0, 0, time.UTC)},
	}
	threads := j.threads[acc]
	switch at := j.IntN(3); {
	case at == 0 || len(threads) < 4:
		threads = append(threads, e.Thread)
	case at == 1:
		e.Thread = threads[j.IntN(len(threads))]
	default:
		i, n := j.IntN(len(threads)-2), 1+j.IntN(2)
		e.Thread = threads[i]
		e.Merged = append(e.Merged, threads[i+1:i+1+n]...)
		threads = append(threads[:i+1:i+1], threads[i+1+n:]...)
		for k := range j.messages {
			for _, from := range e.Merged {
				if j.messages[k].Thread == from {
					j.messages[k].Thread = e.Thread
				}
			}
		}
	}
	j.threads[acc] = threads
	j.messages = append(j.messages, e)
	j.record(e)
}

// run starts a run, which may find another unfinished, or ends one.
func (j *journal) run(acc domain.AccountID) {
	sync, running := j.open[acc]
	started := events.SyncStarted{Sync: sync, Account: acc, AccountName: "x"}
	end := events.SyncEnd{SyncStarted: started, Status: "success", FinishedAt: time.Date(2026, 1, 3, 0, 0, len(j.log), 0, time.UTC)}
	switch at := j.IntN(4); {
	case !running || at == 0:
		j.last++
		j.open[acc] = domain.SyncID(j.last)
		j.record(events.SyncStarted{Sync: domain.SyncID(j.last), Account: acc, AccountName: "x"})
		return
	case at == 1:
		j.record(events.SyncCompleted{SyncEnd: end})
	default:
		end.Status = []string{"error", "cancelled"}[j.IntN(2)]
		j.record(events.SyncFailed{SyncEnd: end, Error: events.SyncError{Code: "timeout", Message: "No answer."}})
	}
	delete(j.open, acc)
}

// erase erases an account: its earlier payloads go, some or all.
func (j *journal) erase(acc domain.AccountID) {
	upTo := j.IntN(len(j.log) + 1)
	for i := range j.log[:upTo] {
		if j.log[i].Account == acc {
			j.log[i].Event = nil
		}
	}
	left := j.messages[:0:0]
	for _, m := range j.messages {
		if m.Account != acc {
			left = append(left, m)
		}
	}
	j.messages = left
	delete(j.version, acc)
	delete(j.open, acc)
	delete(j.threads, acc)
	j.record(events.AccountErased{Account: acc})
	j.add()
}

// TestLaws: any log cut into any batches gives the same rows, and the same again when it is
// applied anew; and the counts agree with the messages.
func TestLaws(t *testing.T) {
	t.Parallel()
	for round := range 70 {
		seed := rand.Uint64()
		j := newJournal(seed)
		for range 10 + 4*round {
			j.step()
		}
		for name, m := range models {
			want := fold(t, m.empty(), m.handles, j.log, func() bool { return false })
			for _, largest := range []int{1, 3, 20, 100} {
				cut := func() bool { return j.IntN(largest) == 0 }
				if diff := difference(want, fold(t, m.empty(), m.handles, j.log, cut)); diff != "" {
					t.Fatalf("seed %d, %d events, batches of about %d: %s (-whole +cut):\n%s", seed, len(j.log), largest, name, diff)
				}
			}
		}
		checkCounts(t, seed, j)
	}
}

// checkCounts compares what is kept as sums with the messages of the log.
func checkCounts(t *testing.T, seed uint64, j *journal) {
	t.Helper()
	mail, boxes := newMailRows(), mailboxRows{}
	fold(t, mail, models["mail"].handles, j.log, func() bool { return j.IntN(9) == 0 })
	fold(t, boxes, models["mailboxes"].handles, j.log, func() bool { return j.IntN(9) == 0 })
	tallies, inBoxes := map[TallyKey]Tally{}, map[domain.MailboxKey]Tally{}
	for _, m := range j.messages {
		row, ok := mail.messages[m.ID]
		if !ok || row.Thread != m.Thread || row.Mailbox != m.Mailbox || strings.Join(texts(row.Flags), " ") != strings.Join(texts(m.Flags), " ") {
			t.Fatalf("seed %d: message %d is %+v, want %+v", seed, m.ID, row, m)
		}
		one := Tally{Messages: 1, Size: m.Size}
		if !domain.HasFlag(m.Flags, domain.FlagSeen) {
			one.Unseen = 1
		}
		key := domain.MailboxKey{Account: m.Account, Mailbox: m.Mailbox}
		tallies[TallyKey{key, m.Folder}] = plus(tallies[TallyKey{key, m.Folder}], one)
		inBoxes[key] = plus(inBoxes[key], one)
	}
	if len(mail.messages) != len(j.messages) {
		t.Fatalf("seed %d: %d messages, want %d", seed, len(mail.messages), len(j.messages))
	}
	if diff := difference(tallies, mail.tallies); diff != "" {
		t.Fatalf("seed %d: tallies (-counted +kept):\n%s", seed, diff)
	}
	for key, b := range boxes {
		if got := (Tally{b.Messages, b.Unseen, b.Size}); got != inBoxes[key] {
			t.Fatalf("seed %d: mailbox %v has %+v, want %+v", seed, key, got, inBoxes[key])
		}
	}
	for id, row := range mail.threads {
		if want := mail.thread(id); row != want {
			t.Fatalf("seed %d: thread %+v, want %+v", seed, row, want)
		}
	}
}

func texts(flags []domain.Flag) []string {
	out := make([]string, len(flags))
	for i, f := range flags {
		out[i] = string(f)
	}
	return out
}

func plus(a, b Tally) Tally {
	return Tally{a.Messages + b.Messages, a.Unseen + b.Unseen, a.Size + b.Size}
}

// A message that another parser summed up is read again; without its octets it stays as it was.
func TestReread(t *testing.T) {
	t.Parallel()
	old := events.MessageFetched{Message: events.Message{ID: 1, Account: 1, Thread: 1}, SHA256: make([]byte, 32), Parser: 1, Summary: events.Summary{Subject: "old"}}
	lost := old
	lost.ID, lost.SHA256 = 2, append([]byte{1}, make([]byte, 31)...)
	fresh := old
	fresh.ID, fresh.Parser = 3, 2
	j := newJournal(1)
	j.record(old, lost, fresh)
	m := newMailRows()
	m.parser = 2
	m.contents = map[[32]byte]*domain.Content{{}: {Subject: "new", MsgID: "a@b"}}
	fold(t, m, models["mail"].handles, j.log, func() bool { return false })
	got := map[domain.MessageID]string{}
	for id, row := range m.messages {
		got[id] = fmt.Sprint(row.Summary.Subject, " ", row.MsgID, " ", row.Parser)
	}
	if diff := cmp.Diff(map[domain.MessageID]string{1: "new a@b 2", 2: "old  1", 3: "old  2"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
