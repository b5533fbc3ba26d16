package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
)

// A rig is what the benchmarks of the whole program stand on: generated mail,
// the program as it is shipped, and a Dovecot that knows nothing of the mail yet.
type rig struct {
	b     *testing.B
	dir   string
	tools string // of the mail server of the corpora
	count int
	port  int // of plain IMAP
	lists map[string][]byte
}

// newRig generates count messages in one mailbox.
func newRig(b *testing.B, count int) *rig {
	b.Helper()
	shared := os.Getenv("IMAP2API_SHARED")
	if shared == "" {
		shared = "../../../shared"
	}
	tools, err := filepath.Abs(filepath.Join(shared, "mailserver"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(tools); err != nil {
		b.Fatalf("the generator of mail is not there, IMAP2API_SHARED says where it is: %v", err)
	}
	g := &rig{b: b, dir: openTempDir(b), tools: tools, count: count, lists: map[string][]byte{}}
	g.run("gen", "--out", g.mail(), "--count", strconv.Itoa(count), "--extra", "0", "--seed", "1")
	g.eachList(func(path string) error {
		text, err := os.ReadFile(path)
		g.lists[path] = text
		return err
	})
	build := exec.CommandContext(b.Context(), "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(g.dir, "bin", "imap2api"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the program: %v\n%s", err, out)
	}
	b.Setenv("PATH", filepath.Join(g.dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	return g
}

func (g *rig) mail() string { return filepath.Join(g.dir, "mail") }

// run runs a tool of the mail server. Its output goes to a file: a daemon keeps a pipe open.
func (g *rig) run(tool string, args ...string) {
	g.b.Helper()
	log, err := os.Create(filepath.Join(g.dir, tool+".log"))
	if err != nil {
		g.b.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // only for the message below
	cmd := exec.Command(filepath.Join(g.tools, tool), args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		g.b.Fatalf("%s: %v\n%s", tool, err, text)
	}
}

// eachList calls fn with the lists in which Dovecot keeps UIDs, and sizes that it has found.
func (g *rig) eachList(fn func(path string) error) {
	g.b.Helper()
	err := filepath.WalkDir(g.mail(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "dovecot-uidlist" {
			return err
		}
		return fn(path)
	})
	if err != nil {
		g.b.Fatal(err)
	}
}

// cold runs fn beside a Dovecot without any index.
func (g *rig) cold(fn func()) {
	g.b.Helper()
	for path, text := range g.lists {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			g.b.Fatal(err)
		}
	}
	dir := filepath.Join(g.dir, "d")
	if err := os.RemoveAll(dir); err != nil {
		g.b.Fatal(err)
	}
	g.port = freePort(g.b)
	g.run("up", "--run", dir, "--mail", g.mail(), "--imap-port", strconv.Itoa(g.port), "--imaps-port", strconv.Itoa(freePort(g.b)), "--set", "ssl = no")
	defer g.run("down", "--run", dir)
	fn()
}

func freePort(b *testing.B) int {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // only its address is wanted
	return l.Addr().(*net.TCPAddr).Port
}

// A synced is a program that has synced the mailbox of a rig.
type synced struct {
	*client
	server  int64
	program *program
	pool    *pgxpool.Pool
	dsn     string

	first, took time.Duration // until the first message could be read, and until all could
	peak        int64         // resident octets of the program at most, 0 if the system does not say
}

// sync starts the program with a database of its own and waits until it shows all messages.
func (g *rig) sync() *synced {
	g.b.Helper()
	dir, err := os.MkdirTemp(g.dir, "serve-")
	if err != nil {
		g.b.Fatal(err)
	}
	own, err := settings(dir)
	if err != nil {
		g.b.Fatal(err)
	}
	s := &synced{dsn: pgtest.DSN(g.b)}
	if s.pool, err = pgxpool.New(g.b.Context(), s.dsn); err != nil {
		g.b.Fatal(err)
	}
	g.b.Cleanup(s.pool.Close)
	own = append(own, "IMAP2API_LOG_LEVEL=info", "IMAP2API_DATABASE_URL="+s.dsn)
	if s.program, err = startProgram("", append(ownEnvironment(), own...)); err != nil {
		g.b.Fatal(err)
	}
	g.b.Cleanup(func() { s.program.kill() })
	s.client = &client{base: readyLine.FindStringSubmatch(s.program.log.String())[1]}
	g.must(s.login("admin", adminPassword))
	g.await(s)
	s.peak = peakMemory(s.program.cmd.Process.Pid)
	g.b.Logf("first sync of %d messages: %.0f messages/s, the first after %v, %d MB resident at most",
		g.count, float64(g.count)/s.took.Seconds(), s.first.Round(time.Millisecond), s.peak/1e6)
	return s
}

// await adds the mailbox and asks again and again how much of it can be read.
func (g *rig) await(s *synced) {
	g.b.Helper()
	begun := time.Now()
	var added struct{ ID int64 }
	g.must(s.call(http.StatusCreated, "POST", "/api/imap-servers/", map[string]any{
		"name": "bench", "host": "127.0.0.1", "port": g.port, "username": "test", "password": "test", "use_ssl": false,
	}, &added))
	s.server = added.ID
	path := fmt.Sprintf("/api/emails/?page_size=1&imap_server=%d", s.server)
	pause := 5 * time.Millisecond
	for last, n := begun, 0; n < g.count; {
		var page struct{ Count int }
		g.must(s.call(http.StatusOK, "GET", path, nil, &page))
		if page.Count > 0 && s.first == 0 {
			s.first, pause = time.Since(begun), 50*time.Millisecond
		}
		if page.Count > n {
			last, n = time.Now(), page.Count
		} else if time.Since(last) > patience {
			g.b.Fatalf("%d of %d messages are there, and no more come:\n%s", n, g.count, s.program.log.news())
		}
		time.Sleep(pause) // the program works meanwhile
	}
	s.took = time.Since(begun)
}

func (g *rig) must(err error) {
	g.b.Helper()
	if err != nil {
		g.b.Fatal(err)
	}
}

// peakMemory returns how many octets of a process were resident at most.
func peakMemory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// command runs a program of somebody else's and returns how long it took.
func (g *rig) command(env []string, name string, args ...string) time.Duration {
	g.b.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(g.b.Context()), name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), &out, &out
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		g.b.Fatalf("%s: %v\n%s", name, err, out.String())
	}
	return time.Since(begun)
}
