package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
)

// readTimeout ends a statement of a reader.
const readTimeout = 20 * time.Second

// view reads the live generation of one version of a read model.
type view struct {
	pool       *pgxpool.Pool
	projection string
	version    int
	// beside is another read model that is read with it, behind it in the search path; "": none.
	beside        string
	besideVersion int
	// with is put before each statement: the tables as of a moment; "": as they are now.
	with string
}

// question is a statement to read with, and what takes its rows.
type question struct {
	sql  string
	args []any
	scan func(pgx.Rows) error
	// rare: one of very many statements that optional filters lead to. It is planned
	// for its arguments each time and not kept.
	rare bool
	// lookup: one that goes by keys whatever its arguments, so it is planned once.
	lookup bool
}

// scanCount takes the one number that a statement answers.
func scanCount(into *int) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			if err := rows.Scan(into); err != nil {
				return fmt.Errorf("scan count: %w", err)
			}
		}
		return rows.Err()
	}
}

const beginRead = `BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY`

const pointer = `
SELECT set_config('search_path', schema_name, true), set_config('statement_timeout', $3, true),
	set_config('plan_cache_mode', $4, true)
FROM log.generations
WHERE projection = $1 AND version = $2 AND status = 'live'`

const pointerBeside = `
SELECT set_config('search_path', a.schema_name || ', ' || b.schema_name, true), set_config('statement_timeout', $3, true),
	set_config('plan_cache_mode', $4, true)
FROM log.generations a, log.generations b
WHERE a.projection = $1 AND a.version = $2 AND a.status = 'live' AND b.projection = $5 AND b.version = $6 AND b.status = 'live'`

const commitRead = `COMMIT`

// read answers questions from one generation as of one moment. The pointer is
// the first statement of their transaction, which a single question need not open:
// what is sent at once is a transaction. Once a connection has prepared all
// of them, which needs a search path, everything is one round trip. It returns
// domain.ErrUnavailable if there is no live generation.
func (v view) read(ctx context.Context, questions ...question) error {
	answered := false
	for i := range questions {
		if v.with != "" {
			questions[i].sql, questions[i].rare = v.named(questions[i].sql), true
		}
		scan := questions[i].scan
		questions[i].scan = func(rows pgx.Rows) error { answered = true; return scan(rows) }
	}
	err := v.readOnce(ctx, questions)
	if outdated(err) && !answered {
		err = v.readOnce(ctx, questions)
	}
	return v.judge(err)
}

// named puts the tables of the view before a statement, which may name tables of its own.
func (v view) named(sql string) string {
	if own, ok := strings.CutPrefix(strings.TrimSpace(sql), "WITH "); ok {
		return v.with + ",\n" + own
	}
	return v.with + sql
}

func (v view) readOnce(ctx context.Context, questions []question) error {
	conn, err := v.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	known := preparedOn(conn.Conn())
	ready := true
	for _, q := range questions {
		ready = ready && !q.rare && known[q.sql]
	}
	if ready {
		err = v.ask(ctx, conn.Conn(), questions)
	} else {
		err = v.askFirst(ctx, conn.Conn(), questions)
	}
	switch {
	case conn.Conn().IsClosed():
	case outdated(err):
		_ = conn.Conn().Close(context.WithoutCancel(ctx))
	case conn.Conn().PgConn().TxStatus() != 'I':
		_, _ = conn.Exec(context.WithoutCancel(ctx), "ROLLBACK") // if it fails, Release drops the connection
	}
	return err
}

// outdated reports whether a connection has lost its prepared statements, as behind
// a pooler, or their result has changed. It is given up then.
func outdated(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "26000" || refused.Code == "0A000")
}

// ask sends all in one round trip.
func (v view) ask(ctx context.Context, conn *pgx.Conn, questions []question) error {
	var b pgx.Batch
	var found bool
	alone := len(questions) == 1
	if !alone {
		b.Queue(beginRead)
	}
	v.point(&b, &found, planMode(questions))
	queue(&b, questions)
	if !alone {
		b.Queue(commitRead)
	}
	err := conn.SendBatch(ctx, &b).Close()
	if err == nil || found {
		return err
	}
	return errors.Join(errNoGeneration, err) // what follows the pointer finds no tables
}

// askFirst sends the pointer first, since statements are prepared where their tables are.
func (v view) askFirst(ctx context.Context, conn *pgx.Conn, questions []question) error {
	var b pgx.Batch
	var found bool
	b.Queue(beginRead)
	v.point(&b, &found, planMode(questions))
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	if !found {
		return errNoGeneration
	}
	known := preparedOn(conn)
	for _, q := range questions {
		if q.rare || known[q.sql] {
			continue
		}
		if _, err := conn.Prepare(ctx, q.sql, q.sql); err != nil {
			return err
		}
		known[q.sql] = true
	}
	b = pgx.Batch{}
	queue(&b, questions)
	b.Queue(commitRead)
	return conn.SendBatch(ctx, &b).Close()
}

// planMode is the plan_cache_mode for questions.
func planMode(questions []question) string {
	lookups := true
	for _, q := range questions {
		if q.rare {
			return "force_custom_plan"
		}
		lookups = lookups && q.lookup
	}
	if lookups {
		return "force_generic_plan"
	}
	return "auto"
}

// point queues the pointer.
func (v view) point(b *pgx.Batch, found *bool, mode string) {
	sql, args := pointer, []any{v.projection, v.version, strconv.FormatInt(readTimeout.Milliseconds(), 10), mode}
	if v.beside != "" {
		sql, args = pointerBeside, append(args, v.beside, v.besideVersion)
	}
	b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		*found = rows.Next()
		rows.Close()
		return rows.Err()
	})
}

func queue(b *pgx.Batch, questions []question) {
	for _, q := range questions {
		b.Queue(q.sql, q.args...).Query(q.scan)
	}
}

var errNoGeneration = fmt.Errorf("no live generation: %w", domain.ErrUnavailable)

// judge names the read model in an error.
func (v view) judge(err error) error {
	if err == nil {
		return nil
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42P01" && !errors.Is(err, errNoGeneration) {
		err = errors.Join(errNoGeneration, err) // undefined_table: dropped since the pointer was read
	}
	if outdated(err) {
		err = errors.Join(domain.ErrUnavailable, err)
	}
	return fmt.Errorf("read model %s: %w", v.projection, translate(err))
}

// preparedOn returns the statements that view has prepared on a connection.
func preparedOn(conn *pgx.Conn) map[string]bool {
	const key = "imap2api.prepared"
	data := conn.PgConn().CustomData()
	known, ok := data[key].(map[string]bool)
	if !ok {
		known = map[string]bool{}
		data[key] = known
	}
	return known
}
