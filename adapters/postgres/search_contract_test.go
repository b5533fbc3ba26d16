package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/adaptertest"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// builtIn is the engine in Postgres, with a live generation.
type builtIn struct {
	*postgres.SearchReader
	pool   *pgxpool.Pool
	schema string
}

// Can is for all: there is no other engine.
func (builtIn) Can(queries.MessageFilter) bool { return true }

const nextCheckpoint = `
INSERT INTO log.checkpoints (journal_id, projection, generation, position, updated_at) VALUES ($1, 'search', 1, 1, now())
ON CONFLICT (journal_id, projection, generation) DO UPDATE SET position = checkpoints.position + 1`

// Change folds in one transaction with the checkpoint, as the log does.
func (e builtIn) Change(ctx context.Context, journal events.JournalID, fold func(context.Context, projections.SearchStore) error) error {
	return pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('search_path', $1, true)", e.schema); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, nextCheckpoint, journal); err != nil {
			return err
		}
		return fold(ctx, postgres.NewSearchStore(lexer)(tx, journal))
	})
}

func TestSearchContract(t *testing.T) {
	t.Parallel()
	adaptertest.Search(t, func(t *testing.T) adaptertest.Engine {
		pool := open(t)
		live(t, pool, "mail", 1)
		return builtIn{postgres.NewSearchReader(pool, 1, 1, lexer), pool, live(t, pool, "search", 1)}
	})
}
