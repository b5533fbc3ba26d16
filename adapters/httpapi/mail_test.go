package httpapi

import (
	"context"
	"fmt"
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
			return queries.Page[queries.Message]{Items: all[:q.Size], Next: &queries.Cursor{Keys: []string{"k"}, ID: 42}}, nil
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
	if res.StatusCode != 200 {
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
		if res := do(t, h, call{method: "GET", path: "/api/emails/?" + query, token: "ann"}); res.StatusCode != 200 {
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
	thread := []queries.ThreadMessage{{
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

func TestEmail(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.withMail()
	h := w.handler(w.options())
	get := func(path string) answer { return do(t, h, call{method: "GET", path: path, token: "ann"}) }
	want := `{"id":42,"message_id":"<7d1c.1741080600@shop.example>","subject":"Your order <2291> & more","sender":"orders@shop.example",` +
		`"recipient":"ann@example.org","date":"2025-03-04T09:30:00Z","body_text":"Thank you.\n","body_html":"%s","folder":"INBOX",` +
		`"created_at":"2025-03-04T10:00:00Z","updated_at":"2025-03-04T10:00:00.004518Z","thread_id":"thread-17","in_reply_to":"<x@y>",` +
		`"thread_emails":[` + testThreadEmail + `],"thread_count":2,"imap_server":3,"sender_name":"Example Shop",` +
		`"to":[{"name":"Ann","address":"ann@example.org"}],"cc":[],"bcc":[],"reply_to":[],"references":["<a@b>","<x@y>"],` +
		`"snippet":"Thank you for your order. It will leave our warehouse today ...","flags":[],"is_read":false,"is_starred":false,` +
		`"has_attachments":true,"attachments":[{"id":"1.2","filename":"a.pdf","content_type":"application/pdf","size":10,` +
		`"is_inline":false,"content_id":null,"url":"http://mail.example.org/api/v1/emails/42/attachments/1.2/"}],"size":48213,` +
		`"received_at":"2025-03-04T09:30:04Z","raw_url":"http://mail.example.org/api/v1/emails/42/raw/","gmail_id":"000000000000002a"}`
	wants(t, get("/api/v1/emails/42/"), 200, fmt.Sprintf(want, "<p><script>Hi</p>", "<script>x"))
	wants(t, get("/api/v1/emails/42/?html=sanitized"), 200, fmt.Sprintf(want, "<p>Hi</p>", "x"))
	wants(t, get("/api/v1/emails/42/?html=none"), 200, fmt.Sprintf(want, "", ""))
	wants(t, get("/api/v1/emails/42/?html=sanitised"), 400, `{"html":["\"sanitised\" is not a valid choice."]}`)
	wants(t, get("/api/emails/43/"), 404, notFound)
	res := get("/api/emails/42/thread/?html=none")
	wants(t, res, 200, "["+fmt.Sprintf(testThreadEmail, "")+"]")
	wantHeader(t, res, "X-Total-Count", "700")
	wants(t, get("/api/emails/43/thread/"), 404, notFound)
	wants(t, get("/api/emails/42/attachments/"), 200, `[{"id":"1.2","filename":"a.pdf","content_type":"application/pdf","size":10,`+
		`"is_inline":false,"content_id":null,"url":"http://mail.example.org/api/emails/42/attachments/1.2/"}]`)
}

func TestFoldersAndStatistics(t *testing.T) {
	t.Parallel()
	w := newWorld()
	folders := []queries.FolderCount{{Name: "INBOX", Messages: 2}, {Name: "Clients, EU", Messages: 1}, {Name: `A "b"`, Messages: 1}}
	w.ListFolders = func(context.Context, queries.ListFolders) ([]queries.FolderCount, error) { return folders, nil }
	w.GetStatistics = func(_ context.Context, q queries.GetStatistics) (queries.Statistics, error) {
		if len(q.Accounts) == 1 {
			return queries.Statistics{}, nil
		}
		return queries.Statistics{Messages: 4, Threads: 3, Unseen: 1, Size: 9, Folders: folders, Oldest: &testNow, Newest: &testNow}, nil
	}
	w.AccountFolders = func(context.Context, queries.AccountFolders) ([]queries.Folder, error) {
		return []queries.Folder{{Name: "Sent", Role: domain.RoleSent, Selected: true, Messages: 5, Unseen: 1, UIDValidity: 7}, {Name: "X"}}, nil
	}
	w.accounts[3].LastSync = &testNow
	h := w.handler(w.options())
	get := func(path string) answer { return do(t, h, call{method: "GET", path: path, token: "ann"}) }
	wants(t, get("/api/emails/folders/"), 200, `["INBOX","Clients, EU","A \"b\""]`)
	wants(t, get("/api/emails/statistics/"), 200, `{"total_emails":4,"total_threads":3,"folders":{"INBOX":2,"Clients, EU":1,"A \"b\"":1},`+
		`"unread_emails":1,"total_size":9,"oldest_date":"2025-03-04T10:00:00Z","newest_date":"2025-03-04T10:00:00Z"}`)
	wants(t, get("/api/emails/statistics/?imap_server=3"), 200, `{"total_emails":0,"total_threads":0,"folders":{},"unread_emails":0,`+
		`"total_size":0,"oldest_date":null,"newest_date":null}`)
	wants(t, get("/api/imap-servers/3/folders/"), 200, `[{"name":"Sent","special_use":"\\Sent","selected":true,"stored_emails":5,`+
		`"stored_unread":1,"uid_validity":7,"last_sync":"2025-03-04T10:00:00Z"},{"name":"X","special_use":null,"selected":false,`+
		`"stored_emails":0,"stored_unread":0,"uid_validity":0,"last_sync":"2025-03-04T10:00:00Z"}]`)
}

func TestContent(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.withMail()
	h := w.handler(w.options())
	const path = "/api/emails/42/attachments/1.2/"
	get := func(path string, header ...string) answer {
		c := call{method: "GET", path: path, token: "ann", header: map[string]string{}}
		for i := 0; i+1 < len(header); i += 2 {
			c.header[header[i]] = header[i+1]
		}
		return do(t, h, c)
	}
	res := get(path)
	wants(t, res, 200, "0123456789")
	for name, want := range map[string]string{
		"Content-Type": "text/csv; charset=utf-8", "Content-Length": "10", "Accept-Ranges": "bytes",
		"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, max-age=31536000, immutable",
		"Content-Disposition": `attachment; filename="Stra_e inK_ln_x_.csv"; filename*=UTF-8''Stra%C3%9Fe%20inK%C3%B6ln%22x%22.csv`,
	} {
		wantHeader(t, res, name, want)
	}
	tag := res.Header.Get("ETag")
	for spec, want := range map[string]struct {
		status int
		body   string
		header string
	}{
		"bytes=0-3": {206, "0123", "bytes 0-3/10"}, "bytes=7-": {206, "789", "bytes 7-9/10"}, "bytes=-2": {206, "89", "bytes 8-9/10"},
		"bytes=5-99": {206, "56789", "bytes 5-9/10"}, "bytes=-99": {206, "0123456789", "bytes 0-9/10"},
		"bytes=3-99999999999999999999": {206, "3456789", "bytes 3-9/10"},
		"bytes=10-":                    {416, `{"detail":"Requested range not satisfiable."}`, "bytes */10"},
		"bytes=-0":                     {416, `{"detail":"Requested range not satisfiable."}`, "bytes */10"},
		"bytes=99999999999999999999-":  {416, `{"detail":"Requested range not satisfiable."}`, "bytes */10"},
		"bytes=5-3":                    {200, "0123456789", ""}, "bytes=0-1,3-4": {200, "0123456789", ""}, "lines=1-2": {200, "0123456789", ""},
		"bytes=-": {200, "0123456789", ""}, "bytes=x-1": {200, "0123456789", ""},
	} {
		res := get(path, "Range", spec)
		wants(t, res, want.status, want.body)
		wantHeader(t, res, "Content-Range", want.header)
	}
	wants(t, get(path, "Range", "bytes=0-3", "If-Range", tag), 206, "0123")
	wants(t, get(path, "Range", "bytes=0-3", "If-Range", `"other"`), 200, "0123456789")
	wants(t, get(path, "If-None-Match", tag), 304, "")
	res = do(t, h, call{method: "HEAD", path: path, token: "ann"})
	wants(t, res, 200, "")
	wantHeader(t, res, "Content-Length", "10")

	wantHeader(t, get("/api/emails/42/attachments/3/?disposition=inline"), "Content-Disposition", `inline; filename="attachment-3"; filename*=UTF-8''attachment-3`)
	res = get("/api/emails/42/attachments/4/?disposition=inline")
	wants(t, res, 200, "")
	wantHeader(t, res, "Content-Disposition", `attachment; filename="empty"; filename*=UTF-8''empty`)
	for _, section := range []string{"9", "x", "0", "1.2.1"} {
		wants(t, get("/api/emails/42/attachments/"+section+"/"), 404, notFound)
	}
	res = get("/api/emails/42/raw/")
	wants(t, res, 200, "From: a\r\n\r\n0123456789")
	wantHeader(t, res, "Content-Type", "message/rfc822")
	wantHeader(t, res, "Content-Disposition", `attachment; filename="42.eml"`)
	wants(t, get("/api/emails/43/raw/"), 404, notFound)
}

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
