package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
	"github.com/imap2api/imap2api/adapters/postgres/privpg"
)

// TestLostDatabase takes the database away from the program and gives it back: requests are
// refused meanwhile, and all work goes on by itself.
func TestLostDatabase(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	user := dovecot.NewUser(t)
	w := newWorld(t, user, 1)
	w.append("INBOX", 5)
	dir := openTempDir(t)
	env, err := settings(dir)
	if err != nil {
		t.Fatal(err)
	}
	start := func() *privpg.Server {
		t.Helper()
		server, err := privpg.Start(t.Context(), privpg.Options{Dir: filepath.Join(dir, "postgres")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Stop() })
		return server
	}
	database := start()
	p, c := startServed(t, append(env, "IMAP2API_DATABASE_URL="+database.DSN(), "IMAP2API_MIGRATE=true"))
	server := c.addServer(t, dovecot, user)
	before := c.must(t, c.snapshot)
	for range 2 {
		if err := database.Stop(); err != nil {
			t.Fatal(err)
		}
		refuses(t, c, server)
		w.append("INBOX", 1)
		database = start()
		eventually(t, "ready again", func() error { return c.call(http.StatusOK, "GET", "/readyz", nil, nil) })
		if err := c.sync(server); err != nil {
			t.Fatal(err)
		}
		if now := c.must(t, c.snapshot); now == before {
			t.Error("new mail cannot be read")
		} else {
			before = now
		}
	}
	if code, err := p.stop(); err != nil || code != exitDone {
		t.Errorf("serve ended with %d, %v", code, err)
	}
}

// refuses wants each request to be told that the service is away for a while.
func refuses(t *testing.T, c *client, server int64) {
	t.Helper()
	eventually(t, "not ready", func() error { return c.call(http.StatusServiceUnavailable, "GET", "/readyz", nil, nil) })
	for _, ask := range []struct{ method, path string }{
		{"GET", "/api/me/"},
		{"GET", "/api/imap-servers/"},
		{"GET", "/api/emails/"},
		{"GET", "/api/emails/?q=word"},
		{"GET", "/api/emails/1/"},
		{"GET", "/api/emails/threads/"},
		{"GET", "/api/emails/statistics/"},
		{"GET", "/api/events/"},
		{"GET", "/api/projections/"},
		{"POST", "/api/projections/mail/rebuild/"},
		{"POST", fmt.Sprintf("/api/imap-servers/%d/sync/", server)},
		{"POST", "/api-token-auth/?username=admin&password=x"},
	} {
		a, err := c.do(ask.method, ask.path, []byte(`{"username":"admin","password":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" ||
			string(a.body) != `{"detail":"Service temporarily unavailable."}` {
			t.Errorf("%s %s: %d %q %s", ask.method, ask.path, a.status, a.header.Get("Retry-After"), a.body)
		}
	}
	for _, path := range []string{"/healthz", "/metrics", "/api/openapi.json"} {
		if err := c.call(http.StatusOK, "GET", path, nil, nil); err != nil {
			t.Error(err)
		}
	}
}
