package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// since returns the events of a type that were recorded after the first n.
func since[E events.Event](w *world, n int) []E {
	var out []E
	for _, e := range w.log.log[n:] {
		if e, ok := e.(E); ok {
			out = append(out, e)
		}
	}
	return out
}

// sent returns the commands of the last connection that begin with a word.
func (w *world) sent(word string) []string {
	return slices.DeleteFunc(slices.Clone(w.server.commands), func(c string) bool { return !strings.HasPrefix(c, word) })
}

func TestNothingChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Work")
	w.server.add("INBOX", "one")
	w.sync()
	if end := w.sync(); len(w.server.commands) != 2 || end.Mailboxes[0].Status != "success" {
		t.Errorf("commands %q, end %+v", w.server.commands, end)
	}
	w.server.condstore = false // flags may have changed without a sign
	w.sync()
	if len(w.sent("EXAMINE")) != 4 {
		t.Errorf("commands %q", w.server.commands)
	}
}

func TestFlagsByModSeq(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	w.server.add("INBOX", "one")
	w.server.add("INBOX", "two")
	w.sync()
	n := len(w.log.log)
	w.server.setFlags("INBOX", 2, domain.FlagSeen, "$Junk")
	if end := w.sync(); end.FlagsChanged != 1 {
		t.Errorf("end %+v", end)
	}
	got := since[events.FlagsChanged](w, n)
	if len(got) != 1 || got[0].UID != 2 || !slices.Equal(got[0].Added, domain.Flags([]domain.Flag{domain.FlagSeen, "$Junk"})) {
		t.Errorf("recorded %+v", got)
	}
	w.check()
}

// A server with QRESYNC tells in one command what has happened to a mailbox that was stored whole.
func TestResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	w.server.qresync = true
	for range 5 {
		w.server.add("INBOX", "hello")
	}
	w.sync()
	w.server.setFlags("INBOX", 2, domain.FlagSeen)
	w.server.expunge("INBOX", 3)
	w.server.add("INBOX", "new")
	if end := w.sync(); end.FlagsChanged != 1 || end.Deleted != 1 || end.Received != 1 {
		t.Errorf("end %+v", end)
	}
	if len(w.sent("SEARCH"))+len(w.sent("FLAGS")) > 0 {
		t.Errorf("sent %q", w.server.commands)
	}
	w.check()
}

// A message that the server does not give rests, is tried again and is forgotten when it is there, or gone.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	_, bad := w.server.add("INBOX", "bad")
	w.server.add("INBOX", "good")
	_, gone := w.server.add("INBOX", "gone")
	bad.refuse, gone.refuse = 2, 99
	end := w.sync()
	if end.Received != 1 || len(end.Warnings) != 1 || !strings.Contains(end.Warnings[0], "2 messages") {
		t.Fatalf("first run %+v", end)
	}
	w.sync() // asked for again, and refused again
	if q := w.log.quarantine[placeKey{w.mailbox("INBOX").ID, 1}]; q.Attempts != 2 || !q.NextAt.Equal(w.now.Add(retryPause)) {
		t.Fatalf("quarantine %+v", q)
	}
	w.server.expunge("INBOX", 3)
	if end := w.sync(); len(w.sent("FETCH")) != 0 || end.Received != 0 {
		t.Errorf("asked for before its time: %q", w.server.commands)
	}
	if len(w.log.quarantine) != 1 {
		t.Errorf("what is gone is not forgotten: %v", w.log.quarantine)
	}
	w.now = w.now.Add(retryPause)
	if end := w.sync(); end.Received != 1 || len(w.log.quarantine) != 0 {
		t.Errorf("last run %+v, quarantine %v", end, w.log.quarantine)
	}
	w.check()
}

// What is due is forgotten when it went, or came by a move; one that is refused for the first time
// does not rest because another is due.
func TestQuarantineOfWhatGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Work")
	_, gone := w.server.add("INBOX", "gone")
	gone.refuse = 99
	w.sync()
	w.server.expunge("INBOX", 1)
	w.sync()
	w.check()
	_, first := w.server.add("INBOX", "first")
	first.refuse = 99
	w.sync()
	_, second := w.server.add("INBOX", "second")
	second.refuse = 99
	w.sync()
	id := w.mailbox("INBOX").ID
	if q := w.log.quarantine[placeKey{id, 3}]; q.Attempts != 1 || !q.NextAt.Equal(w.now) {
		t.Errorf("refused once: %+v", q)
	}
	first.refuse, second.refuse = 0, 0
	w.now = w.now.Add(retryPause)
	w.server.move("INBOX", 2, "Work")
	if end := w.sync(); end.Received != 2 {
		t.Errorf("end %+v", end)
	}
	w.check()
}

// lying is a server whose first SEARCH of a run leaves messages out.
func (w *world) lying(name domain.MailboxName, hidden ...domain.UID) {
	var away map[domain.UID]*memMessage
	w.server.meanwhile = func() {
		b := w.server.boxes[name]
		for uid, m := range away {
			b.messages[uid] = m
		}
		if away == nil && len(w.server.commands) > 0 && strings.HasPrefix(w.server.commands[len(w.server.commands)-1], "EXAMINE") {
			away = map[domain.UID]*memMessage{}
			for _, uid := range hidden {
				away[uid] = b.messages[uid]
				delete(b.messages, uid)
			}
			return
		}
		if away != nil {
			away = map[domain.UID]*memMessage{}
		}
	}
}

func TestSearchThatLeavesOut(t *testing.T) {
	t.Parallel()
	for _, hidden := range [][]domain.UID{{5}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}} {
		w := newWorld(t, "INBOX")
		for range 20 {
			w.server.add("INBOX", "hello")
		}
		w.sync()
		w.server.setFlags("INBOX", 1, domain.FlagSeen)
		w.lying("INBOX", hidden...)
		if end := w.sync(); end.Deleted != 0 || end.Received != 0 {
			t.Errorf("%d hidden: %d deleted, %d received", len(hidden), end.Deleted, end.Received)
		}
		w.server.meanwhile = nil
		w.sync()
		w.check()
	}
}

// A server whose UIDNEXT is too low does not make messages disappear.
func TestUIDNextTooLow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	for range 3 {
		w.server.add("INBOX", "hello")
	}
	w.sync()
	w.server.setFlags("INBOX", 1, domain.FlagSeen)
	w.server.boxes["INBOX"].next = 2
	if end := w.sync(); end.Deleted != 0 {
		t.Errorf("end %+v", end)
	}
	w.check()
}

// The mailbox of all mail contributes what is in no other one, wherever it goes.
func TestArchivedMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "[Gmail]/All Mail", "Work")
	w.server.boxes["[Gmail]/All Mail"].role = domain.RoleAll
	both := func(name domain.MailboxName) {
		uid, m := w.server.add(name, "hello")
		c := *m
		if uid%10 == 9 { // it cannot be recognised as moved
			c.date = c.date.Add(time.Second)
		}
		w.server.append("[Gmail]/All Mail", &c)
	}
	for i := range 2 * firstRoundSize { // more than come in the first round
		both([]domain.MailboxName{"INBOX", "Work"}[i%2])
	}
	w.server.add("[Gmail]/All Mail", "archived")
	w.sync()
	count := func(inbox, all int) {
		t.Helper()
		got := []int{w.log.uids(w.mailbox("INBOX").ID).Count(), w.log.uids(w.mailbox("[Gmail]/All Mail").ID).Count()}
		if diff := cmp.Diff([]int{inbox, all}, got); diff != "" {
			t.Fatalf("sync %d: INBOX and all mail:\n%s", w.syncs, diff)
		}
	}
	count(firstRoundSize, 1)
	id := w.log.messages[placeKey{w.mailbox("INBOX").ID, 7}].ID
	archived := *w.server.boxes["INBOX"].messages[7]
	w.server.expunge("INBOX", 7) // a label less
	w.server.boxes["[Gmail]/All Mail"].modSeq++
	if end := w.sync(); end.Moved != 1 || end.Received != 0 {
		t.Errorf("archived: %+v", end)
	}
	count(firstRoundSize-1, 2)
	w.server.append("INBOX", &archived)
	w.server.boxes["[Gmail]/All Mail"].modSeq++
	if end := w.sync(); end.Moved != 1 || end.Received != 0 {
		t.Errorf("back from the archive: %+v", end)
	}
	count(firstRoundSize, 1)
	if k := w.log.messages[placeKey{w.mailbox("INBOX").ID, firstRoundSize + 1}]; k.ID != id {
		t.Errorf("id %d, want %d", k.ID, id)
	}
	w.server.expunge("INBOX", 9)
	w.server.boxes["[Gmail]/All Mail"].modSeq++
	if end := w.sync(); end.Moved != 0 || end.Received != 1 || end.Deleted != 1 {
		t.Errorf("archived, with another date: %+v", end)
	}
	count(firstRoundSize-1, 2)
	delete(w.server.boxes, "Work") // its mail is archived now
	w.server.boxes["[Gmail]/All Mail"].modSeq++
	w.sync()
	count(firstRoundSize-1, 2+firstRoundSize)
}

// The limit bounds what is fetched; widened it brings old mail, which is no news.
func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	for i := range 30 {
		_, m := w.server.add("INBOX", "hello")
		m.date = w.now.Add(time.Duration(i-30) * 24 * time.Hour)
	}
	limit := func(kind events.LimitType, n int, want string) []events.MessageFetched {
		t.Helper()
		at := len(w.log.log)
		w.settings.LimitType, w.settings.LimitValue = kind, &n
		w.sync()
		if got := w.log.uids(w.mailbox("INBOX").ID).String(); got != want {
			t.Errorf("%s %d: stored %s, want %s", kind, n, got, want)
		}
		return since[events.MessageFetched](w, at)
	}
	limit(events.LimitLastN, 3, "28:30")
	limit(events.LimitLastN, 2, "28:30") // narrowing deletes nothing
	for _, e := range limit(events.LimitDays, 10, "22:30") {
		if !e.Backfill {
			t.Errorf("message %d of a wider limit is said to be new", e.ID)
		}
	}
	w.server.add("INBOX", "new")
	w.server.boxes["INBOX"].messages[31].date = w.now
	if got := limit(events.LimitWeeks, 1, "22:31"); len(got) != 1 || got[0].Backfill {
		t.Errorf("new mail: %+v", got)
	}
	limit(events.LimitAll, 0, "1:31")
}

// A mailbox that is wanted only now brings old mail; one that is made now brings new.
func TestSelection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Work")
	w.settings.Folders = "INBOX,Nowhere"
	w.server.add("Work", "old")
	if end := w.sync(); len(end.Warnings) != 1 || end.Total != 1 {
		t.Errorf("end %+v", end)
	}
	n := len(w.log.log)
	w.settings.Folders = ""
	w.server.create("Made")
	w.server.add("Made", "new")
	w.sync()
	got := map[domain.MailboxName]bool{}
	for _, e := range since[events.MessageFetched](w, n) {
		got[e.Folder] = e.Backfill
	}
	if diff := cmp.Diff(map[domain.MailboxName]bool{"Work": true, "Made": false}, got); diff != "" {
		t.Errorf("backfill (-want +got):\n%s", diff)
	}
	w.settings.ExcludeTrash = true
	w.server.create("Trash").role = domain.RoleTrash
	w.server.move("Work", 1, "Trash")
	w.sync()
	w.settings.ExcludeTrash = false
	w.sync()
	w.check()
}

// A name that stays when its mailbox is deleted has no mail (RFC 9051 section 6.3.5).
func TestNameWithoutMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Work", "Work/2025")
	w.server.add("Work", "hello")
	w.sync()
	w.server.boxes["Work"].noSelect = true
	n := len(w.log.log)
	end := w.sync()
	if got := since[events.MessageExpunged](w, n); len(got) != 1 || got[0].Reason != events.ReasonMailboxRemoved || end.Deleted != 1 {
		t.Errorf("recorded %+v, end %+v", got, end)
	}
	w.check()
}

// Another server's mailboxes have other messages, whatever their UIDs and UIDVALIDITY.
func TestOtherLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	_, kept := w.server.add("INBOX", "kept")
	w.server.add("INBOX", "here only")
	w.sync()
	id := w.log.messages[placeKey{w.mailbox("INBOX").ID, 1}].ID
	other := newMemServer("INBOX")
	other.number = 10
	other.add("INBOX", "there only")
	other.append("INBOX", kept)
	w.server.boxes = other.boxes
	w.settings.Host = "imap.example.net"
	n := len(w.log.log)
	end := w.sync()
	w.check()
	gone := since[events.MessageExpunged](w, n)
	if len(gone) != 1 || gone[0].Reason != events.ReasonAccountChanged || end.Received != 1 {
		t.Errorf("recorded %+v, end %+v", gone, end)
	}
	if k := w.log.messages[placeKey{w.mailbox("INBOX").ID, 2}]; k.ID != id {
		t.Errorf("the message that is on both has id %d, had %d", k.ID, id)
	}
	for _, e := range since[events.MessageFetched](w, n) {
		if !e.Backfill {
			t.Errorf("message %d of another server is said to be new", e.ID)
		}
	}
}

// A mailbox that is empty gets its new UIDVALIDITY too, and forgets the messages that did not come.
func TestResetOfEmptyMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	_, m := w.server.add("INBOX", "refused")
	m.refuse = 9
	w.sync()
	m.refuse = 0
	w.server.newValidity("INBOX", 0)
	n := len(w.log.log)
	if end := w.sync(); end.Received != 1 || len(w.log.quarantine) != 0 {
		t.Errorf("end %+v, quarantine %v", end, w.log.quarantine)
	}
	if got := since[events.MailboxReset](w, n); len(got) != 1 || got[0].Received != 1 {
		t.Errorf("recorded %+v", got)
	}
	w.check()
}

// How a run ends: api.md 9.4 and 10.2.
func TestEnd(t *testing.T) {
	t.Parallel()
	refused := &SourceError{Code: CodeAuthFailed, Message: "Login was refused."}
	broken := &SourceError{Code: CodeProtocolError, Message: "The folder cannot be read."}
	away := &SourceError{Code: CodeTimeout, Message: "No answer."}
	tests := map[string]struct {
		fail   func(command string, name domain.MailboxName) error
		status string
		code   string // of SyncFailed
		boxes  string // status of each mailbox
	}{
		"fine":               {func(string, domain.MailboxName) error { return nil }, "success", "", "success success success"},
		"login refused":      {in("OPEN", "", refused), "error", CodeAuthFailed, ""},
		"no list":            {in("LIST", "", away), "error", CodeTimeout, ""},
		"one broken":         {in("EXAMINE", "Sent", broken), "partial", "", "success error success"},
		"all broken":         {in("EXAMINE", "", broken), "error", CodeProtocolError, "error error error"},
		"away in the first":  {in("BODY", "INBOX", away), "error", CodeTimeout, "error pending pending"},
		"away in the second": {in("FLAGS", "Sent", away), "partial", "", "success error pending"},
		"fault of ours":      {in("FLAGS", "INBOX", errOurs), "error", CodeInternal, "error pending pending"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "INBOX", "Sent", "Work")
			minutes := 15
			w.settings.IntervalMin = &minutes
			w.server.boxes["Sent"].role = domain.RoleSent
			for box := range w.server.boxes {
				w.server.add(box, "hello")
			}
			w.server.fail = test.fail
			end, err := w.try(t.Context())
			var boxes []string
			for _, m := range end.Mailboxes {
				boxes = append(boxes, m.Status)
			}
			if err != nil || end.Status != test.status || strings.Join(boxes, " ") != test.boxes {
				t.Errorf("%q, %v: %q, want %q: %q", end.Status, err, boxes, test.status, test.boxes)
			}
			failed := since[events.SyncFailed](w, 0)
			if (test.code != "") != (len(failed) == 1) || test.code != "" && failed[0].Error.Code != test.code {
				t.Errorf("failed %+v, want %q", failed, test.code)
			}
			if got := w.log.account.Failures; got != len(failed) {
				t.Errorf("%d failures in a row", got)
			}
			next := w.now.Add(15 * time.Minute)
			if diff := cmp.Diff([]Row{DequeueRow{1, 1}, ScheduleRow{1, &next}}, w.log.rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// in fails a command, in one mailbox or in any for "".
func in(command string, name domain.MailboxName, err error) func(string, domain.MailboxName) error {
	return func(c string, n domain.MailboxName) error {
		if strings.HasPrefix(c, command) && (name == "" || name == n) {
			return err
		}
		return nil
	}
}

// Mailboxes that were removed are no success of a run in which all others failed.
func TestRemovedIsNoSuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Work")
	w.server.add("Work", "hello")
	w.sync()
	delete(w.server.boxes, "Work")
	w.server.add("INBOX", "hello")
	w.server.fail = in("EXAMINE", "INBOX", &SourceError{Code: CodeProtocolError, Message: "No."})
	for n := range 2 { // the mail may have been moved into the one that cannot be read
		if end, err := w.try(t.Context()); err != nil || end.Status != "error" || end.Total != 1 || end.Deleted != n {
			t.Errorf("%v: %+v", err, end)
		}
	}
}

// A mailbox that is not listed is gone when it cannot be opened, either.
func TestUnlistedIsNotGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Work")
	w.server.add("Work", "hello")
	w.sync()
	n := len(w.log.log)
	w.server.unlisted = "Work"
	if end := w.sync(); end.Status != "success" || len(end.Warnings) != 1 || len(since[events.MailboxRemoved](w, n)) > 0 {
		t.Errorf("end %+v", end)
	}
	w.server.unlisted = ""
	w.sync()
	if got := since[events.MessageExpunged](w, n); len(got) > 0 {
		t.Errorf("recorded %+v", got)
	}
	w.check()
}

// A mod-sequence that is lower than at the checkpoint hides nothing.
func TestModSeqThatFalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	w.server.add("INBOX", "one")
	w.server.boxes["INBOX"].modSeq = 1000
	w.sync()
	w.server.boxes["INBOX"].modSeq = 10
	w.server.setFlags("INBOX", 1, domain.FlagSeen)
	if end := w.sync(); end.FlagsChanged != 1 {
		t.Errorf("end %+v", end)
	}
	w.check()
}

// Copies without a Message-ID that differ in their dates alone keep them when the mailbox is renumbered.
func TestResetOfCopiesWithOtherDates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	first, second := w.server.newMessage("", "copy"), w.server.newMessage("", "copy")
	second.raw = first.raw
	w.server.append("INBOX", first)
	w.server.append("INBOX", second)
	w.sync()
	b := w.server.boxes["INBOX"]
	b.messages[1], b.messages[2] = second, first // they come in another order
	w.server.newValidity("INBOX", 0)
	w.sync()
	w.check()
}

// What rests in quarantine is tried again when somebody asks for a check.
func TestCheckTriesQuarantineAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	_, m := w.server.add("INBOX", "refused")
	m.refuse = 2
	w.sync()
	w.sync()
	if end := w.sync(); end.Received != 0 || len(w.log.quarantine) != 1 {
		t.Errorf("before its time: %+v, quarantine %v", end, w.log.quarantine)
	}
	w.log.applyRow(CoverageDueRow{1})
	if end := w.sync(); end.Received != 1 || len(w.log.quarantine) != 0 {
		t.Errorf("asked for: %+v, quarantine %v", end, w.log.quarantine)
	}
}

// A run that a user gives up is recorded as that and is no failure.
func TestCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Work")
	for range 3 {
		w.server.add("INBOX", "hello")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	w.server.fail = func(command string, _ domain.MailboxName) error {
		if command == "BODY" {
			cancel(errCancelled)
		}
		return nil
	}
	if end, err := w.try(ctx); err != nil || end.Status != "cancelled" || w.log.account.Failures != 0 {
		t.Fatalf("%v: %+v", err, end)
	}
	w.server.fail = nil
	w.sync()
	w.check()
}

// A run whose program stops, whose lease is lost or whose account is erased records no end.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*world, context.CancelFunc){
		"stopped":    func(_ *world, cancel context.CancelFunc) { cancel() },
		"lease lost": func(w *world, _ context.CancelFunc) { w.log.lease++ },
		"erased":     func(w *world, _ context.CancelFunc) { w.log.erased = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "INBOX")
			w.server.add("INBOX", "hello")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.server.fail = func(command string, _ domain.MailboxName) error {
				if command == "BODY" {
					stop(w, cancel)
				}
				return nil
			}
			_, err := w.try(ctx)
			if err == nil || len(since[events.SyncCompleted](w, 0))+len(since[events.SyncFailed](w, 0)) != 0 {
				t.Errorf("%v, log %+v", err, w.log.log)
			}
			if name == "stopped" {
				w.server.fail = nil
				w.sync()
				w.check()
			}
		})
	}
}

// An account of many mailboxes with long names ends its runs too, whatever goes wrong in them.
func TestEndFits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	for i := range 500 {
		w.server.create(domain.MailboxName(fmt.Sprintf("%03d %s", i, strings.Repeat(`"`, 150))))
	}
	w.server.create(domain.MailboxName(strings.Repeat("x", maxName+1)))
	w.settings.Folders = "" // all
	w.server.fail = func(command string, name domain.MailboxName) error {
		if command == "EXAMINE" && name > "4" && name != "INBOX" {
			return &SourceError{Code: CodeProtocolError, Message: strings.Repeat("No. ", 20)}
		}
		return nil
	}
	end, err := w.try(t.Context())
	if err != nil || end.Status != "partial" || end.Total != 501 || len(end.Mailboxes) == 0 || end.Mailboxes[0].Error == nil {
		t.Errorf("%v: %q, %d of %d mailboxes", err, end.Status, len(end.Mailboxes), end.Total)
	}
	if len(end.Warnings) != 1 {
		t.Errorf("warnings %.200q", end.Warnings)
	}
	w.settings.Folders = strings.Repeat(`"",`, 1) + "a" + strings.Repeat(",ü", 1)
	for i := range 3000 {
		w.settings.Folders += fmt.Sprintf(`,no such folder %d`, i)
	}
	if end, err := w.try(t.Context()); err != nil || len(end.Warnings) == 0 {
		t.Errorf("%v: %d warnings", err, len(end.Warnings))
	}
}

// Who cannot be logged in because of a fault of ours has a run that failed.
func TestNoLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	w.handler.passwords = noLogin{}
	if end, err := w.try(t.Context()); err != nil || end.Status != "error" || end.AccountName != "Office" {
		t.Errorf("%v: %+v", err, end)
	}
}

type noLogin struct{}

func (noLogin) AccountLogin(context.Context, events.JournalID, domain.AccountID) (events.AccountSettings, Login, error) {
	return events.AccountSettings{}, Login{}, errors.New("the key is another")
}
