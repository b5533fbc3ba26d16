package gmailapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// TestDiscoveryHasWhatIsAnswered: the document has exactly the methods that are answered, and their schemas.
func TestDiscoveryHasWhatIsAnswered(t *testing.T) {
	t.Parallel()
	type described struct {
		ID, Path, HTTPMethod string
		Response             struct {
			Ref string `json:"$ref"`
		}
	}
	type resource struct {
		Methods   map[string]described
		Resources map[string]json.RawMessage
	}
	var doc struct{ Resources map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(discoveryDocument), &doc); err != nil {
		t.Fatal(err)
	}
	found := map[string]described{}
	var walk func(map[string]json.RawMessage)
	walk = func(all map[string]json.RawMessage) {
		for _, text := range all {
			var r resource
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			for _, m := range r.Methods {
				found[m.ID] = m
			}
			walk(r.Resources)
		}
	}
	walk(doc.Resources)
	for _, m := range supported() {
		d, ok := found["gmail.users."+m.name]
		if !ok || "/"+d.Path != usersRoot+m.path || d.HTTPMethod != m.verb || d.Response.Ref != m.response {
			t.Errorf("%s is described as %+v", m.name, d)
		}
		delete(found, "gmail.users."+m.name)
		if m.response != "" && schemas()[m.response] == nil {
			t.Errorf("%s has no schema", m.response)
		}
	}
	if len(found) > 0 {
		t.Errorf("described and not answered: %v", found)
	}
}

func TestFindMethod(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ verb, path, want, id string }{
		{"GET", "messages", "messages.list", ""},
		{"HEAD", "messages/2a", "messages.get", "2a"},
		{"POST", "messages/send", "messages.send", ""},
		{"POST", "messages/2a/trash", "messages.trash", "2a"},
		{"GET", "messages/send", "", ""}, // a known path, with another verb
		{"DELETE", "threads/11", "threads.delete", "11"},
		{"POST", "settings/cse/keypairs/7:disable", "settings.cse.keypairs.disable", ""},
		{"GET", "nothing", "", ""},
		{"GET", "messages/", "", ""},
	} {
		call := &call{Request: Request{Method: c.verb, Path: "/gmail/v1/users/ann@example.org/" + c.path}}
		m, err := call.find()
		if c.want == "" {
			if err == nil {
				t.Errorf("%s %s is %s", c.verb, c.path, m.name)
			}
			continue
		}
		if err != nil || m.name != c.want || call.param("userId") != "ann@example.org" || c.id != "" && call.param("id") != c.id {
			t.Errorf("%s %s: %v, %v, %v", c.verb, c.path, m, call.params, err)
		}
	}
}

// batchOf sends a batch whose parts are answered with their own address and body.
func batchOf(t *testing.T, body string) (Answer, string) {
	t.Helper()
	h := NewHandler(App{})
	answer, err := h.Serve(t.Context(), Request{
		Method: "POST", Path: "/batch", Query: url.Values{}, Header: http.Header{"Content-Type": {"multipart/mixed; boundary=b"}},
		Body: func() ([]byte, error) { return []byte(body), nil },
		Part: func(r *http.Request) *http.Response {
			text, _ := io.ReadAll(r.Body)
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {jsonType}},
				Body: io.NopCloser(strings.NewReader(r.Method + " " + r.URL.String() + " " + string(text))),
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Stream == nil {
		return answer, string(answer.Body)
	}
	var b strings.Builder
	if err := answer.Stream(&b); err != nil {
		t.Fatal(err)
	}
	return answer, b.String()
}

func TestBatch(t *testing.T) {
	t.Parallel()
	const two = "--b\nContent-Type: application/http\nContent-ID: <77c0 + 1>\n\nGET /gmail/v1/users/me/labels?a=1 HTTP/1.1\nHost: x\n\n\n" +
		"--b\nContent-Type: application/http\n\nPOST /gmail/v1/users/me/messages/1/modify HTTP/1.1\nContent-Type: application/json\n\n{\"a\":1}\n--b--\n"
	for _, body := range []string{two, strings.ReplaceAll(two, "\n", "\r\n")} {
		answer, got := batchOf(t, body)
		boundary := strings.TrimPrefix(answer.ContentType, "multipart/mixed; boundary=")
		part := func(id, length, text string) string {
			return "--" + boundary + "\r\nContent-Type: application/http\r\n" + id + "\r\nHTTP/1.1 200 OK\r\nContent-Type: " + jsonType +
				"\r\nContent-Length: " + length + "\r\n\r\n" + text + "\r\n"
		}
		want := part("Content-ID: <response-77c0 + 1>\r\n", "34", "GET /gmail/v1/users/me/labels?a=1 ") +
			part("", "49", `POST /gmail/v1/users/me/messages/1/modify {"a":1}`) + "--" + boundary + "--\r\n"
		if answer.Status != 200 || got != want {
			t.Errorf("got  %d %q\nwant %q", answer.Status, got, want)
		}
	}
	for name, body := range map[string]string{
		"a full URL": "--b\n\nGET http://x/gmail/v1/users/me/labels HTTP/1.1\n\n\n--b--\n",
		"a batch":    "--b\n\nPOST /batch HTTP/1.1\n\n\n--b--\n",
		"no request": "--b\n\nhello\n--b--\n",
	} {
		if answer, got := batchOf(t, body); answer.Status != 200 || !strings.Contains(got, "HTTP/1.1 400 Bad Request") {
			t.Errorf("%s: %d %s", name, answer.Status, got)
		}
	}
	for name, body := range map[string]string{"nothing": "", "no end": "--b\n\nGET /gmail/v1/x HTTP/1.1\n"} {
		if answer, got := batchOf(t, body); answer.Status != 400 || !strings.Contains(got, `"reason":"parseError"`) {
			t.Errorf("%s: %d %s", name, answer.Status, got)
		}
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]domain.MessageID{"2a": 42, "000000000000002A": 42, "ffffffffffffffff": 0, "0": 0} {
		if id, err := parseID[domain.MessageID](text); err != nil || id != want {
			t.Errorf("%q: %d, %v, want %d", text, id, err, want)
		}
	}
	for _, text := range []string{"", "xyz", "+2a", "-1", "00000000000000002a", "0x2a"} {
		if id, err := parseID[domain.MessageID](text); err == nil {
			t.Errorf("%q: %d", text, id)
		}
	}
	if got := hexID(domain.MessageID(42)); got != "000000000000002a" {
		t.Error(got)
	}
}

func TestPayload(t *testing.T) {
	t.Parallel()
	leaf := func(section, media, name string, size int64) *queries.MIMEPart {
		return &queries.MIMEPart{
			Section: section, ContentType: media, FileName: name, Size: size,
			Octets: func() []byte { return []byte("x") }, Text: func() []byte { return []byte("text") },
		}
	}
	message := leaf("2", "message/rfc822", "a.eml", 9)
	message.Parts = []*queries.MIMEPart{leaf("2.1", "text/plain", "", 4)}
	root := &queries.MIMEPart{ContentType: "multipart/mixed", Parts: []*queries.MIMEPart{
		leaf("1", "text/html", "", 3), message, leaf("3", "text/plain", "a.txt", 5), leaf("4", "text/plain", "", maxInline+1), leaf("5", "image/png", "", 7),
	}}
	got, err := json.Marshal(partOf(root, ""))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"partId":"","mimeType":"multipart/mixed","filename":"","body":{"size":0},"parts":[` +
		`{"partId":"0","mimeType":"text/html","filename":"","body":{"size":4,"data":"dGV4dA=="}},` +
		`{"partId":"1","mimeType":"message/rfc822","filename":"a.eml","body":{"attachmentId":"part-2","size":9},"parts":[` +
		`{"partId":"1.0","mimeType":"text/plain","filename":"","body":{"size":4,"data":"dGV4dA=="}}]},` +
		`{"partId":"2","mimeType":"text/plain","filename":"a.txt","body":{"attachmentId":"part-3","size":5}},` +
		`{"partId":"3","mimeType":"text/plain","filename":"","body":{"attachmentId":"part-4","size":1048577}},` +
		`{"partId":"4","mimeType":"image/png","filename":"","body":{"attachmentId":"part-5","size":7}}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	h := NewHandler(App{FindMailbox: func(context.Context, queries.FindMailbox) ([]domain.AccountID, error) { return nil, nil }})
	for path, name := range map[string]string{
		"/gmail/v1/users/me/drafts": "drafts.create", "/upload/gmail/v1/users/me/messages/send": "messages.send",
		"/gmail/v1/users/me/drafts/send": "drafts.send", "/gmail/v1/users/me/labels": "labels.create",
	} {
		known, _, _ := h.Route(path)
		answer, err := h.Serve(t.Context(), Request{Method: "POST", Path: path, Query: url.Values{}})
		want := `{"error":{"code":400,"message":"gmail.users.` + name + ` is not supported by this server.","errors":[{"message":"gmail.users.` + name +
			` is not supported by this server.","domain":"global","reason":"failedPrecondition"}],"status":"FAILED_PRECONDITION"}}`
		if err != nil || !known || string(answer.Body) != want {
			t.Errorf("%s: %v, %s, %v", path, known, answer.Body, err)
		}
	}
}
