package commands

import (
	"context"
	"crypto/sha256"
	"errors"
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
	w.handler = NewSyncAccount(w.log, w.log, w.server, w, w.log, memParser{}, SyncOptions{Now: func() time.Time { return w.now }})
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
	if len(w.log.quarantine) > 0 {
		w.t.Fatalf("in quarantine and not tried again: %v", w.log.quarantine)
	}
	if len(w.log.touched) > 0 {
		w.t.Fatalf("threads that nobody was told of: %v", w.log.touched)
	}
}

// errOurs is a fault of the program.
var errOurs = errors.New("a fault of ours")

// story is random operations on a server.
type story struct {
	*rand.Rand
	*world
	named  int
	ids    map[int]domain.MessageID // of the messages by their numbers, after the last run
	copied map[[32]byte]bool        // messages that there were two of
}

func (s *story) boxName() domain.MailboxName {
	names := slices.Sorted(maps.Keys(s.server.boxes))
	return names[s.IntN(len(names))]
}

// pick returns a message of a random mailbox; ok is false if it is empty.
func (s *story) pick() (name domain.MailboxName, uid domain.UID, ok bool) {
	name = s.boxName()
	uids := slices.Sorted(maps.Keys(s.server.boxes[name].messages))
	if len(uids) == 0 {
		return name, 0, false
	}
	return name, uids[s.IntN(len(uids))], true
}

// act does one thing on the server.
func (s *story) act() {
	if len(s.server.boxes) == 0 {
		return
	}
	name, uid, ok := s.pick()
	switch at := s.IntN(40); {
	case at < 12 || !ok:
		s.arrive(s.boxName())
	case at < 20:
		all := []domain.Flag{domain.FlagSeen, domain.FlagFlagged, "$Junk", domain.FlagAnswered}
		s.server.setFlags(name, uid, all[s.IntN(4)], all[s.IntN(4)])
	case at < 25:
		s.server.expunge(name, uid)
	case at < 34:
		s.server.move(name, uid, s.boxName())
	case at < 36:
		s.changeBoxes(name)
	case at < 37:
		s.server.newValidity(name, domain.UID(s.IntN(2)*s.IntN(5)))
	default:
		s.server.boxes[name].messages[uid].refuse = s.IntN(3)
	}
}

// arrive appends a message: new, without a Message-ID, or a copy.
func (s *story) arrive(name domain.MailboxName) {
	switch s.IntN(8) {
	case 0:
		s.server.append(name, s.server.newMessage("", "none"))
	case 1:
		if from, uid, ok := s.pick(); ok {
			m := *s.server.boxes[from].messages[uid]
			s.copied[sha256.Sum256(m.raw)] = true
			s.server.number++
			m.number, m.hops, m.changed = s.server.number, 0, false
			s.server.append(name, &m)
		}
	default:
		for range 1 + s.IntN(4) {
			s.server.add(name, "hello")
		}
	}
}

// changeBoxes makes, renames or deletes a mailbox. No name comes back.
func (s *story) changeBoxes(name domain.MailboxName) {
	s.named++
	fresh := domain.MailboxName(fmt.Sprint("Box", s.named))
	switch at := s.IntN(3); {
	case at == 0 && len(s.server.boxes) < 6 || name == "INBOX":
		s.server.create(fresh)
	case at == 1:
		delete(s.server.boxes, name)
	default:
		s.server.rename(name, fresh)
	}
}

// checkIDs checks that messages kept their ids since the last run, and remembers
// them. One that is not alone with its trace may have been taken for its copy.
func (s *story) checkIDs(quiet bool) {
	s.t.Helper()
	_, ids := s.stored()
	now := map[int]domain.MessageID{}
	for name, b := range s.server.boxes {
		for uid, m := range b.messages {
			id := ids[fmt.Sprint(name, " ", b.validity, "/", uid)]
			before, known := s.ids[m.number]
			sure := m.hops == 0 && !b.reset ||
				!s.copied[sha256.Sum256(m.raw)] && !m.changed && (m.hops == 0 || m.msgID != "" && !b.reset)
			if quiet && known && sure && before != id {
				s.t.Fatalf("sync %d: message %d in %s/%d has id %d, had %d", s.syncs, m.number, name, uid, id, before)
			}
			now[m.number] = id
			m.hops, m.changed, m.home = 0, false, b
		}
		b.reset = false
	}
	s.ids = now
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
			s.server.condstore = seed%4 != 1
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
				s.settle(quiet)
				s.check()
				s.checkIDs(quiet)
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
	if server := fork(); s.IntN(2) == 0 {
		codes := []string{CodeProtocolError, CodeThrottled, CodeTimeout, CodeFolderMissing}
		s.server.fail = func(string, domain.MailboxName) error {
			if server.IntN(rate) == 0 {
				return &SourceError{Code: codes[server.IntN(4)], Message: "Injected."}
			}
			return nil
		}
	}
	_, _ = s.try(s.t.Context())
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
