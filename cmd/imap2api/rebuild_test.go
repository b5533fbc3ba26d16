package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
)

// eventually repeats what may fail while something goes on.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// A projection is what the API says of a read model.
type projection struct {
	Generation int
	Status     string
	Rollback   bool `json:"rollback_available"`
	Rebuild    *struct{ Generation int }
}

// TestKilledRebuild kills the program in the middle of a rebuild that was begun by the API: the
// next one finishes it, once, and no answer changes. The rebuild stands still because a
// session holds the lock that is taken when indexes are made.
func TestKilledRebuild(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	user := dovecot.NewUser(t)
	newWorld(t, user, 1).append("INBOX", 20)
	dir := openTempDir(t)
	env, err := settings(dir)
	if err != nil {
		t.Fatal(err)
	}
	dsn := pgtest.DSN(t)
	p, c := startServed(t, append(env, "IMAP2API_DATABASE_URL="+dsn))
	server := c.addServer(t, dovecot, user)
	before := c.must(t, c.snapshot)

	hold, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // of the test
	if _, err := hold.Exec(t.Context(), `SELECT pg_advisory_lock(hashtextextended('imap2api generation mail 2', 0))`); err != nil {
		t.Fatal(err)
	}
	var m projection
	for _, step := range []struct {
		status int
		method string
	}{{202, "POST"}, {409, "POST"}} {
		if err := c.call(step.status, step.method, "/api/projections/mail/rebuild/", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		p.kill()
		p, c = startServed(t, append(env, "IMAP2API_DATABASE_URL="+dsn))
		if err := c.call(http.StatusOK, "GET", "/api/projections/mail/", nil, &m); err != nil || m.Generation != 1 || m.Rebuild == nil {
			t.Fatalf("after a kill: %+v, %v", m, err)
		}
		if got := c.must(t, c.snapshot); got != before {
			t.Errorf("answers meanwhile:\n%s\nbefore:\n%s", got, before)
		}
	}
	if _, err := hold.Exec(t.Context(), `SELECT pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "rebuilt", func() error {
		m = projection{}
		if err := c.call(http.StatusOK, "GET", "/api/projections/mail/", nil, &m); err != nil {
			return err
		}
		if m.Generation != 2 || m.Status != "running" || m.Rebuild != nil || !m.Rollback {
			return fmt.Errorf("got %+v", m)
		}
		return nil
	})
	if got := c.must(t, c.snapshot); got != before {
		t.Errorf("answers after the rebuild:\n%s\nbefore:\n%s", got, before)
	}
	eventually(t, "told", func() error {
		rows, err := c.list("/api/events/?user=system&type=projection.*")
		if err == nil && len(rows) != 1 {
			err = fmt.Errorf("%d events: %s", len(rows), rows)
		}
		return err
	})
	if err := c.sync(server); err != nil {
		t.Error(err)
	}
	if code, err := p.stop(); err != nil || code != exitDone {
		t.Errorf("serve ended with %d, %v", code, err)
	}
}

// startServed runs the program and logs in.
func startServed(t *testing.T, env []string) (*program, *client) {
	t.Helper()
	p, err := startProgram("", append(ownEnvironment(), env...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of the program:\n%s", p.log.news())
		}
	})
	c := &client{base: readyLine.FindStringSubmatch(p.log.String())[1]}
	if err := c.login("admin", adminPassword); err != nil {
		t.Fatal(err)
	}
	return p, c
}

// addServer adds a mailbox as an IMAP server that is synced on request, and syncs it.
func (c *client) addServer(t *testing.T, dovecot *dovecottest.Server, user *dovecottest.User) int64 {
	t.Helper()
	var made struct{ ID int64 }
	err := c.call(http.StatusCreated, "POST", "/api/imap-servers/", map[string]any{
		"name": "Home", "host": "127.0.0.2", "port": dovecot.Port, "use_ssl": false, "username": user.Name, "password": user.Password,
		"sync_interval": nil,
	}, &made)
	if err = errors.Join(err, c.sync(made.ID)); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func (c *client) must(t *testing.T, ask func() (string, error)) string {
	t.Helper()
	out, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
