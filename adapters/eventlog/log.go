package eventlog

import (
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/events"
)

// Options of a Log; the zero value works.
type Options struct {
	Logger *slog.Logger
	// Appended, if set, is told of the events of each commit and how long it took, queue for the journal's
	// lock included.
	Appended func(list []events.Event, took time.Duration)
	// Compress stores new payloads in zstd (encoding 1).
	Compress bool
}

// Log is the event log in one Postgres database. It is safe for concurrent use.
type Log struct {
	pool   *pgxpool.Pool
	opts   Options
	log    *slog.Logger
	hints  *hints
	notes  *notifier
	moves  *moves
	wants  *wants
	models *models
}

// New returns the log in the database of pool, whose schema is the program's.
func New(pool *pgxpool.Pool, opts Options) *Log {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{pool: pool, opts: opts, log: opts.Logger, hints: newHints(), moves: newMoves(), wants: newWants(), models: newModels()}
	l.notes = newNotifier(pool, l.log)
	l.hints.notify = l.notes.grown
	return l
}
