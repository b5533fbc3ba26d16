package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const (
	noteRequest = `
UPDATE log.generations SET request = $3 WHERE projection = $1 AND generation = $2`
	tryAgain = `
UPDATE log.generations SET last_error = NULL WHERE projection = $1 AND generation = $2`
	noteFailed = `
UPDATE log.generations SET last_error = $3 WHERE projection = $1 AND generation = $2 AND status = 'building'`

	// untold are the generations that were made live for somebody, which the log does not tell yet.
	untold = `
SELECT g.generation, g.version, g.activated_at, g.request,
	(SELECT coalesce(sum(c.position), 0)::bigint FROM log.checkpoints c WHERE c.projection = g.projection AND c.generation = g.generation)
FROM log.generations g
WHERE g.projection = $1 AND g.status <> 'building' AND g.request IS NOT NULL ORDER BY g.activated_at`
	told = `
UPDATE log.generations SET request = NULL WHERE projection = $1 AND generation = $2 AND activated_at = $3`
)

// request says who asked for a generation to be live.
type request struct {
	Meta events.Meta `json:"meta"`
	Back bool        `json:"back"` // it was live before
}

func (r request) encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return b, nil
}

// Request is Build for somebody: whoever follows the read model builds the generation and
// makes it live, and the log tells who asked. It reports whether it began one, or let
// one be tried again that could not be made live.
func (m *ReadModel[S]) Request(ctx context.Context, version int, asked events.Meta) (gen projections.Generation, began bool, err error) {
	r, err := request{Meta: asked}.encode()
	if err != nil {
		return gen, false, err
	}
	err = m.change(ctx, func(tx pgx.Tx, all []projections.Generation) error {
		was, found := find(all, version, "building")
		if began = !found || was.Error != ""; !began {
			gen = was
			return nil
		}
		var err error
		if gen, err = m.building(ctx, tx, all, version); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, noteRequest, m.opts.Name, gen.Number, r); err != nil {
			return err
		}
		gen.Error = ""
		_, err = tx.Exec(ctx, tryAgain, m.opts.Name, gen.Number)
		return err
	})
	if err != nil {
		return projections.Generation{}, false, fmt.Errorf("request a rebuild of %s: %w", m.opts.Name, translate(err))
	}
	return gen, began, nil
}

// Rollback makes the kept generation the live one again. It returns
// domain.ErrConflict if there is none.
func (m *ReadModel[S]) Rollback(ctx context.Context, version int, asked *events.Meta) (projections.Generation, error) {
	all, err := m.all(ctx, m.log.pool)
	if err != nil {
		return projections.Generation{}, err
	}
	kept, ok := find(all, version, "kept")
	if !ok {
		return projections.Generation{}, fmt.Errorf("roll back %s: there is no kept generation: %w", m.opts.Name, domain.ErrConflict)
	}
	var r []byte
	if asked != nil {
		if r, err = (request{Meta: *asked, Back: true}).encode(); err != nil {
			return projections.Generation{}, err
		}
	}
	if err := m.flip(ctx, kept, r); err != nil {
		return projections.Generation{}, fmt.Errorf("roll back %s: %w", m.opts.Name, err)
	}
	kept.Status = "live"
	return kept, nil
}

// RequestRebuild has a registered read model built anew, beside the live one, by whoever
// follows it; the log tells who asked when it is live. It returns domain.ErrNotFound for an
// unknown name and domain.ErrConflict if one is being built.
func (l *Log) RequestRebuild(ctx context.Context, name string, asked events.Meta) error {
	task, err := l.models.task(name)
	if err != nil {
		return err
	}
	gen, began, err := task.Request(ctx, asked)
	if err == nil && !began {
		err = fmt.Errorf("generation %d of %s is being built: %w", gen.Number, name, domain.ErrConflict)
	}
	return err
}

// RollBackModel makes the kept generation of a registered read model the live one again
// and returns its number. It returns domain.ErrNotFound for an unknown name and
// domain.ErrConflict if none is kept.
func (l *Log) RollBackModel(ctx context.Context, name string, asked events.Meta) (int, error) {
	task, err := l.models.task(name)
	if err != nil {
		return 0, err
	}
	gen, err := l.Rollback(ctx, task, &asked)
	return gen.Number, err
}

// builderKey is held by the session that fills a new generation and makes it live.
const builderKey = `SELECT pg_advisory_lock(hashtextextended('imap2api builder ' || $1::text || ' ' || $2::int, 0))`

// alone waits until nobody else builds a task's read model, in any process, and keeps it
// so until done is called or the program dies.
func (l *Log) alone(ctx context.Context, task projections.Task) (done func(), err error) {
	conn, err := pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", &lostError{err})
	}
	done = func() { _ = conn.Close(context.WithoutCancel(ctx)) } // the lock goes with it
	_, err = conn.Exec(ctx, `SET statement_timeout = 0; SET lock_timeout = 0`)
	if err == nil {
		_, err = conn.Exec(ctx, builderKey, task.Name, task.Version)
	}
	if err != nil {
		done()
		return nil, fmt.Errorf("wait for another builder of %s: %w", task.Name, err)
	}
	return done, nil
}

// tell records which generations of a read model were made live for somebody: each once,
// whatever was broken off between the two.
func (l *Log) tell(ctx context.Context, name string) error {
	rows, err := l.pool.Query(ctx, untold, name)
	if err != nil {
		return fmt.Errorf("find what is not told: %w", translate(err))
	}
	type live struct {
		Generation, Version int
		At                  time.Time
		Request             []byte
		Events              int64
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[live])
	if err != nil {
		return fmt.Errorf("find what is not told: %w", translate(err))
	}
	for _, g := range found {
		var r request
		if err := json.Unmarshal(g.Request, &r); err != nil {
			return fmt.Errorf("decode request: %w", err)
		}
		var event events.Event = events.ModelRebuilt{Model: name, Generation: g.Generation, Version: g.Version, Events: g.Events}
		if r.Back {
			event = events.ModelRolledBack{Model: name, Generation: g.Generation}
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "live %s %d %d", name, g.Generation, g.At.UnixMicro()))
		scope := commands.Scope{Journal: events.System, Append: commands.AppendID(sum[:16]), Meta: r.Meta}
		_, err := l.Journal().Update(ctx, scope, func(commands.State) (commands.Decision, error) {
			return commands.Decision{Events: []events.Event{event}}, nil
		})
		if err == nil {
			_, err = l.pool.Exec(ctx, told, name, g.Generation, g.At)
		}
		if err != nil {
			return fmt.Errorf("record %T: %w", event, err)
		}
	}
	return nil
}
