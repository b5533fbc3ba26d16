package eventlog

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	m, n := toyMessage(1, 1, 1, "order"), toyMessage(2, 2, 2, "order")
	write(t, l, 7, events.AccountAdded{Account: 1}, events.AccountAdded{Account: 2}) // 1, 2
	write(t, l, 7, m, n)                                                             // 3, 4
	write(t, l, 8, m)
	write(t, l, 7, toySeen(m))                            // 5
	write(t, l, 7, events.LoggedIn{User: 7, Name: "ann"}) // 6
	page, err := l.Events(t.Context(), queries.ListEvents{Journal: 7, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(events.Event(m), page.Items[2].Event); diff != "" {
		t.Errorf("event 3 (-want +got):\n%s", diff)
	}
	at := func(pos int) *time.Time { return &page.Items[pos-1].RecordedAt }
	soon := at(6).Add(time.Hour)
	stream := m.EventStream()
	for _, tt := range []struct {
		name string
		q    queries.ListEvents
		want string
	}{
		{"all", queries.ListEvents{Limit: 6}, "1 2 3 4 5 6"},
		{"first page", queries.ListEvents{Limit: 4}, "1 2 3 4 more"},
		{"next page", queries.ListEvents{Limit: 4, After: 4}, "5 6"},
		{"newest first", queries.ListEvents{Limit: 4, Desc: true}, "6 5 4 3 more"},
		{"then", queries.ListEvents{Limit: 4, Desc: true, Before: 3}, "2 1"},
		{"between", queries.ListEvents{Limit: 4, After: 1, Before: 5}, "2 3 4"},
		{"beyond", queries.ListEvents{Limit: 4, After: 100}, ""},
		{"types", queries.ListEvents{Limit: 4, Types: []events.Type{events.TypeAccountAdded, events.TypeFlagsChanged}}, "1 2 5"},
		{"no types", queries.ListEvents{Limit: 4, Types: []events.Type{}}, ""},
		{"account", queries.ListEvents{Limit: 4, Accounts: []domain.AccountID{1}}, "1 3 5"},
		{"no accounts", queries.ListEvents{Limit: 4, Accounts: []domain.AccountID{}}, ""},
		{"stream", queries.ListEvents{Limit: 4, Stream: &stream}, "3 5"},
		{"actor", queries.ListEvents{Limit: 1, Actor: "sync"}, "1 more"},
		{"system", queries.ListEvents{Limit: 1, Actor: "system"}, "1 more"},
		{"other actor", queries.ListEvents{Limit: 1, Actor: "ann"}, ""},
		{"since", queries.ListEvents{Limit: 4, Since: at(5)}, "5 6"},
		{"until", queries.ListEvents{Limit: 4, Until: at(3)}, "1 2 3 4"},
		{"since the future", queries.ListEvents{Limit: 4, Since: &soon}, ""},
		{"until the future", queries.ListEvents{Limit: 1, Until: &soon, Desc: true}, "6 more"},
	} {
		tt.q.Journal = 7
		page, err := l.Events(t.Context(), tt.q)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := make([]string, 0, len(page.Items))
		for _, rec := range page.Items {
			got = append(got, fmt.Sprint(rec.Position))
			if rec.Journal != 7 || rec.Meta.Actor.Name != "sync" || rec.Event == nil || rec.RecordedAt.Location() != time.UTC {
				t.Errorf("%s: got %+v", tt.name, rec)
			}
		}
		if page.More {
			got = append(got, "more")
		}
		if s := strings.Join(got, " "); s != tt.want || page.Latest != 6 {
			t.Errorf("%s: got %q, latest %d, want %q, 6", tt.name, s, page.Latest, tt.want)
		}
	}
	rec, err := l.Event(t.Context(), 7, 6)
	if err != nil || rec.Event != (events.LoggedIn{User: 7, Name: "ann"}) {
		t.Errorf("event 6: got %+v, %v", rec, err)
	}
	for _, pos := range []events.Position{-1, 0, 7} {
		if _, err := l.Event(t.Context(), 7, pos); !errors.Is(err, domain.ErrNotFound) {
			t.Errorf("event %d: got %v, want ErrNotFound", pos, err)
		}
	}
}

func TestEachReadsAll(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	fillLog(t, l, 1, 400)
	for _, desc := range []bool{false, true} {
		var got []events.Position
		err := l.Each(t.Context(), queries.ListEvents{Journal: 1, After: 10, Desc: desc}, func(rec events.Recorded) error {
			got = append(got, rec.Position)
			return nil
		})
		if err != nil || len(got) != 590 || min(got[0], got[589]) != 11 || max(got[0], got[589]) != 600 {
			t.Errorf("desc %v: got %d events, %v", desc, len(got), err)
		}
	}
	stop := errors.New("enough")
	if err := l.Each(t.Context(), queries.ListEvents{Journal: 1}, func(events.Recorded) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the error of the caller", err)
	}
}

func TestGrownIsToldOnce(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	one, other := l.Grown(1), l.Grown(2)
	write(t, l, 1, toyMessage(1, 1, 1, "order"))
	select {
	case <-one:
	case <-time.After(time.Second):
		t.Error("journal 1 grew, and nobody was told")
	}
	select {
	case <-other:
		t.Error("journal 2 did not grow")
	case <-l.Grown(1):
		t.Error("journal 1 did not grow again")
	default:
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	_, _, task := newToy(l)
	l.Register(task)
	do(t, l, `INSERT INTO auth.users (user_id, name, email, is_admin, is_active, password_hash, created_at, updated_at)
		VALUES (1, 'ann', '', false, true, '', now(), now())`)
	write(t, l, 1, toyMessage(1, 1, 1, "order"), toyMessage(1, 1, 2, "poison"), toyMessage(1, 1, 3, "order"))
	write(t, l, 2, toyMessage(1, 1, 1, "order"))
	state := func() queries.Model {
		t.Helper()
		all, err := l.Models(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("got %d models, %v", len(all), err)
		}
		m := all[0]
		if m.UpdatedAt.IsZero() || m.JournalsBehind > 0 && m.Generation > 0 && m.LagSeconds <= 0 {
			t.Errorf("got updated at %v, lag %v", m.UpdatedAt, m.LagSeconds)
		}
		m.UpdatedAt, m.LagSeconds = time.Time{}, 0
		if m.Rebuild != nil {
			m.Rebuild.StartedAt = time.Time{}
		}
		for i := range m.Failures {
			m.Failures[i].FirstFailed, m.Failures[i].NextRetry = time.Time{}, time.Time{}
		}
		return m
	}
	want := queries.Model{Name: "toy", Version: 1, Status: "rebuilding", Journals: 2, JournalsBehind: 2, EventsTotal: 4}
	if diff := cmp.Diff(want, state()); diff != "" {
		t.Errorf("before the first build (-want +got):\n%s", diff)
	}
	g, err := task.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	catchUpAll(t, task, g, 2)
	want.Rebuild = &queries.ModelRebuild{Generation: 1, EventsApplied: 1, Percent: 25}
	if diff := cmp.Diff(want, state()); diff != "" {
		t.Errorf("while building (-want +got):\n%s", diff)
	}
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	want = queries.Model{
		Name: "toy", Version: 1, Generation: 1, Status: "failed", Journals: 2, JournalsBehind: 1, JournalsFailed: 1, EventsTotal: 4, EventsApplied: 2,
		Failures: []queries.ModelFailure{{User: "ann", Position: 2, Type: events.TypeMessageFetched, Error: "poison", Attempts: 1}},
	}
	if diff := cmp.Diff(want, state()); diff != "" {
		t.Errorf("with a stopped journal (-want +got):\n%s", diff)
	}
}
