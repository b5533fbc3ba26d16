package public

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// TestBody: data is byte for byte that of the feed.
func TestBody(t *testing.T) {
	t.Parallel()
	for i, e := range samples() {
		rec := recorded(i, e)
		body := string(Body(rec, exampleBase))
		var event, sent map[string]json.RawMessage
		if err := json.Unmarshal(Render(rec, exampleBase), &event); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatal(err)
		}
		want := `{"type":` + string(event["type"]) + `,"timestamp":` + string(event["timestamp"]) + `,"position":` +
			string(event["position"]) + `,"data":` + string(event["data"]) + `}`
		if body != want {
			t.Errorf("got  %s\nwant %s", body, want)
		}
	}
}

// A body is never longer than 20 KB, and what is cut is still an object with all of its keys.
func TestBodyIsCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`ü"`, 6000)
	merged := make([]domain.ThreadID, 1000)
	for i := range merged {
		merged[i] = 1<<62 + domain.ThreadID(i)
	}
	for _, e := range []events.Event{
		events.MessageFetched{
			Message: events.Message{ID: 42, Account: 3, Place: events.Place{Folder: domain.MailboxName(long[:3000])}, MsgID: long[:999]},
			Summary: events.Summary{Subject: long, Recipient: long, Sender: long, SenderName: long, Snippet: long, InReplyTo: long},
		},
		events.ThreadUpdated{Thread: 17, Account: 3, Merged: merged, Latest: &events.LatestMessage{ID: 44, Subject: long}},
		events.SyncCompleted{SyncEnd: events.SyncEnd{Warnings: []string{long, long}}},
	} {
		rec := recorded(0, e)
		body := Body(rec, exampleBase)
		var sent struct{ Data map[string]any }
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		var event struct{ Data map[string]any }
		if err := json.Unmarshal(Render(rec, exampleBase), &event); err != nil {
			t.Fatal(err)
		}
		if len(body) > MaxBody || sent.Data["truncated"] != true || len(sent.Data) != len(event.Data)+1 {
			t.Errorf("%T: %d octets, %d keys of %d, truncated %v", e, len(body), len(sent.Data), len(event.Data), sent.Data["truncated"])
		}
		if sent.Data["imap_server"] != event.Data["imap_server"] {
			t.Errorf("%T: imap_server became %v", e, sent.Data["imap_server"])
		}
	}
}

func TestSampleBody(t *testing.T) {
	t.Parallel()
	got, ok := SampleBody("webhook.test", "2025-03-04T10:00:00Z")
	want := `{"type":"webhook.test","timestamp":"2025-03-04T10:00:00Z","position":0,"data":{"test":true,"message":"Hello from imap2api."}}`
	if diff := cmp.Diff(want, string(got)); !ok || diff != "" {
		t.Error(diff)
	}
	if got, ok := SampleBody("imap_server.deleted", "2025-03-04T10:00:00Z"); !ok || !strings.HasSuffix(string(got), `"data":{"id":3,"emails":1893,"test":true}}`) {
		t.Errorf("got %s", got)
	}
	for _, name := range []string{"", "email.sent", "email.*", "folder.found", "webhook.created"} {
		if _, ok := SampleBody(name, "x"); ok {
			t.Errorf("there is a sample of %q", name)
		}
	}
}

func TestIsWebhookType(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"email.received": true, "email.*": true, "webhook.disabled": true, "webhook.*": true, "sync.stalled": true,
		"webhook.test": false, "webhook.created": false, "folder.*": false, "email.sent": false, "*": false, "": false, "em*": false,
	} {
		if got := IsWebhookType(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}
