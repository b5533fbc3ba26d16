package adminui

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"sync"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// eventsPage is a part of a journal, newest first.
type eventsPage struct {
	Filter   eventFilter
	Types    []string
	Accounts []queries.Account
	Rows     []eventRow
	Older    events.Position // 0: there are none
	Latest   events.Position
	Moment   moment
}

// eventFilter is what a list of events was asked for.
type eventFilter struct {
	Type   string // public
	Server int64
	System bool // the journal of the installation
	Before events.Position
}

const eventsShown = 60

func readEventFilter(r *request) eventFilter {
	q := r.URL.Query()
	f := eventFilter{Type: q.Get("type"), System: q.Get("journal") == "system" && r.who.Admin}
	f.Server, _ = strconv.ParseInt(q.Get("server"), 10, 64) // what is no number is no filter
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64)
	f.Before = events.Position(max(0, before))
	return f
}

// Journal is the value of the parameter journal.
func (f eventFilter) Journal() string {
	if f.System {
		return "system"
	}
	return ""
}

func (f eventFilter) query(r *request) queries.ListEvents {
	q := queries.ListEvents{Journal: r.who.Journal, Before: f.Before, Desc: true, Limit: eventsShown}
	if f.System {
		q.Journal = events.System
	}
	if f.Type != "" {
		q.Types, _ = public.Stored(f.Type)
		q.Types = append([]events.Type{}, q.Types...) // a type that is never recorded has none
	}
	if f.Server != 0 {
		q.Accounts = []domain.AccountID{domain.AccountID(f.Server)}
	}
	return q
}

// typeNames are the public names of all types.
var typeNames = sync.OnceValue(func() []string {
	var out []string
	for _, t := range types() {
		out = append(out, t.Type)
	}
	return out
})

func (u *ui) listEvents(r *request) error {
	f := readEventFilter(r)
	list, err := u.app.ListEvents(r.Context(), f.query(r))
	if err != nil {
		return err
	}
	accounts, err := u.app.ListAccounts(r.Context(), queries.ListAccounts{Journal: r.who.Journal, Paging: queries.Paging{Size: 100, Number: 1}})
	if err != nil {
		return err
	}
	p := eventsPage{Filter: f, Types: typeNames(), Accounts: accounts.Items, Rows: eventRows(list.Items), Latest: list.Latest}
	if p.Moment, err = u.readMoment(r, f, list.Latest); err != nil {
		return err
	}
	if list.More && len(list.Items) > 0 {
		p.Older = list.Items[len(list.Items)-1].Position
	}
	return u.show(r, "events", page{Title: "Event log", Nav: "events", Wide: true, Data: p})
}

// newerEvents answers with what has happened since, as soon as something has, or after a while.
func (u *ui) newerEvents(r *request) error {
	f := readEventFilter(r)
	u.await(r)
	q := f.query(r)
	after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64) // what is no number is the beginning
	q.After = events.Position(max(0, after))
	list, err := u.app.ListEvents(r.Context(), q)
	if err != nil {
		return err
	}
	return u.part(r, "events", "newer", eventsPage{Filter: f, Rows: eventRows(list.Items), Latest: max(list.Latest, q.After)})
}

// eventPage is one event.
type eventPage struct {
	eventRow
	ID    string
	JSON  string
	Proof queries.EventProof
	Head  string // signed, as the API gives it
}

// Hash returns a hash as people compare it.
func (eventPage) Hash(h events.Hash) string { return hex.EncodeToString(h[:]) }

// Previous is the position before.
func (p eventPage) Previous() events.Position { return p.Position - 1 }

// Next is the position after.
func (p eventPage) Next() events.Position { return p.Position + 1 }

func (u *ui) oneEvent(r *request) error {
	pos, err := r.pathID("position")
	if err != nil {
		return err
	}
	journal := r.who.Journal
	if readEventFilter(r).System {
		journal = events.System
	}
	rec, err := u.app.GetEvent(r.Context(), queries.GetEvent{Journal: journal, Position: events.Position(pos)})
	if err != nil {
		return err
	}
	p := eventPage{eventRow: eventRows([]events.Recorded{rec})[0], ID: public.ID(rec.ID)}
	if p.Proof, err = u.app.GetEventProof(r.Context(), queries.GetEventProof{Journal: journal, Position: events.Position(pos)}); err != nil {
		return err
	}
	head, err := u.app.GetHead(r.Context(), queries.GetHead{Journal: journal})
	if err != nil {
		return err
	}
	p.Head = string(public.RenderHead(head))
	var b bytes.Buffer
	_ = json.Indent(&b, public.Render(rec, u.opts.BasePath+"/api/"), "", "  ") // it has just been made
	p.JSON = b.String()
	return u.show(r, "event", page{Title: "Event " + strconv.FormatInt(pos, 10), Nav: "events", Data: p})
}
