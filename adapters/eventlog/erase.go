package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	eraseRange = 10_000 // positions of one transaction
	eraseChunk = 1000   // raw messages of one transaction
	eraseTries = 10
	erasePause = 100 * time.Millisecond
)

// An account is not done until all else of it is gone; a user not until the meta of
// the last commit before the erasure is.
const (
	accountsToErase = `
SELECT journal_id, account_id, erased_by FROM state.accounts
WHERE erased_by IS NOT NULL AND NOT erasure_done ORDER BY journal_id, account_id`
	usersToErase = `
SELECT j.journal_id, 0::bigint, j.erased_by FROM log.journals j
WHERE j.erased_by IS NOT NULL AND coalesce((SELECT c.meta IS NOT NULL FROM log.commits c
	WHERE c.journal_id = j.journal_id AND c.last_position < j.erased_by ORDER BY c.last_position DESC LIMIT 1), true)
ORDER BY j.journal_id`
	eraseLock = `SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock(hashtextextended('imap2api erase', 0))`
)

// Raw messages go with their uses, a thousand at a time. Account 0 is all of a user.
const (
	nextUses = `
SELECT sha256 FROM raw.uses
WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2) AND sha256 > $3 ORDER BY sha256 LIMIT $4`
	eraseUses = `
DELETE FROM raw.uses WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2) AND sha256 = ANY ($3)`
	eraseUnused = `
DELETE FROM raw.messages m WHERE m.journal_id = $1 AND m.sha256 = ANY ($2)
AND NOT EXISTS (SELECT FROM raw.uses u WHERE u.journal_id = m.journal_id AND u.sha256 = m.sha256)`
	eraseContents = `
DELETE FROM raw.contents c WHERE c.journal_id = $1 AND c.sha256 = ANY ($2)
AND NOT EXISTS (SELECT FROM raw.messages m WHERE m.journal_id = c.journal_id AND m.sha256 = c.sha256)`
)

// The state that decisions need goes at once: nothing is decided of it any more.
const (
	eraseKnown = `
DELETE FROM state.messages s USING state.mailboxes b
WHERE s.journal_id = $1 AND b.journal_id = $1 AND b.mailbox_id = s.mailbox_id AND ($2::bigint = 0 OR b.account_id = $2)`
	eraseQuarantine = `
DELETE FROM state.quarantine s USING state.mailboxes b
WHERE s.journal_id = $1 AND b.journal_id = $1 AND b.mailbox_id = s.mailbox_id AND ($2::bigint = 0 OR b.account_id = $2)`
	eraseCoverage  = `DELETE FROM state.coverage WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2)`
	eraseMailboxes = `DELETE FROM state.mailboxes WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2)`
	eraseThreads   = `DELETE FROM state.threads WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2)`
	eraseMerges    = `DELETE FROM state.thread_merges WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2)`
	eraseTouched   = `DELETE FROM state.touched_threads WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2)`
	eraseQueued    = `DELETE FROM state.sync_queue WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2)`
	eraseChanges   = `DELETE FROM state.changes WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2)`
	eraseWatches   = `DELETE FROM state.watches WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2)`
)

// Last, what the log holds of it. The trigger keeps the leaf.
const (
	erasePayloads = `
UPDATE log.events SET payload = NULL
WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2) AND position > $3 AND position <= $4 AND payload IS NOT NULL`
	eraseMeta = `
UPDATE log.commits SET meta = NULL
WHERE journal_id = $1 AND last_position > $2 AND last_position <= $3 AND meta IS NOT NULL`
	accountErased = `
UPDATE state.accounts SET erasure_done = true, sealed = NULL, settings = '{}', last_error = NULL
WHERE journal_id = $1 AND ($2::bigint = 0 OR account_id = $2) AND erased_by IS NOT NULL`
	userBlank = `
UPDATE auth.users SET name = 'erased-' || user_id, email = '', password_hash = '' WHERE user_id = $1 AND erased_by IS NOT NULL`
)

// erasure is an account, or for account 0 a user, whose content has to go.
type erasure struct {
	Journal int64
	Account int64
	By      int64 // position of the event
}

// Erase takes out the content of all accounts and users whose erasure is recorded
// and not carried out yet: payloads in the log, raw messages, state, and the rows
// of generations that nobody follows; those that are followed lose theirs when
// they come to the event. Broken off at any step it can be called again, and is at
// every start. Appends go on meanwhile.
func (l *Log) Erase(ctx context.Context) error {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	defer conn.Release()
	// The lock is of the session, which ends with the erasure whatever happens.
	defer conn.Conn().Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is being given up
	if _, err := conn.Exec(ctx, eraseLock); err != nil {
		return fmt.Errorf("wait for another erasure: %w", err)
	}
	var all []erasure
	for _, query := range []string{accountsToErase, usersToErase} {
		rows, err := l.pool.Query(ctx, query)
		if err != nil {
			return fmt.Errorf("find what is erased: %w", err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[erasure])
		if err != nil {
			return fmt.Errorf("find what is erased: %w", err)
		}
		all = append(all, found...)
	}
	for _, e := range all {
		begin := time.Now()
		if err := l.erase(ctx, e); err != nil {
			return fmt.Errorf("erase account %d of journal %d: %w", e.Account, e.Journal, err)
		}
		l.log.Info("content erased", slog.Int64("journal", e.Journal), slog.Int64("account", e.Account),
			slog.Duration("took", time.Since(begin)))
	}
	if len(all) > 0 {
		l.vacuum(ctx, all)
	}
	return nil
}

// erase carries out one erasure, each step of which is a transaction that may be
// repeated; the last one says that it is done.
func (l *Log) erase(ctx context.Context, e erasure) error {
	steps := []func(context.Context, erasure) error{l.eraseRaw, l.eraseState, l.eraseUnfollowed, l.eraseLog, l.eraseDone}
	for _, step := range steps {
		if err := step(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// eraseRaw deletes the uses of raw messages, and those that have no use then.
func (l *Log) eraseRaw(ctx context.Context, e erasure) error {
	after := []byte{}
	for {
		rows, err := l.pool.Query(ctx, nextUses, e.Journal, e.Account, after, eraseChunk)
		if err != nil {
			return fmt.Errorf("read uses: %w", err)
		}
		sums, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil {
			return fmt.Errorf("read uses: %w", err)
		}
		if len(sums) == 0 {
			break
		}
		err = l.retry(ctx, func(tx pgx.Tx) error {
			b := &pgx.Batch{}
			b.Queue(eraseUses, e.Journal, e.Account, sums)
			b.Queue(eraseUnused, e.Journal, sums)
			b.Queue(eraseContents, e.Journal, sums)
			return tx.SendBatch(ctx, b).Close()
		})
		if err != nil {
			return fmt.Errorf("delete raw messages: %w", err)
		}
		after = sums[len(sums)-1]
	}
	if e.Account != 0 {
		return nil
	}
	err := l.retry(ctx, func(tx pgx.Tx) error { // also those that no append has used yet
		b := &pgx.Batch{}
		b.Queue(`DELETE FROM raw.messages WHERE journal_id = $1`, e.Journal)
		b.Queue(`DELETE FROM raw.contents WHERE journal_id = $1`, e.Journal)
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return fmt.Errorf("delete raw messages: %w", err)
	}
	return nil
}

func (l *Log) eraseState(ctx context.Context, e erasure) error {
	err := l.retry(ctx, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		for _, q := range []string{
			eraseKnown, eraseQuarantine, eraseCoverage, eraseMailboxes, eraseThreads, eraseMerges, eraseTouched, eraseQueued,
			eraseWatches, eraseChanges,
		} {
			b.Queue(q, e.Journal, e.Account)
		}
		for _, q := range []string{eraseAttempts, eraseDeliveries} {
			b.Queue(q, e.Journal, e.Account, e.By)
		}
		if e.Account == 0 {
			b.Queue(eraseSubscriptions, e.Journal)
			b.Queue(eraseGmailWatches, e.Journal)
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return fmt.Errorf("delete state: %w", err)
	}
	return nil
}

// unfollowedTables are those of generations of other versions, which no consumer
// of this program brings to the event.
const unfollowedTables = `
SELECT format('%I.%I', c.table_schema, c.table_name), EXISTS (
	SELECT FROM information_schema.columns a
	WHERE a.table_schema = c.table_schema AND a.table_name = c.table_name AND a.column_name = 'account_id')
FROM log.generations g JOIN information_schema.columns c ON c.table_schema = g.schema_name AND c.column_name = 'journal_id'
WHERE NOT EXISTS (SELECT FROM unnest($1::text[], $2::int[]) p(projection, version)
	WHERE p.projection = g.projection AND p.version = g.version)`

func (l *Log) eraseUnfollowed(ctx context.Context, e erasure) error {
	names, versions := l.models.of(nil)
	rows, err := l.pool.Query(ctx, unfollowedTables, names, versions)
	if err != nil {
		return fmt.Errorf("read tables: %w", err)
	}
	b := &pgx.Batch{}
	var (
		table      string
		hasAccount bool
	)
	_, err = pgx.ForEachRow(rows, []any{&table, &hasAccount}, func() error {
		switch {
		case e.Account == 0:
			b.Queue("DELETE FROM "+table+" WHERE journal_id = $1", e.Journal)
		case hasAccount:
			b.Queue("DELETE FROM "+table+" WHERE journal_id = $1 AND account_id = $2", e.Journal, e.Account)
		}
		return nil
	})
	if err != nil || b.Len() == 0 {
		return err
	}
	if err := l.retry(ctx, func(tx pgx.Tx) error { return tx.SendBatch(ctx, b).Close() }); err != nil {
		return fmt.Errorf("delete rows of other versions: %w", err)
	}
	return nil
}

// eraseLog takes payloads out, and meta where a user is erased, range by range and
// meta last: it tells that a range is done.
func (l *Log) eraseLog(ctx context.Context, e erasure) error {
	for from := int64(0); from < e.By-1; from += eraseRange {
		to := min(from+eraseRange, e.By-1)
		err := l.retry(ctx, func(tx pgx.Tx) error {
			b := &pgx.Batch{}
			b.Queue(erasePayloads, e.Journal, e.Account, from, to)
			if e.Account == 0 {
				b.Queue(eraseMeta, e.Journal, from, to)
			}
			return tx.SendBatch(ctx, b).Close()
		})
		if err != nil {
			return fmt.Errorf("take payloads out: %w", err)
		}
	}
	return nil
}

func (l *Log) eraseDone(ctx context.Context, e erasure) error {
	err := l.retry(ctx, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		b.Queue(accountErased, e.Journal, e.Account)
		if e.Account == 0 {
			b.Queue(userBlank, e.Journal)
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return fmt.Errorf("note that it is done: %w", err)
	}
	return nil
}

// retry runs fn in a transaction, again if the database was busy or an append used
// a raw message just then (which the foreign key of its use tells).
func (l *Log) retry(ctx context.Context, fn func(tx pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, noTimeouts); err != nil {
				return err
			}
			return fn(tx)
		})
		var pgErr *pgconn.PgError
		used := errors.As(err, &pgErr) && pgErr.Code == codeForeignKey
		if err == nil || try == eraseTries || !used && !isTransient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(erasePause):
		}
	}
}
