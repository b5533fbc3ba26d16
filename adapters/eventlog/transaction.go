package eventlog

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// transaction is a pgx.Tx whose BEGIN and COMMIT travel in the batches of its
// owner, which saves two round trips. Stores may use it like any other, except
// that there are no nested ones.
type transaction struct{ conn *pgx.Conn }

var errOwner = errors.New("the transaction belongs to the read model")

func (t transaction) Begin(context.Context) (pgx.Tx, error) { return nil, errOwner }
func (t transaction) Commit(context.Context) error          { return errOwner }
func (t transaction) Rollback(context.Context) error        { return errOwner }
func (t transaction) Conn() *pgx.Conn                       { return t.conn }
func (t transaction) LargeObjects() pgx.LargeObjects        { return pgx.LargeObjects{} }

func (t transaction) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	return t.conn.CopyFrom(ctx, table, columns, src)
}

func (t transaction) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.conn.SendBatch(ctx, b)
}

func (t transaction) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	return t.conn.Prepare(ctx, name, sql)
}

func (t transaction) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.conn.Exec(ctx, sql, args...)
}

func (t transaction) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.conn.Query(ctx, sql, args...)
}

func (t transaction) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.conn.QueryRow(ctx, sql, args...)
}
