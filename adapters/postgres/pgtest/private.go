package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/imap2api/imap2api/adapters/postgres/privpg"
)

// settings are those of production, durable, with less memory: several test
// binaries run at once.
var settings = map[string]string{
	"shared_buffers":  "64MB",
	"max_connections": "200",
}

// sweep waits until the test binary has ended and its Postgres is gone, which
// the kernel then tells to stop, and removes what they have left.
const sweep = `cat >/dev/null
n=0
while [ -e "$1/postgres/data/postmaster.pid" ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done
rm -rf "$1"`

// startPrivate starts a server in a temporary directory. Nothing tells a
// package that the last test has ended, so server and directory are ended by
// the end of the process, whichever way it comes.
func startPrivate(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "imap2api-pgtest-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the server of root runs as somebody else
		return "", err
	}
	if err := startSweeper(dir); err != nil {
		return "", errors.Join(fmt.Errorf("start sweeper: %w", err), os.RemoveAll(dir))
	}
	s, err := privpg.Start(ctx, privpg.Options{Dir: dir + "/postgres", Settings: settings})
	if err != nil {
		return "", err
	}
	return s.DSN(), nil
}

// sweeper keeps the end of the pipe open until the process ends.
var sweeper struct {
	cmd  *exec.Cmd
	life any
}

func startSweeper(dir string) error {
	cmd := exec.Command("/bin/sh", "-c", sweep, "sh", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of the terminal ends the tests, not the sweeper
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	sweeper.cmd, sweeper.life = cmd, life
	return cmd.Start()
}

// withDatabase puts another database into a connection string, which is a URL
// or a list of keywords.
func withDatabase(dsn, name string) string {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return dsn + " dbname=" + name
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn // it has been parsed before
	}
	u.Path = "/" + name
	return u.String()
}
