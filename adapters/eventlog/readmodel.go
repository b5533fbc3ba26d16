package eventlog

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// ModelOptions says how a read model is kept in Postgres.
type ModelOptions[S projections.Store] struct {
	// Name is that of the projection; schemas are named after it.
	Name string
	// Tables makes the tables with their primary keys, Indexes all further indexes,
	// once the tables are filled. Both are run with the search path set to the
	// schema of the generation and may hold several statements.
	Tables, Indexes string
	// HashTables are the tables that must be equal in two generations of one
	// version. Each has a column journal_id.
	HashTables []string
	// Reads names the versions of what reads messages for the rows, "" if nothing does. A
	// generation that was made with others is outdated: a rebuild mends it.
	Reads string
	// NewStore returns the store of one journal in one transaction, whose search
	// path is the schema of the generation.
	NewStore func(tx pgx.Tx, journal events.JournalID) S
	// Aside: no command waits for the model, and the program is ready without it; Reach waits for it by name.
	Aside bool
	// Outside is where the rows are, if not in Tables: generations are then compared by the
	// number of rows, the store asks PlaceIn, and the model is Aside.
	Outside Outside
}

// ReadModel keeps the generations of one projection, its rows and its
// checkpoints, in Postgres. It implements projections.ReadModel.
type ReadModel[S projections.Store] struct {
	log  *Log
	opts ModelOptions[S]
	// bound is the fold of the last CatchUp: Activate lets the generation that is
	// behind catch up with the other.
	bound atomic.Pointer[fold[S]]
}

// NewReadModel returns the read model of a projection in the database of l.
func NewReadModel[S projections.Store](l *Log, opts ModelOptions[S]) *ReadModel[S] {
	m := &ReadModel[S]{log: l, opts: opts}
	l.models.keep(opts.Name, m, opts.Aside, opts.Outside != nil)
	return m
}

// fold is what a projection does with events.
type fold[S projections.Store] struct {
	types []string
	apply func(ctx context.Context, store S, batch []events.Recorded) error
}

func (m *ReadModel[S]) bind(types []events.Type, fn func(context.Context, S, []events.Recorded) error) *fold[S] {
	f := &fold[S]{types: make([]string, len(types)), apply: fn}
	for i, t := range types {
		f.types[i] = string(t)
	}
	m.bound.Store(f)
	return f
}

// lockKey is the advisory lock of a projection: shared while a generation catches
// up, exclusive while the live one changes.
const lockKey = `hashtextextended('imap2api projection ' || $1::text, 0)`

// indexKey is the advisory lock of a generation: shared while it catches up,
// exclusive while its indexes are made, which would be a deadlock with it.
const indexKey = `hashtextextended('imap2api generation ' || $1::text || ' ' || $2::int, 0)`
