package projections

import (
	"context"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// A Projection folds the events of each journal into one read model, kept in
// a store S.
type Projection[S Store] struct {
	Name    string        // stable: names the schema, the checkpoints, the argument of rebuild
	Version int           // raised when the fold, the parser it needs or its tables change
	Handles []events.Type // nothing else reaches Apply
	// Apply folds a batch of one journal, in order, into the store. What it does may
	// not depend on where the batch begins or ends.
	Apply func(ctx context.Context, store S, batch []events.Recorded) error
}

// Store is what the store of every projection can do. A store is of one journal
// and one transaction.
type Store interface {
	// EraseAccount deletes all rows of an account.
	EraseAccount(ctx context.Context, acc domain.AccountID) error
}

// Generation is one build of a read model.
type Generation struct {
	Number  int
	Version int
	Schema  string
	Status  string // building, live or kept
	Reads   string // versions of what read messages for it; "": it reads none
	Error   string // why it was not made live; "": it was, or may yet be
	Asked   bool   // somebody asked for it, which the log does not tell yet
}

// A ReadModel is where the rows and the checkpoints of a projection live.
type ReadModel[S Store] interface {
	// CatchUp gives fn the next events of a journal, at most a thousand, without
	// gaps, and commits what it saves together with the checkpoint, or neither.
	// Events whose payload is erased are passed over; AccountErased empties the
	// store of the account.
	// It reports whether there may be more. An error of fn stops this journal and
	// is kept with the checkpoint; see the design of the log, section 8.
	CatchUp(ctx context.Context, gen Generation, journal events.JournalID, types []events.Type,
		fn func(ctx context.Context, store S, batch []events.Recorded) error) (more bool, err error)
	// Generations returns the live, building and kept generations of a version.
	Generations(ctx context.Context, version int) ([]Generation, error)
	// Build returns the generation of this version that is being built, a new
	// one if there is none. The first one of a version is live at once when no journal has events.
	Build(ctx context.Context, version int) (Generation, error)
	// Request is Build for somebody: whoever keeps the read model builds the generation, makes it
	// live, and records who asked. It reports whether it began one, or one that had failed again.
	Request(ctx context.Context, version int, asked events.Meta) (gen Generation, began bool, err error)
	// Activate indexes gen, compares it with the live generation, journal by journal,
	// and makes it the live one.
	// It returns domain.ErrConflict, with what differs, if they do not agree.
	Activate(ctx context.Context, gen Generation) error
	// Rollback makes the kept generation the live one again; asked, if not nil, is who will be
	// recorded. It returns domain.ErrConflict if there is none.
	Rollback(ctx context.Context, version int, asked *events.Meta) (Generation, error)
	// Drop removes the kept generation, and one that could not be made live, if there are any.
	Drop(ctx context.Context) error
}

// Task is a projection bound to its read model, without its type of store.
type Task struct {
	Name    string
	Version int
	// Patience is how long a journal that grows and grows may wait: what is read first is kept
	// first then, until it has been still for Stillness. 0: it does not wait.
	Patience, Stillness time.Duration

	CatchUp     func(ctx context.Context, gen Generation, journal events.JournalID) (more bool, err error)
	Generations func(ctx context.Context) ([]Generation, error)
	Build       func(ctx context.Context) (Generation, error)
	Request     func(ctx context.Context, asked events.Meta) (gen Generation, began bool, err error)
	Activate    func(ctx context.Context, gen Generation) error
	Rollback    func(ctx context.Context, asked *events.Meta) (Generation, error)
	Drop        func(ctx context.Context) error
}

// Bind returns the task of a projection kept in model.
func Bind[S Store](p Projection[S], model ReadModel[S]) Task {
	return Task{
		Name:    p.Name,
		Version: p.Version,
		CatchUp: func(ctx context.Context, gen Generation, journal events.JournalID) (bool, error) {
			return model.CatchUp(ctx, gen, journal, p.Handles, p.Apply)
		},
		Generations: func(ctx context.Context) ([]Generation, error) { return model.Generations(ctx, p.Version) },
		Build:       func(ctx context.Context) (Generation, error) { return model.Build(ctx, p.Version) },
		Request: func(ctx context.Context, asked events.Meta) (Generation, bool, error) {
			return model.Request(ctx, p.Version, asked)
		},
		Activate: model.Activate,
		Rollback: func(ctx context.Context, asked *events.Meta) (Generation, error) {
			return model.Rollback(ctx, p.Version, asked)
		},
		Drop: model.Drop,
	}
}
