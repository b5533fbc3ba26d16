package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/imap2api/imap2api/migrations"
)

var (
	// ErrOldSchema says that the database waits for migrations of this program.
	ErrOldSchema = errors.New("database schema is too old")
	// ErrNewSchema says that the database was migrated by a newer program.
	ErrNewSchema = errors.New("database schema is too new")
)

// SchemaVersion is the number of the last migration in this program: the
// version of the schema that it needs.
func SchemaVersion() int64 {
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil || len(names) == 0 {
		panic("no migrations are embedded")
	}
	version, err := goose.NumericComponent(names[len(names)-1]) // Glob sorts
	if err != nil {
		panic(err)
	}
	return version
}

// Migrate brings the database to SchemaVersion; each migration is a
// transaction of its own. Programs that start together wait for one another.
// It returns ErrNewSchema, and does nothing, if the database is ahead.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	if err := CheckSchema(ctx, pool); !errors.Is(err, ErrOldSchema) {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600)) // seconds between tries, tries
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool) // closing it leaves the pool open
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		_ = db.Close()
		return fmt.Errorf("migrate: %w", err)
	}
	_, err = provider.Up(ctx)
	if err = errors.Join(err, provider.Close()); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

const schemaVersion = `
SELECT coalesce(max(version_id) FILTER (WHERE is_applied), 0)
FROM goose_db_version`

// DatabaseSchemaVersion is the number of the last migration that was applied
// to the database, 0 for an empty one.
func DatabaseSchemaVersion(ctx context.Context, pool *pgxpool.Pool) (int64, error) {
	var version int64
	err := pool.QueryRow(ctx, schemaVersion).Scan(&version)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42P01" { // undefined_table
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

// CheckSchema tells whether this program can work with the database. It
// returns ErrOldSchema, naming the command that helps, or ErrNewSchema, naming
// the version that the database needs.
func CheckSchema(ctx context.Context, pool *pgxpool.Pool) error {
	have, err := DatabaseSchemaVersion(ctx, pool)
	if err != nil {
		return err
	}
	need := SchemaVersion()
	switch {
	case have < need:
		return fmt.Errorf("%w: it has version %d and this program needs version %d; run `imap2api migrate`", ErrOldSchema, have, need)
	case have > need:
		return fmt.Errorf("%w: it needs a program of schema version %d or newer, and this one is of version %d; upgrade it",
			ErrNewSchema, have, need)
	}
	return nil
}
