package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// A gmailClient is a program around one of Google's own clients, which keeps the labels of all messages level.
type gmailClient struct {
	t     *testing.T
	name  string
	in    io.WriteCloser
	out   *bufio.Reader
	errs  *output
	state map[string][]string
}

// gmailClients starts the programs of testdata/gmail for a mailbox.
func gmailClients(t *testing.T, api *client, mailbox int64) []*gmailClient {
	t.Helper()
	installed, err := filepath.Abs("../../bin/gmail-clients") // by scripts/install.sh test
	if err != nil {
		t.Fatal(err)
	}
	golang := filepath.Join(t.TempDir(), "go-client")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "testdata/gmail/go", "-buildvcs=false", "-o", golang, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the Go client: %v\n%s", err, out)
	}
	env := append(ownEnvironment(), "GMAIL_ROOT="+api.base+"/", "GMAIL_TOKEN="+api.token, fmt.Sprintf("GMAIL_USER=%d", mailbox),
		"NODE_PATH="+filepath.Join(installed, "node", "node_modules"))
	var all []*gmailClient
	for name, argv := range map[string][]string{
		"go": {golang}, "node": {"node", "testdata/gmail/node/main.js"},
		"python": {filepath.Join(installed, "python", "bin", "python"), "testdata/gmail/python/main.py"},
	} {
		all = append(all, startGmailClient(t, name, env, argv))
	}
	return all
}

func startGmailClient(t *testing.T, name string, env, argv []string) *gmailClient {
	t.Helper()
	c := &gmailClient{t: t, name: name, errs: &output{ready: make(chan struct{})}}
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env, cmd.Stderr = env, c.errs
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v; scripts/install.sh test installs it", name, err)
	}
	t.Cleanup(func() {
		_ = c.in.Close()
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("%s: %v\n%s", name, err, c.errs)
		}
	})
	return c
}

// sync lets the program sync once.
func (c *gmailClient) sync() { c.state = c.ask("") }

// ask sends the program a line and returns its answer.
func (c *gmailClient) ask(text string) (answer map[string][]string) {
	c.t.Helper()
	_, err := io.WriteString(c.in, text+"\n")
	line, readErr := c.out.ReadBytes('\n')
	if err != nil || readErr != nil {
		c.t.Fatalf("%s: %s: %v, %v\n%s", c.name, text, err, readErr, c.errs)
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		c.t.Fatalf("%s: %v: %s", c.name, err, line)
	}
	return answer
}

// write lets the program change messages, and checks that its answer, and the mail server, have what was asked for.
func (c *gmailClient) write(w *world) {
	c.t.Helper()
	c.sync() // what is gone meanwhile is not asked for
	ids := slices.Sorted(maps.Keys(c.state))
	if len(ids) == 0 {
		return
	}
	w.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	folder := "INBOX"
	for _, name := range w.folders() {
		if !slices.Contains([]string{"INBOX", "Sent", "Drafts", "Trash", "Junk"}, name) {
			folder = "Label_" + sum([]byte(name))[:12]
		}
	}
	change := []map[string]any{
		{"do": "modify", "ids": ids[:1], "add": []string{"STARRED"}, "remove": []string{"UNREAD"}},
		{"do": "modify", "ids": ids[:1], "add": []string{"INBOX", "UNREAD"}, "remove": []string{"STARRED"}},
		{"do": "trash", "ids": ids[:1]},
		{"do": "untrash", "ids": ids[:1]},
		{"do": "batchModify", "ids": append(ids[:min(5, len(ids))], "ffffffffffff"), "add": []string{folder}, "remove": []string{"UNREAD"}},
	}[w.rng.IntN(5)]
	line, err := json.Marshal(change)
	if err != nil {
		c.t.Fatal(err)
	}
	w.did("%s: %s", c.name, line)
	answer := c.ask(string(line))
	c.sync()
	for _, id := range change["ids"].([]string) {
		labels, there := c.state[id]
		if !there { // unknown, or gone: two equal messages may have changed places
			continue
		}
		slices.Sort(answer[id])
		if answer[id] != nil && !slices.Equal(answer[id], labels) {
			c.t.Errorf("%s: %s: answered %v, then %v", c.name, line, answer[id], labels)
		}
		for _, x := range []struct {
			labels any
			want   bool
		}{{change["add"], true}, {change["remove"], false}} {
			list, _ := x.labels.([]string)
			for _, l := range list {
				if slices.Contains(labels, l) != x.want {
					c.t.Errorf("%s: %s: %s has %v", c.name, line, id, labels)
				}
			}
		}
		if trashed := slices.Contains(labels, "TRASH"); change["do"] == "trash" && !trashed || change["do"] == "untrash" && trashed {
			c.t.Errorf("%s: %s: %s has %v", c.name, line, id, labels)
		}
	}
}

// labelsOnServer are the labels that api.md 11.5 gives each message of a mail server, sorted.
func (w *world) labelsOnServer() []string {
	places := map[string]string{"INBOX": "INBOX", "Sent": "SENT", "Drafts": "DRAFT", "Trash": "TRASH", "Junk": "SPAM"}
	var all []string
	for _, m := range w.onServer() {
		place := places[m.Folder]
		if place == "" {
			place = "Label_" + sum([]byte(m.Folder))[:12]
		}
		labels := []string{place}
		if !strings.Contains(m.Flags, `\Seen`) {
			labels = append(labels, "UNREAD")
		}
		if strings.Contains(m.Flags, `\Flagged`) {
			labels = append(labels, "STARRED")
		}
		slices.Sort(labels)
		all = append(all, strings.Join(labels, " "))
	}
	slices.Sort(all)
	return all
}

// TestGmailClients lets Google's own clients, unmodified, keep a mailbox level that somebody else works in, by a full sync
// and then by histories, and change it themselves. What each of them has must be what the mail server has.
func TestGmailClients(t *testing.T) {
	t.Parallel()
	seed := number(t, "SEED", int(time.Now().UnixNano()&0xffffffff))
	t.Logf("IMAP2API_TEST_SEED=%d", seed)
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	own, err := settings(openTempDir(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProgram("", append(append(ownEnvironment(), own...), "IMAP2API_WEBHOOK_ALLOWED_NETWORKS=127.0.0.0/8"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if code, err := p.stop(); err != nil || code != exitDone {
			t.Errorf("serve ended with %d, %v", code, err)
		}
		if t.Failed() {
			t.Logf("log of the program:\n%s", p.log.news())
		}
	})
	api := &client{base: readyLine.FindStringSubmatch(p.log.String())[1]}
	if err := api.login("admin", adminPassword); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dovecot.NewUser(t), uint64(seed), "Work", "Work/Deep", "Übung")
	for _, folder := range w.folders() {
		w.append(folder, 1+w.rng.IntN(6))
	}
	var made struct{ ID int64 }
	if err := api.call(http.StatusCreated, "POST", "/api/imap-servers/", map[string]any{
		"name": "Gmail", "host": "127.0.0.2", "port": dovecot.Port, "use_ssl": false, "username": w.user.Name,
		"password": w.user.Password, "sync_interval": nil, "exclude_trash": false,
		"allow_changes": true,
	}, &made); err != nil {
		t.Fatal(err)
	}
	if err := api.sync(made.ID); err != nil {
		t.Fatal(err)
	}
	checkGmailWrites(t, api, w, made.ID)
	clients := gmailClients(t, api, made.ID)
	for step := range number(t, "STEPS", 8) {
		if step > 0 { // what is answered is on the server, and is read at once
			clients[step%len(clients)].write(w)
		}
		for _, c := range clients {
			c.sync()
		}
		compareGmail(t, w, clients)
		for range 1 + w.rng.IntN(4) {
			w.change()
		}
		if err := api.sync(made.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// compareGmail compares what the clients have with the mail server, and with one another message by message.
func compareGmail(t *testing.T, w *world, clients []*gmailClient) {
	t.Helper()
	want := w.labelsOnServer()
	for _, c := range clients {
		var got []string
		for labels := range maps.Values(c.state) {
			got = append(got, strings.Join(labels, " "))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s has other messages than the server (-want +got):\n%s\ndone:\n%s", c.name, diff, strings.Join(w.done, "\n"))
		}
		if diff := cmp.Diff(clients[0].state, c.state); diff != "" {
			t.Fatalf("%s and %s differ (-%[1]s +%[2]s):\n%s", clients[0].name, c.name, diff)
		}
	}
}
