package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
)

// emptyDatabase makes a database without any schema, beside that of the test.
func emptyDatabase(t *testing.T) *pgxpool.Pool {
	t.Helper()
	admin := pgtest.Pool(t)
	config := admin.Config().Copy()
	name := config.ConnConfig.Database + "_empty"
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.Database = name
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pool.Close()
		_, _ = admin.Exec(t.Context(), "DROP DATABASE "+name)
	})
	return pool
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	pool := emptyDatabase(t)
	err := postgres.CheckSchema(t.Context(), pool)
	if !errors.Is(err, postgres.ErrOldSchema) || !strings.Contains(err.Error(), "`imap2api migrate`") {
		t.Errorf("empty database: got %v, want ErrOldSchema with the command", err)
	}
	var wg sync.WaitGroup
	for range 4 { // programs that start together
		wg.Go(func() {
			if err := postgres.Migrate(t.Context(), pool); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := postgres.DatabaseSchemaVersion(t.Context(), pool); err != nil || got != postgres.SchemaVersion() {
		t.Errorf("version %d, %v; want %d", got, err, postgres.SchemaVersion())
	}
	if err := postgres.CheckSchema(t.Context(), pool); err != nil {
		t.Error(err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	if _, err := pool.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, true)"); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"CheckSchema": postgres.CheckSchema(t.Context(), pool),
		"Migrate":     postgres.Migrate(t.Context(), pool),
	} {
		want := fmt.Sprintf("version 9001 or newer, and this one is of version %d", postgres.SchemaVersion())
		if !errors.Is(err, postgres.ErrNewSchema) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want ErrNewSchema with %q", name, err, want)
		}
	}
}
