package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func TestUserLimit(t *testing.T) {
	t.Parallel()
	w := newWorld()
	opts := w.options()
	opts.LimitUser, opts.LimitGmail = Limit{3, time.Hour}, Limit{1, time.Minute}
	h := w.handler(opts)
	me := call{method: "GET", path: "/api/me/", token: "ann"}
	res := do(t, h, me)
	for name, want := range map[string]string{
		"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "2", "X-RateLimit-Reset": "1741086000",
		"RateLimit-Policy": `"user";q=3;w=3600`, "RateLimit": `"user";r=2;t=3600`,
	} {
		wantHeader(t, res, name, want)
	}
	w.now = testNow.Add(time.Minute + 300*time.Millisecond)
	wantHeader(t, do(t, h, call{method: "PATCH", path: "/api/emails/", token: "ann"}), "RateLimit", `"user";r=1;t=3540`)
	me.token = "reader" // of the same user
	me.header = map[string]string{"If-None-Match": "*"}
	res = do(t, h, me)
	wants(t, res, 304, "")
	wantHeader(t, res, "X-RateLimit-Remaining", "0")
	res = do(t, h, call{method: "PATCH", path: "/api/emails/", token: "ann"})
	wants(t, res, 429, `{"detail":"Request was throttled. Expected available in 3540 seconds."}`)
	wantHeader(t, res, "Retry-After", "3540")
	wantHeader(t, res, "X-RateLimit-Remaining", "0")
	wantHeader(t, do(t, h, call{method: "GET", path: "/healthz", token: "ann"}), "X-RateLimit-Limit", "")
	wantHeader(t, do(t, h, call{method: "GET", path: "/api/docs/", token: "ann"}), "X-RateLimit-Limit", "")
	wantHeader(t, do(t, h, call{method: "GET", path: "/api/me/", token: "root"}), "X-RateLimit-Remaining", "2")

	gmail := call{method: "GET", path: "/gmail/v1/users/me/labels", token: "ann"}
	res = do(t, h, gmail)
	wantHeader(t, res, "RateLimit-Policy", `"gmail";q=1;w=60`)
	res = do(t, h, gmail)
	wants(t, res, 429, `{"Status":429,"Anonymous":false,"NeedsHTTPS":false,"RetrySeconds":60}`)

	w.now = testNow.Add(time.Hour - 500*time.Millisecond)
	res = do(t, h, call{method: "GET", path: "/api/me/", token: "ann"})
	wants(t, res, 429, `{"detail":"Request was throttled. Expected available in 1 second."}`)
	w.now = testNow.Add(time.Hour)
	wantHeader(t, do(t, h, call{method: "GET", path: "/api/me/", token: "ann"}), "X-RateLimit-Remaining", "2")
}

func TestAnonymousLimit(t *testing.T) {
	t.Parallel()
	w := newWorld()
	opts := w.options()
	opts.LimitAnonymous = Limit{4, time.Hour}
	h := w.handler(opts)
	from := func(remote, token string) answer {
		return do(t, h, call{method: "GET", path: "/api/me/", token: token, remote: remote})
	}
	wantHeader(t, from("[2001:db8::1]:5", ""), "X-RateLimit-Remaining", "3")
	wantHeader(t, from("[2001:db8::2]:6", "nope"), "X-RateLimit-Remaining", "2")
	login := call{method: "POST", path: "/api-token-auth/", remote: "[2001:db8::3]:5"}
	wantHeader(t, do(t, h, login), "RateLimit", `"anonymous";r=1;t=3600`)
	wantHeader(t, from("[2001:db8::1]:5", "gone"), "X-RateLimit-Remaining", "0")
	if res := from("[2001:db8::1]:5", ""); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("fifth 401: %d", res.StatusCode)
	}
	if res := do(t, h, login); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("login over the limit: %d", res.StatusCode)
	}
	if res := from("[2001:db8::1]:5", "ann"); res.StatusCode != http.StatusOK {
		t.Errorf("a good token is stopped: %d", res.StatusCode)
	}
	if res := from("[2001:db8:0:1::1]:5", ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("another network: %d", res.StatusCode)
	}
}

func TestLoginLimit(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	try := func(name, password, remote string) answer {
		return do(t, h, call{method: "POST", path: "/api-token-auth/", remote: remote, body: fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)})
	}
	for range 20 {
		if res := try("ann", "correct horse", "192.0.2.7:1"); res.StatusCode != http.StatusOK {
			t.Fatalf("success counts as failure: %d", res.StatusCode)
		}
	}
	for range 10 {
		if res := try("ann", "x", "192.0.2.7:1"); res.StatusCode != http.StatusBadRequest {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	res := try("ANN", "x", "192.0.2.7:1")
	wants(t, res, 429, `{"detail":"Request was throttled. Expected available in 900 seconds."}`)
	if res := try("ann", "correct horse", "192.0.2.7:1"); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the right password within the limit's end: %d", res.StatusCode)
	}
	for _, other := range []answer{try("bob", "x", "192.0.2.7:1"), try("ann", "x", "192.0.2.8:1")} {
		if other.StatusCode != http.StatusBadRequest {
			t.Errorf("another name or address: %d", other.StatusCode)
		}
	}
}

func TestLimiterMemory(t *testing.T) {
	t.Parallel()
	l := NewLimits(func() time.Time { return testNow })
	for i := range 4 * limitShards * maxWindows {
		addr := netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		l.take(limitKey{class: classAnonymous, addr: addr}, Limit{5, time.Hour}, 1)
	}
	total := 0
	for i := range l.shards {
		total += len(l.shards[i].windows)
	}
	if total > limitShards*maxWindows {
		t.Errorf("%d windows are kept", total)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	w := newWorld()
	const app = "https://app.example"
	origin := map[string]string{"Origin": app}
	h := w.handler(w.options())
	for _, c := range []call{
		{method: "GET", path: "/api/me/", token: "ann"},
		{method: "GET", path: "/api/me/"},
		{method: "GET", path: "/api/nothing/"},
		{method: "GET", path: "/gmail/v1/users/me/profile", token: "ann"},
	} {
		c.header = origin
		res := do(t, h, c)
		wantHeader(t, res, "Access-Control-Allow-Origin", "*")
		wantHeader(t, res, "Access-Control-Expose-Headers", exposedHeaders)
		wantHeader(t, res, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	}
	asks := map[string]string{"Origin": app, "Access-Control-Request-Method": "PUT"}
	for _, path := range []string{"/api/emails/", "/api/emails", "/api-token-auth/"} {
		res := do(t, h, call{method: "OPTIONS", path: path, header: asks})
		wants(t, res, 204, "")
		wantHeader(t, res, "Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
		wantHeader(t, res, "Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID, X-Request-Id")
		wantHeader(t, res, "Access-Control-Max-Age", "600")
	}
	res := do(t, h, call{method: "OPTIONS", path: "/gmail/v1/users/me/profile", header: asks})
	if !strings.HasSuffix(res.Header.Get("Access-Control-Allow-Headers"), "X-Goog-Api-Client, X-HTTP-Method-Override") {
		t.Errorf("gmail: %v", res.Header)
	}

	opts := w.options()
	opts.Development, opts.CORSOrigins = false, []string{app}
	h = w.handler(opts)
	res = do(t, h, call{method: "GET", path: "/api/me/", token: "ann", header: origin})
	wantHeader(t, res, "Access-Control-Allow-Origin", app)
	wantHeader(t, res, "Vary", "Origin, Accept-Encoding, Authorization")
	res = do(t, h, call{method: "GET", path: "/api/me/", token: "ann", header: map[string]string{"Origin": "https://other.example"}})
	wantHeader(t, res, "Access-Control-Allow-Origin", "")
	wantHeader(t, res, "Vary", "Origin, Accept-Encoding, Authorization")
	opts.CORSOrigins = nil
	h = w.handler(opts)
	res = do(t, h, call{method: "OPTIONS", path: "/api/emails/", header: asks})
	wants(t, res, 204, "")
	wantHeader(t, res, "Access-Control-Allow-Origin", "")
}

func TestCachingAndCompression(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.withMessages(20)
	h := w.handler(w.options())
	get := func(name, value string) answer {
		return do(t, h, call{method: "GET", path: "/api/emails/", token: "ann", header: map[string]string{name: value}})
	}
	plain := get("", "")
	tag := plain.Header.Get("ETag")
	wantHeader(t, plain, "Cache-Control", "private, no-cache")
	if !strings.HasPrefix(tag, `W/"`) {
		t.Errorf("tag %s", tag)
	}
	for _, given := range []string{tag, `"other", ` + tag, "*", strings.TrimPrefix(tag, "W/")} {
		res := get("If-None-Match", given)
		wants(t, res, 304, "")
		wantHeader(t, res, "ETag", tag)
	}
	if res := get("If-None-Match", `"other"`); res.StatusCode != http.StatusOK {
		t.Errorf("another tag: %d", res.StatusCode)
	}
	unpack := map[string]func([]byte) ([]byte, error){
		"gzip": func(b []byte) ([]byte, error) {
			r, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		},
		"zstd": func(b []byte) ([]byte, error) {
			r, err := zstd.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return io.ReadAll(r)
		},
	}
	for accept, want := range map[string]string{
		"gzip": "gzip", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd", "zstd;q=0.1, gzip;q=0.5": "gzip", "*": "zstd",
		"identity": "", "gzip;q=0": "", "GZIP": "gzip", "zstd;q=0, *;q=0.3": "gzip",
	} {
		res := get("Accept-Encoding", accept)
		wantHeader(t, res, "Content-Encoding", want)
		wantHeader(t, res, "ETag", tag)
		wantHeader(t, res, "Content-Length", fmt.Sprint(len(res.body)))
		body := []byte(res.body)
		if want != "" {
			var err error
			if body, err = unpack[want](body); err != nil {
				t.Fatal(err)
			}
		}
		if string(body) != plain.body {
			t.Errorf("%s: the content differs", accept)
		}
	}
	small := do(t, h, call{method: "GET", path: "/api/me/", token: "ann", header: map[string]string{"Accept-Encoding": "gzip"}})
	wantHeader(t, small, "Content-Encoding", "")
}
