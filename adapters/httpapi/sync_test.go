package httpapi

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

func TestSyncNow(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var asked commands.RequestSync
	var outcome commands.SyncOutcome
	w.RequestSync = func(_ context.Context, c commands.RequestSync) (commands.SyncOutcome, error) {
		asked = c
		out := outcome
		out.Sync = 57
		if c.Wait == 0 {
			out.Status = "running"
		}
		return out, nil
	}
	settled := events.Position(0)
	w.WaitFor = func(_ context.Context, _ events.JournalID, pos events.Position) { settled = pos }
	h := w.handler(w.options())
	refused := &events.SyncError{Code: "auth_failed", Message: "Login to imap.example.org was refused."}
	slow := &events.SyncError{Code: "timeout", Message: "imap.example.org did not answer."}
	const good, running = `{"status":"success","message":"Email sync completed"}`, `{"status":"running","message":"Email sync in progress"}`
	for _, c := range []struct {
		query, prefer string
		outcome       commands.SyncOutcome
		wait          time.Duration
		status        int
		body          string
	}{
		{"", "", commands.SyncOutcome{Status: "success"}, 50 * time.Second, 200, good},
		{"?wait=true", "", commands.SyncOutcome{Status: "partial"}, 50 * time.Second, 200, good},
		{"?wait=30", "", commands.SyncOutcome{Status: "success"}, 30 * time.Second, 200, good},
		{"?wait=1", "", commands.SyncOutcome{Status: "success"}, time.Second, 200, good},
		{"?wait=0.5", "", commands.SyncOutcome{Status: "running"}, time.Second / 2, 202, running},
		{"?wait=false", "", commands.SyncOutcome{}, 0, 202, running},
		{"?wait=0", "", commands.SyncOutcome{}, 0, 202, running},
		{"", "handling=lenient, respond-async", commands.SyncOutcome{}, 0, 202, running},
		{"", "", commands.SyncOutcome{Status: "error", Error: refused}, 50 * time.Second, 502, `{"status":"error","message":"Login to imap.example.org was refused.","detail":"Login to imap.example.org was refused."}`},
		{"", "", commands.SyncOutcome{Status: "error", Error: slow}, 50 * time.Second, 504, `{"status":"error","message":"imap.example.org did not answer.","detail":"imap.example.org did not answer."}`},
		{"", "", commands.SyncOutcome{Status: "interrupted"}, 50 * time.Second, 502, `{"status":"error","message":"The sync was interrupted.","detail":"The sync was interrupted."}`},
		{"", "", commands.SyncOutcome{Status: "cancelled"}, 50 * time.Second, 409, `{"detail":"The sync was cancelled."}`},
	} {
		outcome, settled = c.outcome, 0
		res := do(t, h, call{method: "POST", path: "/api/imap-servers/3/sync/" + c.query, token: "ann", body: "{broken", header: map[string]string{"Prefer": c.prefer}})
		wants(t, res, c.status, c.body)
		wantHeader(t, res, "Location", "http://mail.example.org/api/imap-servers/3/syncs/57/")
		if asked.Wait != c.wait || asked.Account != 3 || asked.Cause != "request" {
			t.Errorf("%s: asked %+v", c.query, asked)
		}
		if c.status != 202 && settled != w.position {
			t.Errorf("%s: answered before it can be read", c.query)
		}
	}
	for query, want := range map[string]string{
		"?wait=soon": `{"wait":["Must be a valid boolean."]}`, "?wait=601": `{"wait":["Ensure this value is less than or equal to 600."]}`,
		"?wait=-1": `{"wait":["Ensure this value is greater than or equal to 0."]}`, "?wait=NaN": `{"wait":["Ensure this value is greater than or equal to 0."]}`,
	} {
		wants(t, do(t, h, call{method: "POST", path: "/api/imap-servers/3/sync/" + query, token: "ann"}), 400, want)
	}
	wants(t, do(t, h, call{method: "POST", path: "/api/imap-servers/99/sync/?wait=x", token: "ann"}), 404, notFound)
}

func TestSyncRuns(t *testing.T) {
	t.Parallel()
	w := newWorld()
	started, ended := testNow.Add(-time.Minute), testNow.Add(-time.Second)
	run := queries.SyncRun{Status: "success", Started: &started, Ended: &ended}
	run.SyncEnd = events.SyncEnd{
		SyncStarted: events.SyncStarted{Sync: 57, Account: 3, Trigger: "request", Initial: true, QueuedAt: started},
		Received:    4, Bytes: 91233, Total: 2, Warnings: []string{"No folder Nowhere."},
		Mailboxes: []events.MailboxResult{{Name: "INBOX", Status: "success", Received: 4}, {Name: "Sent", Status: "error", Error: &events.SyncError{Code: "throttled", Message: "Busy."}}},
	}
	current := run
	w.GetSyncRun = func(_ context.Context, q queries.GetSyncRun) (queries.SyncRun, error) {
		if q.ID != 0 && q.ID != 57 {
			return queries.SyncRun{}, domain.ErrNotFound
		}
		return current, nil
	}
	var asked queries.ListSyncRuns
	w.ListSyncRuns = func(_ context.Context, q queries.ListSyncRuns) (queries.Page[queries.SyncRun], error) {
		asked = q
		return queries.NumberPage([]queries.SyncRun{run}, 1, q.Paging)
	}
	w.CancelSync = func(context.Context, commands.CancelSync) (events.Position, error) { return 0, domain.ErrConflict }
	h := w.handler(w.options())
	const body = `{"id":57,"imap_server":3,"trigger":"request","status":"success","initial":true,"queued_at":"2025-03-04T09:59:00Z",` +
		`"started_at":"2025-03-04T09:59:00Z","finished_at":"2025-03-04T09:59:59Z","last_progress_at":null,"stalled":false,` +
		`"progress":{"folders_total":2,"folders_done":2,"current_folder":null,"messages_total":4,"messages_done":4,"percent":100},` +
		`"result":{"received":4,"flags_changed":0,"moved":0,"deleted":0,"bytes":91233},` +
		`"folders":[{"name":"INBOX","status":"success","received":4,"flags_changed":0,"moved":0,"deleted":0,"error":null},` +
		`{"name":"Sent","status":"error","received":0,"flags_changed":0,"moved":0,"deleted":0,"error":{"code":"throttled","message":"Busy."}}],` +
		`"warnings":["No folder Nowhere."],"error":null}`
	get := func(path string) answer { return do(t, h, call{method: "GET", path: path, token: "ann"}) }
	wants(t, get("/api/imap-servers/3/syncs/57/"), 200, body)
	wants(t, get("/api/imap-servers/3/sync-status/"), 200, body)
	wants(t, get("/api/imap-servers/3/syncs/58/"), 404, notFound)
	wants(t, get("/api/imap-servers/3/syncs/?status=error&trigger=push"), 200, `{"count":1,"next":null,"previous":null,"results":[`+body+`]}`)
	if asked.Status != "error" || asked.Trigger != "push" || asked.Account != 3 {
		t.Errorf("asked %+v", asked)
	}
	wants(t, get("/api/imap-servers/3/syncs/?status=x"), 400, `{"status":["\"x\" is not a valid choice."]}`)
	cancel := call{method: "POST", path: "/api/imap-servers/3/syncs/57/cancel/", token: "ann"}
	wants(t, do(t, h, cancel), 409, `{"detail":"The sync is already finished."}`)
	cancel.path = "/api/imap-servers/3/syncs/58/cancel/"
	wants(t, do(t, h, cancel), 404, notFound)

	current.Status, current.Ended, current.Started = "running", nil, &started
	current.Progress = queries.SyncProgress{MailboxesTotal: 2, MailboxesDone: 1, Current: "Sent", MessagesTotal: 640, MessagesDone: 480}
	got := object(t, get("/api/imap-servers/3/sync-status/"))
	if p := got["progress"].(map[string]any); p["percent"] != float64(75) || p["current_folder"] != "Sent" || got["stalled"] != false {
		t.Errorf("running: %v", got)
	}
	w.now = testNow.Add(time.Hour)
	if got := object(t, get("/api/imap-servers/3/sync-status/")); got["stalled"] != true {
		t.Errorf("an hour without progress: %v", got)
	}
}

func TestConnectionTests(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var asked commands.TestConnection
	w.TestConnection = func(_ context.Context, c commands.TestConnection) (commands.Probe, error) {
		asked = c
		return commands.Probe{
			Code: "ok", Message: "Connected and logged in.", TLS: "TLS 1.3", Capabilities: []string{"IMAP4rev1"}, Took: 412 * time.Millisecond,
			Mailboxes: []domain.Listed{{Name: "INBOX", Status: &domain.MailboxStatus{Messages: 7}}, {Name: "Sent", Role: domain.RoleSent}, {Name: "Top", NoSelect: true}},
		}, nil
	}
	h := w.handler(w.options())
	test := func(path, body string) answer {
		return do(t, h, call{method: "POST", path: "/api/imap-servers/" + path, token: "ann", body: body})
	}
	wants(t, test("test-connection/", `{"host":"h","username":"u","password":"p"}`), 200, `{"success":true,"code":"ok",`+
		`"message":"Connected and logged in.","tls":"TLS 1.3","capabilities":["IMAP4rev1"],"folders":[{"name":"INBOX","special_use":null,"messages":7},`+
		`{"name":"Sent","special_use":"\\Sent","messages":null}],"duration_ms":412}`)
	if want := (commands.Login{Host: "h", Port: 993, Username: "u", Password: "p", UseTLS: true}); asked.Login != want {
		t.Errorf("asked %+v", asked.Login)
	}
	wants(t, test("test-connection/", `{"port":"x"}`), 400, `{"host":["This field is required."],"port":["A valid integer is required."],`+
		`"username":["This field is required."],"password":["This field is required."]}`)
	wants(t, test("3/test-connection/", `{"host":"127.0.0.1"}`), 400, `{"password":["Enter the password again to change the host or to turn off TLS."]}`)
	if res := test("3/test-connection/", ""); res.StatusCode != http.StatusOK || asked.Account != 3 || asked.Login.Password != "" {
		t.Errorf("stored settings: %d, asked %+v", res.StatusCode, asked)
	}
	if res := test("3/test-connection/", `{"use_ssl":false,"password":"p"}`); res.StatusCode != http.StatusOK || asked.Login.Port != 143 || *asked.UseTLS {
		t.Errorf("without TLS: %d, asked %+v", res.StatusCode, asked)
	}
	for range 5 {
		test("3/test-connection/", "")
	}
	res := test("test-connection/", `{}`)
	wants(t, res, 429, `{"detail":"Request was throttled. Expected available in 60 seconds."}`)
	wantHeader(t, res, "RateLimit-Policy", `"connection-test";q=10;w=60`)
}
