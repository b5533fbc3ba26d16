package queries

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

type checkList []MailboxCoverage

func (l checkList) Coverage(context.Context, events.JournalID, domain.AccountID) ([]MailboxCoverage, error) {
	return append([]MailboxCoverage(nil), l...), nil
}

func checkOf(name domain.MailboxName, at time.Time, pos events.Position, selected bool, counts events.CoverageCounts, exceptions ...events.CoverageException) MailboxCoverage {
	return MailboxCoverage{
		CoverageChecked: events.CoverageChecked{Name: name, Selected: selected, CoverageCounts: counts, Exceptions: exceptions},
		CheckedAt:       at, Position: pos,
	}
}

func TestAccountCoverage(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 3, 4, 9, 0, 0, 0, time.UTC)
	excluded := events.CoverageException{Kind: events.CoverageExcluded, Reason: events.ReasonFolder, Count: 4}
	held := events.CoverageException{Kind: events.CoverageQuarantined, Reason: "fetch_failed", Count: 1}
	missing := events.CoverageException{Kind: events.CoverageMissing, Reason: events.ReasonUnknown, Count: 2}
	trash := checkOf("Trash", now, 3, false, events.CoverageCounts{OnServer: 4, Excluded: 4}, excluded)
	inbox := checkOf("INBOX", now.Add(-time.Hour), 9, true, events.CoverageCounts{OnServer: 6, Stored: 5, Quarantined: 1}, held)
	for _, c := range []struct {
		checks         checkList
		mailbox        domain.MailboxName
		status, states string
		counts         events.CoverageCounts
		exceptions     string
	}{
		{checkList{trash, inbox}, "", "complete", "complete excluded", events.CoverageCounts{OnServer: 10, Stored: 5, Excluded: 4, Quarantined: 1}, "quarantined excluded"},
		{checkList{trash, inbox}, "inbox", "complete", "complete", inbox.CoverageCounts, "quarantined"},
		{checkList{inbox, checkOf("Sent", now.Add(-staleAfter-1), 1, true, events.CoverageCounts{})}, "", "stale", "complete stale", inbox.CoverageCounts, "quarantined"},
		{
			checkList{inbox, checkOf("Sent", now.Add(-staleAfter-1), 1, true, events.CoverageCounts{}), checkOf("Z", now, 1, true, events.CoverageCounts{OnServer: 2, Missing: 2}, missing)},
			"", "incomplete", "complete stale incomplete",
			events.CoverageCounts{OnServer: 8, Stored: 5, Quarantined: 1, Missing: 2},
			"missing quarantined",
		},
	} {
		got, err := NewGetAccountCoverage(c.checks, func() time.Time { return now }).Handle(t.Context(), GetAccountCoverage{Mailbox: c.mailbox})
		if err != nil {
			t.Fatal(err)
		}
		states, exceptions := "", ""
		for _, m := range got.Mailboxes {
			states += " " + m.Status
		}
		for _, e := range got.Exceptions {
			exceptions += " " + e.Kind
		}
		if got.Status != c.status || states != " "+c.states || got.CoverageCounts != c.counts || exceptions != " "+c.exceptions {
			t.Errorf("got %s,%s,%s, %+v, want %+v", got.Status, states, exceptions, got.CoverageCounts, c)
		}
		if got.Position != 9 {
			t.Errorf("position %d", got.Position)
		}
	}
	_, err := NewGetAccountCoverage(checkList{inbox}, time.Now).Handle(t.Context(), GetAccountCoverage{Mailbox: "Sent"})
	if !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("an unknown mailbox: %v", err)
	}
}

// Of too many exceptions the harmless ones are left out.
func TestAccountCoverageOfManyExceptions(t *testing.T) {
	t.Parallel()
	var list checkList
	for i := range maxExceptions + 5 {
		kind := events.CoverageExcluded
		if i >= maxExceptions {
			kind = events.CoverageMissing
		}
		list = append(list, checkOf(domain.MailboxName(fmt.Sprint(i)), time.Time{}, 1, true, events.CoverageCounts{}, events.CoverageException{Kind: kind}))
	}
	got, err := NewGetAccountCoverage(list, time.Now).Handle(t.Context(), GetAccountCoverage{})
	if err != nil || len(got.Exceptions) != maxExceptions || got.Exceptions[4].Kind != events.CoverageMissing {
		t.Errorf("%d exceptions, %v", len(got.Exceptions), err)
	}
}
