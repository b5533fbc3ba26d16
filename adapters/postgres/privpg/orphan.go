package privpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopOrphan ends the server of a program that was killed, and waits for it.
// The caller has the lock, so no living program owns that server.
func (s *Server) stopOrphan(ctx context.Context) error {
	pidFile := filepath.Join(s.dataDir(), "postmaster.pid")
	text, err := os.ReadFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an earlier postgres: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		pid = 0 // torn; postgres says so itself
	}
	if pid <= 1 {
		return nil
	}
	line := commandLine(pid)
	switch {
	case s.owns(line):
		s.log.Warn("stopping a postgres that was left behind", slog.String("dir", s.dir), slog.Int("pid", pid))
		return s.end(ctx, pid)
	case bytes.Contains(line, []byte(s.dataDir())):
		return fmt.Errorf("%w: process %d, which this program did not start, runs postgres on it; stop it", ErrInUse, pid)
	case len(line) > 0:
		// The number belongs to somebody else now, as after a restart of a
		// container. Postgres would take any process of its user for itself.
		return os.Remove(pidFile)
	}
	return nil
}

// owns tells whether a command line is that of a server of this directory.
func (s *Server) owns(line []byte) bool {
	return bytes.Contains(append(line, 0), []byte(marker+"="+s.dir+"\x00"))
}

// end stops a server that is not a child, with the same patience as a child.
func (s *Server) end(ctx context.Context, pid int) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, stopFast}, {syscall.SIGQUIT, stopImmediate}, {syscall.SIGKILL, stopImmediate}} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop an earlier postgres, process %d: %w", pid, err)
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); {
			if !s.owns(commandLine(pid)) {
				return nil
			}
			if !pause(ctx, 10*time.Millisecond) {
				return fmt.Errorf("an earlier postgres, process %d, does not stop: %w", pid, ctx.Err())
			}
		}
	}
	return fmt.Errorf("an earlier postgres, process %d, does not stop", pid)
}
