package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/imap2api/imap2api/queries"
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
	wants(t, res, 429, `{"error":{"code":429,"message":"Too many requests.","errors":[{"message":"Too many requests.",`+
		`"domain":"usageLimits","reason":"rateLimitExceeded"}],"status":"RESOURCE_EXHAUSTED"}}`)

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
	if res := from("[2001:db8::1]:5", ""); res.StatusCode != 429 {
		t.Errorf("fifth 401: %d", res.StatusCode)
	}
	if res := do(t, h, login); res.StatusCode != 429 {
		t.Errorf("login over the limit: %d", res.StatusCode)
	}
	if res := from("[2001:db8::1]:5", "ann"); res.StatusCode != 200 {
		t.Errorf("a good token is stopped: %d", res.StatusCode)
	}
	if res := from("[2001:db8:0:1::1]:5", ""); res.StatusCode != 401 {
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
		if res := try("ann", "correct horse", "192.0.2.7:1"); res.StatusCode != 200 {
			t.Fatalf("success counts as failure: %d", res.StatusCode)
		}
	}
	for range 10 {
		if res := try("ann", "x", "192.0.2.7:1"); res.StatusCode != 400 {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
	res := try("ANN", "x", "192.0.2.7:1")
	wants(t, res, 429, `{"detail":"Request was throttled. Expected available in 900 seconds."}`)
	if res := try("ann", "correct horse", "192.0.2.7:1"); res.StatusCode != 429 {
		t.Errorf("the right password within the limit's end: %d", res.StatusCode)
	}
	for _, other := range []answer{try("bob", "x", "192.0.2.7:1"), try("ann", "x", "192.0.2.8:1")} {
		if other.StatusCode != 400 {
			t.Errorf("another name or address: %d", other.StatusCode)
		}
	}
}

func TestLimiterMemory(t *testing.T) {
	t.Parallel()
	l := newLimiter(func() time.Time { return testNow })
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
		{method: "GET", path: "/api/me/", token: "ann"}, {method: "GET", path: "/api/me/"}, {method: "GET", path: "/api/nothing/"},
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
	if res := get("If-None-Match", `"other"`); res.StatusCode != 200 {
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

func TestOperations(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.ListModels = func(context.Context, queries.ListModels) ([]queries.Model, error) {
		return []queries.Model{{
			Name: "mail", Version: 4, Generation: 6, Status: "failed", Journals: 2, EventsTotal: 20, EventsApplied: 7, LagSeconds: 41.24,
			Rebuild:   &queries.ModelRebuild{Generation: 7, Percent: 42, StartedAt: testNow},
			Failures:  []queries.ModelFailure{{User: "ann", Position: 4907, Type: "message-fetched", Error: "unknown version", Attempts: 5, FirstFailed: testNow, NextRetry: testNow}},
			UpdatedAt: testNow,
		}}, nil
	}
	w.GetModel = func(ctx context.Context, q queries.GetModel) (queries.Model, error) {
		all, _ := w.ListModels(ctx, queries.ListModels{})
		if q.Name != "mail" {
			return queries.Model{}, errNotFound
		}
		return all[0], nil
	}
	h := w.handler(w.options())
	get := func(path, token, remote string) answer {
		return do(t, h, call{method: "GET", path: path, token: token, remote: remote})
	}
	const mail = `{"name":"mail","version":4,"generation":6,"status":"failed","journals":2,"journals_behind":0,"journals_failed":0,` +
		`"events_total":20,"events_applied":7,"lag_events":13,"lag_seconds":41.2,"rebuild":{"generation":7,"events_applied":0,"percent":42,` +
		`"started_at":"2025-03-04T10:00:00Z","last_error":null},"rollback_available":false,"failures":[{"user":"ann","position":4907,` +
		`"type":"email.received","error":"unknown version","attempts":5,"first_failed_at":"2025-03-04T10:00:00Z",` +
		`"next_retry_at":"2025-03-04T10:00:00Z"}],"updated_at":"2025-03-04T10:00:00Z"}`
	wants(t, get("/api/projections/", "root", ""), 200, "["+mail+"]")
	wants(t, get("/api/projections/mail/", "root", ""), 200, mail)
	wants(t, get("/api/projections/none/", "root", ""), 404, notFound)

	wants(t, get("/healthz", "", ""), 200, `{"status":"ok","version":"1.0.0"}`)
	wants(t, get("/readyz", "", ""), 200, `{"status":"ok","checks":{"event_store":"ok","projections":"ok","migrations":"ok"}}`)
	wants(t, get("/metrics", "", "198.51.100.1:5"), 403, `{"detail":"You do not have permission to perform this action."}`)
	res := get("/metrics", "", "127.0.0.1:5")
	wants(t, res, 200, "# TYPE up gauge\nup 1\n")
	wantHeader(t, res, "Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	opts := w.options()
	opts.MetricsToken = "m"
	w.Ready = func(context.Context) map[string]string {
		return map[string]string{"event_store": "ok", "projections": "lagging"}
	}
	h = w.handler(opts)
	wants(t, get("/metrics", "m", "127.0.0.1:5"), 401, `{"detail":"Authentication credentials were not provided."}`)
	bearer := call{method: "GET", path: "/metrics", header: map[string]string{"Authorization": "Bearer m"}}
	if res := do(t, h, bearer); res.StatusCode != 200 {
		t.Errorf("metrics token: %d", res.StatusCode)
	}
	res = get("/readyz", "", "")
	wants(t, res, 503, `{"status":"unavailable","checks":{"event_store":"ok","projections":"lagging","migrations":"failed"}}`)
}

func TestGmail(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	const unknown = `{"error":{"code":404,"message":"Requested entity was not found.","errors":[{"message":"Requested entity was not found.",` +
		`"domain":"global","reason":"notFound"}],"status":"NOT_FOUND"}}`
	for _, path := range []string{"/gmail/v1/users/me/profile", "/gmail/v1/users/me/profile/", "/gmail", "/batch", "/batch/gmail/v1"} {
		wants(t, do(t, h, call{method: "GET", path: path, token: "ann"}), 404, unknown)
		wants(t, do(t, h, call{method: "PUT", path: path, token: "ann"}), 404, unknown)
		res := do(t, h, call{method: "GET", path: path})
		wants(t, res, 401, `{"error":{"code":401,"message":"Login Required.","errors":[{"message":"Login Required.","domain":"global",`+
			`"reason":"required","location":"Authorization","locationType":"header"}],"status":"UNAUTHENTICATED"}}`)
		wantHeader(t, res, "WWW-Authenticate", `Bearer realm="imap2api"`)
		wantHeader(t, res, "Content-Type", "application/json; charset=UTF-8")
	}
	res := do(t, h, call{method: "GET", path: "/gmail/v1/users/me/profile", token: "nope"})
	wantHeader(t, res, "WWW-Authenticate", `Bearer realm="imap2api", error="invalid_token"`)
	if !strings.Contains(res.body, `"reason":"authError"`) {
		t.Error(res.body)
	}
	wants(t, do(t, h, call{method: "GET", path: "/$discovery/rest?version=v1"}), 404, unknown)
	wants(t, do(t, h, call{method: "POST", path: "/gmail/v1/users/me/messages", token: "reader"}), 403, `{"error":{"code":403,`+
		`"message":"Request had insufficient authentication scopes.","errors":[{"message":"Request had insufficient authentication scopes.",`+
		`"domain":"global","reason":"insufficientPermissions"}],"status":"PERMISSION_DENIED"}}`)
}
