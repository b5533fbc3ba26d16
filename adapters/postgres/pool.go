package postgres

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PoolOptions of a pool of connections; the zero value works.
type PoolOptions struct {
	Name             string        // application_name; "": imap2api
	MaxConns         int           // 0: pgx's default, at least 4
	StatementTimeout time.Duration // 0: that of the server
	LockTimeout      time.Duration // 0: that of the server
}

// Open returns a pool of connections to the database of dsn, a URL or a
// keyword string. It does not connect yet: the first use does. Times are read
// in UTC. It returns an error for a dsn that cannot be read.
func Open(ctx context.Context, dsn string, opts PoolOptions) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("parse connection string: %w", err)
	}
	settings := config.ConnConfig.RuntimeParams
	settings["application_name"] = opts.Name
	if opts.Name == "" {
		settings["application_name"] = "imap2api"
	}
	settings["timezone"] = "UTC"
	settings["jit"] = "off" // statements are short
	// The subscriber of the log keeps a transaction while its handler works in another.
	settings["idle_in_transaction_session_timeout"] = "0"
	if opts.StatementTimeout > 0 {
		settings["statement_timeout"] = strconv.FormatInt(opts.StatementTimeout.Milliseconds(), 10)
	}
	if opts.LockTimeout > 0 {
		settings["lock_timeout"] = strconv.FormatInt(opts.LockTimeout.Milliseconds(), 10)
	}
	if opts.MaxConns > 0 {
		config.MaxConns = int32(min(opts.MaxConns, 10_000))
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	config.MaxConnIdleTime = 10 * time.Minute
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	return pool, nil
}
