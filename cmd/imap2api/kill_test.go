package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// TestKill kills the program, its Postgres or the mail server at random
// moments of syncs, in one data directory, and then wants nothing lost, nothing
// twice, and every id still meaning what it meant.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := number(t, "ROUNDS", 6)
	seed := uint64(number(t, "SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("IMAP2API_TEST_SEED=%d IMAP2API_TEST_ROUNDS=%d", seed, rounds)
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	k := newKill(t, seed, dovecot.NewUser(t))
	k.dovecot = dovecot
	k.hard(seed)
	k.begin(dovecot.Port, map[string]any{"sync_interval": nil})
	for round := range rounds {
		k.round(round)
		if t.Failed() {
			return
		}
	}
	k.settle()
	k.check()
}

// A kill is the state of TestKill.
type kill struct {
	t       *testing.T
	dovecot *dovecottest.Server // to be killed
	world   *world
	env     []string
	dataDir string
	program *program
	api     *client
	server  int64

	seen  map[int64]string // sums of raw messages by id, of all that was ever read
	span  time.Duration    // how long a sync takes, about
	begun int              // syncs that went on when something was killed
}

// newKill delivers mail; begin adds it.
func newKill(t *testing.T, seed uint64, user *dovecottest.User, variables ...string) *kill {
	t.Helper()
	dir := openTempDir(t)
	own, err := settings(dir)
	if err != nil {
		t.Fatal(err)
	}
	k := &kill{
		t: t, seen: map[int64]string{}, span: time.Second,
		env: slices.Concat(ownEnvironment(), own, variables), dataDir: filepath.Join(dir, "data"),
	}
	k.world = newWorld(t, user, seed, "Work", "Work/Deep", "Архив", "R&D")
	for _, folder := range []string{"INBOX", "INBOX", "Sent", "Work", "Work/Deep", "Архив", "R&D"} {
		k.world.append(folder, 30)
	}
	t.Cleanup(func() {
		if k.program == nil {
			return
		}
		k.program.kill()
		if t.Failed() {
			t.Logf("done to the mailbox:\n%s\nlog of the last program:\n%s", strings.Join(k.world.done, "\n"), k.program.log.news())
		}
	})
	return k
}

// begin starts the program and adds the mail at a port; fields replace others.
func (k *kill) begin(port int, fields map[string]any) {
	k.t.Helper()
	k.start()
	account := map[string]any{
		"name": "killed", "host": "127.0.0.2", "port": port, "use_ssl": false, "username": k.world.user.Name,
		"password": k.world.user.Password, "exclude_trash": false,
	}
	maps.Copy(account, fields)
	var made struct{ ID int64 }
	if err := k.api.call(http.StatusCreated, "POST", "/api/imap-servers/", account, &made); err != nil {
		k.t.Fatal(err)
	}
	k.server = made.ID
}

// hard delivers messages that are hard to read, if the generator of them is there.
func (k *kill) hard(seed uint64) {
	shared := os.Getenv("IMAP2API_SHARED")
	if shared == "" {
		shared = "../../../shared"
	}
	out := k.t.TempDir()
	gen := filepath.Join(shared, "mailserver", "gen")
	cmd := exec.CommandContext(k.t.Context(), gen, "--out", out, "--count", "100", "--extra", "0", "--weird", "70", "--large", "2",
		"--seed", strconv.FormatUint(seed, 10))
	if text, err := cmd.CombinedOutput(); err != nil {
		k.t.Logf("without hard messages: %v %s", err, text)
		return
	}
	files, err := filepath.Glob(filepath.Join(out, "test", "cur", "*"))
	if err != nil || len(files) == 0 {
		k.t.Fatalf("the generator made no messages: %v", err)
	}
	names := k.world.folders()
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			k.t.Fatal(err)
		}
		_, date := k.world.message()
		k.world.user.Deliver(k.t, k.world.pick(names), raw, date, k.world.flags()...)
	}
}

// start runs the program and logs in.
func (k *kill) start() {
	k.t.Helper()
	p, err := startProgram("", k.env)
	if err != nil {
		k.t.Fatal(err)
	}
	k.program = p
	token := ""
	if k.api != nil {
		token = k.api.token // a token outlives a crash
	}
	k.api = &client{base: readyLine.FindStringSubmatch(p.log.String())[1], token: token}
	if token == "" {
		if err := k.api.login("admin", adminPassword); err != nil {
			k.t.Fatal(err)
		}
	}
}

// round changes the mail, begins a sync and kills something at a random moment of it.
func (k *kill) round(n int) {
	k.t.Helper()
	k.changes()
	k.until("sync begins", func() error {
		return k.api.call(http.StatusAccepted, "POST", fmt.Sprintf("/api/imap-servers/%d/sync/?wait=false", k.server), nil, nil)
	})
	moment := time.Duration(k.world.rng.Float64() * float64(k.span))
	<-time.After(moment)
	run, err := k.api.lastRun(k.server)
	if err == nil && (run.Status == "running" || run.Status == "queued") {
		k.begun++
	}
	victim := []string{"program", "postgres", "dovecot", "nothing"}[k.world.rng.IntN(4)]
	k.t.Logf("round %d: after %v kill %s; sync %d is %s", n, moment.Round(time.Millisecond), victim, run.ID, run.Status)
	k.world.did("kill %s", victim)
	switch victim {
	case "program":
		k.program.kill()
		k.start()
	case "nothing": // but asks the program to end
		if code, err := k.program.stop(); err != nil || code != exitDone {
			k.t.Errorf("serve ended with %d, %v", code, err)
		}
		k.start()
	case "postgres":
		k.killPostgres()
	case "dovecot":
		k.dovecot.Kill(k.t)
		k.dovecot.Restart(k.t)
	}
	k.until("service is back", func() error { return k.api.call(http.StatusOK, "GET", "/readyz", nil, nil) })
	k.until("mail can be read", func() error { return k.api.look(k.seen) })
	if run, err := k.api.lastRun(k.server); err == nil && run.Status == "success" {
		k.span = min(max(run.Finished.Sub(run.Started), 50*time.Millisecond), time.Second)
	}
}

// changes does some things to the mail, also while a sync goes on.
func (k *kill) changes() {
	k.t.Helper()
	for range 3 + k.world.rng.IntN(10) {
		k.world.change()
	}
}

// killPostgres kills the postmaster; its children see that and end.
func (k *kill) killPostgres() {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dataDir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		k.t.Fatal(err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	pid, err := strconv.Atoi(string(first))
	if err != nil || pid < 2 {
		k.t.Fatalf("postmaster.pid begins with %q", first)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		k.t.Fatalf("kill postgres: %v", err)
	}
}

// until repeats what may fail while something comes back.
func (k *kill) until(what string, try func() error) {
	k.t.Helper()
	eventually(k.t, what, try)
}

// settle waits for what still goes on, then does one sync, which must be clean.
func (k *kill) settle() {
	k.t.Helper()
	k.until("last sync ends", func() error {
		run, err := k.api.lastRun(k.server)
		if err == nil && (run.Status == "running" || run.Status == "queued") {
			err = fmt.Errorf("sync %d is %s", run.ID, run.Status)
		}
		return err
	})
	if err := k.api.sync(k.server); err != nil {
		k.t.Fatal(err)
	}
	run, err := k.api.lastRun(k.server)
	if err != nil || run.Status != "success" {
		k.t.Errorf("the clean sync is %s: %s, %v", run.Status, run.Error, err)
	}
}

func (k *kill) check() {
	t := k.t
	t.Helper()
	server := k.world.onServer()
	var now map[int64]known
	k.until("all mail that is listed can be read", func() (err error) { // a run that was pushed may still find one gone
		now, err = k.api.inAPI(k.server)
		return err
	})
	level(t, server, now)
	k.world.same(server, k.seen, now)
	path, err := exec.LookPath("imap2api")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "verify")
	cmd.Env = k.env
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("verify: %v\n%s", err, text)
	} else {
		t.Logf("%d messages, %d ids seen, %d syncs hit; %s", len(server), len(k.seen), k.begun, bytes.TrimSpace(text))
	}
	k.until("all mail is covered", func() error { return k.covered(int64(len(server))) })
	if code, err := k.program.stop(); err != nil || code != exitDone {
		t.Errorf("serve ended with %d, %v", code, err)
	}
}
