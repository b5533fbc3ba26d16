package eventlog

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

func checkOf(mailbox domain.MailboxID, stored int) events.CoverageChecked {
	next := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	return events.CoverageChecked{
		Account: 1, Mailbox: mailbox, Sync: 5, Name: "nul \x00", Selected: true,
		CoverageCounts: events.CoverageCounts{OnServer: stored, Stored: stored},
		Exceptions:     []events.CoverageException{{Kind: events.CoverageQuarantined, LastError: "\x00", NextAt: &next}},
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	_, j, journal := testJournal(t)
	must(t, j, scopeOf(journal), decisionOf(
		events.MailboxFound{Account: 1, Mailbox: 2, Name: "Old", Selected: true, UIDValidity: 1},
		checkOf(1, 3), checkOf(2, 4), checkOf(1, 5)))
	wants := func(want map[domain.MailboxID]commands.CoverageCheck) {
		t.Helper()
		got, err := j.Checks(t.Context(), journal, 1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(commands.CoverageCheck{}, "At")); diff != "" {
			t.Errorf("checks (-want +got):\n%s", diff)
		}
	}
	one, two := commands.CoverageCheck{CoverageChecked: checkOf(1, 5)}, commands.CoverageCheck{CoverageChecked: checkOf(2, 4)}
	wants(map[domain.MailboxID]commands.CoverageCheck{1: one, 2: two})
	must(t, j, scopeOf(journal), commands.Decision{Rows: []commands.Row{commands.CoverageDueRow{Account: 1}}})
	one.Due, two.Due = true, true
	wants(map[domain.MailboxID]commands.CoverageCheck{1: one, 2: two})
	must(t, j, scopeOf(journal), decisionOf(checkOf(1, 5)))
	one.Due = false
	wants(map[domain.MailboxID]commands.CoverageCheck{1: one, 2: two})
	must(t, j, scopeOf(journal), decisionOf(events.MailboxRemoved{Account: 1, Mailbox: 2, Name: "Old"}))
	wants(map[domain.MailboxID]commands.CoverageCheck{1: one})
	if other, err := j.Checks(t.Context(), journal, 2); err != nil || len(other) > 0 {
		t.Errorf("checks of another account: %v, %v", other, err)
	}
}

func TestExceptions(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	part := fetched(2, 11, putRaw(t, pool, journal, "raw 2"))
	part.Truncated = true
	next := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	held := commands.QuarantineRow{Mailbox: 1, UID: 20, Attempts: 3, Reason: "fetch_failed", LastError: "NO", NextAt: next}
	must(t, j, scopeOf(journal), decisionOf(part))
	must(t, j, scopeOf(journal), commands.Decision{Rows: []commands.Row{held}})
	truncated, quarantine, err := j.Exceptions(t.Context(), journal, 1)
	if err != nil || truncated.String() != "11" || !cmp.Equal(quarantine, []commands.QuarantineRow{held}) {
		t.Errorf("truncated %v, quarantine %+v, %v", truncated, quarantine, err)
	}
	// It stays so wherever it goes.
	must(t, j, scopeOf(journal), decisionOf(
		events.MailboxFound{Account: 1, Mailbox: 2, Name: "Work", Selected: true, UIDValidity: 1},
		events.MessageMoved{Message: events.Message{ID: 2, Account: 1, Thread: 2, Place: events.Place{Mailbox: 2, UIDValidity: 1, UID: 7}}, From: part.Place}))
	truncated, quarantine, err = j.Exceptions(t.Context(), journal, 2)
	if err != nil || truncated.String() != "7" || len(quarantine) > 0 {
		t.Errorf("after a move: truncated %v, quarantine %+v, %v", truncated, quarantine, err)
	}
}
