package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

func TestOperations(t *testing.T) {
	t.Parallel()
	w := newWorld()
	gap := queries.CoverageGap{Pending: 1, Missing: 2, Altered: 3}
	coverage := &queries.Coverage{CheckedAt: testNow, Emails: 20, Known: 19, Held: 17, CoverageGap: gap, Differing: 1, Repaired: 4, RepairedAt: &testNow, Servers: []queries.ServerCoverage{
		{
			User: "ann", Account: 3, Generation: 6, Position: 7, CheckedAt: testNow, Known: queries.EmailSet{Emails: 19, Checksum: 1<<63 + 10},
			Held: queries.EmailSet{Emails: 17, Checksum: 11}, CoverageGap: gap, Repaired: 4, RepairedAt: &testNow,
		},
		{CheckedAt: testNow},
	}}
	w.ListModels = func(_ context.Context, q queries.ListModels) ([]queries.Model, error) {
		if !q.Coverage {
			t.Error("the comparison is not asked for")
		}
		return []queries.Model{{
			Name: "mail", Version: 4, Generation: 6, Status: "failed", Journals: 2, EventsTotal: 20, EventsApplied: 7, LagSeconds: 41.24,
			Rebuild:   &queries.ModelRebuild{Generation: 7, Percent: 42, StartedAt: testNow},
			Failures:  []queries.ModelFailure{{User: "ann", Position: 4907, Type: "message-fetched", Error: "unknown version", Attempts: 5, FirstFailed: testNow, NextRetry: testNow}},
			UpdatedAt: testNow, Coverage: coverage, Outdated: true,
		}}, nil
	}
	w.GetModel = func(ctx context.Context, q queries.GetModel) (queries.Model, error) {
		all, _ := w.ListModels(ctx, queries.ListModels{Coverage: q.Coverage})
		if q.Name != "mail" {
			return queries.Model{}, errNotFound
		}
		return all[0], nil
	}
	h := w.handler(w.options())
	get := func(path, token, remote string) answer {
		return do(t, h, call{method: "GET", path: path, token: token, remote: remote})
	}
	const wrong = `"pending":1,"missing":2,"surplus":0,"altered":3,"repaired":4,"repaired_at":"2025-03-04T10:00:00Z"`
	const mail = `{"name":"mail","version":4,"generation":6,"status":"failed","journals":2,"journals_behind":0,"journals_failed":0,` +
		`"events_total":20,"events_applied":7,"lag_events":13,"lag_seconds":41.2,"rebuild":{"generation":7,"events_applied":0,"percent":42,` +
		`"started_at":"2025-03-04T10:00:00Z","last_error":null},"rollback_available":false,"failures":[{"user":"ann","position":4907,` +
		`"type":"email.received","error":"unknown version","attempts":5,"first_failed_at":"2025-03-04T10:00:00Z",` +
		`"next_retry_at":"2025-03-04T10:00:00Z"}],"updated_at":"2025-03-04T10:00:00Z",` +
		`"coverage":{"status":"incomplete","percent":70,"checked_at":"2025-03-04T10:00:00Z","emails":20,` + wrong + `,"servers":[` +
		`{"imap_server":3,"user":"ann","generation":6,"position":7,"checked_at":"2025-03-04T10:00:00Z",` +
		`"journal":{"emails":19,"checksum":"800000000000000a"},"read_model":{"emails":17,"checksum":"000000000000000b"},` + wrong + `},` +
		`{"imap_server":null,"user":"","generation":0,"position":0,"checked_at":"2025-03-04T10:00:00Z",` +
		`"journal":{"emails":0,"checksum":"0000000000000000"},"read_model":{"emails":0,"checksum":"0000000000000000"},` +
		`"pending":0,"missing":0,"surplus":0,"altered":0,"repaired":0,"repaired_at":null}]},"outdated":true}`
	wants(t, get("/api/projections/", "root", ""), 200, "["+mail+"]")
	wants(t, get("/api/projections/mail/", "root", ""), 200, mail)
	wants(t, get("/api/projections/none/", "root", ""), 404, notFound)
	changeProjections(t, w, mail)

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
	if res := do(t, h, bearer); res.StatusCode != http.StatusOK {
		t.Errorf("metrics token: %d", res.StatusCode)
	}
	res = get("/readyz", "", "")
	wants(t, res, 503, `{"status":"unavailable","checks":{"event_store":"ok","projections":"lagging","migrations":"failed"}}`)
}

// changeProjections asks for rebuilds and rollbacks.
func changeProjections(t *testing.T, w *world, mail string) {
	t.Helper()
	outcome := error(nil)
	result := func(name string, meta events.Meta) error {
		if want := (events.Meta{Actor: events.Actor{Kind: events.ActorUser, Name: "root", Token: 15}, RequestID: "r-1"}); meta != want {
			t.Errorf("asked by %+v, want %+v", meta, want)
		}
		if name != "mail" {
			return errNotFound
		}
		return outcome
	}
	w.RebuildModel = func(_ context.Context, c commands.RebuildModel) (string, error) {
		return c.Name, result(c.Name, c.Meta)
	}
	w.RollBackModel = func(_ context.Context, c commands.RollBackModel) (int, error) { return 1, result(c.Name, c.Meta) }
	h := w.handler(w.options())
	post := func(path, token string) answer {
		return do(t, h, call{method: "POST", path: "/api/projections/" + path, token: token, header: map[string]string{"X-Request-Id": "r-1"}})
	}
	for path, refused := range map[string]string{"rebuild/": "A rebuild is already running.", "rollback/": "There is no earlier generation."} {
		outcome = nil
		wants(t, post("mail/"+path, "root"), 202, mail)
		wants(t, post("none/"+path, "root"), 404, notFound)
		wants(t, post("mail/"+path, "ann"), 403, `{"detail":"You do not have permission to perform this action."}`)
		outcome = fmt.Errorf("rebuild mail: %w", domain.ErrConflict)
		wants(t, post("mail/"+path, "root"), 409, `{"detail":"`+refused+`"}`)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	w := newWorld()
	opts := w.options()
	var got []string
	opts.Observe = func(_ context.Context, route, method string, status int, took time.Duration) {
		got = append(got, fmt.Sprint(method, " ", route, " ", status))
		if took <= 0 {
			t.Errorf("%s took %v", route, took)
		}
	}
	h := w.handler(opts)
	for _, c := range []call{
		{method: "GET", path: "/api/v1/imap-servers/3/", token: "ann"},
		{method: "GET", path: "/api/imap-servers/99/", token: "ann"},
		{method: "GET", path: "/api/me", token: "ann"},
		{method: "GET", path: "/healthz"},
		{method: "GET", path: "/nothing/here/", token: "ann"},
		{method: "BREW", path: "/api/me/", token: "ann"},
	} {
		do(t, h, c)
	}
	want := []string{
		"GET /api/imap-servers/{id}/ 200", "GET /api/imap-servers/{id}/ 404", "GET none 301", "GET /healthz 200", "GET none 404", "other /api/me/ 405",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
