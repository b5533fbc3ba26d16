package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// stalls are the events sync.stalled of a server.
func (l *live) stalls(id int64) []map[string]any {
	l.t.Helper()
	rows, err := l.api.list(fmt.Sprintf("/api/events/?type=sync.stalled&imap_server=%d", id))
	if err != nil {
		l.t.Fatal(err)
	}
	var out []map[string]any
	for _, row := range rows {
		var e struct{ Data map[string]any }
		if err := json.Unmarshal(row, &e); err != nil {
			l.t.Fatal(err)
		}
		out = append(out, e.Data)
	}
	return out
}

// A run whose server says nothing any more is told, given up and taken over by a new connection, long before the
// server would count as silent.
func TestStalled(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	u := dovecot.NewUser(t)
	p := newProxy(t, dovecot.PlainAddr(), 1)
	l := newLive(t, dovecot, "IMAP2API_SYNC_STALL_AFTER=8s")
	id := l.add(u, p.port, map[string]any{"sync_interval": nil})
	if err := l.api.sync(id); err != nil {
		t.Fatal(err)
	}
	u.Deliver(t, "INBOX", liveMessage("<1@stalled>"), time.Now())
	p.set(func() { p.freeze = "UID FETCH" })
	if err := l.api.sync(id); err != nil {
		t.Fatal(err)
	}
	l.has(id, "<1@stalled>", "INBOX", "")
	all := l.stalls(id)
	if len(all) == 0 || all[0]["reason"] != "no_progress" || all[0]["sync_id"] == nil || all[0]["last_sync"] == nil || all[0]["last_error"] != nil {
		t.Errorf("sync.stalled says %v", all)
	}
	var run struct{ Status string }
	path := fmt.Sprintf("/api/imap-servers/%d/syncs/%.0f/", id, all[0]["sync_id"])
	if err := l.api.call(http.StatusOK, "GET", path, nil, &run); err != nil || run.Status != "interrupted" {
		t.Errorf("the run that was given up is %q, error %v", run.Status, err)
	}
}

// An account that no sync succeeds for is told once, and again only after one has succeeded.
func TestOverdue(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	u := dovecot.NewUser(t)
	l := newLive(t, dovecot, "IMAP2API_SYNC_OVERDUE_AFTER=3s", "IMAP2API_SYNC_STALL_AFTER=30s")
	id := l.add(u, dovecot.Port, map[string]any{"password": "wrong"})
	idle := l.add(u, dovecot.Port, map[string]any{"sync_interval": nil})
	await := func(n int) []map[string]any {
		var all []map[string]any
		l.within(fmt.Sprintf("%d stalls", n), func() error {
			if all = l.stalls(id); len(all) != n {
				return fmt.Errorf("%d", len(all))
			}
			return nil
		})
		return all
	}
	first := await(1)[0]
	if fault, _ := first["last_error"].(map[string]any); first["reason"] != "overdue" || first["last_sync"] != nil || fault["code"] != "auth_failed" {
		t.Errorf("sync.stalled says %v", first)
	}
	if err := l.api.call(http.StatusOK, "PATCH", fmt.Sprintf("/api/imap-servers/%d/", id), map[string]any{"password": u.Password}, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.api.sync(id); err != nil {
		t.Fatal(err)
	}
	for _, s := range await(2) {
		if s["reason"] != "overdue" {
			t.Errorf("sync.stalled says %v", s)
		}
	}
	if all := l.stalls(idle); len(all) > 0 {
		t.Errorf("an account without a schedule is overdue: %v", all)
	}
}
