// Package privpg runs a private Postgres inside a directory: initialised on
// first use, reachable over a Unix socket only, brought back when it dies,
// stopped with the program that started it.
//
// It does not know the schema: databases are migrated by their users. It
// listens on no network and keeps no password, since the permissions of the
// socket's directory are the authentication.
package privpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	port    = 5432 // only the name of the socket
	dbUser  = "imap2api"
	dbName  = "imap2api"
	minimum = 15 // major version

	stopFast      = 20 * time.Second // until a fast shutdown becomes an immediate one
	stopImmediate = 10 * time.Second // until an immediate shutdown becomes SIGKILL
	findTimeout   = 10 * time.Second // for the Postgres of another program to answer
)

// ErrInUse is returned by Start if another program runs the Postgres of the
// directory.
var ErrInUse = errors.New("data directory is in use")

// Options says where a private Postgres lives and how it is set.
type Options struct {
	// Dir holds cluster, lock, socket and log; it is made if missing. It must
	// not be empty.
	Dir string
	// Logger gets starts, stops and unexpected ends; nil logs nothing.
	Logger *slog.Logger
	// Settings override or extend the settings of the server, e.g.
	// shared_buffers: 64MB.
	Settings map[string]string
}

// A Server is a private Postgres run by this program. Its methods may be
// called from several goroutines.
type Server struct {
	dir    string
	log    *slog.Logger
	lock   *lock
	socket socketDir
	binary binaries
	owner  owner
	args   []string
	child  *child

	stop   chan struct{} // closed by Stop
	done   chan struct{} // closed when no child is left
	exited chan error
	ended  error     // how the last child ended; read after done
	once   sync.Once // of Stop
}

// Start runs the Postgres of a directory and returns when it answers. It
// first waits for, or stops, a Postgres that a killed program has left there.
// ctx bounds the start only. Until Stop is called, a server that ends by
// itself is started again, so pools heal without a new DSN. It returns
// ErrInUse if another program runs the directory's Postgres.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Dir == "" {
		return nil, errors.New("start private postgres: no directory given")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("start private postgres in %s: %w", opts.Dir, err)
	}
	s := &Server{
		dir: dir, log: opts.Logger,
		stop: make(chan struct{}), done: make(chan struct{}), exited: make(chan error, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	begun := time.Now()
	if err := s.open(ctx, opts.Settings); err != nil {
		return nil, fmt.Errorf("start private postgres in %s: %w", dir, err)
	}
	s.log.Info("private postgres started", slog.String("dir", dir), slog.String("version", s.binary.version),
		slog.String("user", s.owner.name), slog.Duration("took", time.Since(begun)))
	go s.supervise(context.WithoutCancel(ctx))
	return s, nil
}

// open takes the lock, makes what is missing and starts the first child.
func (s *Server) open(ctx context.Context, settings map[string]string) (err error) {
	if s.lock, err = acquire(s.dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.socket.remove()
			s.lock.release()
		}
	}()
	if s.owner, err = serverOwner(s.dir); err != nil {
		return err
	}
	if s.binary, err = locate(ctx, s.dataDir(), s.owner, s.log); err != nil {
		return err
	}
	if err = s.stopOrphan(ctx); err != nil {
		return err
	}
	if err = s.initialise(ctx); err != nil {
		return err
	}
	if s.socket, err = makeSocketDir(s.dir, s.owner); err != nil {
		return err
	}
	if s.args, err = s.arguments(ctx, settings); err != nil {
		return err
	}
	if err = s.launch(ctx); err != nil {
		return err
	}
	if err = s.lock.publish(s.DSN()); err != nil {
		s.child.stop()
		return fmt.Errorf("publish address: %w", err)
	}
	return nil
}

// DSN is the connection string of the server's database, as a URL. It stays
// the same over restarts in the same directory.
func (s *Server) DSN() string { return dsn(s.socket.path, dbName) }

// Stop ends the server and waits for it: open transactions are rolled back,
// the write-ahead log is checkpointed. After 20 s it is stopped at once,
// which loses nothing but makes the next start recover. Further calls do
// nothing and return the same.
func (s *Server) Stop() error {
	s.once.Do(func() {
		begun := time.Now()
		close(s.stop)
		<-s.done
		s.socket.remove()
		s.lock.release()
		close(s.exited)
		s.log.Info("private postgres stopped", slog.String("dir", s.dir), slog.Duration("took", time.Since(begun)))
	})
	return s.ended
}

// Exited gets the cause each time the server has ended without Stop, or did
// not start after that; it is tried again regardless. A cause that nobody receives is dropped when the
// next one comes. The channel is closed by Stop.
func (s *Server) Exited() <-chan error { return s.exited }

// Find looks for the private Postgres that another program runs in dir. ok is
// false if there is none, so the caller may start it. It returns an error if
// the directory is taken and its Postgres does not answer within 10 s or before ctx ends.
func Find(ctx context.Context, dir string) (dsn string, ok bool, err error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", false, fmt.Errorf("find private postgres in %s: %w", dir, err)
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	for {
		dsn, held, err := peek(path)
		if err != nil || !held {
			if err != nil {
				err = fmt.Errorf("find private postgres in %s: %w", path, err)
			}
			return "", false, err
		}
		if dsn != "" && answers(ctx, dsn) == nil {
			return dsn, true, nil
		}
		if !pause(ctx, 50*time.Millisecond) {
			return "", false, fmt.Errorf("find private postgres in %s: %w by another program, but its postgres does not answer; see %s",
				path, ErrInUse, filepath.Join(path, logName))
		}
	}
}

// answers connects once and asks nothing; a server in recovery refuses.
func answers(ctx context.Context, dsn string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// pause waits for d and tells whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }

// exists tells whether something is at path.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
