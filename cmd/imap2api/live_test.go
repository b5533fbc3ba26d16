package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// A live is a program that watches mailboxes on a Dovecot.
type live struct {
	t       testing.TB
	dovecot *dovecottest.Server
	env     []string
	program *program
	api     *client
}

// newLive starts the two. Variables are further settings.
func newLive(t testing.TB, dovecot *dovecottest.Server, variables ...string) *live {
	t.Helper()
	dir := openTempDir(t)
	own, err := settings(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := &live{t: t, dovecot: dovecot, env: append(append(ownEnvironment(), own...), variables...)}
	if l.program, err = startProgram(dir, l.env); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if code, err := l.program.stop(); err != nil || code != exitDone {
			t.Errorf("serve ended with %d, %v", code, err)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", filepath.Base(dir), l.program.log.news())
		}
	})
	l.api = &client{base: readyLine.FindStringSubmatch(l.program.log.String())[1]}
	if err := l.api.login("admin", adminPassword); err != nil {
		t.Fatal(err)
	}
	return l
}

// add adds the mail of a user at an address of Dovecot; fields replace others.
func (l *live) add(u *dovecottest.User, port int, fields map[string]any) int64 {
	l.t.Helper()
	account := map[string]any{
		"name": u.Name, "host": "127.0.0.2", "port": port, "use_ssl": false, "username": u.Name, "password": u.Password,
		"sync_interval": 10000,
	}
	for k, v := range fields {
		account[k] = v
	}
	var made struct{ ID int64 }
	if err := l.api.call(http.StatusCreated, "POST", "/api/imap-servers/", account, &made); err != nil {
		l.t.Fatal(err)
	}
	return made.ID
}

// within waits until something is so.
func (l *live) within(what string, is func() error) {
	l.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := is()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// status is what the command says of a server.
func (l *live) status(id int64) serverStatus {
	l.t.Helper()
	path, err := exec.LookPath("imap2api")
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.CommandContext(l.t.Context(), path, "status", "-json")
	var stderr bytes.Buffer
	cmd.Env, cmd.Stderr = l.env, &stderr
	text, err := cmd.Output()
	var out statusJSON
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		l.t.Fatalf("status: %v\n%s", err, stderr.String())
	}
	for _, s := range out.Servers {
		if s.ID == id {
			return s
		}
	}
	l.t.Fatalf("status says nothing of server %d", id)
	return serverStatus{}
}

// watched waits until /metrics counts n servers in a state, for a reason.
func (l *live) watched(n int, state, reason string) {
	l.t.Helper()
	line := fmt.Sprintf(`imap2api_watched_servers{reason=%q,state=%q} %d`, reason, state, n)
	l.within(line, func() error {
		a, err := l.api.do("GET", "/metrics", nil)
		if err == nil && !bytes.Contains(a.body, []byte(line)) {
			err = fmt.Errorf("not there")
		}
		return err
	})
}

// has waits until a message is as wanted; "" as folder: gone.
func (l *live) has(id int64, messageID, folder, flags string) {
	l.t.Helper()
	l.within(fmt.Sprintf("%s is in %q with flags %q", messageID, folder, flags), func() error {
		all, err := l.api.inAPI(id)
		var got known
		for _, m := range all {
			if m.MessageID == messageID {
				got = m
			}
		}
		if err == nil && (got.Folder != folder || got.Flags != flags) {
			err = fmt.Errorf("it is in %q with %q", got.Folder, got.Flags)
		}
		return err
	})
}

// pushes returns how many runs of a server had the trigger push.
func (l *live) pushes(id int64) int {
	l.t.Helper()
	rows, err := l.api.list(fmt.Sprintf("/api/imap-servers/%d/syncs/?page_size=100&trigger=push", id))
	if err != nil {
		l.t.Fatal(err)
	}
	return len(rows)
}

func liveMessage(id string) []byte {
	return fmt.Appendf(nil, "From: ann@example.org\r\nMessage-ID: %s\r\nSubject: live\r\n\r\nHello.\r\n", id)
}

// TestLive: what happens in INBOX is told by the mail server, what happens elsewhere is found by looking;
// nobody asks for a sync, and nothing of the schedule comes due.
func TestLive(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	u := dovecot.NewUser(t)
	u.Create(t, "Work")
	l := newLive(t, dovecot, "IMAP2API_WATCH_ROUND=1s")
	id := l.add(u, dovecot.Port, nil)
	l.watched(1, "live", "")

	u.Deliver(t, "INBOX", liveMessage("<1@live>"), time.Now())
	l.has(id, "<1@live>", "INBOX", "")
	u.AddFlags(t, "INBOX", 1, imap.FlagSeen)
	l.has(id, "<1@live>", "INBOX", `\Seen`)
	u.Move(t, "INBOX", "Work", 1)
	l.has(id, "<1@live>", "Work", `\Seen`)
	u.Deliver(t, "Work", liveMessage("<2@live>"), time.Now())
	l.has(id, "<2@live>", "Work", "")
	u.AddFlags(t, "Work", 2, imap.FlagFlagged)
	l.has(id, "<2@live>", "Work", `\Flagged`)
	u.Expunge(t, "Work", 2)
	l.has(id, "<2@live>", "", "")
	u.Create(t, "Later")
	u.Deliver(t, "Later", liveMessage("<3@live>"), time.Now())
	l.has(id, "<3@live>", "Later", "")
	if l.pushes(id) == 0 {
		t.Error("no run has the trigger push")
	}
	if w := l.status(id).Watch; w == nil || w.State != "live" && w.State != "connecting" || w.Reason != "" {
		t.Errorf("status says the watch is %+v", w)
	}

	// Without a schedule nobody watches.
	if err := l.api.call(http.StatusOK, "PATCH", fmt.Sprintf("/api/imap-servers/%d/", id), map[string]any{"sync_interval": nil}, nil); err != nil {
		t.Fatal(err)
	}
	l.watched(0, "live", "")
	if w := l.status(id).Watch; w != nil {
		t.Errorf("without a schedule the watch is %+v", w)
	}
}

// TestLiveReconnects: a mail server that goes away and comes back is watched again, and what came meanwhile is
// there. A refused login is not tried again until the settings change.
func TestLiveReconnects(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	u, other := dovecot.NewUser(t), dovecot.NewUser(t)
	l := newLive(t, dovecot)
	id := l.add(u, dovecot.Port, nil)
	l.watched(1, "live", "")
	dovecot.Kill(t)
	l.watched(1, "waiting", "tcp")
	dovecot.Restart(t)
	u.Deliver(t, "INBOX", liveMessage("<1@live>"), time.Now())
	l.has(id, "<1@live>", "INBOX", "")
	l.watched(1, "live", "")

	refused := l.add(other, dovecot.Port, map[string]any{"password": "wrong"})
	l.watched(1, "refused", "auth")
	if err := l.api.call(http.StatusOK, "PATCH", fmt.Sprintf("/api/imap-servers/%d/", refused), map[string]any{"password": other.Password}, nil); err != nil {
		t.Fatal(err)
	}
	l.watched(2, "live", "")
}
