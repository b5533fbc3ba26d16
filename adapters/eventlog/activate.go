package eventlog

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const (
	flipTries = 20

	// lockBoth locks the checkpoints of two generations in one journal, always in
	// the same order.
	lockBoth = `
SELECT generation, position FROM log.checkpoints
WHERE journal_id = $1 AND projection = $2 AND generation = ANY ($3) ORDER BY generation FOR UPDATE`

	journalsOf = `SELECT journal_id FROM log.checkpoints WHERE projection = $1 AND generation = $2 ORDER BY journal_id`

	// leftBehind are the journals in which generation $2 has not come to the live
	// one; those that are stopped in it are told apart.
	leftBehind = `
SELECT l.journal_id, coalesce(n.attempts, 0) > 0 FROM log.checkpoints l
LEFT JOIN log.checkpoints n ON n.journal_id = l.journal_id AND n.projection = l.projection AND n.generation = $2
WHERE l.projection = $1 AND l.generation = $3 AND l.position > coalesce(n.position, 0) ORDER BY 1`
)

// Activate indexes gen, compares it with the live generation journal by journal,
// and makes it the live one; that one is kept. Where one of the two is behind, it
// catches up with the other first. Rows are compared one for one, by an order-free
// hash of each table, if both are of one version and messages were read by the same
// parser, else only counted: then a difference is logged. It returns domain.ErrConflict, with what differs, if they
// do not agree.
func (m *ReadModel[S]) Activate(ctx context.Context, gen projections.Generation) error {
	if err := m.activate(ctx, gen); err != nil {
		return fmt.Errorf("activate generation %d of %s: %w", gen.Number, m.opts.Name, err)
	}
	return nil
}

func (m *ReadModel[S]) activate(ctx context.Context, gen projections.Generation) error {
	all, err := m.all(ctx, m.log.pool)
	if err != nil {
		return err
	}
	if live, ok := find(all, gen.Version, "live"); ok && live.Number == gen.Number {
		return nil
	}
	if err := m.change(ctx, func(tx pgx.Tx, _ []projections.Generation) error { return m.index(ctx, tx, gen) }); err != nil {
		return err
	}
	live, ok := find(all, gen.Version, "live")
	compare := m.compare
	if !ok || live.Reads != gen.Reads {
		live, ok = newestLive(all)
		compare = m.count
	}
	if ok {
		if err := m.compareAll(ctx, live, gen, compare); err != nil {
			return err
		}
	}
	return m.flip(ctx, gen, nil)
}

// newestLive returns the live generation of the newest version.
func newestLive(all []projections.Generation) (out projections.Generation, ok bool) {
	for _, g := range all {
		if g.Status == "live" && g.Version >= out.Version {
			out, ok = g, true
		}
	}
	return out, ok
}

// DiffersError says that a generation does not agree with the live one. It is a domain.ErrConflict.
type DiffersError struct {
	Live  int      // number of the live generation
	Found []string // what differs, at most a line for each journal
}

// Error names the first ten differences.
func (e *DiffersError) Error() string {
	d, more := e.Found, ""
	if n := len(d) - 10; n > 0 {
		d, more = d[:10], fmt.Sprintf("; and %d more", n)
	}
	return fmt.Sprintf("%s%s: %v", strings.Join(d, "; "), more, domain.ErrConflict)
}

// Unwrap returns domain.ErrConflict.
func (e *DiffersError) Unwrap() error { return domain.ErrConflict }

// compareAll compares all journals of the live generation, several at a time.
func (m *ReadModel[S]) compareAll(ctx context.Context, live, gen projections.Generation,
	compare func(context.Context, events.JournalID, projections.Generation, projections.Generation) (string, error),
) error {
	journals, err := m.log.journals(ctx, journalsOf, m.opts.Name, live.Number)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	found := make([]string, len(journals))
	for i, j := range journals {
		g.Go(func() (err error) {
			found[i], err = compare(ctx, j, live, gen)
			if found[i] != "" {
				found[i] = fmt.Sprintf("journal %d: %s", j, found[i])
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if found = slices.DeleteFunc(found, func(f string) bool { return f == "" }); len(found) > 0 {
		return &DiffersError{Live: live.Number, Found: found}
	}
	return nil
}

// compare brings both generations of a journal to one position and says in words
// how the rows of gen differ from those of live, "" if they do not.
func (m *ReadModel[S]) compare(ctx context.Context, j events.JournalID, live, gen projections.Generation) (string, error) {
	want, got, err := m.digests(ctx, j, live, gen)
	var stopped *StoppedError
	if errors.As(err, &stopped) {
		return stopped.Error(), nil
	}
	if err != nil {
		return "", fmt.Errorf("compare journal %d: %w", j, err)
	}
	return diff(want, got), nil
}

// digests returns what two generations of a journal are compared by, at one
// position; its consumers wait meanwhile. It returns none if live is stopped
// before gen, and a *StoppedError if gen is stopped before live.
func (m *ReadModel[S]) digests(ctx context.Context, j events.JournalID, live, gen projections.Generation) (ofLive, ofGen []tableDigest, err error) {
	err = pgx.BeginFunc(ctx, m.log.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, noTimeouts); err != nil {
			return err
		}
		comparable, err := m.level(ctx, tx, j, live, gen)
		if err != nil || !comparable {
			return err
		}
		if ofLive, err = m.digest(ctx, tx, j, live, true); err != nil {
			return err
		}
		ofGen, err = m.digest(ctx, tx, j, gen, true)
		return err
	})
	return ofLive, ofGen, err
}
