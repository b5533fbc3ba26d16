package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

func testMessage(id domain.MessageID) queries.Message {
	return queries.Message{
		ID: id, Account: 3, MsgID: "7d1c.1741080600@shop.example", Subject: "Your order <2291> & more", Sender: "orders@shop.example",
		SenderName: "Example Shop", Recipient: "ann@example.org", Date: time.Date(2025, 3, 4, 9, 30, 0, 0, time.UTC),
		Folder: "INBOX", Thread: 17, ThreadCount: 2, ThreadUnseen: 1,
		Snippet: "Thank you for your order. It will leave our warehouse today ...", HasAttachments: true, Size: 48213,
		ReceivedAt: time.Date(2025, 3, 4, 9, 30, 4, 0, time.UTC),
	}
}

const testRow = `{"id":42,"message_id":"<7d1c.1741080600@shop.example>","subject":"Your order <2291> & more",` +
	`"sender":"orders@shop.example","recipient":"ann@example.org","date":"2025-03-04T09:30:00Z","folder":"INBOX",` +
	`"thread_id":"thread-17","thread_count":2,"imap_server":3,"sender_name":"Example Shop",` +
	`"snippet":"Thank you for your order. It will leave our warehouse today ...","is_read":false,"is_starred":false,` +
	`"has_attachments":true,"size":48213,"received_at":"2025-03-04T09:30:04Z"`

// withMessages makes w list n messages and keeps the last question.
func (w *world) withMessages(n int) *queries.ListMessages {
	var asked queries.ListMessages
	w.ListMessages = func(_ context.Context, q queries.ListMessages) (queries.Page[queries.Message], error) {
		asked = q
		all := make([]queries.Message, n)
		for i := range all {
			all[i] = testMessage(42 + domain.MessageID(i))
		}
		if q.ByCursor {
			return queries.Page[queries.Message]{Items: all[:min(q.Size, n)], Next: &queries.Cursor{Keys: []string{"k"}, ID: 42}}, nil
		}
		return queries.NumberPage(all, n, q.Paging)
	}
	return &asked
}

func TestListEmails(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.withMessages(1)
	h := w.handler(w.options())
	list := func(path string) answer { return do(t, h, call{method: "GET", path: path, token: "ann"}) }
	wants(t, list("/api/emails/"), 200, `{"count":1,"next":null,"previous":null,"results":[`+testRow+`}]}`)
	thread := `{"count":1,"next":null,"previous":null,"results":[` + testRow + `,"thread_unread_count":1}]}`
	wants(t, list("/api/emails/?thread=YES"), 200, thread)
	wants(t, list("/api/emails/threads/?thread=false"), 200, thread)
	w = newWorld()
	w.withMessages(0)
	h = w.handler(w.options())
	wants(t, list("/api/emails/"), 200, `{"count":0,"next":null,"previous":null,"results":[]}`)
	wants(t, list("/api/emails/?page=last"), 200, `{"count":0,"next":null,"previous":null,"results":[]}`)
	wants(t, list("/api/emails/?page=2"), 404, `{"detail":"Invalid page."}`)
}

// A search says who answered it where there is a choice, and shows matches if asked to.
func TestSearchEngineAndHighlight(t *testing.T) {
	t.Parallel()
	for engine, header := range map[queries.SearchEngine]string{
		"": "", queries.EnginePreferred: "meilisearch", queries.EngineBuiltIn: "builtin", queries.EngineInstead: "builtin; reason=unavailable",
	} {
		w := newWorld()
		w.ListMessages = func(_ context.Context, q queries.ListMessages) (queries.Page[queries.Message], error) {
			m := testMessage(42)
			if q.Highlight {
				m.Highlight = &queries.Highlight{Subject: "Your <mark>order</mark>"}
			}
			return queries.Page[queries.Message]{Items: []queries.Message{m}, Count: 1, Number: 1, Engine: engine}, nil
		}
		h := w.handler(w.options())
		got := do(t, h, call{method: "GET", path: "/api/emails/?q=order&highlight=true", token: "ann"})
		wants(t, got, 200, `{"count":1,"next":null,"previous":null,"results":[`+strings.TrimSuffix(testRow, "}")+
			`,"highlight":{"subject":"Your <mark>order</mark>","body":[]}}]}`)
		wantHeader(t, got, "X-Search-Engine", header)
		wants(t, do(t, h, call{method: "GET", path: "/api/emails/?q=order", token: "ann"}), 200, `{"count":1,"next":null,"previous":null,"results":[`+testRow+`}]}`)
		wants(t, do(t, h, call{method: "GET", path: "/api/emails/?highlight=perhaps", token: "ann"}), 400, `{"highlight":["Must be a valid boolean."]}`)
	}
}

func TestPageLinks(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.withMessages(125)
	h := w.handler(w.options())
	const base = "http://mail.example.org/api/emails/?"
	for _, c := range []struct {
		query    string
		rows     int
		next     any
		previous any
	}{
		{"", 50, base + "page=2", nil},
		{"page=2", 50, base + "page=3", "http://mail.example.org/api/emails/"},
		{"page=last", 25, nil, base + "page=2"},
		{"page=%202%20&zebra=1&alpha=%C3%BC%20x&page_size=20", 20, base + "alpha=%C3%BC+x&page=3&page_size=20&zebra=1", base + "alpha=%C3%BC+x&page_size=20&zebra=1"},
		{"page=&page_size=1000", 100, base + "page=2&page_size=1000", nil},
		{"page_size=0", 50, base + "page=2&page_size=0", nil},
		{"page_size=-5", 50, base + "page=2&page_size=-5", nil},
		{"page_size=3&page_size=5", 5, base + "page=2&page_size=3&page_size=5", nil},
		{"page_size=999999999999999999999999999999", 100, base + "page=2&page_size=999999999999999999999999999999", nil},
		{"page=03", 25, nil, base + "page=2"},
	} {
		got := object(t, do(t, h, call{method: "GET", path: "/api/emails/?" + c.query, token: "ann"}))
		if len(got["results"].([]any)) != c.rows || got["next"] != c.next || got["previous"] != c.previous {
			t.Errorf("%s: %d rows, next %v, previous %v", c.query, len(got["results"].([]any)), got["next"], got["previous"])
		}
	}
	for _, page := range []string{"0", "-1", "abc", "4", "1.5", strings.Repeat("9", 30), "Last", "1%3B2"} {
		wants(t, do(t, h, call{method: "GET", path: "/api/emails/?page=" + page, token: "ann"}), 404, `{"detail":"Invalid page."}`)
	}
}

func TestCursors(t *testing.T) {
	t.Parallel()
	w := newWorld()
	asked := w.withMessages(5)
	h := w.handler(w.options())
	first := object(t, do(t, h, call{method: "GET", path: "/api/emails/?cursor=&page=99&page_size=2&folder=Bulk", token: "ann"}))
	if _, there := first["count"]; there || first["previous"] != nil || len(first["results"].([]any)) != 2 {
		t.Errorf("first page: %v", first)
	}
	next, err := url.Parse(first["next"].(string))
	if err != nil {
		t.Fatal(err)
	}
	do(t, h, call{method: "GET", path: next.RequestURI(), token: "ann"})
	if diff := cmp.Diff(&queries.Cursor{Keys: []string{"k"}, ID: 42}, asked.Cursor); diff != "" {
		t.Error(diff)
	}
	good := next.Query().Get("cursor")
	for _, query := range []string{
		"cursor=x&folder=Bulk", "cursor=%25%25&folder=Bulk", "cursor=" + good[:len(good)-3] + "&folder=Bulk", "cursor=" + good,
		"cursor=" + good + "&folder=Bulk&ordering=subject", "cursor=" + good + "&folder=INBOX",
	} {
		wants(t, do(t, h, call{method: "GET", path: "/api/emails/?" + query, token: "ann"}), 404, `{"detail":"Invalid cursor"}`)
	}
	wants(t, do(t, h, call{method: "GET", path: "/api/emails/threads/?cursor=" + good + "&folder=Bulk", token: "ann"}), 404, `{"detail":"Invalid cursor"}`)
	res := do(t, h, call{method: "GET", path: "/api/v1/emails/?page_size=5&cursor=" + good + "&folder=Bulk", token: "ann"})
	if res.StatusCode != http.StatusOK {
		t.Errorf("another page size: %d %s", res.StatusCode, res.body)
	}
}

func TestEmailFilters(t *testing.T) {
	t.Parallel()
	w := newWorld()
	asked := w.withMessages(0)
	h := w.handler(w.options())
	yes, thread, id := true, domain.ThreadID(17), "a@b"
	from, to := time.Date(2025, 3, 5, 0, 0, 0, 0, time.UTC), time.Date(2025, 3, 5, 23, 59, 59, 999999000, time.UTC)
	moment := time.Date(2025, 3, 5, 23, 59, 59, 0, time.UTC)
	filter := func(f queries.MessageFilter) queries.ListMessages {
		f.Journal = 1
		q := queries.ListMessages{MessageFilter: f}
		q.Size, q.Number = 50, 1
		return q
	}
	with := func(q queries.ListMessages, change func(*queries.ListMessages)) queries.ListMessages {
		change(&q)
		return q
	}
	for query, want := range map[string]queries.ListMessages{
		"":                           filter(queries.MessageFilter{}),
		"folder=&is_read=&q=&page=1": filter(queries.MessageFilter{}),
		"imap_server=3":              filter(queries.MessageFilter{Accounts: []domain.AccountID{3}}),
		"date_from=2025-03-05&date_to=2025-03-05": filter(queries.MessageFilter{From: &from, To: &to}),
		"date_from=2025-03-06T00:59:59%2B01:00":   filter(queries.MessageFilter{From: &moment}),
		"date_from=2025-03-06T00:59:59+01:00":     filter(queries.MessageFilter{From: &moment}),
		"thread_id=thread-17":                     filter(queries.MessageFilter{Thread: &thread}),
		"thread_id=nonsense":                      filter(queries.MessageFilter{Thread: new(domain.ThreadID)}),
		"message_id=%3Ca@b%3E":                    filter(queries.MessageFilter{MsgID: &id}),
		"is_read=ON&is_starred=t&has_attachments=1&sender=s&recipient=r&subject=%25": filter(queries.MessageFilter{
			Seen: &yes, Flagged: &yes, Attachments: &yes, Sender: "s", Recipient: "r", Subject: "%",
		}),
		"folder=A&folder=inbox":   with(filter(queries.MessageFilter{}), func(q *queries.ListMessages) { q.Folder = "inbox" }),
		"search=b&q=a":            with(filter(queries.MessageFilter{}), func(q *queries.ListMessages) { q.Query = "a" }),
		"search=b":                with(filter(queries.MessageFilter{}), func(q *queries.ListMessages) { q.Query = "b" }),
		"ordering=nothing,%20-id": with(filter(queries.MessageFilter{}), func(q *queries.ListMessages) { q.Order = []queries.Order{{Field: "id", Desc: true}} }),
		"ordering=--x,password":   filter(queries.MessageFilter{}),
	} {
		if res := do(t, h, call{method: "GET", path: "/api/emails/?" + query, token: "ann"}); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", query, res.StatusCode, res.body)
		}
		if diff := cmp.Diff(want, *asked); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	do(t, h, call{method: "GET", path: "/api/emails/", token: "limited"})
	if diff := cmp.Diff([]domain.AccountID{3}, asked.Accounts); diff != "" {
		t.Errorf("limited token: %s", diff)
	}
}

func TestBadFilters(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.withMessages(0)
	h := w.handler(w.options())
	for _, c := range []struct{ token, query, want string }{
		{"ann", "date_from=x&imap_server=abc&is_read=maybe&page=0", `{"imap_server":["` + msgChoice + `"],"date_from":["Enter a valid date."],"is_read":["Must be a valid boolean."]}`},
		{"ann", "imap_server=99", `{"imap_server":["` + msgChoice + `"]}`},
		{"ann", "imap_server=-1", `{"imap_server":["` + msgChoice + `"]}`},
		{"limited", "imap_server=4", `{"imap_server":["` + msgChoice + `"]}`},
		{"ann", "date_to=2025-02-30", `{"date_to":["Enter a valid date."]}`},
		{"ann", "date_to=20250301", `{"date_to":["Enter a valid date."]}`},
		{"ann", "thread=2", `{"thread":["Must be a valid boolean."]}`},
		{"ann", "folder=%00", `{"folder":["Null characters are not allowed."]}`},
		{"ann", "q=" + strings.Repeat("x", 2001), `{"q":["Ensure this field has no more than 2000 characters."]}`},
		{"ann", "search=" + strings.Repeat("x", 2001), `{"q":["Ensure this field has no more than 2000 characters."]}`},
	} {
		wants(t, do(t, h, call{method: "GET", path: "/api/emails/?" + c.query, token: c.token}), 400, c.want)
	}
	wants(t, do(t, h, call{method: "GET", path: "/api/imap-servers/?use_ssl=maybe", token: "ann"}), 400, `{"use_ssl":["Must be a valid boolean."]}`)
	wants(t, do(t, h, call{method: "GET", path: "/api/emails/folders/?imap_server=x", token: "ann"}), 400, `{"imap_server":["`+msgChoice+`"]}`)
}

func (w *world) withMail() {
	thread := []*queries.ThreadMessage{{
		ID: 44, Subject: "Re: Your order 2291", Sender: "ann@example.org", Recipient: "orders@shop.example",
		Date: time.Date(2025, 3, 4, 10, 5, 0, 0, time.UTC), Text: "Please.\n", HTML: "<script>x", Folder: "Sent",
	}}
	w.GetMessage = func(_ context.Context, q queries.GetMessage) (queries.MessageDetail, error) {
		if q.ID != 42 {
			return queries.MessageDetail{}, domain.ErrNotFound
		}
		m := queries.MessageDetail{
			Message: testMessage(42), CreatedAt: testNow, UpdatedAt: testNow.Add(4518 * time.Microsecond),
			Content: &domain.Content{
				InReplyTo: []string{"x@y"}, References: []string{"a@b", "x@y"}, To: []domain.Address{{Name: "Ann", Addr: "ann@example.org"}},
				Text: "Thank you.\n", HTML: "<p><script>Hi</p>",
				Attachments: []domain.Attachment{{Section: "1.2", FileName: "a.pdf", ContentType: "application/pdf", Size: 10}},
			},
		}
		if q.Thread > 0 {
			m.Others = thread
		}
		return m, nil
	}
	w.GetThread = func(_ context.Context, q queries.GetThread) (queries.Thread, error) {
		if q.ID != 42 {
			return queries.Thread{}, domain.ErrNotFound
		}
		return queries.Thread{Messages: thread, Total: 700}, nil
	}
	w.GetRaw = func(_ context.Context, q queries.GetRaw) (queries.Raw, error) {
		if q.ID != 42 {
			return queries.Raw{}, domain.ErrNotFound
		}
		return queries.Raw{SHA256: []byte("sum"), Octets: []byte("From: a\r\n\r\n0123456789")}, nil
	}
	w.GetAttachment = func(_ context.Context, q queries.GetAttachment) (queries.Part, error) {
		switch q.Section {
		case "1.2":
			return queries.Part{FileName: "Straße in\nKöln/\"x\".csv", ContentType: "text/csv; charset=utf-8", Octets: []byte("0123456789")}, nil
		case "3":
			return queries.Part{ContentType: "image/png", Octets: []byte("png")}, nil
		case "4":
			return queries.Part{FileName: "empty", ContentType: "bad type;;", Octets: nil}, nil
		}
		return queries.Part{}, domain.ErrNotFound
	}
}

const testThreadEmail = `{"id":44,"subject":"Re: Your order 2291","sender":"ann@example.org","recipient":"orders@shop.example",` +
	`"date":"2025-03-04T10:05:00Z","body_text":"Please.\n","body_html":"%s","folder":"Sent"}`

// BenchmarkListEmails is a page of 50 rows, without the database.
func BenchmarkListEmails(b *testing.B) {
	w := newWorld()
	w.withMessages(50)
	h := w.handler(w.options())
	for _, coding := range []string{"", "gzip", "zstd"} {
		b.Run("coding="+coding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench(b, h, "/api/emails/", coding)
			}
		})
	}
}
