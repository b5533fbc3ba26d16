package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

const (
	maxEventPage = 500
	maxEventWait = 50 // seconds
)

// eventQuery is what a request asks of a journal.
type eventQuery struct {
	queries.ListEvents
	nothing  bool // no event can be meant
	progress bool // of sync runs is meant too, which only streams have
	wait     time.Duration
}

// readEvents reads the parameters of api.md 10.6.
func (a *api) readEvents(r *request) (eventQuery, error) {
	f := filters{r: r}
	var q eventQuery
	var err error
	if err = a.readJournal(r, &f, &q); err != nil {
		return q, err
	}
	q.After, q.Before = f.position("after"), f.position("before")
	q.Since, q.Until = f.moment("since"), f.moment("until")
	f.eventTypes(&q)
	if q.Accounts, err = f.accounts(r.Context(), a, q.Journal); err != nil {
		return q, err
	}
	f.resource(&q)
	q.Actor = f.text("actor")
	order := f.ordering([]string{"position"})
	q.Desc = len(order) > 0 && order[0].Desc
	q.Limit = pageSize(r.get("page_size"), maxEventPage)
	q.wait = time.Duration(f.number("wait", maxEventWait)) * time.Second
	return q, f.faults.err()
}

// readJournal reads user: another user's journal, or system, for administrators.
func (a *api) readJournal(r *request, f *filters, q *eventQuery) error {
	q.Journal = r.who.Journal
	name := f.text("user")
	switch {
	case name == "":
		return nil
	case !r.isAdmin():
		return errForbidden
	case name == "system":
		q.Journal = events.System
		return nil
	}
	users, err := a.app.ListUsers(r.Context(), queries.ListUsers{})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(users, func(u queries.User) bool { return u.Name == name })
	if i < 0 {
		f.faults.add("user", msgChoice)
		return nil
	}
	q.Journal = events.JournalID(users[i].ID)
	return nil
}

// number reads a whole number of 0 to most.
func (f *filters) number(name string, most int64) int64 {
	text := f.r.get(name)
	if text == "" {
		return 0
	}
	n, fault := wholeNumber(mustJSON(text))
	if fault == "" {
		fault = outside(n, 0, most)
	}
	if fault != "" {
		f.faults.add(name, fault)
		return 0
	}
	return n
}

func (f *filters) position(name string) events.Position {
	return events.Position(f.number(name, 1<<62))
}

// eventTypes reads type and category; both must hold.
func (f *filters) eventTypes(q *eventQuery) {
	q.progress = true
	if text := f.text("type"); text != "" {
		q.Types, q.progress = []events.Type{}, false
		for name := range strings.SplitSeq(text, ",") {
			name = strings.TrimSpace(name)
			progress := name == progressType && f.r.route.path == streamPath
			types, known := public.Stored(name)
			if !known && !progress {
				f.faults.add("type", notAChoice(name))
			}
			q.Types = append(q.Types, types...)
			q.progress = q.progress || progress || name == "sync.*"
		}
	}
	if text := f.text("category"); text != "" {
		var types []events.Type
		sync := false
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); !slices.Contains(public.Categories, name) {
				f.faults.add("category", notAChoice(name))
			}
			types = append(types, public.InCategory(name)...)
			sync = sync || name == public.Sync
		}
		q.progress = q.progress && sync
		if q.Types == nil {
			q.Types = append([]events.Type{}, types...)
		}
		q.Types = slices.DeleteFunc(q.Types, func(t events.Type) bool { return !slices.Contains(types, t) })
	}
	q.nothing = q.Types != nil && len(q.Types) == 0
}

// resource reads email and thread_id; no event is about both.
func (f *filters) resource(q *eventQuery) {
	if text := f.r.get("email"); text != "" {
		id, ok := parseID(text)
		if !ok {
			f.faults.add("email", msgChoice)
		}
		q.Stream = &events.Stream{Kind: events.StreamMessage, ID: id}
	}
	if thread := f.thread("thread_id"); thread != nil {
		q.nothing = q.nothing || q.Stream != nil || *thread == 0
		q.Stream = &events.Stream{Kind: events.StreamThread, ID: int64(*thread)}
	}
}

// findEvents answers q at once.
func (a *api) findEvents(ctx context.Context, q eventQuery) (queries.EventPage, error) {
	if !q.nothing {
		return a.app.ListEvents(ctx, q.ListEvents)
	}
	pos, err := a.app.GetPositions(ctx, queries.GetPositions{Journal: q.Journal})
	return queries.EventPage{Latest: pos.Latest}, err
}

// awaitEvents answers q, and while there is nothing waits for the journal to grow.
func (a *api) awaitEvents(ctx context.Context, q eventQuery) (queries.EventPage, error) {
	deadline := time.NewTimer(q.wait)
	defer deadline.Stop()
	for {
		grown := a.app.Grown(q.Journal)
		page, err := a.findEvents(ctx, q)
		if err != nil {
			return page, err
		}
		if q.After > page.Latest {
			return page, invalid("after", "This position does not exist yet.")
		}
		if len(page.Items) > 0 || q.wait <= 0 || q.Desc {
			return page, nil
		}
		select {
		case <-grown:
		case <-deadline.C:
			return page, nil
		case <-ctx.Done():
			return page, ctx.Err()
		}
	}
}

func (a *api) listEvents(r *request) (response, error) {
	q, err := a.readEvents(r)
	if err != nil {
		return response{}, err
	}
	return a.events(r, q)
}

// events answers with a part of a journal.
func (a *api) events(r *request, q eventQuery) (response, error) {
	page, err := a.awaitEvents(r.Context(), q)
	if err != nil {
		return response{}, err
	}
	var next *string
	if n := len(page.Items); page.More && n > 0 {
		name := "after"
		if q.Desc {
			name = "before"
		}
		next = r.with(name, strconv.FormatInt(int64(page.Items[n-1].Position), 10))
	}
	var b bytes.Buffer
	b.WriteString(`{"next":`)
	b.Write(mustJSON(next))
	b.WriteString(`,"previous":null,"latest_position":`)
	b.WriteString(strconv.FormatInt(int64(page.Latest), 10))
	b.WriteString(`,"results":[`)
	base := r.base()
	for i, rec := range page.Items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(public.Render(rec, base))
	}
	b.WriteString(`]}`)
	return response{raw: b.Bytes()}, nil
}

func (a *api) getEvent(r *request) (response, error) {
	pos, err := r.pathID("position")
	if err != nil {
		return response{}, err
	}
	f := filters{r: r}
	var q eventQuery
	if err := a.readJournal(r, &f, &q); err != nil {
		return response{}, err
	}
	if err := f.faults.err(); err != nil {
		return response{}, err
	}
	rec, err := a.app.GetEvent(r.Context(), queries.GetEvent{Journal: q.Journal, Accounts: r.accounts(), Position: events.Position(pos)})
	if err != nil {
		return response{}, err
	}
	return response{raw: public.Render(rec, r.base())}, nil
}

// eventHead is a signed statement of the end of the journal: who keeps it can prove later that what is
// before it was not rewritten.
func (a *api) eventHead(r *request) (response, error) {
	f := filters{r: r}
	var q eventQuery
	if err := a.readJournal(r, &f, &q); err != nil {
		return response{}, err
	}
	if err := f.faults.err(); err != nil {
		return response{}, err
	}
	head, err := a.app.GetHead(r.Context(), queries.GetHead{Journal: q.Journal})
	if err != nil {
		return response{}, err
	}
	return response{raw: public.RenderHead(head)}, nil
}

// eventTypeJSON describes a type of event.
type eventTypeJSON struct {
	Type        string          `json:"type"`
	Description string          `json:"description"`
	Deliverable bool            `json:"deliverable"`
	Schema      json.RawMessage `json:"schema"`
	Example     json.RawMessage `json:"example"`
}

func (a *api) listEventTypes(*request) (response, error) {
	var out []eventTypeJSON
	for _, t := range public.Types() {
		out = append(out, eventTypeJSON{t.Type, t.Description, t.Deliverable, t.Schema, t.Example})
	}
	return response{body: out}, nil
}
