// Package pgtest hands out migrated databases of a real Postgres to tests. It
// uses the server of IMAP2API_TEST_DATABASE_URL or runs a private one, with
// the settings of production, for as long as the test binary runs. There is
// no store in memory to fall back to: a test without its database fails.
package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/migrations"
)

// urlVariable names the server to use in place of a private one. Its user
// must be allowed to make databases; empty it, and anybody's data is safe.
const urlVariable = "IMAP2API_TEST_DATABASE_URL"

// patience bounds the start of a server and the making of a database.
const patience = 2 * time.Minute

// Pool returns connections to a database of the test's own: migrated, with no
// rows but those of the migrations. It is closed and dropped when the test
// ends; a connection that the test has not given back by then is an error.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), DSN(t))
	if err != nil {
		t.Fatalf("open test database: %v", err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() { pool.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Errorf("%d connections of the test database are still in use", pool.Stat().AcquiredConns())
		}
	})
	return pool
}

// DSN returns the connection string of a database like that of Pool, for
// tests that start programs or open pools of their own.
func DSN(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := shared()
	if err != nil {
		t.Fatalf("test database: %v", err)
	}
	name := fmt.Sprintf("imap2api_test_%d_%d", os.Getpid(), serial.Add(1))
	if err := s.clone(ctx, name); err != nil {
		t.Fatalf("test database: %v", err)
	}
	t.Cleanup(func() { s.drop(t, name) })
	return s.dsn(name)
}

var (
	serial atomic.Int64
	shared = sync.OnceValues(open)
)

// A server makes databases by copying a migrated template.
type server struct {
	admin    *pgxpool.Pool
	template string
	private  bool
}

// open finds or starts the server of this test binary and sees to the template.
func open() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url := os.Getenv(urlVariable)
	s := &server{private: url == ""}
	if s.private {
		var err error
		if url, err = startPrivate(ctx); err != nil {
			return nil, err
		}
	}
	admin, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s.admin = admin
	if s.template, err = templateName(); err != nil {
		return nil, err
	}
	if err := s.makeTemplate(ctx); err != nil {
		return nil, fmt.Errorf("make template: %w", err)
	}
	return s, nil
}

// templateName names the schema by a hash of the migrations, so that a server
// that outlives a change of theirs gets a new template.
func templateName() (string, error) {
	sum := sha256.New()
	files, err := migrations.FS.ReadDir(".")
	if err != nil {
		return "", err
	}
	for _, f := range files {
		text, err := migrations.FS.ReadFile(f.Name())
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", f.Name(), len(text), text) // a hash takes everything
	}
	return "imap2api_template_" + hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

// makeTemplate migrates a database beside and renames it, while other test
// binaries on the same server wait.
func (s *server) makeTemplate(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.admin, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", s.template); err != nil {
			return err
		}
		var there bool
		err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", s.template).Scan(&there)
		if err != nil || there {
			return err
		}
		fresh := s.template + "_" + strconv.Itoa(os.Getpid())
		if _, err := s.admin.Exec(ctx, "CREATE DATABASE "+fresh); err != nil {
			return err
		}
		pool, err := pgxpool.New(ctx, s.dsn(fresh))
		if err != nil {
			return err
		}
		err = postgres.Migrate(ctx, pool)
		pool.Close()
		if err != nil {
			return errors.Join(err, s.dropNow(ctx, fresh))
		}
		_, err = s.admin.Exec(ctx, "ALTER DATABASE "+fresh+" RENAME TO "+s.template)
		return err
	})
}

func (s *server) clone(ctx context.Context, name string) error {
	_, err := s.admin.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+s.template)
	return err
}

// drop removes a database. A private server goes as a whole, so nobody waits
// for its checkpoints.
func (s *server) drop(t testing.TB, name string) {
	t.Helper()
	remove := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return s.dropNow(ctx, name)
	}
	if s.private {
		go func() { _ = remove() }()
		return
	}
	if err := remove(); err != nil {
		t.Errorf("drop test database %s: %v", name, err)
	}
}

func (s *server) dropNow(ctx context.Context, name string) error {
	_, err := s.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	return err
}

// dsn is the address of a database on the server, as a URL.
func (s *server) dsn(name string) string {
	return withDatabase(s.admin.Config().ConnString(), name)
}
