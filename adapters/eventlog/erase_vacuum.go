package eventlog

import (
	"context"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
)

// partitionsQuery returns the partitions that hold journals.
const partitionsQuery = `
SELECT DISTINCT i.inhrelid::regclass::text FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhparent
CROSS JOIN LATERAL pg_get_expr((SELECT relpartbound FROM pg_class p WHERE p.oid = i.inhrelid), i.inhrelid) bound
CROSS JOIN LATERAL regexp_match(bound, 'modulus (\d+), remainder (\d+)') m
CROSS JOIN unnest($1::bigint[]) j(id)
WHERE c.oid = ANY ('{log.events,log.commits,raw.messages,raw.contents,state.messages}'::regclass[])
AND satisfies_hash_partition(c.oid, m[1]::int, m[2]::int, j.id)`

// vacuum lets the old versions of erased rows go from the files. It is a help: the
// server's own vacuum does the same later.
func (l *Log) vacuum(ctx context.Context, all []erasure) {
	journals := make([]int64, len(all))
	for i, e := range all {
		journals[i] = e.Journal
	}
	err := l.vacuumPartitions(ctx, journals)
	if err != nil && ctx.Err() == nil {
		l.log.Warn("vacuum after erasure", slog.Any("err", err))
	}
}

func (l *Log) vacuumPartitions(ctx context.Context, journals []int64) error {
	rows, err := l.pool.Query(ctx, partitionsQuery, journals)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) == 0 {
		return err
	}
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SET statement_timeout = 0"); err != nil {
		return err
	}
	defer conn.Exec(context.WithoutCancel(ctx), "RESET statement_timeout") //nolint:errcheck // the connection is broken then
	_, err = conn.Exec(ctx, "VACUUM "+strings.Join(tables, ", "))
	return err
}
