package httpapi

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imap2api/imap2api/queries"
)

func TestDocumentIsSound(t *testing.T) {
	t.Parallel()
	if err := testDocument.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(string(openAPI().json), `{"openapi":"3.1.0"`) {
		t.Errorf("the document begins with %.60s", openAPI().json)
	}
}

// TestRoutesAndDocument: every route is in the document, and the reverse.
func TestRoutesAndDocument(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	for _, rt := range table() {
		for _, pattern := range rt.patterns() {
			if strings.HasPrefix(pattern, "/api/v1/") {
				continue // the same as below /api/
			}
			for method := range rt.methods {
				served[method+" "+pattern] = true
			}
		}
	}
	written := map[string]bool{}
	for path, item := range testDocument.Paths.Map() {
		if isGmailPath(path) {
			continue // compared where that surface is
		}
		for method := range item.Operations() {
			written[method+" "+path] = true
		}
	}
	for op := range served {
		if !written[op] {
			t.Errorf("%s is not in the document", op)
		}
	}
	for op := range written {
		if !served[op] {
			t.Errorf("%s is in the document and not served", op)
		}
	}
}

// TestParametersInDocument: orderings are in the document as the queries know them.
func TestParametersInDocument(t *testing.T) {
	t.Parallel()
	source := string(openAPISource)
	for _, field := range slices.Concat(queries.MessageOrders, queries.AccountOrders) {
		if !strings.Contains(source, field) {
			t.Errorf("ordering by %s is not in the document", field)
		}
	}
}

func TestDocumentation(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	for path, kind := range map[string]string{
		"/api/openapi.json": "application/json", "/api/v1/openapi.yaml": "application/yaml", "/api/docs/": "text/html; charset=utf-8",
	} {
		res := do(t, h, call{method: "GET", path: path})
		wantHeader(t, res, "Content-Type", kind)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	res := do(t, h, call{method: "GET", path: "/api/docs/"})
	wantHeader(t, res, "Content-Security-Policy", docsPolicy)
	if found := regexp.MustCompile(`(src|href)=["'](https?:)?//|<script|@import|url\(`).FindString(res.body); found != "" {
		t.Errorf("the page asks others: %s", found)
	}
	for _, rt := range table() {
		if path := rt.patterns()[0]; !strings.Contains(res.body, `<span class="path">`+path+`</span>`) {
			t.Errorf("%s is not on the page", path)
		}
	}
	opts := w.options()
	opts.DocsEnabled = false
	h = w.handler(opts)
	for _, path := range []string{"/api/openapi.json", "/api/openapi.yaml", "/api/docs/"} {
		wants(t, do(t, h, call{method: "GET", path: path}), 404, notFound)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add("", "list")
	f.Add(queries.Cursor{Keys: []string{"a"}, ID: 7}.Encode("list"), "list")
	f.Add("eyJrIjpbXX0", "other")
	f.Fuzz(func(t *testing.T, text, list string) {
		c, err := queries.ParseCursor(text, list)
		if err != nil {
			return
		}
		if again, err := queries.ParseCursor(c.Encode(list), list); err != nil || again.ID != c.ID || again.Backward != c.Backward {
			t.Errorf("%q: %v, %v", text, again, err)
		}
	})
}

func FuzzFilters(f *testing.F) {
	f.Add("date_from=2025-03-05&page=2&ordering=-date,,x&cursor=abc")
	f.Add("folder=%00&q=%ff&thread_id=thread-&imap_server=3")
	f.Add("wait=1e9&type=email.*,&category=mail&user=ann&after=-1")
	w := newWorld()
	w.withMessages(3)
	h := w.handler(w.options())
	f.Fuzz(func(t *testing.T, query string) {
		r, err := http.NewRequest(http.MethodGet, "http://mail.example.org/api/emails/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = query
		r.Header.Set("Authorization", "Token ann")
		out := &discard{header: http.Header{}}
		if h.ServeHTTP(out, r); out.status >= 500 || out.status == 0 {
			t.Errorf("%q: status %d", query, out.status)
		}
	})
}
