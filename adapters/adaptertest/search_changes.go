package adaptertest

import (
	"context"
	"testing"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

func testChanges(t *testing.T, e Engine) {
	index(t, e, journal, simple(1, 1, "pine"), simple(2, 1, "pine"), simple(3, 1, "pine"))
	in := func(folder domain.MailboxName) queries.MessageFilter {
		f := word(journal, "pine")
		f.Folders = []domain.MailboxName{folder}
		return f
	}
	seen := queries.MessageFilter{Journal: journal, Search: queries.Seen{Is: true}}
	flagged := queries.MessageFilter{Journal: journal, Search: queries.Flagged{Is: true}}
	archive := domain.MailboxName("Archive")

	change(t, e, journal, func(ctx context.Context, s projections.SearchStore) error {
		return s.Save(ctx, []projections.DocumentChange{
			{ID: 1, Flags: []domain.Flag{domain.FlagSeen, domain.FlagFlagged}},
			{ID: 2, Folder: &archive},
			{ID: 3, Folder: &archive, Flags: []domain.Flag{domain.FlagSeen}},
			{ID: 99, Folder: &archive, Flags: []domain.Flag{domain.FlagSeen}}, // is not there, and stays away
		}, nil)
	})
	must(t, e, seen, 3, 1)
	must(t, e, flagged, 1)
	must(t, e, in("INBOX"), 1)
	must(t, e, in(archive), 3, 2)
	must(t, e, all(journal), 3, 2, 1)

	change(t, e, journal, func(ctx context.Context, s projections.SearchStore) error { // new, changed and gone in one batch
		m := simple(4, 1, "maple")
		s.Index(m.Document, m.content)
		return s.Save(ctx, []projections.DocumentChange{{ID: 1, Flags: []domain.Flag{}}}, []domain.MessageID{2, 98})
	})
	must(t, e, seen, 3)
	must(t, e, flagged)
	must(t, e, all(journal), 4, 3, 1)
	must(t, e, word(journal, "maple"), 4)

	m := simple(3, 1, "willow") // read again: what it said before is gone
	m.Flags = []domain.Flag{domain.FlagFlagged}
	index(t, e, journal, m)
	must(t, e, word(journal, "willow"), 3)
	must(t, e, word(journal, "pine"), 1)
	must(t, e, seen)
	must(t, e, flagged, 3)
}

func testErasure(t *testing.T, e Engine) {
	const other = journal + 1
	index(t, e, journal, simple(1, 1, "pine"), simple(2, 2, "pine"), simple(3, 1, "pine"))
	index(t, e, other, simple(4, 1, "pine")) // no account is in two journals; if it were, it would stay
	change(t, e, journal, func(ctx context.Context, s projections.SearchStore) error { return s.EraseAccount(ctx, 1) })
	must(t, e, all(journal), 2)
	must(t, e, word(other, "pine"), 4)
	change(t, e, journal, func(ctx context.Context, s projections.SearchStore) error { return s.EraseAccount(ctx, 1) })
	// In one batch: what came before the erasure goes, what comes after it stays.
	change(t, e, journal, func(ctx context.Context, s projections.SearchStore) error {
		before, after := simple(5, 2, "pine"), simple(6, 2, "pine")
		s.Index(before.Document, before.content)
		if err := s.Save(ctx, nil, nil); err != nil {
			return err
		}
		if err := s.EraseAccount(ctx, 2); err != nil {
			return err
		}
		s.Index(after.Document, after.content)
		return s.Save(ctx, nil, nil)
	})
	must(t, e, all(journal), 6)
}

// testRepeats writes batches again, as after a crash before their checkpoint was committed.
func testRepeats(t *testing.T, e Engine) {
	batch := func(ctx context.Context, s projections.SearchStore) error {
		for _, m := range []mail{simple(1, 1, "pine"), simple(2, 1, "pine")} {
			s.Index(m.Document, m.content)
		}
		archive := domain.MailboxName("Archive")
		return s.Save(ctx, []projections.DocumentChange{{ID: 3, Folder: &archive}}, []domain.MessageID{4})
	}
	index(t, e, journal, simple(3, 1, "pine"), simple(4, 1, "pine"))
	for range 3 {
		change(t, e, journal, batch)
		must(t, e, word(journal, "pine"), 3, 2, 1)
		f := word(journal, "pine")
		f.Folders = []domain.MailboxName{"Archive"}
		must(t, e, f, 3)
	}
	change(t, e, journal, func(ctx context.Context, s projections.SearchStore) error { return s.Save(ctx, nil, nil) })
	must(t, e, all(journal), 3, 2, 1)
}
