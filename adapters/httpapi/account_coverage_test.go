package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

func TestServerCoverage(t *testing.T) {
	t.Parallel()
	w := newWorld()
	at := time.Date(2025, 3, 4, 9, 31, 12, 600117000, time.UTC)
	next := at.AddDate(0, 0, 1)
	w.AccountCoverage = func(_ context.Context, q queries.GetAccountCoverage) (queries.AccountCoverage, error) {
		if q.Mailbox == "Sent" {
			return queries.AccountCoverage{}, fmt.Errorf("coverage: %w", domain.ErrNotFound)
		}
		c := queries.MailboxCoverage{CheckedAt: at, Status: "complete"}
		c.Name, c.UIDValidity, c.UIDNext = "INBOX", 1699999999, 5121
		c.CoverageCounts = events.CoverageCounts{OnServer: 1230, Stored: 1204, Excluded: 24, Quarantined: 2}
		return queries.AccountCoverage{
			Account: q.Account, Status: "complete", CheckedAt: at, Position: 4793, CoverageCounts: c.CoverageCounts,
			Mailboxes: []queries.MailboxCoverage{c},
			Exceptions: []queries.MailboxException{{Mailbox: "INBOX", CoverageException: events.CoverageException{
				Kind: "quarantined", Reason: "fetch_failed", Message: "The mail server does not deliver this message.", Count: 2,
				UIDs: "4411,4415", LastError: "NO [SERVERBUG] internal error", NextAt: &next,
			}}, {Mailbox: "INBOX", CoverageException: events.CoverageException{
				Kind: "excluded", Reason: "sync_limit", Message: "Older than the last 90 days.", Count: 24, UIDs: "1:24",
			}}},
		}, nil
	}
	h := w.handler(w.options())
	const counts = `"server_messages":1230,"stored":1204,"excluded":24,"quarantined":2,"erased":0,"missing":0`
	wants(t, do(t, h, call{method: "GET", path: "/api/imap-servers/3/coverage/", token: "ann"}), 200,
		`{"imap_server":3,"status":"complete","checked_at":"2025-03-04T09:31:12.600117Z","position":4793,`+counts+`,`+
			`"folders":[{"name":"INBOX","status":"complete","checked_at":"2025-03-04T09:31:12.600117Z","uid_validity":1699999999,"uid_next":5121,`+counts+`}],`+
			`"exceptions":[{"folder":"INBOX","kind":"quarantined","reason":"fetch_failed","message":"The mail server does not deliver this message.",`+
			`"count":2,"uids":"4411,4415","last_error":"NO [SERVERBUG] internal error","next_attempt_at":"2025-03-05T09:31:12.600117Z"},`+
			`{"folder":"INBOX","kind":"excluded","reason":"sync_limit","message":"Older than the last 90 days.","count":24,"uids":"1:24",`+
			`"last_error":null,"next_attempt_at":null}]}`)
	wants(t, do(t, h, call{method: "GET", path: "/api/imap-servers/3/coverage/?folder=Sent", token: "ann"}), 404, notFound)
	wants(t, do(t, h, call{method: "GET", path: "/api/imap-servers/99/coverage/", token: "ann"}), 404, notFound)
}

func TestCheckCoverage(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.CheckCoverage = func(_ context.Context, cmd commands.CheckCoverage) (commands.SyncOutcome, error) {
		if cmd.Account != 3 || cmd.Journal != 1 {
			t.Errorf("asked %+v", cmd)
		}
		return commands.SyncOutcome{Sync: 57, Status: "running"}, nil
	}
	w.GetSyncRun = func(_ context.Context, q queries.GetSyncRun) (queries.SyncRun, error) {
		run := queries.SyncRun{Status: "queued"}
		run.Sync, run.Account, run.Trigger = q.ID, q.Account, "request"
		return run, nil
	}
	h := w.handler(w.options())
	check := call{method: "POST", path: "/api/imap-servers/3/coverage/check/", token: "ann"}
	res := do(t, h, check)
	if got := object(t, res); res.StatusCode != http.StatusAccepted || got["id"] != float64(57) || got["imap_server"] != float64(3) || got["status"] != "queued" {
		t.Errorf("%d %v", res.StatusCode, got)
	}
	wantHeader(t, res, "Location", "http://mail.example.org/api/imap-servers/3/syncs/57/")
	check.path = "/api/imap-servers/99/coverage/check/"
	wants(t, do(t, h, check), 404, notFound)
}
