package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	adminPassword = "correct horse battery staple" // of the first administrator in all these tests
	patience      = 90 * time.Second               // for what takes a second on an idle machine
)

// TestMain puts the program under test, which is this test binary, on the path.
func TestMain(m *testing.M) {
	// The race detector of the program would make each command a second longer.
	if os.Getenv("GORACE") == "" {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // a variable that is no setting of ours
	}
	// These tests wait for servers most of the time: more of them go on at once than there are processors.
	_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))) // what the command line says comes later
	testscript.Main(m, map[string]func(){"imap2api": main, "imap2api-bare": bareServer})
}

// An output keeps what a program writes and tells when it is ready.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{}
	once  sync.Once
}

var readyLine = regexp.MustCompile(`"msg":"ready","listen":"(http://[^"]+)"`)

// Write keeps text.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(p)
	if bytes.Contains(p, []byte(`"ready"`)) && readyLine.Match(o.text.Bytes()) {
		o.once.Do(func() { close(o.ready) })
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// news is the text without what only debuggers read.
func (o *output) news() string {
	var out strings.Builder
	for line := range strings.Lines(o.String()) {
		if !strings.Contains(line, `"level":"DEBUG"`) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// A program is a serve that runs.
type program struct {
	log    *output
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has been reaped
}

// startProgram runs serve in a directory and returns when it is ready. The kernel ends the
// program when the thread that has started it dies, hence also with a killed test.
func startProgram(dir string, env []string, args ...string) (*program, error) {
	path, err := exec.LookPath("imap2api")
	if err != nil {
		return nil, err
	}
	p := &program{log: &output{ready: make(chan struct{})}, exited: make(chan struct{})}
	p.cmd = exec.Command(path, append([]string{"serve"}, args...)...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = dir, env, p.log, p.log, endWithParent()
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // the state says how it ended
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	select {
	case <-p.log.ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("serve ended with %v:\n%s", p.cmd.ProcessState, p.log.news())
	case <-time.After(patience):
		p.kill()
		return nil, fmt.Errorf("serve is not ready after %v:\n%s", patience, p.log.news())
	}
}

// stop asks the program to end and returns its exit code.
func (p *program) stop() (int, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		p.kill()
		return 0, errors.New("serve does not stop")
	}
}

// kill ends the program as a crash would.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// openTempDir is a directory that the users of Postgres and Dovecot can pass through.
func openTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "i2a-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove what the programs have left: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// settings are the variables for a program that works in dir and listens on an address of its own.
func settings(dir string) ([]string, error) {
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte(adminPassword+"\n"), 0o600); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close() //nolint:errcheck // only its address is wanted
	return []string{
		"IMAP2API_DATA_DIR=" + filepath.Join(dir, "data"),
		"IMAP2API_LISTEN=" + listener.Addr().String(),
		"IMAP2API_ADMIN_PASSWORD_FILE=" + file,
		"IMAP2API_ENV=development",
		"IMAP2API_LOG_FORMAT=json",
		"IMAP2API_RATE_LIMIT_USER=0",
		"IMAP2API_RATE_LIMIT_ANONYMOUS=0",
	}, nil
}

// settingNames are the variables of all settings.
func settingNames() []string {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	new(config).register(fs)
	names := []string{"IMAP2API_CONFIG"}
	fs.VisitAll(func(f *flag.Flag) {
		names = append(names, "IMAP2API_"+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")))
	})
	return names
}

// ownEnvironment is the environment of the tests without settings of somebody else's.
func ownEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "IMAP2API_") })
}
