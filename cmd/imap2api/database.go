package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/adapters/postgres/privpg"
)

// database is the Postgres that a command works on.
type database struct {
	pool    *pgxpool.Pool
	private *privpg.Server // nil: somebody else's, or that of a running serve
}

// openDatabase connects to the Postgres of the settings: the given one, that of a
// running serve on the same data directory if share is set, or a private one.
func openDatabase(ctx context.Context, c *config, log *slog.Logger, share bool) (*database, error) {
	d := &database{}
	dsn := c.databaseURL
	if dsn == "" {
		var err error
		if dsn, err = d.privateDSN(ctx, c, log, share); err != nil {
			return nil, err
		}
	}
	pool, err := postgres.Open(ctx, dsn, postgres.PoolOptions{})
	if err != nil {
		d.close(log)
		return nil, fmt.Errorf("open database: %w", err)
	}
	d.pool = pool
	return d, nil
}

func (d *database) privateDSN(ctx context.Context, c *config, log *slog.Logger, share bool) (string, error) {
	dir := filepath.Join(c.dataDir, "postgres")
	if share {
		dsn, ok, err := privpg.Find(ctx, dir)
		if err != nil {
			return "", fmt.Errorf("find running Postgres: %w", err)
		}
		if ok {
			return dsn, nil
		}
	}
	server, err := privpg.Start(ctx, privpg.Options{Dir: dir, Logger: log})
	if err != nil {
		return "", fmt.Errorf("start private Postgres: %w", err)
	}
	d.private = server
	return server.DSN(), nil
}

// prepare brings a private database to this version's schema, and any other if migrate is
// set; else it refuses one that is older or newer.
func (d *database) prepare(ctx context.Context, c *config, migrate bool) error {
	if c.databaseURL == "" || migrate {
		if err := postgres.Migrate(ctx, d.pool); err != nil {
			return fmt.Errorf("migrate database: %w", err)
		}
		return nil
	}
	err := postgres.CheckSchema(ctx, d.pool)
	if errors.Is(err, postgres.ErrOldSchema) || errors.Is(err, postgres.ErrNewSchema) {
		return usageError{fmt.Errorf("database-url: %w", err)}
	}
	return err
}

// close disconnects, and stops a private Postgres.
func (d *database) close(log *slog.Logger) {
	if d.pool != nil {
		closed := make(chan struct{})
		go func() { d.pool.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(5 * time.Second): // a connection that hangs does not keep the program
		}
	}
	if d.private == nil {
		return
	}
	if err := d.private.Stop(); err != nil && !errors.Is(err, context.Canceled) {
		log.Error("stop private Postgres", slog.Any("err", err))
	}
}
