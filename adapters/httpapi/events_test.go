package httpapi

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// journal is a journal in memory: what the closures of a test read.
type journal struct {
	sync.Mutex
	recs  []events.Recorded
	grown chan struct{}
	asked queries.ListEvents
}

func newJournal(n int) *journal {
	j := &journal{grown: make(chan struct{})}
	for range n {
		j.append()
	}
	return j
}

// append records one more event, flags of message 42.
func (j *journal) append() {
	j.Lock()
	defer j.Unlock()
	pos := events.Position(len(j.recs) + 1)
	j.recs = append(j.recs, events.Recorded{
		Journal: 1, Position: pos, ID: [16]byte{15: byte(pos)}, Type: events.TypeFlagsChanged, RecordedAt: testNow.Add(time.Microsecond),
		Stream: events.Stream{Kind: events.StreamMessage, ID: 42}, Account: 3,
		Meta:  events.Meta{Actor: events.Actor{Kind: events.ActorSystem, Name: "sync"}},
		Event: events.FlagsChanged{Message: events.Message{ID: 42, Account: 3, Thread: 17, Place: events.Place{Folder: "INBOX"}}, Added: []domain.Flag{domain.FlagSeen}, Flags: []domain.Flag{domain.FlagSeen}},
	})
	close(j.grown)
	j.grown = make(chan struct{})
}

func (j *journal) list(_ context.Context, q queries.ListEvents) (queries.EventPage, error) {
	j.Lock()
	defer j.Unlock()
	j.asked = q
	page := queries.EventPage{Latest: events.Position(len(j.recs))}
	recs := slices.Clone(j.recs)
	if q.Desc {
		slices.Reverse(recs)
	}
	for _, r := range recs {
		if r.Position <= q.After || q.Before != 0 && r.Position >= q.Before {
			continue
		}
		if len(page.Items) == q.Limit {
			page.More = true
			break
		}
		page.Items = append(page.Items, r)
	}
	return page, nil
}

func (w *world) withJournal(j *journal) {
	w.ListEvents = j.list
	w.GetEvent = func(_ context.Context, q queries.GetEvent) (events.Recorded, error) {
		if q.Journal != 1 || q.Position > events.Position(len(j.recs)) {
			return events.Recorded{}, domain.ErrNotFound
		}
		return j.recs[q.Position-1], nil
	}
	w.GetPositions = func(context.Context, queries.GetPositions) (queries.Positions, error) {
		j.Lock()
		defer j.Unlock()
		return queries.Positions{Latest: events.Position(len(j.recs))}, nil
	}
	w.Grown = func(events.JournalID) <-chan struct{} {
		j.Lock()
		defer j.Unlock()
		return j.grown
	}
}

func testEvent(pos int) string {
	const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	return fmt.Sprintf(`{"position":%d,"id":"%s%c","type":"email.flags_changed","timestamp":"2025-03-04T10:00:00.000001Z",`+
		`"category":"mail","imap_server":3,"resource":{"kind":"email","id":42},"actor":{"kind":"system","name":"sync"},"request_id":null,`+
		`"data":{"id":42,"url":"http://mail.example.org/api/emails/42/","imap_server":3,"folder":"INBOX","message_id":"",`+
		`"thread_id":"thread-17","added":["\\Seen"],"removed":[],"flags":["\\Seen"],"is_read":true,"is_starred":false}}`,
		pos, strings.Repeat("0", 25), crockford[pos])
}

func TestListEvents(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := newJournal(3)
	w.withJournal(j)
	w.withMail()
	h := w.handler(w.options())
	get := func(path string) answer { return do(t, h, call{method: "GET", path: path, token: "ann"}) }
	const base = "http://mail.example.org/api/events/?"
	wants(t, get("/api/events/?page_size=2"), 200, `{"next":"`+base+`after=2&page_size=2","previous":null,"latest_position":3,"results":[`+testEvent(1)+","+testEvent(2)+`]}`)
	wants(t, get("/api/events/?after=2"), 200, `{"next":null,"previous":null,"latest_position":3,"results":[`+testEvent(3)+`]}`)
	wants(t, get("/api/events/?after=3"), 200, `{"next":null,"previous":null,"latest_position":3,"results":[]}`)
	wants(t, get("/api/events/?ordering=-position&page_size=1"), 200, `{"next":"`+base+`before=3&ordering=-position&page_size=1","previous":null,"latest_position":3,"results":[`+testEvent(3)+`]}`)
	wants(t, get("/api/events/?type=webhook.test"), 200, `{"next":null,"previous":null,"latest_position":3,"results":[]}`)
	wants(t, get("/api/events/?type=email.received&category=sync"), 200, `{"next":null,"previous":null,"latest_position":3,"results":[]}`)
	wants(t, get("/api/events/2/"), 200, testEvent(2))
	wants(t, get("/api/events/4/"), 404, notFound)
	wants(t, get("/api/events/x/"), 404, notFound)
	wants(t, get("/api/emails/42/events/?after=2"), 200, `{"next":null,"previous":null,"latest_position":3,"results":[`+testEvent(3)+`]}`)
	if diff := cmp.Diff(&events.Stream{Kind: events.StreamMessage, ID: 42}, j.asked.Stream); diff != "" {
		t.Error(diff)
	}
	wants(t, get("/api/emails/43/events/"), 404, notFound)
	get("/api/imap-servers/3/events/")
	if diff := cmp.Diff(&events.Stream{Kind: events.StreamAccount, ID: 3}, j.asked.Stream); diff != "" {
		t.Error(diff)
	}
	for query, want := range map[string]string{
		"after=4":             `{"after":["This position does not exist yet."]}`,
		"after=x":             `{"after":["A valid integer is required."]}`,
		"imap_server=99":      `{"imap_server":["` + msgChoice + `"]}`,
		"type=email.sent":     `{"type":["\"email.sent\" is not a valid choice."]}`,
		"category=x&since=y":  `{"since":["` + msgDatetime + `"],"category":["\"x\" is not a valid choice."]}`,
		"wait=51":             `{"wait":["Ensure this value is less than or equal to 50."]}`,
		"email=x":             `{"email":["` + msgChoice + `"]}`,
		"before=-1&actor=%00": `{"before":["Ensure this value is greater than or equal to 0."],"actor":["Null characters are not allowed."]}`,
	} {
		wants(t, get("/api/events/?"+query), 400, want)
	}
}

// TestEmailHistory: an email that is gone from the lists still has its life, until its server is deleted.
func TestEmailHistory(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := newJournal(3)
	w.withJournal(j)
	w.ListEvents = func(ctx context.Context, q queries.ListEvents) (queries.EventPage, error) {
		if q.Stream != nil && q.Stream.ID != 42 || q.Accounts != nil && !slices.Contains(q.Accounts, 3) {
			return queries.EventPage{Latest: 3}, nil
		}
		return j.list(ctx, q)
	}
	h := w.handler(w.options())
	get := func(path string) answer { return do(t, h, call{method: "GET", path: path, token: "ann"}) }
	wants(t, get("/api/emails/42/history/?after=1&page_size=1"), 200,
		`{"next":"http://mail.example.org/api/emails/42/history/?after=2&page_size=1","previous":null,"latest_position":3,"results":[`+testEvent(2)+`]}`)
	wants(t, get("/api/emails/43/history/"), 404, notFound)
	wants(t, get("/api/emails/x/history/"), 404, notFound)
	delete(w.accounts, 3)
	wants(t, get("/api/emails/42/history/"), 404, notFound)
}

func TestEventFilters(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := newJournal(1)
	w.withJournal(j)
	h := w.handler(w.options())
	at := time.Date(2025, 3, 4, 10, 0, 0, 0, time.UTC)
	email, thread := events.Stream{Kind: events.StreamMessage, ID: 42}, events.Stream{Kind: events.StreamThread, ID: 17}
	for query, want := range map[string]queries.ListEvents{
		"":                        {},
		"before=9&page_size=1000": {Before: 9, Limit: 500},
		"since=2025-03-04T10:00:00Z&until=2025-03-04T11:00:00%2B01:00": {Since: &at, Until: &at},
		"type=sync.started,email.moved":                                {Types: []events.Type{events.TypeSyncStarted, events.TypeMessageMoved}},
		"type=email.*&category=mail":                                   {Types: []events.Type{events.TypeMessageFetched, events.TypeFlagsChanged, events.TypeMessageMoved, events.TypeMessageExpunged}},
		"imap_server=3":                                                {Accounts: []domain.AccountID{3}},
		"email=42":                                                     {Stream: &email},
		"thread_id=thread-17":                                          {Stream: &thread},
		"actor=system":                                                 {Actor: "system"},
	} {
		if want.Limit == 0 {
			want.Limit = 50
		}
		want.Journal = 1
		if res := do(t, h, call{method: "GET", path: "/api/events/?" + query, token: "ann"}); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", query, res.StatusCode, res.body)
		}
		if diff := cmp.Diff(want, j.asked); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	do(t, h, call{method: "GET", path: "/api/events/", token: "limited"})
	if diff := cmp.Diff([]domain.AccountID{3}, j.asked.Accounts); diff != "" {
		t.Errorf("limited token: %s", diff)
	}
}

func TestJournalsOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := newJournal(1)
	w.withJournal(j)
	h := w.handler(w.options())
	get := func(path, token string) answer { return do(t, h, call{method: "GET", path: path, token: token}) }
	for _, path := range []string{"/api/events/?user=root", "/api/events/stream/?user=system", "/api/events/1/?user=system"} {
		wants(t, get(path, "ann"), 403, `{"detail":"You do not have permission to perform this action."}`)
	}
	for user, want := range map[string]events.JournalID{"ann": 1, "system": events.System} {
		if res := get("/api/events/?user="+user, "root"); res.StatusCode != http.StatusOK || j.asked.Journal != want {
			t.Errorf("%s: %d, journal %d", user, res.StatusCode, j.asked.Journal)
		}
	}
	wants(t, get("/api/events/1/?user=ann", "root"), 200, testEvent(1))
	wants(t, get("/api/events/1/", "root"), 404, notFound)
	wants(t, get("/api/events/?user=nobody", "root"), 400, `{"user":["`+msgChoice+`"]}`)
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	w := newWorld()
	j := newJournal(1)
	w.withJournal(j)
	waiting := make(chan struct{}, 10)
	list := w.ListEvents
	w.ListEvents = func(ctx context.Context, q queries.ListEvents) (queries.EventPage, error) {
		defer func() { waiting <- struct{}{} }()
		return list(ctx, q)
	}
	h := w.handler(w.options())
	go func() {
		<-waiting
		j.append()
	}()
	res := do(t, h, call{method: "GET", path: "/api/events/?after=1&wait=50", token: "ann"})
	wants(t, res, 200, `{"next":null,"previous":null,"latest_position":2,"results":[`+testEvent(2)+`]}`)
}

func TestEventTypes(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	res := do(t, h, call{method: "GET", path: "/api/event-types/", token: "ann"})
	for _, want := range []string{
		`[{"type":"sync.started","description":"A sync run starts.","deliverable":true,"schema":{"$schema":"https://json-schema.org/draft/2020-12/schema",`,
		`{"type":"webhook.test","description":"A test of a webhook.","deliverable":false,`, `"example":{"test":true,"message":"Hello from imap2api."}}`,
	} {
		if !strings.Contains(res.body, want) {
			t.Errorf("%s is not in %s", want, res.body)
		}
	}
}

// TestEventHead: a statement holds for whoever has the answer, and its journal is asked for as any other.
func TestEventHead(t *testing.T) {
	t.Parallel()
	w := newWorld()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	w.GetHead = func(_ context.Context, q queries.GetHead) (events.SignedHead, error) {
		return events.Sign(events.Head{Journal: q.Journal, Position: 7, Link: events.FirstLink(q.Journal), RecordedAt: testNow}, key), nil
	}
	h := w.handler(w.options())
	res := do(t, h, call{method: "GET", path: "/api/events/head/", token: "ann"})
	head, err := public.ParseHead([]byte(res.body))
	if err != nil || head.Journal != 1 || head.Position != 7 || !head.RecordedAt.Equal(testNow) {
		t.Errorf("%+v, %v: %s", head, err, res.body)
	}
	for _, change := range [][2]string{{`"position":7`, `"position":8`}, {`"link":"`, `"link":"00`}, {`journal 1`, `journal 2`}} {
		if _, err := public.ParseHead([]byte(strings.Replace(res.body, change[0], change[1], 1))); !errors.Is(err, public.ErrSignature) {
			t.Errorf("%s in place of %s: %v", change[1], change[0], err)
		}
	}
	wants(t, do(t, h, call{method: "GET", path: "/api/events/head/?user=system", token: "ann"}), 403, `{"detail":"You do not have permission to perform this action."}`)
	if got := object(t, do(t, h, call{method: "GET", path: "/api/events/head/?user=system", token: "root"}))["journal"]; got != 0.0 {
		t.Errorf("of system: journal %v", got)
	}
}
