package commands

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// exceptions returns those of the last check of a mailbox, a line each.
func (w *world) exceptions(name domain.MailboxName) []string {
	var out []string
	for _, e := range w.log.checks[w.mailbox(name).ID].Exceptions {
		out = append(out, fmt.Sprint(e.Kind, " ", e.Reason, " ", e.Count, " ", e.UIDs, " ", e.Message, e.LastError))
	}
	return out
}

func (w *world) wantExceptions(name domain.MailboxName, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.exceptions(name)); diff != "" {
		w.t.Errorf("exceptions of %s (-want +got):\n%s", name, diff)
	}
}

func TestCoverageByRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Trash")
	w.settings.ExcludeTrash, w.settings.LimitType, w.settings.LimitValue = true, events.LimitLastN, new(int)
	*w.settings.LimitValue = 2
	w.server.boxes["Trash"].role = domain.RoleTrash
	for range 5 {
		w.server.add("INBOX", "x")
		w.server.add("Trash", "x")
	}
	w.server.expunge("Trash", 5)
	w.sync()
	w.wantExceptions("INBOX", "excluded sync_limit 3 1:3 Not among the newest 2 messages.")
	w.wantExceptions("Trash", "excluded folder 4 1:5 This folder is not synced.")
	*w.settings.LimitValue = 4
	w.sync()
	w.wantExceptions("INBOX", "excluded sync_limit 1 1 Not among the newest 4 messages.")
	w.settings.LimitType = events.LimitAll
	w.sync()
	w.wantExceptions("INBOX")
	w.checkCoverage()
}

func TestCoverageOfLargeAndRefusedMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	w.handler.opts.MaxMessage = 1000
	w.server.add("INBOX", strings.Repeat("long ", 300))
	_, bad := w.server.add("INBOX", "bad")
	bad.refuse = 99
	w.server.add("INBOX", "good")
	w.sync()
	w.wantExceptions("INBOX", "quarantined fetch_failed 1 2 The mail server does not deliver this message.Server error while fetching.",
		"excluded size_limit 1 1 Larger than 1000 bytes.")
	c := w.log.checks[w.mailbox("INBOX").ID]
	if c.OnServer != 3 || c.Stored != 1 || c.Excluded != 1 || c.Quarantined != 1 || c.Exceptions[0].NextAt == nil {
		t.Errorf("check %+v", c)
	}
}

// What is in the mailbox of all mail and in another one counts there.
func TestCoverageOfAllMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "All")
	w.server.boxes["All"].role = domain.RoleAll
	_, m := w.server.add("INBOX", "both")
	both := *m
	w.server.append("All", &both)
	w.server.add("All", "archived")
	w.sync()
	w.wantExceptions("All", "excluded folder 1 1 Stored in another folder.")
	if c := w.log.checks[w.mailbox("All").ID]; c.Stored != 1 || c.Missing != 0 {
		t.Errorf("check %+v", c)
	}
}

// A check is recorded if something changed, if it is asked for, and once a day.
func TestCoverageIsRecordedSeldom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Work")
	w.server.add("INBOX", "one")
	w.sync()
	wants := func(what string, want int) {
		t.Helper()
		n := len(w.log.log)
		w.sync()
		if got := since[events.CoverageChecked](w, n); len(got) != want {
			t.Errorf("%s: %d checks recorded, want %d: %+v", what, len(got), want, got)
		}
	}
	wants("unchanged", 0)
	w.server.condstore = false // listed each time now
	wants("listed and unchanged", 0)
	w.server.condstore = true
	w.server.add("INBOX", "two")
	wants("one mailbox changed", 1)
	w.server.setFlags("INBOX", 1, domain.FlagSeen)
	wants("a flag changed", 0)
	w.log.applyRow(CoverageDueRow{1})
	wants("asked for", 2)
	w.now = w.now.Add(coverageRest - time.Hour)
	wants("a day later", 2)
	wants("and again", 0)
}

// A stored message that the log has lost is found by a check, though STATUS shows nothing, and is fetched.
func TestCoverageFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	w.server.add("INBOX", "one")
	w.server.add("INBOX", "two")
	w.sync()
	delete(w.log.messages, placeKey{w.mailbox("INBOX").ID, 1})
	if end := w.sync(); end.Received != 0 {
		t.Fatalf("fetched without being asked: %+v", end)
	}
	w.log.applyRow(CoverageDueRow{1})
	if end := w.sync(); end.Received != 1 {
		t.Errorf("not fetched: %+v", end)
	}
	w.check()
}

// A run that breaks off says what it left, and the next one fetches it.
func TestCoverageOfABrokenRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX")
	for range 4 {
		w.server.add("INBOX", "x")
	}
	bodies := 0
	w.server.fail = func(command string, _ domain.MailboxName) error {
		if command == "BODY" {
			bodies++
		}
		if bodies < 3 {
			return nil
		}
		return &SourceError{Code: CodeTimeout, Message: "No answer."}
	}
	if _, err := w.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := w.log.checks[w.mailbox("INBOX").ID]
	if c.OnServer != 4 || c.Stored+c.Missing != 4 || c.Missing == 0 {
		t.Errorf("broken run: %+v", c)
	}
	w.server.fail = nil
	w.sync()
	w.check()
}

func TestCoverageTexts(t *testing.T) {
	t.Parallel()
	one, ninety := 1, 90
	for want, s := range map[string]events.AccountSettings{
		"Older than the last 90 days.":      {LimitType: events.LimitDays, LimitValue: &ninety},
		"Older than the last year.":         {LimitType: events.LimitYears, LimitValue: &one},
		"Not among the newest 90 messages.": {LimitType: events.LimitLastN, LimitValue: &ninety},
	} {
		if got := limitMessage(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for octets, want := range map[int64]string{100 << 20: "Larger than 100 MiB.", 3 << 10: "Larger than 3 KiB.", 1001: "Larger than 1001 bytes."} {
		if got := sizeMessage(octets); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	var even, all []domain.UID
	for u := domain.UID(1000); u < 3000; u++ {
		all = append(all, u)
		if u%2 == 0 {
			even = append(even, u)
		}
	}
	set := domain.UIDs(even...)
	if got := setText(set, set); got != "1000:2998" {
		t.Errorf("holes are not spanned: %s", got)
	}
	got := setText(set, domain.UIDs(all...))
	if len(got) > octetsOfUIDs || !strings.HasPrefix(set.String(), got+",") || len(got) < octetsOfUIDs-5 {
		t.Errorf("cut to %d octets: %s", len(got), got)
	}
}

// Whatever a mailbox holds, what is said of it fits into an event.
func TestCoverageFitsIntoAnEvent(t *testing.T) {
	t.Parallel()
	var all []domain.UID
	var rows []QuarantineRow
	for u := domain.UID(4_000_000_000); len(all) < 20_000; u += 3 {
		all = append(all, u)
		if u%2 == 0 {
			rows = append(rows, QuarantineRow{UID: u, Reason: reasonFetchFailed, LastError: fmt.Sprint(u, strings.Repeat(`"`, 2000))})
		}
	}
	b := coverageBuilder{server: domain.UIDs(all...)}
	b.quarantined(rows, b.server)
	for range 4 {
		b.add(events.CoverageExcluded, events.ReasonFolder, msgElsewhere, b.server.Minus(uidsOf(rows)))
	}
	b.now.Name = domain.MailboxName(strings.Repeat("n", maxName))
	if _, err := events.Encode(b.now); err != nil {
		t.Error(err)
	}
	if len(b.now.Exceptions) != maxQuarantine+4 || b.now.Quarantined != len(rows) {
		t.Errorf("%d exceptions, %d in quarantine of %d", len(b.now.Exceptions), b.now.Quarantined, len(rows))
	}
}

func TestVerifyAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "INBOX", "Work")
	for range 5 {
		w.server.add("INBOX", "x")
	}
	w.sync()
	verify := func() (AccountVerified, string) {
		t.Helper()
		var found []string
		n := len(w.log.log)
		out, err := NewVerifyAccount(w.handler).Handle(t.Context(), VerifyAccount{
			Journal: 1, Account: 1, Content: true,
			Finding: func(m domain.MailboxName, what string) { found = append(found, fmt.Sprint(m, " ", what)) },
		})
		if err != nil || len(found) != out.Findings || len(w.log.log) != n {
			t.Errorf("found %q, %+v, %v; recorded %d events", found, out, err, len(w.log.log)-n)
		}
		return out, strings.Join(found, "\n")
	}
	if out, found := verify(); found != "" || out.OnServer != 5 || out.Compared != 5 || out.Mailboxes != 2 {
		t.Errorf("sound: %s %+v", found, out)
	}
	w.server.add("INBOX", "new")
	w.server.expunge("INBOX", 1)
	if out, found := verify(); found != "" || out.New != 1 || out.Gone != 1 {
		t.Errorf("since the last sync: %s %+v", found, out)
	}
	id := w.mailbox("INBOX").ID
	delete(w.log.messages, placeKey{id, 2})
	delete(w.log.messages, placeKey{id, 3})
	k := w.log.messages[placeKey{id, 4}]
	k.SHA256[0]++
	w.log.messages[placeKey{id, 4}] = k
	if out, found := verify(); found != "INBOX 2 messages are missing: UID 2:3\nINBOX UID 4 has other octets on the server" || out.Compared != 1 {
		t.Errorf("damaged: %s %+v", found, out)
	}
	w.server.fail = func(string, domain.MailboxName) error {
		return &SourceError{Code: CodeConnectFailed, Message: "No way."}
	}
	if _, found := verify(); found != " No way." {
		t.Errorf("out of reach: %s", found)
	}
}
