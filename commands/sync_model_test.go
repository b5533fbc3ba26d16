package commands

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

var modelStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world is a server, a log and what syncs the one into the other.
type world struct {
	t        *testing.T
	server   *memServer
	log      *memLog
	settings *events.AccountSettings
	now      time.Time
	handler  *SyncAccountHandler
	progress SyncProgress // of the last run
	syncs    int
}

func newWorld(t *testing.T, names ...domain.MailboxName) *world {
	t.Helper()
	w := &world{t: t, server: newMemServer(names...), now: modelStart.AddDate(0, 0, 10)}
	w.log = newMemLog(func() time.Time { return w.now })
	w.settings = &w.log.account.Settings
	*w.settings = events.AccountSettings{Name: "Office", LimitType: events.LimitAll}
	w.handler = NewSyncAccount(w.log, w.log, NewConnections(w.server), w, w.log, memParser{}, SyncOptions{Now: func() time.Time { return w.now }})
	return w
}

// AccountLogin is Passwords.AccountLogin.
func (w *world) AccountLogin(context.Context, events.JournalID, domain.AccountID) (events.AccountSettings, Login, error) {
	return *w.settings, Login{}, nil
}

// try runs a sync, an hour after the one before.
func (w *world) try(ctx context.Context) (events.SyncEnd, error) {
	w.now = w.now.Add(time.Hour)
	w.syncs++
	w.log.lease++
	p := &progress{}
	run := Run{Journal: 1, Account: 1, Sync: domain.SyncID(w.syncs), Cause: "request", Lease: w.log.lease}
	err := w.handler.Handle(ctx, run, p)
	w.progress, _ = p.take()
	if w.log.refused != nil {
		w.t.Fatal(w.log.refused)
	}
	for _, e := range slices.Backward(w.log.log) {
		switch e := e.(type) {
		case events.SyncCompleted:
			if e.Sync == run.Sync {
				return e.SyncEnd, err
			}
		case events.SyncFailed:
			if e.Sync == run.Sync {
				return e.SyncEnd, err
			}
		}
	}
	return events.SyncEnd{}, err
}

// sync runs a sync that must succeed.
func (w *world) sync() events.SyncEnd {
	w.t.Helper()
	end, err := w.try(w.t.Context())
	if err != nil || end.Status != "success" {
		w.t.Fatalf("sync %d: %q, %v: %+v", w.syncs, end.Status, err, w.log.log[len(w.log.log)-1])
	}
	if p := w.progress; false && p.MailboxesDone != p.MailboxesTotal {
		w.t.Fatalf("progress of sync %d at its end: %+v", w.syncs, p)
	}
	return end
}

// mailbox returns the stored mailbox of a name.
func (w *world) mailbox(name domain.MailboxName) domain.Mailbox {
	w.t.Helper()
	for _, b := range w.log.mailboxes {
		if b.Name == name {
			return b
		}
	}
	w.t.Fatalf("mailbox %q is not stored", name)
	return domain.Mailbox{}
}

// found is a message as both sides show it.
type found struct {
	SHA256 [32]byte
	Flags  []domain.Flag
	Date   time.Time
}

// stored returns the messages in the log's state, and their ids by the same key.
func (w *world) stored() (map[string]found, map[string]domain.MessageID) {
	got, ids := map[string]found{}, map[string]domain.MessageID{}
	for at, k := range w.log.messages {
		key := fmt.Sprint(w.log.mailboxes[at.mailbox].Name, " ", w.log.mailboxes[at.mailbox].UIDValidity, "/", at.uid)
		got[key], ids[key] = found{k.SHA256, k.Flags, k.InternalDate}, k.ID
	}
	return got, ids
}

// check compares the log's state with the server's, message by message.
func (w *world) check() {
	w.t.Helper()
	got, _ := w.stored()
	want := map[string]found{}
	for name, b := range w.server.boxes {
		if b.noSelect || w.settings.ExcludeTrash && b.role == domain.RoleTrash {
			continue
		}
		for uid, m := range b.messages {
			want[fmt.Sprint(name, " ", b.validity, "/", uid)] = found{sha256.Sum256(m.raw), m.flags, m.date}
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.t.Fatalf("after sync %d the log differs (-server +log):\n%s", w.syncs, diff)
	}
	var names []domain.MailboxName
	for _, b := range w.log.mailboxes {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	listed := slices.DeleteFunc(slices.Sorted(maps.Keys(w.server.boxes)), func(n domain.MailboxName) bool { return w.server.boxes[n].noSelect })
	if diff := cmp.Diff(listed, names); diff != "" {
		w.t.Fatalf("mailboxes (-server +log):\n%s", diff)
	}
	w.checkCoverage()
	if len(w.log.quarantine) > 0 {
		w.t.Fatalf("in quarantine and not tried again: %v", w.log.quarantine)
	}
	if len(w.log.touched) > 0 {
		w.t.Fatalf("threads that nobody was told of: %v", w.log.touched)
	}
}

// checkCoverage checks that each mailbox was accounted for as it is, and nothing is missing.
func (w *world) checkCoverage() {
	w.t.Helper()
	for id, b := range w.log.mailboxes {
		c := w.log.checks[id]
		box := w.server.boxes[b.Name]
		n := len(box.messages)
		if c.OnServer != n || c.Missing != 0 || c.UIDValidity != box.validity || c.Selected != b.Selected || b.Selected && c.Stored != n {
			w.t.Fatalf("after sync %d, with %d messages in %s: %+v", w.syncs, n, b.Name, c)
		}
	}
}

// checkIDs checks that messages kept their ids since it was called last, and remembers them. One
// that is not alone with its trace may have been taken for its copy.
func (s *story) checkIDs(quiet bool) {
	s.t.Helper()
	_, ids := s.stored()
	now := map[int]domain.MessageID{}
	for name, b := range s.server.boxes {
		for uid, m := range b.messages {
			id := ids[fmt.Sprint(name, " ", b.validity, "/", uid)]
			before, known := s.ids[m.number]
			stayed, alone := m.hops == 0, !s.copied[sha256.Sum256(m.raw)]
			sure := stayed && !b.reset || alone && m.msgID != "" && !s.failed || alone && stayed && quiet
			if known && sure && before != id {
				s.t.Fatalf("sync %d: message %d in %s/%d has id %d, had %d", s.syncs, m.number, name, uid, id, before)
			}
			now[m.number], m.hops = id, 0
		}
		b.reset = false
	}
	s.ids, s.failed = now, false
}

// checkOnce checks that no message that can be recognised was fetched twice, wherever it went.
func (s *story) checkOnce() {
	s.t.Helper()
	fetched := map[[32]byte]int{}
	for _, e := range since[events.MessageFetched](s.world, 0) {
		sum := [32]byte(e.SHA256)
		if fetched[sum]++; fetched[sum] > 1 && e.MsgID != "" && !s.copied[sum] {
			s.t.Fatalf("message %q was fetched twice, then as %d from %s/%d", e.MsgID, e.ID, e.Folder, e.UID)
		}
	}
}

// TestSyncModel lets random things happen on a server between runs and during
// them, breaks runs off anywhere, and compares the log's state with the server's.
func TestSyncModel(t *testing.T) {
	t.Parallel()
	seeds := make([]uint64, 150)
	for i := range seeds {
		seeds[i] = uint64(i)
		if i%3 == 0 {
			seeds[i] = rand.Uint64()
		}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := &story{Rand: rand.New(rand.NewPCG(seed, 1)), world: newWorld(t, "INBOX", "Sent", "Work"), ids: map[int]domain.MessageID{}, copied: map[[32]byte]bool{}}
			s.server.condstore, s.server.qresync = seed%4 != 1, seed%4 > 1
			failed := false
			for round := range 12 {
				quiet := round == 0 || s.IntN(2) == 0
				for range s.IntN(25) {
					s.act()
				}
				if quiet {
					for _, b := range s.server.boxes {
						for _, m := range b.messages {
							m.refuse = 0
						}
					}
				} else {
					s.broken()
				}
				failed = failed || s.failed
				s.settle(quiet)
				s.check()
				s.checkIDs(quiet)
				if !failed {
					s.checkOnce()
				}
			}
		})
	}
}

// broken is a run in which things go wrong. Its log and its connection are used by different goroutines,
// as often as the run gets to, so each draws its own random numbers and the story goes on with its own.
func (s *story) broken() {
	rate := 1 + s.IntN(60)
	fork := func() *rand.Rand { return rand.New(rand.NewPCG(s.Uint64(), 1)) }
	if meanwhile := fork(); s.IntN(2) == 0 {
		s.server.meanwhile = func() {
			if meanwhile.IntN(4) == 0 {
				was := s.Rand
				s.Rand = meanwhile
				s.act()
				s.Rand = was
			}
		}
	}
	if log := fork(); s.IntN(2) == 0 {
		s.log.fault = func(int) (error, bool) {
			if log.IntN(rate) == 0 {
				return []error{errDatabase, errOurs}[log.IntN(2)], log.IntN(2) == 0
			}
			return nil, false
		}
	}
	if server := fork(); s.IntN(3) == 0 {
		codes := []string{CodeProtocolError, CodeThrottled, CodeTimeout, CodeFolderMissing}
		s.server.fail = func(string, domain.MailboxName) error {
			if server.IntN(rate) == 0 {
				return &SourceError{Code: codes[server.IntN(4)], Message: "Injected."}
			}
			return nil
		}
	}
	s.server.failed = false
	_, _ = s.try(s.t.Context())
	s.failed = s.server.failed
	s.server.meanwhile, s.log.fault, s.server.fail = nil, nil, nil
}

// settle runs syncs until nothing is to be done: at once, unless messages come only when
// they have been asked for again or others change mailboxes meanwhile.
func (s *story) settle(quiet bool) {
	s.t.Helper()
	s.sync()
	for range 4 {
		if quiet || len(s.log.quarantine) == 0 {
			return
		}
		s.now = s.now.AddDate(0, 0, 2)
		s.sync()
	}
}
