package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

// gmailWrites checks what changes of labels are answered with (api.md 11.10), for a mailbox of its own that somebody reads through api,
// which may change it.
type gmailWrites struct {
	t       *testing.T
	api     *client
	account int64
}

// post sends a change and returns the answer as JSON, compact.
func (g *gmailWrites) post(status int, path string, in any) string {
	g.t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			g.t.Fatal(err)
		}
	}
	a, err := g.api.do("POST", fmt.Sprintf("/gmail/v1/users/%d/%s", g.account, path), body)
	if err != nil || a.status != status {
		g.t.Errorf("%s %v: got %d, want %d: %v, %s", path, in, a.status, status, err, a.body)
	}
	return string(a.body)
}

// refused sends a change that must fail with a reason and a message.
func (g *gmailWrites) refused(status int, reason, message, path string, in any) {
	g.t.Helper()
	if got := g.post(status, path, in); !strings.Contains(got, fmt.Sprintf(`"reason":%q`, reason)) || !strings.Contains(got, fmt.Sprintf(`"message":%q`, message)) {
		g.t.Errorf("%s %v: %s, want %s: %s", path, in, got, reason, message)
	}
}

// labels changes a message and returns the labels that it has then.
func (g *gmailWrites) labels(path string, in any) (id string, labels []string) {
	g.t.Helper()
	var out struct {
		ID, ThreadID string
		LabelIDs     []string
	}
	if text := g.post(http.StatusOK, path, in); json.Unmarshal([]byte(text), &out) != nil || out.ThreadID == "" {
		g.t.Errorf("%s %v: %s", path, in, text)
	}
	slices.Sort(out.LabelIDs)
	return out.ID, out.LabelIDs
}

type modify struct {
	IDs    []string `json:"ids,omitempty"`
	Add    []string `json:"addLabelIds,omitempty"`
	Remove []string `json:"removeLabelIds,omitempty"`
}

// checkGmailWrites goes through the answers with two messages of one thread in the folder Work.
func checkGmailWrites(t *testing.T, api *client, w *world, account int64) {
	t.Helper()
	g := &gmailWrites{t, api, account}
	const root = "Message-ID: <root@writes.example>\r\nFrom: <a@b>\r\nSubject: writes\r\n\r\n"
	const reply = "In-Reply-To: <root@writes.example>\r\nMessage-ID: <reply@writes.example>\r\nFrom: <a@b>\r\nSubject: writes\r\n\r\n"
	w.user.Append(t, "Work", []byte(root), time.Now().Add(-time.Minute), imap.FlagSeen)
	w.user.Append(t, "Work", []byte(reply), time.Now(), imap.FlagSeen)
	if err := api.sync(account); err != nil {
		t.Fatal(err)
	}
	var found struct {
		Messages []struct{ ID, ThreadID string }
	}
	if err := api.call(http.StatusOK, "GET", fmt.Sprintf("/gmail/v1/users/%d/messages?q=subject:writes", account), nil, &found); err != nil || len(found.Messages) != 2 {
		t.Fatalf("%v: %+v", err, found)
	}
	one, thread := found.Messages[0].ID, found.Messages[0].ThreadID
	work, sent := "Label_"+sum([]byte("Work"))[:12], modify{Add: []string{"SENT"}}
	g.refused(400, "invalidArgument", "Invalid label: SENT", "messages/"+one+"/modify", sent)
	g.refused(400, "invalidArgument", "Invalid label: Label_nothing", "messages/"+one+"/modify", modify{Remove: []string{"Label_nothing"}})
	g.refused(400, "invalidArgument", "A message can be moved to one folder only.", "messages/"+one+"/modify", modify{Add: []string{"INBOX", "TRASH"}})
	g.refused(400, "invalidArgument", "Too many labels.", "messages/"+one+"/modify", modify{Add: make([]string, 101)})
	g.refused(400, "invalidArgument", "Invalid id value", "messages/xyz/modify", modify{Add: []string{"STARRED"}})
	g.refused(400, "parseError", "Parse Error", "messages/"+one+"/modify", nil)
	g.refused(404, "notFound", "Requested entity was not found.", "messages/ffffffffffff/trash", nil)
	g.refused(400, "failedPrecondition", `The mailbox has no folder with the special use \Archive or \All.`, "messages/"+one+"/modify", modify{Remove: []string{work}})
	g.refused(400, "invalidArgument", "From 1 to 1000 ids are needed.", "messages/batchModify", modify{IDs: make([]string, 1001), Add: []string{"STARRED"}})

	wants := func(path string, in any, want ...string) {
		t.Helper()
		if id, got := g.labels(path, in); id != one || !slices.Equal(got, want) {
			t.Errorf("%s %v: %s has %v, want %v", path, in, id, got, want)
		}
	}
	wants("messages/"+one+"/modify", modify{Add: []string{"IMPORTANT", "UNREAD"}}, "IMPORTANT", work, "UNREAD")
	wants("messages/"+one+"/trash", nil, "IMPORTANT", "TRASH", "UNREAD")
	wants("messages/"+one+"/untrash", nil, "IMPORTANT", work, "UNREAD")
	wants("messages/"+one+"/untrash", nil, "IMPORTANT", work, "UNREAD") // it is not there
	if got := g.post(http.StatusOK, "threads/"+thread+"/modify", modify{Add: []string{"SPAM"}, Remove: []string{"UNREAD", "IMPORTANT"}}); strings.Count(got, `"labelIds":["SPAM"]`) != 2 {
		t.Errorf("thread: %s", got)
	}
	if got := g.post(http.StatusNoContent, "messages/batchModify", modify{IDs: []string{one, "ffffffffffff"}, Add: []string{"INBOX"}}); got != "" {
		t.Errorf("batchModify: %s", got)
	}
	for folder, raw := range map[string]string{"INBOX": reply, "Junk": root} {
		if !slices.ContainsFunc(w.onServer(), func(m copied) bool { return m.Folder == folder && m.Sum == sum([]byte(raw)) && m.Flags == `\Seen` }) {
			t.Errorf("on the server:\n%v", w.onServer())
		}
	}
	g.watched(one)
	g.readOnly(one)
}

// watched has a webhook told of the mailbox, and of nothing more than it wants to know.
func (g *gmailWrites) watched(id string) {
	g.t.Helper()
	type pushed struct {
		Message struct {
			Data        []byte
			MessageID   string
			PublishTime time.Time
		}
		Subscription string
	}
	told := make(chan pushed, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var p pushed
		err := json.NewDecoder(r.Body).Decode(&p)
		if err != nil || r.Header.Get("webhook-signature") == "" || r.Header.Get("webhook-id") != p.Message.MessageID {
			g.t.Errorf("pushed %+v, %v, %v", p, r.Header, err)
		}
		told <- p
	}))
	g.t.Cleanup(receiver.Close)
	var hook struct{ ID int64 }
	if err := g.api.call(http.StatusCreated, "POST", "/api/webhooks/", map[string]any{"url": receiver.URL, "event_types": []string{"sync.failed"}}, &hook); err != nil {
		g.t.Fatal(err)
	}
	for _, topic := range []string{"", "projects/x/topics/0", "topics/1", fmt.Sprintf("projects/x/topics/%d", hook.ID+1)} {
		g.refused(400, "invalidArgument", "Invalid topicName", "watch", map[string]any{"topicName": topic})
	}
	var watch struct {
		HistoryID  int64 `json:",string"`
		Expiration int64 `json:",string"`
	}
	text := g.post(http.StatusOK, "watch", map[string]any{
		"topicName": fmt.Sprintf("projects/x/topics/%d", hook.ID), "labelIds": []string{"STARRED"}, "labelFilterBehavior": "include",
	})
	if err := json.Unmarshal([]byte(text), &watch); err != nil || watch.HistoryID == 0 {
		g.t.Fatalf("watch: %s, %v", text, err)
	}
	if left := time.Until(time.UnixMilli(watch.Expiration)); left < 7*24*time.Hour-time.Minute || left > 7*24*time.Hour {
		g.t.Errorf("it expires in %v", left)
	}
	g.labels("messages/"+id+"/modify", modify{Add: []string{"UNREAD"}}) // no business of the watch
	g.labels("messages/"+id+"/modify", modify{Add: []string{"STARRED"}})
	select {
	case p := <-told:
		var data struct {
			EmailAddress string
			HistoryID    int64
		}
		if err := json.Unmarshal(p.Message.Data, &data); err != nil || data.EmailAddress == "" || data.HistoryID <= watch.HistoryID ||
			time.Since(p.Message.PublishTime) > time.Hour || p.Subscription != fmt.Sprintf("projects/x/subscriptions/%d", hook.ID) {
			g.t.Errorf("told %+v, %s, %v", p, p.Message.Data, err)
		}
	case <-time.After(time.Minute):
		g.t.Error("nothing was told")
	}
	for range 2 {
		g.post(http.StatusNoContent, "stop", nil)
	}
	if len(told) > 0 {
		g.t.Errorf("told again: %+v", <-told)
	}
	g.labels("messages/"+id+"/modify", modify{Remove: []string{"STARRED"}, Add: []string{"INBOX"}})
}

// readOnly: nothing is changed without leave.
func (g *gmailWrites) readOnly(id string) {
	g.t.Helper()
	path := fmt.Sprintf("/api/imap-servers/%d/", g.account)
	if err := g.api.call(http.StatusOK, "PATCH", path, map[string]any{"allow_changes": false}, nil); err != nil {
		g.t.Fatal(err)
	}
	for _, p := range []string{"messages/" + id + "/trash", "messages/ffffffffffff/untrash"} {
		g.refused(403, "forbidden", "This mailbox is read-only.", p, nil)
	}
	g.refused(403, "forbidden", "This mailbox is read-only.", "messages/batchModify", modify{IDs: []string{id}, Add: []string{"STARRED"}})
	if err := g.api.call(http.StatusOK, "PATCH", path, map[string]any{"allow_changes": true}, nil); err != nil {
		g.t.Fatal(err)
	}
}
