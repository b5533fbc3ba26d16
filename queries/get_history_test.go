package queries_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// memoryLog is a journal of events and the mailbox that they lead to.
type memoryLog struct {
	queries.EventReader
	queries.EntryReader
	events []events.Recorded
	now    map[domain.MessageID]queries.Entry
}

func (l *memoryLog) Events(_ context.Context, q queries.ListEvents) (page queries.EventPage, err error) {
	for _, rec := range l.events {
		if rec.Position <= q.After || rec.Position >= q.Before || !slices.Contains(q.Types, rec.Type) {
			continue
		}
		if len(page.Items) == q.Limit {
			page.More = true
			break
		}
		page.Items = append(page.Items, rec)
	}
	return page, nil
}

func (l *memoryLog) Applied(context.Context, events.JournalID, string) (events.Position, error) {
	return events.Position(len(l.events)), nil
}

func (l *memoryLog) Entries(_ context.Context, q queries.GetEntries) (out []queries.Entry, err error) {
	for _, id := range q.IDs {
		if e, ok := l.now[id]; ok {
			out = append(out, e)
		}
	}
	return out, nil
}

func (l *memoryLog) FoldersOf(context.Context, events.JournalID, []domain.AccountID) (map[domain.AccountID][]queries.Folder, error) {
	return map[domain.AccountID][]queries.Folder{1: {
		{Name: "INBOX"}, {Name: "Archive", Role: domain.RoleArchive}, {Name: "Gone", Role: domain.RoleTrash}, {Name: "Work.Deep", Delimiter: "."},
	}}, nil
}

func (l *memoryLog) record(e events.Event) {
	typ, _ := e.EventType()
	l.events = append(l.events, events.Recorded{Journal: 1, Position: events.Position(len(l.events) + 1), Type: typ, Stream: e.EventStream(), Event: e})
}

// live lets things happen to messages by chance.
func (l *memoryLog) live(rnd *rand.Rand, steps int) {
	places := []domain.MailboxName{"INBOX", "Archive", "Gone", "Work.Deep"}
	someFlags := func() []domain.Flag {
		var out []domain.Flag
		for _, f := range []domain.Flag{domain.FlagSeen, domain.FlagFlagged, domain.FlagAnswered, domain.KeywordJunk} {
			if rnd.IntN(2) == 0 {
				out = append(out, f)
			}
		}
		return domain.Flags(out)
	}
	for range steps {
		id := domain.MessageID(1 + rnd.IntN(12))
		e, there := l.now[id]
		m := events.Message{ID: id, Account: 1, Thread: domain.ThreadID(id), Place: events.Place{Folder: e.Folder}}
		switch kind := rnd.IntN(6); {
		case kind == 0:
			l.record(events.ThreadUpdated{Thread: 1, Account: 1})
			continue
		case !there:
			e = queries.Entry{ID: id, Account: 1, Thread: domain.ThreadID(id), Folder: places[rnd.IntN(4)], Flags: someFlags()}
			m.Folder = e.Folder
			l.record(events.MessageFetched{Message: m, Flags: e.Flags, InternalDate: time.Time{}})
		case kind == 1:
			l.record(events.MessageExpunged{Message: m, Flags: e.Flags})
			delete(l.now, id)
			continue
		case kind == 2:
			m.Folder = places[rnd.IntN(4)]
			l.record(events.MessageMoved{Message: m, From: events.Place{Folder: e.Folder}, Flags: e.Flags})
			e.Folder = m.Folder
		default:
			flags := someFlags()
			added, removed := domain.DiffFlags(e.Flags, flags)
			l.record(events.FlagsChanged{Message: m, Added: added, Removed: removed, Flags: flags})
			e.Flags = flags
		}
		l.now[id] = e
	}
}

// labelsNow are the labels of all messages.
func (l *memoryLog) labelsNow(t *testing.T) map[domain.MessageID][]string {
	t.Helper()
	labels, err := queries.ReadLabels(t.Context(), l, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[domain.MessageID][]string{}
	for id, e := range l.now {
		out[id] = labels.Of(e.Account, e.Folder, e.Flags)
		slices.Sort(out[id])
	}
	return out
}

// apply is what a client does with a change.
func apply(state map[domain.MessageID][]string, c queries.Change) {
	for _, kind := range c.Kinds {
		labels := slices.Clone(state[c.ID])
		switch kind {
		case queries.MessageAdded:
			labels = slices.Clone(c.Labels)
		case queries.MessageDeleted:
			delete(state, c.ID)
			continue
		case queries.LabelAdded:
			labels = append(labels, c.Added...)
		case queries.LabelRemoved:
			labels = slices.DeleteFunc(labels, func(l string) bool { return slices.Contains(c.Removed, l) })
		}
		slices.Sort(labels)
		state[c.ID] = slices.Compact(labels)
	}
}

// TestHistory: a mailbox as it was, and the history since then in parts of any size, while more happens, give the mailbox as it is.
func TestHistory(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		log := &memoryLog{now: map[domain.MessageID]queries.Entry{}}
		log.live(rnd, rnd.IntN(40))
		state, at := log.labelsNow(t), events.Position(len(log.events))
		log.live(rnd, rnd.IntN(60))
		want, until := log.labelsNow(t), events.Position(len(log.events))
		h := queries.NewGetHistory(log, log, log, log)
		q := queries.GetHistory{Journal: 1, After: at, Limit: 1 + rnd.IntN(7)}
		for {
			part, err := h.Handle(t.Context(), q)
			if err != nil || part.Until != until || len(part.Changes) > q.Limit || part.Next > 0 && len(part.Changes) == 0 {
				t.Fatalf("after %d: %+v, %v, want until %d", q.After, part, err, until)
			}
			for _, c := range part.Changes {
				if c.Position <= q.After || c.Position > until {
					t.Fatalf("change at %d, asked for %d to %d", c.Position, q.After, until)
				}
				q.After = c.Position
				apply(state, c)
			}
			if part.Next == 0 {
				break
			}
			q.After, q.Until = part.Next, part.Until
			log.live(rnd, rnd.IntN(3)) // what comes meanwhile is for the next time
		}
		if diff := cmp.Diff(want, state); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

func TestHistoryFilters(t *testing.T) {
	t.Parallel()
	log := &memoryLog{now: map[domain.MessageID]queries.Entry{}}
	rnd := rand.New(rand.NewPCG(7, 0))
	log.live(rnd, 400)
	h := queries.NewGetHistory(log, log, log, log)
	all, err := h.Handle(t.Context(), queries.GetHistory{Journal: 1, Limit: 500})
	if err != nil || len(all.Changes) < 100 || all.Next != 0 {
		t.Fatalf("%d changes, next %d, %v", len(all.Changes), all.Next, err)
	}
	now := log.labelsNow(t)
	got, err := h.Handle(t.Context(), queries.GetHistory{Journal: 1, Limit: 500, Label: queries.LabelTrash, Kinds: []queries.ChangeKind{queries.LabelAdded}})
	if err != nil {
		t.Fatal(err)
	}
	var want []events.Position
	for _, c := range all.Changes {
		about := slices.Concat(c.Labels, c.Added, c.Removed, now[c.ID])
		if slices.Contains(about, queries.LabelTrash) && slices.Contains(c.Kinds, queries.LabelAdded) {
			want = append(want, c.Position)
		}
	}
	var positions []events.Position
	for _, c := range got.Changes {
		positions = append(positions, c.Position)
	}
	if diff := cmp.Diff(want, positions); diff != "" || len(want) == 0 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := h.Handle(t.Context(), queries.GetHistory{Journal: 1, After: 401, Limit: 1}); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("beyond the end: %v", err)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	labels, err := queries.ReadLabels(t.Context(), &memoryLog{}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := labels.All()
	if last := all[len(all)-1]; len(all) != 9 || last.Name != "Work/Deep" || !last.User || len(last.ID) != len("Label_")+12 {
		t.Errorf("%+v", all)
	}
	for _, c := range []struct {
		folder domain.MailboxName
		flags  []domain.Flag
		want   []string
	}{
		{"INBOX", nil, []string{"UNREAD", "INBOX"}},
		{"Archive", []domain.Flag{domain.FlagSeen}, []string{}},
		{"Gone", []domain.Flag{domain.FlagSeen, domain.FlagFlagged}, []string{"STARRED", "TRASH"}},
		{"INBOX", []domain.Flag{domain.FlagSeen, "$junk", "$important"}, []string{"IMPORTANT", "SPAM", "INBOX"}},
		{"Work.Deep", []domain.Flag{domain.FlagSeen}, []string{all[8].ID}},
	} {
		if diff := cmp.Diff(c.want, labels.Of(1, c.folder, c.flags)); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", c.folder, c.flags, diff)
		}
	}
}
