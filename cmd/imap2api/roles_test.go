package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
)

// TestRoles runs each role in a process of its own. What one is away for is done when it is back.
func TestRoles(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	user := dovecot.NewUser(t)
	w := newWorld(t, user, 1)
	w.append("INBOX", 5)
	dir := openTempDir(t)
	common := []string{"IMAP2API_DATABASE_URL=" + pgtest.DSN(t), "IMAP2API_SECRET_KEY_FILE=" + filepath.Join(dir, "key")}
	env := map[string][]string{}
	for _, role := range allRoles {
		own := filepath.Join(dir, role)
		if err := os.Mkdir(own, 0o755); err != nil {
			t.Fatal(err)
		}
		list, err := settings(own)
		if err != nil {
			t.Fatal(err)
		}
		env[role] = append(append(list, common...), "IMAP2API_ROLES="+role)
	}
	worker := func(role string) *program {
		t.Helper()
		p, err := startProgram("", append(ownEnvironment(), env[role]...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.kill)
		return p
	}
	project, syncs, deliver := worker(roleProject), worker(roleSync), worker(roleDeliver)
	api, c := startServed(t, env[roleAPI])
	probes(t, syncs)

	server := c.addServer(t, dovecot, user)
	count := func(want int) func() error {
		return func() error {
			rows, err := c.list("/api/emails/?page_size=50")
			if err == nil && len(rows) != want {
				err = fmt.Errorf("%d emails, want %d", len(rows), want)
			}
			return err
		}
	}
	eventually(t, "synced", count(5))
	if err := c.call(http.StatusAccepted, "POST", "/api/projections/mailboxes/rebuild/", nil, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "rebuilt by another process", func() error {
		var m projection
		err := c.call(http.StatusOK, "GET", "/api/projections/mailboxes/", nil, &m)
		if err == nil && (m.Generation != 2 || m.Status != "running") {
			err = fmt.Errorf("got %+v", m)
		}
		return err
	})

	project.kill()
	w.append("INBOX", 1)
	if err := c.sync(server); err != nil { // the answer waits two seconds for the read models
		t.Fatal(err)
	}
	if err := count(5)(); err != nil {
		t.Errorf("without read models: %v", err)
	}
	project = worker(roleProject)
	eventually(t, "read models caught up", count(6))

	syncs.kill()
	w.append("INBOX", 1)
	if err := c.call(http.StatusAccepted, "POST", fmt.Sprintf("/api/imap-servers/%d/sync/?wait=false", server), nil, nil); err != nil {
		t.Fatal(err)
	}
	syncs = worker(roleSync)
	eventually(t, "sync taken up", count(7))
	for _, p := range []*program{api, syncs, deliver, project} {
		if code, err := p.stop(); err != nil || code != exitDone {
			t.Errorf("serve ended with %d, %v:\n%s", code, err, p.log.news())
		}
	}
}

// probes wants of a process without the API that it tells how it is, and nothing else.
func probes(t *testing.T, p *program) {
	t.Helper()
	c := &client{base: readyLine.FindStringSubmatch(p.log.String())[1]}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/api/me/": 404, "/api/docs/": 404} {
		if err := c.call(want, "GET", path, nil, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestRolesAreValidated(t *testing.T) {
	t.Parallel()
	for roles, want := range map[string]string{
		"api,sync, project,deliver": "",
		"api":                       "roles: processes that share the work need one database-url; roles: processes that share the work need one secret-key-file",
		"api,nonsense":              `roles: "nonsense" is none of api, sync, project, deliver; roles: processes`,
		",":                         "roles: must be one at least of api, sync, project, deliver",
	} {
		var faults []string
		c := &config{roles: roles}
		c.validateRoles(func(name, format string, args ...any) {
			faults = append(faults, name+": "+fmt.Sprintf(format, args...))
		})
		if got := strings.Join(faults, "; "); want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%q: got %q, want %q", roles, got, want)
		}
	}
}
