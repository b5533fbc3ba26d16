package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const (
	maxTries   = 6
	firstPause = 50 * time.Millisecond // before the second try; doubles
)

// Update is commands.Journal.Update: three round trips in READ COMMITTED, the
// first of which locks the head of the journal to the end of the transaction.
func (j *Journal) Update(ctx context.Context, scope commands.Scope,
	decide func(commands.State) (commands.Decision, error),
) (events.Position, error) {
	for try := 1; ; try++ {
		pos, err := j.try(ctx, scope, decide)
		if err == nil {
			return pos, nil
		}
		var refused *refusedError
		if errors.As(err, &refused) {
			return 0, refused.err
		}
		if ctx.Err() == nil && isTransient(err) && try < maxTries {
			j.log.log.LogAttrs(ctx, slog.LevelWarn, "append is tried again",
				slog.Int64("journal", int64(scope.Journal)), slog.Int("try", try), slog.Any("err", err))
			if err = pause(ctx, try); err == nil {
				continue
			}
		}
		return 0, fmt.Errorf("append to journal %d: %w", scope.Journal, translate(err))
	}
}

// pause waits before the next try, with jitter so that those who met do not meet again.
func pause(ctx context.Context, try int) error {
	d := firstPause << (try - 1)
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refusedError is an error of decide, whatever it wraps.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }

// try is one try of Update, on one connection.
func (j *Journal) try(ctx context.Context, scope commands.Scope,
	decide func(commands.State) (commands.Decision, error),
) (events.Position, error) {
	pooled, err := j.log.pool.Acquire(ctx)
	if err != nil {
		return 0, &lostError{fmt.Errorf("get a connection: %w", err)}
	}
	defer pooled.Release()
	conn := pooled.Conn()
	defer func() { _ = abort(ctx, conn) }() // if it fails, the pool closes the connection
	pos, err := j.append(ctx, conn, scope, decide)
	return pos, lost(conn, err)
}

func (j *Journal) append(ctx context.Context, conn *pgx.Conn, scope commands.Scope,
	decide func(commands.State) (commands.Decision, error),
) (events.Position, error) {
	begun := time.Now()
	l, err := load(ctx, conn, scope)
	if err != nil {
		return 0, err
	}
	if l.repeated != 0 { // an earlier try got through, and may not have said so
		j.log.hints.grown(scope.Journal)
		return l.repeated, nil
	}
	if err := l.refuse(scope); err != nil {
		return 0, err
	}
	d, err := decide(l.state)
	if err != nil {
		return 0, &refusedError{err}
	}
	if len(d.Events) == 0 && len(d.Rows) == 0 && len(d.Nodes) == 0 {
		return l.head.position, nil
	}
	c, err := j.newCommit(l.head, scope, l.at, d.Events)
	if err != nil {
		return 0, err
	}
	if err := record(ctx, conn, scope, c, d); err != nil {
		return 0, err
	}
	if len(d.Events) > 0 {
		j.log.hints.grown(scope.Journal)
		if j.log.opts.Appended != nil {
			j.log.opts.Appended(d.Events, time.Since(begun))
		}
	}
	return c.commit.Last, nil
}

// refuse says why nothing may be appended, if so.
func (l *loaded) refuse(scope commands.Scope) error {
	switch {
	case l.head.erased:
		return fmt.Errorf("journal %d is erased: %w", scope.Journal, domain.ErrNotFound)
	case scope.User != 0 && l.state.User == nil:
		return fmt.Errorf("user %d: %w", scope.User, domain.ErrNotFound)
	case scope.Account == 0:
		return nil
	case l.state.Account == nil || l.accountErased:
		return fmt.Errorf("account %d: %w", scope.Account, domain.ErrNotFound)
	case scope.Lease != 0 && scope.Lease != l.lease:
		return fmt.Errorf("lease %d of account %d is over: %w", scope.Lease, scope.Account, domain.ErrConflict)
	}
	return nil
}

const insertCommit = `
INSERT INTO log.commits (journal_id, first_position, last_position, recorded_at, append_id, meta, root, link)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

const updateHead = `
UPDATE log.journals SET position = $2, link = $3, recorded_at = $4, erased_by = $5
WHERE journal_id = $1`

// record inserts the events, and in one more round trip all that goes with them
// and COMMIT.
func record(ctx context.Context, conn *pgx.Conn, scope commands.Scope, c *pendingCommit, d commands.Decision) error {
	if len(c.events) > 0 {
		if err := publish(ctx, conn, c); err != nil {
			return err
		}
	}
	b := &pgx.Batch{}
	fx := newEffects(b, scope, c.commit.RecordedAt)
	for i, e := range d.Events {
		fx.fold(c.commit.First+events.Position(i), e)
	}
	fx.flush()
	queueNodes(b, scope, d.Nodes)
	queueRows(b, scope, c.commit.RecordedAt, d.Rows)
	if len(c.events) > 0 {
		journal := int64(scope.Journal)
		b.Queue(insertCommit, journal, int64(c.commit.First), int64(c.commit.Last), c.commit.RecordedAt,
			c.commit.AppendID, c.meta, c.commit.Root[:], c.link[:])
		b.Queue(updateHead, journal, int64(c.commit.Last), c.link[:], c.commit.RecordedAt, fx.erasedBy)
	}
	b.Queue("COMMIT")
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
