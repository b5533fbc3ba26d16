package meili_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/adapters/meili/meilitest"
)

var update = flag.Bool("update", false, "record the conversation with the server of "+urlVariable)

const conversation = "testdata/conversation.txt"

// steps are requests as the adapter sends them, and as it would if it had faults.
var steps = []struct{ method, path, body string }{
	{"GET", "/health", ""},
	{"GET", "/indexes/talk_a", ""},
	{"GET", "/indexes/talk_a/stats", ""},
	{"GET", "/indexes/talk_a/documents/generation-x", ""},
	{"POST", "/indexes/talk_a/search", search("x", "journal = 1")},
	{"DELETE", "/indexes/talk_a", ""},
	{"POST", "/indexes", `{"uid":"talk a","primaryKey":"key"}`},
	{"POST", "/indexes", `{"uid":"talk_a","primaryKey":"key"}`},
	{"POST", "/indexes", `{"uid":"talk_a","primaryKey":"key"}`},
	{"POST", "/indexes/talk_a/search", search("x", "journal = 1")},
	{"POST", "/indexes/talk_a/search", `{"q":"","matchingStrategy":"all","sort":["date:desc"],"hitsPerPage":1,"page":1,"hybrid":null}`},
	{"POST", "/indexes/talk_a/documents/delete", `{"filter":"journal = 1"}`},
	{"PATCH", "/indexes/talk_a/settings", `{"rankingRules":["sort","words","typo","proximity","attribute","exactness","date:desc","id:desc"],` +
		`"searchableAttributes":["subject","from","body"],"displayedAttributes":["id"],"filterableAttributes":["id","journal","account","date","flags","attachments"],` +
		`"sortableAttributes":["date","id"],"searchCutoffMs":3600000,"pagination":{"maxTotalHits":4294967295},` +
		`"typoTolerance":{"enabled":true,"minWordSizeForTypos":{"oneTypo":5,"twoTypos":9},"disableOnWords":[],"disableOnAttributes":[],"disableOnNumbers":true}}`},
	{"PUT", "/indexes/talk_a/settings/facet-search", `false`},
	{"POST", "/indexes/talk_a/documents", ``},
	{"POST", "/indexes/talk_a/documents", `[{"nokey":1}]`},
	{"POST", "/indexes/talk_a/documents", `[{"key":"a b"}]`},
	{"POST", "/indexes/talk_a/documents", `[{"key":"generation-x"}]`},
	{"GET", "/indexes/talk_a/documents/generation-x", ""},
	{"GET", "/indexes/talk_a/documents/generation-y", ""},
	{"POST", "/indexes/talk_a/documents", talk},
	{"GET", "/indexes/talk_a/documents/1-3", ""},
	{"POST", "/indexes/talk_a/documents/fetch", `{"limit":10,"fields":["id"],"filter":"journal = 1 AND id IN [2, 3, 99]"}`},
	{"PUT", "/indexes/talk_a/documents", `[{"key":"1-3","flags":["seen0"]},{"key":"1-99","flags":[]}]`},
	{"GET", "/indexes/talk_a/documents/1-3", ""},
	{"GET", "/indexes/talk_a/documents/1-99", ""},
	{"GET", "/indexes/talk_a/stats", ""},
	{"POST", "/indexes/talk_a/search", search("", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("", "journal = 1 AND id IN []")},
	{"POST", "/indexes/talk_a/search", search("", "journal = 1 AND NOT id IN []")},
	{"POST", "/indexes/talk_a/search", search("", "journal = 1 AND NOT flags = seen0")},
	{"POST", "/indexes/talk_a/search", search("", "journal = 1 AND (flags = SEEN0 OR NOT (attachments = true)) AND date >= -5 AND date < 2000000")},
	{"POST", "/indexes/talk_a/search", search("", "journal = 1 AND NOT (NOT attachments = true)")},
	{"POST", "/indexes/talk_a/search", search("", "journal = 1 AND (account IN [7, 8] OR id = 5)")},
	{"POST", "/indexes/talk_a/search", search("", "journal = 1 AND "+strings.Repeat("(", 30)+"id = 1"+strings.Repeat(")", 30))},
	{"POST", "/indexes/talk_a/search", search("ord", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search(`"ord"`, "journal = 1")},
	{"POST", "/indexes/talk_a/search", search(`"or"`, "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("ordres", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("rodinary", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("ordinray", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("xrdinaryshop", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("ord shop", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("shop ord", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("20251", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("20252", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("newyork", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("data base", "journal = 1")},
	{"POST", "/indexes/talk_a/search", search(`"new york"`, "journal = 1")},
	{"POST", "/indexes/talk_a/search", search(`"york new"`, "journal = 1")},
	{"POST", "/indexes/talk_a/search", search(`"new new"`, "journal = 1")},
	{"POST", "/indexes/talk_a/search", search(`"one two"`, "journal = 1")},
	{"POST", "/indexes/talk_a/search", search(`"lee ann"`, "journal = 1")},
	{"POST", "/indexes/talk_a/search", search(`"a b c"`, "journal = 1")},
	{"POST", "/indexes/talk_a/search", search(`"new york" "one" ord`, "journal = 1")},
	{"POST", "/indexes/talk_a/search", search("", "journal = 2")},
	{"POST", "/indexes/talk_a/search", strings.Replace(search("", "journal = 1"), `"hitsPerPage":3`, `"hitsPerPage":0`, 1)},
	{"POST", "/indexes/talk_a/search", strings.Replace(search("", "journal = 1"), `"page":1`, `"page":3`, 1)},
	{"POST", "/indexes/talk_a/search", strings.Replace(search("", "journal = 1"), `"page":1`, `"page":9`, 1)},
	{"POST", "/indexes/talk_a/documents/delete-batch", `["1-99","1-98"]`},
	{"POST", "/indexes/talk_a/documents/delete", `{"filter":"journal = 1 AND account = 8"}`},
	{"POST", "/swap-indexes", `[{"indexes":["talk_a","talk_a"],"rename":false}]`},
	{"POST", "/swap-indexes", `[{"indexes":["talk_b","talk_a"],"rename":false}]`},
	{"POST", "/swap-indexes", `[{"indexes":["talk_c","talk_b"],"rename":false}]`},
	{"POST", "/indexes", `{"uid":"talk_b","primaryKey":"key"}`},
	{"POST", "/swap-indexes", `[{"indexes":["talk_b","talk_a"],"rename":false}]`},
	{"GET", "/indexes/talk_b/stats", ""},
	{"GET", "/indexes/talk_a/stats", ""},
	{"DELETE", "/indexes/talk_a", ""},
	{"DELETE", "/indexes/talk_b", ""},
	{"POST", "/indexes/talk_c/documents", `[{"key":"x"}]`},
	{"POST", "/indexes/talk_c/documents", `[{"key":"x","id":1}]`},
	{"GET", "/indexes/talk_c", ""},
	{"DELETE", "/indexes/talk_c", ""},
	{"POST", "/indexes/talk_c/documents/delete-batch", `["x"]`},
	{"GET", "/tasks/4000000000", ""},
	{"GET", "/tasks?uids=4000000000&limit=1", ""},
}

const talk = `[
{"key":"1-1","id":1,"journal":1,"account":7,"date":1000000,"flags":["seen0"],"attachments":true,"subject":"orders shop example","from":["ann lee","ann shop example"]},
{"key":"1-2","id":2,"journal":1,"account":7,"date":1000000,"flags":[],"attachments":false,"body":"ordinary shopping 20251"},
{"key":"1-3","id":3,"journal":1,"account":8,"date":-5,"flags":[],"attachments":true,"body":"new york new new york times database"},
{"key":"1-4","id":4,"journal":1,"account":8,"date":3000000,"flags":["seen0","x1"],"attachments":false,"body":"one. two ordinaryshop"},
{"key":"1-5","id":5,"journal":1,"account":9,"date":3000000,"attachments":false,"body":"a b x b c a y c"},
{"key":"2-6","id":6,"journal":2,"account":10,"date":3000000,"flags":[],"attachments":false,"body":"orders new york one"}]`

func search(q, filter string) string {
	text, err := json.Marshal(map[string]any{
		"q": q, "filter": filter, "matchingStrategy": "all", "sort": []string{"date:desc", "id:desc"},
		"attributesToRetrieve": []string{"id", "subject"}, "hitsPerPage": 3, "page": 1, "hybrid": nil,
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestConversation holds the double to what a real server said, and a real server to the same.
func TestConversation(t *testing.T) {
	t.Parallel()
	if *update {
		url, key := realServer(t)
		if err := os.WriteFile(conversation, []byte(converse(t, url, key)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(conversation)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("double", func(t *testing.T) {
		t.Parallel()
		s := meilitest.New(t, meilitest.Options{})
		if diff := cmp.Diff(string(want), converse(t, s.URL(), "")); diff != "" {
			t.Errorf("recorded -, double +:\n%s", diff)
		}
	})
	if url := os.Getenv(urlVariable); url != "" {
		t.Run("real", func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(string(want), converse(t, url, os.Getenv(keyVariable))); diff != "" {
				t.Errorf("recorded -, now +:\n%s", diff)
			}
		})
	}
}

// converse sends all steps and waits for the task of each.
func converse(t *testing.T, url, key string) string {
	t.Helper()
	var out strings.Builder
	for _, uid := range []string{"talk_a", "talk_b", "talk_c"} { // what an earlier run left
		_, answer := ask(t, url, key, "DELETE", "/indexes/"+uid, "")
		finished(t, url, key, answer["taskUid"])
	}
	for _, s := range steps {
		status, answer := ask(t, url, key, s.method, s.path, s.body)
		uid := answer["taskUid"]
		fmt.Fprintf(&out, "%s %s %s\n%d %s\n", s.method, s.path, strings.ReplaceAll(s.body, "\n", ""), status, masked(answer))
		if uid != nil {
			fmt.Fprintf(&out, "task %s\n", masked(finished(t, url, key, uid)))
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// finished waits for a task.
func finished(t *testing.T, url, key string, uid any) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		_, task := ask(t, url, key, "GET", fmt.Sprint("/tasks/", uid), "")
		if task["status"] != "enqueued" && task["status"] != "processing" {
			return task
		}
	}
	t.Fatalf("task %v is not done after a minute", uid)
	return nil
}

func ask(t *testing.T, url, key, method, path, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method != http.MethodGet && method != http.MethodDelete {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		t.Fatalf("%s %s: %q: %v", method, path, text, err)
	}
	return res.StatusCode, answer
}

// masked is an answer without what is another one each time.
func masked(answer map[string]any) string {
	for _, name := range []string{
		"taskUid", "batchUid", "enqueuedAt", "startedAt", "finishedAt", "duration", "processingTimeMs", "requestUid",
		"createdAt", "updatedAt", "rawDocumentDbSize", "avgDocumentSize",
	} {
		if answer[name] != nil {
			answer[name] = "*"
		}
	}
	if _, isTask := answer["batchUid"]; isTask {
		answer["uid"] = "*"
	}
	for _, e := range []any{answer, answer["error"]} { // the part of a filter that is at fault
		if e, ok := e.(map[string]any); ok && e["message"] != nil {
			e["message"], _, _ = strings.Cut(e["message"].(string), "\n")
		}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	return string(text)
}
