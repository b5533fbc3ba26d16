package httpapi

import (
	"context"
	"fmt"
	"testing"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

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
