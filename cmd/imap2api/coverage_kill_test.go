package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
	"github.com/imap2api/imap2api/adapters/postgres/privpg"
)

// TestKillWhileIndexing kills the program, and its Postgres with it, in the middle of a
// transaction that indexes new mail: after the next start all of it is covered, by the same
// generation and without a repair.
func TestKillWhileIndexing(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	k := newKill(t, uint64(time.Now().UnixNano()&0xffffffff), dovecot.NewUser(t))
	k.begin(dovecot.Port, map[string]any{"sync_interval": nil})
	if err := k.api.sync(k.server); err != nil {
		t.Fatal(err)
	}
	k.until("the first mail is covered", func() error { return k.covered(0) })
	before := k.emails()
	const more = 120
	k.world.append("INBOX", more)

	dsn, ok, err := privpg.Find(t.Context(), filepath.Join(k.dataDir, "postgres"))
	if err != nil || !ok {
		t.Fatalf("no Postgres runs: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // its server is killed
	// Whoever indexes can read, and waits when it comes to writing.
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE search_g1.document IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	if err := k.api.sync(k.server); err != nil {
		t.Fatal(err)
	}
	k.until("a transaction waits to write to the index", func() error {
		var waits bool
		err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'search_g1.document'::regclass)").Scan(&waits)
		if err == nil && !waits {
			err = errors.New("none does")
		}
		return err
	})
	if got := k.coverage(); got["search"].Status != "pending" || got["search"].Pending < more || got["search"].Missing != 0 || got["mail"].Status != "complete" {
		t.Errorf("while it indexes: %+v", got)
	}
	k.program.kill()
	k.start()
	k.until("all mail is covered", func() error { return k.covered(before + more) })
	for _, name := range []string{"mail", "search"} {
		var model struct {
			Generation int
			Rebuild    any
			Coverage   struct{ Repaired int }
		}
		if err := k.api.call(200, "GET", "/api/projections/"+name+"/", nil, &model); err != nil {
			t.Fatal(err)
		}
		if model.Generation != 1 || model.Rebuild != nil || model.Coverage.Repaired != 0 {
			t.Errorf("%s: %+v, want the first generation and no repair", name, model)
		}
	}
	if code, err := k.program.stop(); err != nil || code != exitDone {
		t.Errorf("serve ended with %d, %v", code, err)
	}
}

// coverage is what status tells, by read model.
func (k *kill) coverage() map[string]coverageStatus {
	k.t.Helper()
	cmd := exec.CommandContext(k.t.Context(), "imap2api", "status", "-json")
	cmd.Env = k.env
	text, err := cmd.Output()
	if err != nil {
		k.t.Fatalf("status: %v", err)
	}
	var status statusJSON
	if err := json.Unmarshal(text, &status); err != nil {
		k.t.Fatalf("status: %v\n%s", err, text)
	}
	out := map[string]coverageStatus{}
	for _, p := range status.Projections {
		if p.Coverage != nil {
			out[p.Name] = *p.Coverage
		}
	}
	return out
}

// covered wants all emails, if their number is given, to be in the read models.
func (k *kill) covered(emails int64) error {
	k.t.Helper()
	got := k.coverage()
	for _, name := range []string{"mail", "search"} {
		c := got[name]
		if c.Status != "complete" || c.Percent != 100 || c.Emails < max(1, emails) {
			return fmt.Errorf("%s covers %v %% of %d: %s", name, c.Percent, c.Emails, c.Status)
		}
		for _, s := range c.Servers {
			if s.Journal != s.ReadModel || s.Repaired != 0 {
				return fmt.Errorf("%s differs: %+v", name, s)
			}
		}
	}
	return nil
}

func (k *kill) emails() int64 { return k.coverage()["search"].Emails }
