package commands

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// asked returns a world with five messages, one of them without a Message-ID and two that are the same but for their UIDs, and a
// change that moves four to the archive, read and without a star.
func asked(t *testing.T, noMove bool) (*world, map[int]domain.MessageID) {
	w := newWorld(t, "Archive", "INBOX")
	w.server.noMove, w.settings.AllowChanges = noMove, true
	for i := range 5 {
		m := w.server.newMessage([]string{"a@b", "", "c@d", "e@f", "g@h"}[i], "asked")
		m.flags = []domain.Flag{domain.FlagFlagged}
		w.server.append("INBOX", m)
		if i == 2 {
			twin := *m
			w.server.append("INBOX", &twin)
		}
	}
	w.sync()
	var of []events.ChangedMessage
	ids := map[int]domain.MessageID{}
	for at, k := range w.log.messages {
		m := w.server.boxes["INBOX"].messages[at.uid]
		if at.uid <= 4 {
			of = append(of, events.ChangedMessage{ID: k.ID, Thread: k.Thread})
		}
		if at.uid != 3 && at.uid != 4 { // twins are told from one another by nobody
			ids[m.number] = k.ID
		}
	}
	d := Decision{Events: []events.Event{events.ChangeRequested{
		Change: 1, Account: 1, Messages: of, Add: []domain.Flag{domain.FlagSeen}, Remove: []domain.Flag{domain.FlagFlagged},
		MoveTo: w.mailbox("Archive").ID, Folder: "Archive",
	}}}
	scope := Scope{Journal: 1, Account: 1, Append: NewAppendID()}
	if _, err := w.log.Update(t.Context(), scope, func(State) (Decision, error) { return d, nil }); err != nil {
		t.Fatal(err)
	}
	return w, ids
}

// made checks that the change was made once: nothing is lost or doubled, messages have kept their ids, and one event says so.
func (w *world) made(ids map[int]domain.MessageID) {
	w.t.Helper()
	w.check()
	var got []string
	for name, b := range w.server.boxes {
		for _, m := range b.messages {
			got = append(got, fmt.Sprint(name, m.flags))
		}
	}
	slices.Sort(got)
	want := []string{`Archive[\Seen]`, `Archive[\Seen]`, `Archive[\Seen]`, `Archive[\Seen]`, `INBOX[\Flagged]`, `INBOX[\Flagged]`}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("on the server (-want +got):\n%s", diff)
	}
	for at, k := range w.log.messages {
		m := w.server.boxes[w.log.mailboxes[at.mailbox].Name].messages[at.uid]
		if id, ok := ids[m.number]; ok && k.ID != id && m.msgID != "" {
			w.t.Errorf("message %d has id %d, before %d", m.number, k.ID, id)
		}
	}
	ends := 0
	for _, e := range w.log.log {
		if e, ok := e.(events.ChangeEnded); ok {
			ends++
			if e.Error != nil {
				w.t.Errorf("ended with %+v, %q", e.Error, e.Reply)
			}
		}
	}
	if ends != 1 || len(w.log.pending) != 0 {
		w.t.Errorf("%d ends, %d changes are left", ends, len(w.log.pending))
	}
}

// TestAskedChange: what is asked for is made and seen in one run. Told of the new UIDs, even a message that has nothing to
// recognise it by keeps its id.
func TestAskedChange(t *testing.T) {
	t.Parallel()
	for _, noMove := range []bool{false, true} {
		w, ids := asked(t, noMove)
		w.sync()
		w.made(ids)
		for at, k := range w.log.messages {
			m := w.server.boxes[w.log.mailboxes[at.mailbox].Name].messages[at.uid]
			if m.msgID == "" && k.ID != ids[m.number] && !noMove {
				t.Errorf("without a Message-ID: id %d, before %d", k.ID, ids[m.number])
			}
		}
	}
}

// TestAskedChangeKilled ends the program at each of its steps, before it and after it, and starts it again: with MOVE and without,
// the change is made once. A try that is broken off counts, so it comes to an end.
func TestAskedChangeKilled(t *testing.T) {
	t.Parallel()
	killed := errors.New("killed")
	for _, noMove := range []bool{false, true} {
		for _, at := range []string{"command", "answer", "decision", "decided"} {
			for n, reached := 1, true; reached; n++ {
				w, ids := asked(t, noMove)
				reached = false
				left := n
				kill := func() error {
					if left--; left != 0 {
						return nil
					}
					reached = true
					return killed
				}
				dead := func() bool { return left <= 0 && reached }
				w.server.fail = func(command string, _ domain.MailboxName) error {
					done := slices.Contains([]string{"STORE done", "MOVE done", "EXPUNGE done"}, command)
					if dead() || (at == "command" && !done || at == "answer" && done) && kill() != nil {
						return &SourceError{Code: CodeConnectFailed, Err: killed}
					}
					return nil
				}
				w.log.fault = func(int) (error, bool) {
					if dead() {
						return killed, true
					}
					if at == "decision" || at == "decided" {
						return kill(), at == "decision"
					}
					return nil, true
				}
				_, _ = w.try(t.Context())
				w.server.fail, w.log.fault = nil, nil
				w.sync()
				w.sync()
				w.made(ids)
				if t.Failed() {
					t.Fatalf("killed at %s %d, without MOVE: %v", at, n, noMove)
				}
			}
		}
	}
}

// TestAskedChangeGivenUp: what cannot be made ends, with a reason, and nothing else does.
func TestAskedChangeGivenUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		fail func(w *world, command string) error
		runs int
		code string // of the end; "": it goes on
	}{
		{"no connection", func(_ *world, command string) error {
			return map[bool]error{true: &SourceError{Code: CodeConnectFailed, Message: "No."}}[command == "OPEN"]
		}, 1, CodeConnectFailed},
		{"broken off once", func(_ *world, command string) error {
			return map[bool]error{true: &SourceError{Code: CodeConnectFailed, Message: "No."}}[command == "MOVE"]
		}, 1, ""},
		{"always broken off", func(_ *world, command string) error {
			return map[bool]error{true: &SourceError{Code: CodeConnectFailed, Message: "No."}}[command == "MOVE"]
		}, maxTries, CodeConnectFailed},
		{"no leave any more", func(*world, string) error { return nil }, 1, events.CodeReadOnly},
		{"somebody undoes it", func(w *world, command string) error {
			for _, m := range w.server.boxes["Archive"].messages {
				if command == "LIST" {
					m.flags = nil
					w.server.boxes["Archive"].modSeq++
					m.modSeq = w.server.boxes["Archive"].modSeq
				}
			}
			return nil
		}, maxTries, CodeProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, _ := asked(t, false)
			w.settings.AllowChanges = c.code != events.CodeReadOnly
			w.server.fail = func(command string, _ domain.MailboxName) error { return c.fail(w, command) }
			for range c.runs {
				_, _ = w.try(t.Context())
			}
			code := ""
			for _, e := range w.log.log {
				if e, ok := e.(events.ChangeEnded); ok {
					code = e.Error.Code
				}
			}
			if code != c.code || (code == "") != (len(w.log.pending) == 1) {
				t.Errorf("code %q, want %q; %d are left", code, c.code, len(w.log.pending))
			}
		})
	}
}
