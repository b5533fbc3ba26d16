package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

const notFound = `{"detail":"Not found."}`

func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	for _, c := range []struct {
		name   string
		call   call
		status int
		body   string
	}{
		{"unknown path", call{method: "GET", path: "/api/nothing/"}, 404, notFound},
		{"unknown version", call{method: "GET", path: "/api/v2/emails/"}, 404, notFound},
		{"below the host", call{method: "GET", path: "/nothing"}, 404, notFound},
		{"no credentials", call{method: "PATCH", path: "/api/emails/"}, 401, `{"detail":"Authentication credentials were not provided."}`},
		{"scope before method", call{method: "PATCH", path: "/api/emails/", token: "reader"}, 403, `{"detail":"You do not have permission to perform this action."}`},
		{"method", call{method: "PATCH", path: "/api/emails/", token: "ann"}, 405, `{"detail":"Method \"PATCH\" not allowed."}`},
		{"strange method", call{method: "PROPFIND", path: "/api/emails/", token: "ann"}, 405, `{"detail":"Method \"PROPFIND\" not allowed."}`},
		{"object before body", call{method: "PUT", path: "/api/imap-servers/99/", token: "ann", body: "{broken"}, 404, notFound},
		{
			"object before media type",
			call{method: "PUT", path: "/api/imap-servers/99/", token: "ann", body: "x", header: map[string]string{"Content-Type": "text/plain"}},
			404, notFound,
		},
		{"writer cannot read", call{method: "GET", path: "/api/me/", token: "writer"}, 403, `{"detail":"You do not have permission to perform this action."}`},
		{"admin only", call{method: "GET", path: "/api/projections/", token: "ann"}, 403, `{"detail":"You do not have permission to perform this action."}`},
		{"empty id", call{method: "GET", path: "/api/emails//", token: "ann"}, 404, notFound},
		{"id with sign", call{method: "GET", path: "/api/imap-servers/-1/", token: "ann"}, 404, notFound},
		{"id too long", call{method: "GET", path: "/api/imap-servers/12345678901234567890/", token: "ann"}, 404, notFound},
		{"id zero", call{method: "GET", path: "/api/imap-servers/0/", token: "ann"}, 404, notFound},
		{"id with NUL", call{method: "GET", path: "/api/imap-servers/%00/", token: "ann"}, 404, notFound},
		{"long URI", call{method: "GET", path: "/api/emails/?q=" + strings.Repeat("x", 20000), token: "ann"}, 414, `{"detail":"Request URI too long."}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			wants(t, do(t, h, c.call), c.status, c.body)
		})
	}
}

func TestUnauthorized(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	for _, c := range []struct{ header, detail string }{
		{"", "Authentication credentials were not provided."},
		{"Basic dXNlcjpwYXNz", "Authentication credentials were not provided."},
		{"Token", "Invalid token header. No credentials provided."},
		{"bearer ", "Invalid token header. No credentials provided."},
		{"Token a b", "Invalid token header. Token string should not contain spaces."},
		{"Bearer ab\xff\xfe", "Invalid token header. Token string should not contain invalid characters."},
		{"Token nope", "Invalid token."},
		{"Bearer gone", "User inactive or deleted."},
	} {
		for _, path := range []string{"/api/emails/", "/api/v1/imap-servers/1/"} {
			t.Run(c.header+path, func(t *testing.T) {
				res := do(t, h, call{method: "GET", path: path, header: map[string]string{"Authorization": c.header}})
				wants(t, res, 401, `{"detail":"`+c.detail+`"}`)
				wantHeader(t, res, "WWW-Authenticate", "Token")
			})
		}
	}
	for _, scheme := range []string{"Token", "TOKEN", "Bearer", "bearer"} {
		res := do(t, h, call{method: "GET", path: "/api/me/", header: map[string]string{"Authorization": scheme + " ann"}})
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", scheme, res.StatusCode, res.body)
		}
	}
}

func TestSlashes(t *testing.T) {
	t.Parallel()
	w := newWorld()
	opts := w.options()
	opts.LimitUser = Limit{Requests: 5, Window: 3600e9}
	h := w.handler(opts)
	for _, c := range []struct {
		method, path string
		status       int
		to           string
	}{
		{"GET", "/api/emails?q=a%20b&page=2", 301, "/api/emails/?q=a%20b&page=2"},
		{"HEAD", "/api/v1/emails", 301, "/api/v1/emails/"},
		{"POST", "/api-token-auth", 308, "/api-token-auth/"},
		{"DELETE", "/api/imap-servers/1", 308, "/api/imap-servers/1/"},
		{"POST", "/api/imap-servers/1/sync", 308, "/api/imap-servers/1/sync/"},
	} {
		res := do(t, h, call{method: c.method, path: c.path})
		wants(t, res, c.status, "")
		wantHeader(t, res, "Location", c.to)
		wantHeader(t, res, "X-RateLimit-Limit", "")
	}
	for _, path := range []string{"/api/nothing", "/api/emails/1/nothing", "/api/v2/emails"} {
		wants(t, do(t, h, call{method: "GET", path: path}), 404, notFound)
	}
	opts.PublicURL = "https://mail.example.org/sub/"
	wantHeader(t, do(t, w.handler(opts), call{method: "GET", path: "/api/emails"}), "Location", "/sub/api/emails/")
}

func TestMethods(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	for path, allow := range map[string]string{
		"/api/emails/":                         "GET, HEAD, OPTIONS",
		"/api/imap-servers/":                   "GET, POST, HEAD, OPTIONS",
		"/api/imap-servers/1/":                 "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
		"/api/imap-servers/1/sync/":            "POST, OPTIONS",
		"/api/imap-servers/test-connection/":   "POST, OPTIONS",
		"/api/tokens/1/":                       "GET, PATCH, DELETE, HEAD, OPTIONS",
		"/api/imap-servers/1/syncs/2/cancel/":  "POST, OPTIONS",
		"/api/v1/emails/1/attachments/1.2/":    "GET, HEAD, OPTIONS",
		"/api/emails/statistics/":              "GET, HEAD, OPTIONS",
		"/api/imap-servers/1/test-connection/": "POST, OPTIONS",
	} {
		res := do(t, h, call{method: "TRACE", path: path, token: "ann"})
		wants(t, res, 405, `{"detail":"Method \"TRACE\" not allowed."}`)
		wantHeader(t, res, "Allow", allow)
		res = do(t, h, call{method: "OPTIONS", path: path, token: "ann"})
		wantHeader(t, res, "Allow", allow)
		if res.StatusCode != http.StatusOK {
			t.Errorf("OPTIONS %s: %d", path, res.StatusCode)
		}
	}
	res := do(t, h, call{method: "OPTIONS", path: "/api/emails/", token: "ann"})
	wants(t, res, 200, `{"name":"Email List","description":"Emails.","renders":["application/json"],"parses":["application/json"]}`)
	wants(t, do(t, h, call{method: "OPTIONS", path: "/api/emails/"}), 401, `{"detail":"Authentication credentials were not provided."}`)
	wants(t, do(t, h, call{method: "GET", path: "/api-token-auth/"}), 405, `{"detail":"Method \"GET\" not allowed."}`)

	get := do(t, h, call{method: "GET", path: "/api/me/", token: "ann"})
	head := do(t, h, call{method: "HEAD", path: "/api/me/", token: "ann"})
	if head.StatusCode != http.StatusOK || head.body != "" || head.Header.Get("ETag") != get.Header.Get("ETag") ||
		head.Header.Get("Content-Length") != get.Header.Get("Content-Length") {
		t.Errorf("HEAD: %d %q %v", head.StatusCode, head.body, head.Header)
	}
}

func TestHTTPSAndHSTS(t *testing.T) {
	t.Parallel()
	w := newWorld()
	opts := w.options()
	opts.Development, opts.RequireHTTPS, opts.Proxies = false, true, NewProxies([]string{"192.0.2.0/24"})
	h := w.handler(opts)
	wants(t, do(t, h, call{method: "GET", path: "/api/me/"}), 403, `{"detail":"HTTPS is required."}`)
	wants(t, do(t, h, call{method: "GET", path: "/healthz"}), 200, `{"status":"ok","version":"1.0.0"}`)
	if res := do(t, h, call{method: "GET", path: "/readyz"}); res.StatusCode != http.StatusOK {
		t.Errorf("readyz: %d", res.StatusCode)
	}
	tls := map[string]string{"X-Forwarded-Proto": "https"}
	res := do(t, h, call{method: "GET", path: "/api/me/", token: "ann", header: tls, remote: "192.0.2.1:99"})
	wantHeader(t, res, "Strict-Transport-Security", "max-age=31536000")
	if res.StatusCode != http.StatusOK {
		t.Errorf("through the proxy: %d %s", res.StatusCode, res.body)
	}
	res = do(t, h, call{method: "GET", path: "/api/me/", token: "ann", header: tls, remote: "198.51.100.1:99"})
	wants(t, res, 403, `{"detail":"HTTPS is required."}`)
}

func TestLinksAndForwarded(t *testing.T) {
	t.Parallel()
	w := newWorld()
	opts := w.options()
	opts.Proxies = NewProxies([]string{"192.0.2.0/24"})
	h := w.handler(opts)
	emails := func(c call) any {
		t.Helper()
		c.method, c.token = "GET", "ann"
		return object(t, do(t, h, c))["emails"]
	}
	planted := map[string]string{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
	for _, c := range []struct {
		call call
		want string
	}{
		{call{path: "/api/"}, "http://mail.example.org/api/emails/"},
		{call{path: "/api/v1/"}, "http://mail.example.org/api/v1/emails/"},
		{call{path: "/api/", header: planted, remote: "198.51.100.1:1"}, "http://mail.example.org/api/emails/"},
		{call{path: "/api/", header: map[string]string{"X-Forwarded-Host": "a.example, b.example", "X-Forwarded-Proto": "https"}, remote: "192.0.2.9:1"}, "https://b.example/api/emails/"},
		{call{path: "/api/", header: map[string]string{"Forwarded": `for=203.0.113.5;host="c.example:8443";proto=https`}, remote: "192.0.2.9:1"}, "https://c.example:8443/api/emails/"},
		{call{path: "/api/", header: map[string]string{"X-Forwarded-Host": "a.example/<x>"}, remote: "192.0.2.9:1"}, "http://mail.example.org/api/emails/"},
	} {
		if got := emails(c.call); got != c.want {
			t.Errorf("%v: got %v, want %v", c.call.header, got, c.want)
		}
	}
	opts.PublicURL = "https://mail.example.org/sub"
	h = w.handler(opts)
	if got, want := emails(call{path: "/api/", header: map[string]string{"Host": "other.example"}}), "https://mail.example.org/sub/api/emails/"; got != want {
		t.Errorf("public_url: got %v, want %v", got, want)
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	a := NewHandler(App{}, Options{Proxies: NewProxies([]string{"192.0.2.0/24", "10.0.0.1"})}, nil).(*api)
	for _, c := range []struct{ remote, header, want string }{
		{"203.0.113.1:5", "1.2.3.4", "203.0.113.1"},
		{"192.0.2.1:5", "1.2.3.4", "1.2.3.4"},
		{"192.0.2.1:5", "9.9.9.9, 1.2.3.4, 10.0.0.1", "1.2.3.4"},
		{"192.0.2.1:5", "nonsense", "192.0.2.1"},
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"[::ffff:192.0.2.1]:5", "[2001:db8::7]:443", "2001:db8::7"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": {c.header}}}
		if got := a.proxies.forwarded(r).client.String(); got != c.want {
			t.Errorf("%s %q: got %s, want %s", c.remote, c.header, got, c.want)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	res := do(t, h, call{method: "GET", path: "/api/me/", token: "ann", header: map[string]string{"X-Request-Id": "Abc.def_1-x"}})
	wantHeader(t, res, "X-Request-Id", "Abc.def_1-x")
	for _, given := range []string{"", "with space", strings.Repeat("x", 65), "semi;colon"} {
		res := do(t, h, call{method: "GET", path: "/api/me/", token: "ann", header: map[string]string{"X-Request-Id": given}})
		if got := res.Header.Get("X-Request-Id"); got == given || len(got) != 26 {
			t.Errorf("%q: got %q", given, got)
		}
	}
}
