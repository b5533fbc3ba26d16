package eventlog

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// TestChanges follows changes from the request to the end, with messages of threads that were merged meanwhile.
func TestChanges(t *testing.T) {
	t.Parallel()
	pool, j, journal := testJournal(t)
	merging := fetched(3, 13, putRaw(t, pool, journal, "raw 3"))
	merging.Thread, merging.Merged = 1, []domain.ThreadID{2}
	must(t, j, scopeOf(journal), decisionOf(fetched(1, 11, putRaw(t, pool, journal, "raw 1")), fetched(2, 12, putRaw(t, pool, journal, "raw 2"))))
	first := events.ChangeRequested{
		Change: 1, Account: 1, Messages: []events.ChangedMessage{{ID: 2, Thread: 2}, {ID: 9, Thread: 9}}, Add: []domain.Flag{domain.FlagSeen},
		Remove: []domain.Flag{}, MoveTo: 1, Folder: "INBOX",
	}
	second := events.ChangeRequested{Change: 2, Account: 1, Messages: []events.ChangedMessage{{ID: 1, Thread: 1}}, Add: []domain.Flag{}, Remove: []domain.Flag{}}
	must(t, j, scopeOf(journal), decisionOf(first, second))
	must(t, j, scopeOf(journal), decisionOf(merging))
	must(t, j, scopeOf(journal), commands.Decision{Rows: []commands.Row{commands.TriedChangesRow{Account: 1, Changes: []domain.ChangeID{2, 5}}}})
	wants := func(want ...commands.PendingChange) {
		t.Helper()
		got, err := j.PendingChanges(t.Context(), journal, 1)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("pending: %v (-want +got):\n%s", err, diff)
		}
	}
	wants(commands.PendingChange{ChangeRequested: first}, commands.PendingChange{ChangeRequested: second, Tries: 1})
	for _, of := range [][]events.ChangedMessage{first.Messages, {{ID: 2, Thread: 1}, {ID: 9, Thread: 1}}} { // by the thread it was in, and is in
		places, err := j.PlacesOf(t.Context(), journal, 1, of)
		if err != nil || len(places) != 1 || places[0].ID != 2 || places[0].UID != 12 || places[0].Mailbox != 1 || places[0].Thread != 1 {
			t.Errorf("places of %v: %+v, %v", of, places, err)
		}
	}
	if places, err := j.PlacesOf(t.Context(), journal, 2, first.Messages); err != nil || len(places) > 0 {
		t.Errorf("places in another account: %+v, %v", places, err)
	}
	end := events.ChangeEnded{Change: 1, Account: 1, Error: &events.SyncError{Code: events.CodeRefused, Message: "No."}, Reply: "NO nul \x00"}
	at := must(t, j, scopeOf(journal), decisionOf(end))
	wants(commands.PendingChange{ChangeRequested: second, Tries: 1})
	ended, pos, err := j.Ended(t.Context(), journal, []domain.ChangeID{1, 2, 3})
	if diff := cmp.Diff([]events.ChangeEnded{end}, ended); diff != "" || pos != at || err != nil {
		t.Errorf("ended at %d, want %d: %v (-want +got):\n%s", pos, at, err, diff)
	}
}
