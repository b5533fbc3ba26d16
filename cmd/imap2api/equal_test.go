package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// TestEqual does random things to mailboxes between syncs with changing limits,
// and wants the API to show what the mail server shows.
func TestEqual(t *testing.T) {
	t.Parallel()
	first := number(t, "SEED", int(time.Now().UnixNano()&0xffffffff))
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	dir := openTempDir(t)
	own, err := settings(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProgram("", append(ownEnvironment(), own...))
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
	for seed := range number(t, "SEEDS", 2) {
		t.Run(fmt.Sprint(first+seed), func(t *testing.T) {
			t.Parallel()
			t.Logf("IMAP2API_TEST_SEED=%d IMAP2API_TEST_SEEDS=1", first+seed)
			newEqual(t, dovecot, api, uint64(first+seed)).run(number(t, "STEPS", 12))
		})
	}
}

// An equal is one mailbox of TestEqual and what was known of it.
type equal struct {
	t     *testing.T
	world *world
	api   *client
	id    int64

	kind  string // of the sync limit
	value int
	known map[int64]known
}

func newEqual(t *testing.T, dovecot *dovecottest.Server, api *client, seed uint64) *equal {
	t.Helper()
	e := &equal{t: t, api: api, world: newWorld(t, dovecot.NewUser(t), seed, "Work", "Work/Deep", "Übung"), known: map[int64]known{}}
	for _, folder := range e.world.folders() {
		e.world.append(folder, e.world.rng.IntN(12))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("done to the mailbox:\n%s", strings.Join(e.world.done, "\n"))
		}
	})
	fields := e.limit()
	maps.Copy(fields, map[string]any{
		"name": t.Name(), "host": "127.0.0.2", "port": dovecot.Port, "use_ssl": false, "username": e.world.user.Name,
		"password": e.world.user.Password, "sync_interval": nil, "exclude_trash": false,
	})
	var made struct{ ID int64 }
	if err := api.call(http.StatusCreated, "POST", "/api/imap-servers/", fields, &made); err != nil {
		t.Fatal(err)
	}
	e.id = made.ID
	return e
}

// limit chooses a sync limit.
func (e *equal) limit() map[string]any {
	r := e.world.rng
	most := map[string]int{"last_n": 8, "days": 400, "weeks": 60, "months": 15, "years": 3, "all": 1}
	e.kind = []string{"all", "all", "last_n", "days", "weeks", "months", "years"}[r.IntN(7)]
	e.value = 1 + r.IntN(most[e.kind])
	e.world.did("limit %s %d", e.kind, e.value)
	return map[string]any{"sync_limit_type": e.kind, "sync_limit_value": e.value}
}

func (e *equal) run(steps int) {
	for range steps {
		e.step()
		if e.t.Failed() {
			return
		}
	}
	// At last all there is.
	e.kind = "all"
	if err := e.api.call(http.StatusOK, "PATCH", fmt.Sprintf("/api/imap-servers/%d/", e.id), map[string]any{"sync_limit_type": "all"}, nil); err != nil {
		e.t.Fatal(err)
	}
	e.look()
}

// step changes mail and folders, sometimes the limit, and looks.
func (e *equal) step() {
	e.t.Helper()
	for range e.world.rng.IntN(9) {
		if e.world.rng.IntN(6) == 0 {
			e.world.changeFolders()
		} else {
			e.world.change()
		}
	}
	if e.world.rng.IntN(4) == 0 {
		if err := e.api.call(http.StatusOK, "PATCH", fmt.Sprintf("/api/imap-servers/%d/", e.id), e.limit(), nil); err != nil {
			e.t.Fatal(err)
		}
	}
	e.look()
}

// look syncs, and compares what is in the API with what is on the server.
func (e *equal) look() {
	t := e.t
	t.Helper()
	e.world.did("sync")
	if err := e.api.sync(e.id); err != nil {
		t.Fatal(err)
	}
	run, err := e.api.lastRun(e.id)
	if err != nil || run.Status != "success" {
		t.Errorf("sync is %s: %s, %v", run.Status, run.Error, err)
	}
	server := e.world.onServer()
	now, err := e.api.inAPI(e.id)
	if err != nil {
		t.Fatal(err)
	}
	before := make(map[int64]string, len(e.known))
	for id, m := range e.known {
		before[id] = m.Sum
	}
	e.world.same(server, before, now)
	if e.kind == "all" {
		level(t, server, now)
	} else {
		e.within(server, now)
	}
	e.known = now
	e.counts(now)
}

// within compares with a limit: nothing that is not there, all of the
// window, and nothing lost that was stored, wherever it went.
func (e *equal) within(server []copied, now map[int64]known) {
	t := e.t
	t.Helper()
	there, got := map[copied]int{}, map[copied]int{}
	for _, m := range server {
		there[m]++
	}
	for id, m := range now {
		if got[m.copied]++; got[m.copied] > there[m.copied] {
			t.Errorf("email %d is not on the server: %+v", id, m.copied)
		}
	}
	for m, n := range e.window(server) {
		if got[m] < n {
			t.Errorf("in the window and not in the API: %+v", m)
		}
	}
	once := unique(server)
	for id, m := range e.known {
		if _, ok := now[id]; !ok && once[m.Sum] && !e.world.copied[m.Sum] && m.MessageID != "" {
			t.Errorf("email %d was stored, is on the server, and is gone: %+v", id, m.copied)
		}
	}
}

// window is what the limit asks for.
func (e *equal) window(server []copied) map[copied]int {
	now := time.Now().UTC()
	n := e.value
	from := map[string]time.Time{
		"days": now.AddDate(0, 0, -n), "weeks": now.AddDate(0, 0, -7*n), "months": now.AddDate(0, -n, 0), "years": now.AddDate(-n, 0, 0),
	}[e.kind]
	in := map[copied]int{}
	taken := map[string]int{}
	for _, m := range slices.Backward(server) { // the highest UIDs of a folder come first
		received, err := time.Parse(time.RFC3339, m.Received)
		if err != nil {
			e.t.Fatal(err)
		}
		if taken[m.Folder]++; e.kind == "last_n" && taken[m.Folder] <= n || e.kind != "last_n" && received.After(from) {
			in[m]++
		}
	}
	return in
}

// counts compares folders and statistics with the list.
func (e *equal) counts(now map[int64]known) {
	t := e.t
	t.Helper()
	want := map[string]int{}
	unread := 0
	for _, m := range now {
		want[m.Folder]++
		if !strings.Contains(" "+m.Flags+" ", ` \Seen `) {
			unread++
		}
	}
	var got struct {
		Total   int            `json:"total_emails"`
		Unread  int            `json:"unread_emails"`
		Folders map[string]int `json:"folders"`
	}
	if err := e.api.call(http.StatusOK, "GET", fmt.Sprintf("/api/emails/statistics/?imap_server=%d", e.id), nil, &got); err != nil {
		t.Fatal(err)
	}
	if got.Total != len(now) || got.Unread != unread || !maps.Equal(got.Folders, want) {
		text, _ := json.Marshal(got) // numbers and names
		t.Errorf("statistics say %s; the list has %d, %d unread, %v", text, len(now), unread, want)
	}
}
