package privpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A child is a running program of Postgres.
type child struct {
	process *os.Process
	exited  chan struct{} // closed when the child has been reaped
	err     error         // how it ended; read after exited
}

// spawn starts cmd from an OS thread of its own. The kernel ends the child
// with the thread that made it, not with the program, so that thread waits
// until the child has been reaped.
func spawn(cmd *exec.Cmd) (*child, error) {
	c := &child{exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		c.process = cmd.Process
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// stop ends the child: fast, then at once, then by force.
func (c *child) stop() {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, stopFast}, {syscall.SIGQUIT, stopImmediate}, {syscall.SIGKILL, time.Hour}} {
		_ = c.process.Signal(step.signal) // it may have ended meanwhile
		t := time.NewTimer(step.wait)
		select {
		case <-c.exited:
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// launch starts the server and waits until it answers. After the postmaster
// was killed its backends hold the cluster for a moment; it tries again then.
func (s *Server) launch(ctx context.Context) error {
	logFile, err := s.openLog()
	if err != nil {
		return fmt.Errorf("open log of postgres: %w", err)
	}
	defer func() { _ = logFile.Close() }()
	for try := 0; ; try++ {
		from, err := logFile.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		cmd, release, err := s.command(s.dataDir(), "postgres", s.args...)
		if err != nil {
			return err
		}
		cmd.Stdout, cmd.Stderr = logFile, logFile
		s.child, err = spawn(cmd)
		release()
		if err != nil {
			return fmt.Errorf("run postgres: %w", err)
		}
		err = s.ready(ctx)
		if err == nil {
			return nil
		}
		s.child.stop()
		said := tail(logFile, from)
		if try == 50 || ctx.Err() != nil || !heldByOthers(said) {
			return fmt.Errorf("%w: %s (see %s)", err, said, logFile.Name())
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// heldByOthers tells from the log whether the server found the cluster taken.
func heldByOthers(said []byte) bool {
	return bytes.Contains(said, []byte("still in use")) || bytes.Contains(said, []byte("already exists"))
}

// ready waits until the server answers in its database, which it makes on
// first use.
func (s *Server) ready(ctx context.Context) error {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := answers(ctx, s.DSN())
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == "3D000" { // no such database
			err = s.createDatabase(ctx)
		}
		if err == nil {
			return nil
		}
		select {
		case <-s.child.exited:
			return fmt.Errorf("postgres ended at start: %w", s.child.cause())
		case <-ctx.Done():
			return fmt.Errorf("wait for postgres: %w: %w", ctx.Err(), err)
		case <-time.After(wait):
		}
	}
}

func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, dsn(s.socket.path, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "CREATE DATABASE "+dbName)
	return err
}

// supervise brings the server back whenever it ends, until Stop.
func (s *Server) supervise(ctx context.Context) {
	defer close(s.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		select {
		case <-s.stop:
			s.child.stop()
			s.ended = s.child.err
			return
		case <-s.child.exited:
		}
		s.report(s.child.cause())
		for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
			err := s.launch(ctx)
			if err == nil {
				s.log.Info("private postgres is back", slog.String("dir", s.dir))
				break
			}
			if ctx.Err() != nil {
				return
			}
			s.report(err)
			if !pause(ctx, wait) {
				return
			}
		}
	}
}

// report hands an unexpected end to whoever listens on Exited.
func (s *Server) report(cause error) {
	s.log.Error("private postgres ended", slog.String("dir", s.dir), slog.Any("err", cause))
	select {
	case unheard := <-s.exited:
		s.log.Debug("nobody asked how postgres ended", slog.Any("err", unheard))
	default:
	}
	s.exited <- fmt.Errorf("private postgres in %s ended: %w", s.dir, cause)
}

// cause is how a child ended, never nil.
func (c *child) cause() error {
	if c.err == nil {
		return errors.New("exit status 0")
	}
	return c.err
}

// openLog opens the server's log, and sets a long one aside.
func (s *Server) openLog() (*os.File, error) {
	path := filepath.Join(s.dir, logName)
	if info, err := os.Lstat(path); err == nil && info.Size() > logMax {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return openOwned(s.dir, logName, os.O_RDWR|os.O_APPEND)
}

// tail is what was written to the log since, at most 2,000 octets of it.
func tail(f *os.File, from int64) []byte {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil
	}
	from = max(from, end-2000)
	text := make([]byte, end-from)
	n, _ := f.ReadAt(text, from) // what can be read is enough
	return bytes.TrimSpace(text[:n])
}
