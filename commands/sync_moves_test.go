package commands

import (
	"fmt"
	"slices"
	"testing"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// after does something on the server once, when the nth such command has been answered.
func (w *world) after(command string, n int, do func()) {
	seen := 0
	w.server.meanwhile = func() {
		for ; seen < len(w.server.commands); seen++ {
			if w.server.commands[seen] != command {
				continue
			}
			if n--; n == 0 {
				do()
			}
		}
	}
}

// moving is a world whose Sent has message 1, Work 2 and 3, and INBOX some.
func moving(t *testing.T) (*world, map[int]domain.MessageID) {
	t.Helper()
	w := newWorld(t, "INBOX", "Sent", "Work")
	w.server.boxes["Sent"].role = domain.RoleSent
	w.server.add("Sent", "one")
	w.server.add("Work", "two")
	w.server.add("Work", "three")
	for range 5 {
		w.server.add("INBOX", "hello")
	}
	w.sync()
	return w, w.numbers()
}

// numbers returns the ids of messages by their numbers on the server.
func (w *world) numbers() map[int]domain.MessageID {
	ids := map[int]domain.MessageID{}
	_, stored := w.stored()
	for name, b := range w.server.boxes {
		for uid, m := range b.messages {
			ids[m.number] = stored[fmt.Sprint(name, " ", b.validity, "/", uid)]
		}
	}
	return ids
}

// kept runs a sync and wants it to leave the log level with all ids as they were.
func (w *world) kept(ids map[int]domain.MessageID) {
	w.t.Helper()
	n := len(w.log.log)
	w.sync()
	w.server.meanwhile = nil
	w.check()
	for number, id := range w.numbers() {
		if before, ok := ids[number]; ok && before != id {
			w.t.Errorf("message %d has id %d, had %d", number, id, before)
		}
	}
	if gone := since[events.MessageExpunged](w, n); len(gone) > 0 {
		w.t.Errorf("recorded as gone: %+v", gone)
	}
}

// A message that moves between the looks at its two mailboxes keeps its id in the same run.
func TestMoveBetweenLooks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(*memServer)
		after  string
		do     func(*memServer)
	}{
		"to one that was looked at": {
			func(s *memServer) { s.add("Sent", "new"); s.setFlags("Work", 1, domain.FlagSeen) },
			"SEARCH Sent", func(s *memServer) { s.move("Work", 1, "Sent") },
		},
		"to one that is looked at later": {
			func(s *memServer) { s.add("Sent", "new"); s.setFlags("Work", 1, domain.FlagSeen) },
			"SEARCH Sent", func(s *memServer) { s.move("Sent", 1, "Work") },
		},
		"to one that was as at the checkpoint": {
			func(s *memServer) { s.setFlags("Work", 1, domain.FlagSeen) },
			"EXAMINE Work", func(s *memServer) { s.move("Work", 1, "Sent") },
		},
		"from one that was as at the checkpoint": {
			func(s *memServer) { s.setFlags("Work", 1, domain.FlagSeen) },
			"LIST ", func(s *memServer) { s.move("Sent", 1, "Work") },
		},
		"to one that was made meanwhile": {
			func(s *memServer) { s.setFlags("Work", 1, domain.FlagSeen) },
			"EXAMINE Work", func(s *memServer) { s.create("Fresh"); s.move("Work", 1, "Fresh") },
		},
		"from one that was deleted meanwhile": {
			func(s *memServer) { s.add("INBOX", "new") },
			"SEARCH INBOX", func(s *memServer) { s.move("Sent", 1, "INBOX"); delete(s.boxes, "Sent") },
		},
		"with its mailbox": {
			func(s *memServer) { s.add("INBOX", "new"); s.setFlags("Work", 1, domain.FlagSeen) },
			"SEARCH INBOX", func(s *memServer) { s.rename("Work", "Play") },
		},
		"twice": {
			func(s *memServer) { s.move("INBOX", 1, "Work") },
			"EXAMINE Work", func(s *memServer) { s.move("Work", 3, "Sent") },
		},
		"before it is recognised": {
			func(s *memServer) { s.move("INBOX", 1, "Work") },
			"SEARCH Work", func(s *memServer) { s.move("Work", 3, "INBOX") },
		},
		"within its mailbox": {
			func(s *memServer) { s.add("Sent", "new") },
			"SEARCH Sent", func(s *memServer) { s.move("Sent", 1, "Sent") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ids := moving(t)
			test.before(w.server)
			w.after(test.after, 1, func() { test.do(w.server) })
			w.kept(ids)
		})
	}
}

// A message keeps its id on its way into and out of a mailbox that was deleted and made anew.
func TestMoveAndReset(t *testing.T) {
	t.Parallel()
	recreate := func(s *memServer, name domain.MailboxName) {
		role := s.boxes[name].role
		s.create(name).role = role
		s.add(name, "in the new one")
	}
	for name, do := range map[string]func(*memServer){
		"out": func(s *memServer) {
			s.move("Work", 1, "Sent")
			s.move("Work", 2, "INBOX")
			recreate(s, "Work")
		},
		"in": func(s *memServer) {
			s.move("Work", 1, "INBOX")
			s.move("Work", 2, "INBOX")
			recreate(s, "Work")
			s.move("Sent", 1, "Work")
			s.move("INBOX", 2, "Work")
			s.move("INBOX", 6, "Work")
		},
		"between two": func(s *memServer) {
			for _, uid := range []domain.UID{1, 2} {
				s.move("Work", uid, "INBOX")
			}
			s.move("Sent", 1, "INBOX")
			recreate(s, "Work")
			recreate(s, "Sent")
			s.move("INBOX", 8, "Work")
			s.move("INBOX", 7, "Sent")
			s.move("INBOX", 6, "Sent")
		},
		"names change": func(s *memServer) {
			s.rename("Work", "aside")
			s.rename("Sent", "Work")
			s.rename("aside", "Sent")
		},
		"another comes in its place": func(s *memServer) {
			s.rename("Work", "Old work")
			s.create("Work")
			s.add("Work", "new")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ids := moving(t)
			do(w.server)
			w.kept(ids)
			if again := w.sync(); again.Received+again.Moved+again.Deleted > 0 {
				t.Errorf("the next run found %+v", again)
			}
		})
	}
}

// What is stored is kept outside the window, wherever it goes.
func TestMoveOutsideWindow(t *testing.T) {
	t.Parallel()
	for kind, n := range map[events.LimitType]int{events.LimitLastN: 1, events.LimitDays: 1} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w, ids := moving(t)
			w.settings.LimitType, w.settings.LimitValue = kind, &n
			w.server.move("Work", 1, "Sent")
			w.server.move("Work", 2, "Work")
			w.server.add("Sent", "newer")
			w.server.boxes["Sent"].messages[3].date = w.now
			w.kept(ids)
			w.server.rename("Sent", "Old")
			w.server.create("Work").role = domain.RoleArchive
			w.server.move("Old", 1, "Work")
			w.server.add("Work", "newer")
			w.server.boxes["Work"].messages[2].date = w.now
			n := len(w.log.log)
			w.sync()
			for _, e := range since[events.MessageExpunged](w, n) {
				if e.MsgID != "m3@example.org" { // it went with the old Work
					t.Errorf("recorded as gone: %+v", e)
				}
			}
			w.check()
		})
	}
}

// In the first run a message that moves after it was stored keeps its id too, also when the
// run was broken off.
func TestMoveInFirstRun(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]bool{"whole": false, "broken off": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "INBOX", "Work")
			for range 3 {
				w.server.add("INBOX", "hello")
			}
			move := func() { w.server.move("INBOX", 2, "Work"); w.server.move("INBOX", 3, "Work") }
			if broken {
				w.server.fail = in("EXAMINE", "Work", &SourceError{Code: CodeTimeout, Message: "No answer."})
				_, _ = w.try(t.Context())
				w.server.fail = nil
				w.server.move("Work", w.server.append("Work", w.server.newMessage("x@example.org", "x")), "INBOX")
				move()
			} else {
				w.after("FETCH 1:3 INBOX", 1, move)
			}
			w.kept(nil)
			if got := since[events.MessageFetched](w, 0); len(got) != len(w.log.messages) {
				t.Errorf("%d messages were fetched %d times", len(w.log.messages), len(got))
			}
		})
	}
}

// Mailboxes that never rest hold up nothing: what went before a run is recorded in it, and what
// comes while it looks is news in the next.
func TestRestless(t *testing.T) {
	t.Parallel()
	w, _ := moving(t)
	w.server.meanwhile = func() {
		if c := w.server.commands; len(c) > 0 && c[len(c)-1] == "SEARCH INBOX" {
			w.server.add("INBOX", "more")
		}
	}
	w.server.expunge("Work", 1)
	w.server.add("INBOX", "more")
	if end := w.sync(); end.Deleted != 1 || end.Received != 2 || len(w.sent("LIST")) != maxLooks {
		t.Errorf("%d looks: %+v", len(w.sent("LIST")), end)
	}
	w.server.meanwhile = func() { // and what comes goes on, perhaps to where nobody looked
		if c := w.server.commands; len(c) > 0 && c[len(c)-1] == "SEARCH INBOX" {
			uid, _ := w.server.add("INBOX", "more")
			w.server.expunge("INBOX", uid-1)
		}
	}
	w.server.expunge("Work", 2)
	if first, second := w.sync(), w.sync(); first.Deleted != 0 || second.Deleted == 0 {
		t.Errorf("held once: %+v, then %+v", first, second)
	}
	w.server.meanwhile = nil
	w.sync()
	w.check()
	for i, e := range since[events.MessageFetched](w, 0) {
		if e.Backfill != (i < 8) { // those of the first run
			t.Errorf("message %d: backfill %v", e.ID, e.Backfill)
		}
	}
}

// What seems to be gone while a mailbox cannot be read for the first time may be there.
func TestUnreadableMailboxMayHaveIt(t *testing.T) {
	t.Parallel()
	w, ids := moving(t)
	refused := &SourceError{Code: CodeProtocolError, Message: "The mailbox is in use."}
	w.server.fail = in("EXAMINE", "Sent", refused)
	w.server.move("Work", 1, "Sent")
	w.server.rename("Work", "Play")
	w.server.add("INBOX", "new")
	if end, _ := w.try(t.Context()); end.Status != "partial" || end.Deleted != 0 || end.Received != 1 {
		t.Errorf("first run %+v", end)
	}
	w.server.fail = nil
	w.kept(ids)
	w.server.fail = in("EXAMINE", "Sent", refused)
	w.server.add("Sent", "new")
	w.server.expunge("INBOX", 1)
	w.server.expunge("INBOX", 2)
	deleted := []int{}
	for range 3 {
		end, _ := w.try(t.Context())
		deleted = append(deleted, end.Deleted)
	}
	if !slices.Equal(deleted, []int{0, 2, 0}) {
		t.Errorf("deleted %d in runs that could not read a mailbox", deleted)
	}
}
