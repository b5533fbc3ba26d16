package meili

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/meilisearch/meilisearch-go"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Place names a generation of the read model.
type Place = struct {
	Schema  string // of its checkpoints in Postgres
	Version int    // of the projection
	Tag     string // of this generation alone
}

// liveName is the index that readers of a version get.
func (e *Engine) liveName(version int) string {
	return e.opts.Prefix + "_v" + strconv.Itoa(version)
}

// ownName is the index that a generation is made in.
func (e *Engine) ownName(p Place) string { return e.opts.Prefix + "_" + p.Schema }

// marker is the key of the document that tells which generation an index holds, in which
// layout. No search finds it, since it is of no journal.
func (e *Engine) marker(p Place) string {
	return "generation-" + p.Tag + "-" + strconv.Itoa(layout) + "-" + strconv.Itoa(e.opts.WordsVersion)
}

// holds reports whether an index is that of a generation.
func (e *Engine) holds(ctx context.Context, uid string, p Place) (bool, error) {
	err := e.do(ctx, e.opts.RequestTimeout, "look at index "+uid, func(ctx context.Context) error {
		var marker map[string]any
		return e.service.Index(uid).GetDocumentWithContext(ctx, e.marker(p), nil, &marker)
	})
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// locate returns the index that holds a generation: that of the version, its own, or, when it
// was live once, that of the one which took its place. It returns domain.ErrNotFound if
// there is none.
func (e *Engine) locate(ctx context.Context, p Place) (string, error) {
	likely := []string{e.liveName(p.Version), e.ownName(p)}
	for _, uid := range likely {
		if ok, err := e.holds(ctx, uid, p); ok || err != nil {
			return uid, err
		}
	}
	names, err := e.indexes(ctx)
	if err != nil {
		return "", err
	}
	for _, uid := range names {
		if uid == likely[0] || uid == likely[1] {
			continue
		}
		if ok, err := e.holds(ctx, uid, p); ok || err != nil {
			return uid, err
		}
	}
	return "", fmt.Errorf("index of generation %s: %w", p.Tag, domain.ErrNotFound)
}

// indexes returns the names of all indexes of this database.
func (e *Engine) indexes(ctx context.Context) (names []string, err error) {
	const page = 1000
	for offset := int64(0); ; offset += page {
		var found *meilisearch.IndexesResults
		err := e.do(ctx, e.opts.RequestTimeout, "list indexes", func(ctx context.Context) (err error) {
			found, err = e.service.ListIndexesWithContext(ctx, &meilisearch.IndexesQuery{Limit: page, Offset: offset})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, index := range found.Results {
			if strings.HasPrefix(index.UID, e.opts.Prefix+"_") {
				names = append(names, index.UID)
			}
		}
		if len(found.Results) < page {
			return names, nil
		}
	}
}

// Create makes the index of a generation, empty, whatever was there.
func (e *Engine) Create(ctx context.Context, p Place) error {
	uid := e.ownName(p)
	t := tasks{engine: e}
	if _, exists, err := e.primaryKey(ctx, uid); err != nil {
		return err
	} else if exists {
		if err := t.remove(ctx, uid); err != nil {
			return err
		}
	}
	if err := t.make(ctx, uid); err != nil {
		return err
	}
	err := t.add(ctx, "mark index "+uid, func(ctx context.Context) (*meilisearch.TaskInfo, error) {
		return e.service.Index(uid).AddDocumentsWithContext(ctx, []map[string]string{{keyAttr: e.marker(p)}}, nil)
	})
	if err != nil {
		return err
	}
	if err := t.await(ctx, "index_not_found"); err != nil {
		return fmt.Errorf("make index %s: %w", uid, err)
	}
	if ok, err := e.holds(ctx, uid, p); err != nil || !ok { // one of the later tasks had nothing to work on
		return errors.Join(err, fmt.Errorf("index %s is not there after it was made: %w", uid, domain.ErrUnavailable))
	}
	return nil
}

// Promote swaps the index of a generation with the one that readers of its version get. It
// returns domain.ErrNotFound if the generation is lost.
func (e *Engine) Promote(ctx context.Context, p Place) error {
	from, err := e.locate(ctx, p)
	if err != nil {
		return err
	}
	live := e.liveName(p.Version)
	if from == live {
		return nil
	}
	t := tasks{engine: e}
	_, exists, err := e.primaryKey(ctx, live)
	if err != nil {
		return err
	}
	if !exists { // a swap wants both; what is made here is removed when it is swapped out
		err := t.add(ctx, "create index "+live, func(ctx context.Context) (*meilisearch.TaskInfo, error) {
			return e.service.CreateIndexWithContext(ctx, &meilisearch.IndexConfig{Uid: live, PrimaryKey: keyAttr})
		})
		if err != nil {
			return err
		}
	}
	err = t.add(ctx, "swap indexes", func(ctx context.Context) (*meilisearch.TaskInfo, error) {
		return e.service.SwapIndexesWithContext(ctx, []*meilisearch.SwapIndexesParams{{Indexes: []string{live, from}}})
	})
	if err != nil {
		return err
	}
	if err := t.await(ctx, "index_already_exists"); err != nil {
		return fmt.Errorf("swap %s and %s: %w", live, from, err)
	}
	return e.removeStray(ctx, from)
}

// Drop removes the index of a generation, if it is there.
func (e *Engine) Drop(ctx context.Context, p Place) error {
	uid, err := e.locate(ctx, p)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err == nil {
		t := tasks{engine: e}
		if err := t.remove(ctx, uid); err != nil {
			return err
		}
		if err := t.await(ctx, "index_not_found"); err != nil {
			return fmt.Errorf("remove index %s: %w", uid, err)
		}
	}
	return e.removeStray(ctx, e.ownName(p))
}

// primaryKey returns the primary key of an index, and whether it exists.
func (e *Engine) primaryKey(ctx context.Context, uid string) (key string, exists bool, err error) {
	err = e.do(ctx, e.opts.RequestTimeout, "look at index "+uid, func(ctx context.Context) error {
		index, err := e.service.GetIndexWithContext(ctx, uid)
		if err == nil {
			key = index.PrimaryKey
		}
		return err
	})
	if isNotFound(err) {
		return "", false, nil
	}
	return key, err == nil, err
}

// removeStray removes an index that is of no generation, if it is there: one without documents,
// or one that Meilisearch made itself when it was written to after somebody had removed it, which
// the primary key tells.
func (e *Engine) removeStray(ctx context.Context, uid string) error {
	key, exists, err := e.primaryKey(ctx, uid)
	if err != nil || !exists {
		return err
	}
	var stats *meilisearch.StatsIndex
	err = e.do(ctx, e.opts.RequestTimeout, "look at index "+uid, func(ctx context.Context) (err error) {
		stats, err = e.service.Index(uid).GetStatsWithContext(ctx, nil)
		return err
	})
	if isNotFound(err) || err == nil && stats.NumberOfDocuments > 0 && key == keyAttr {
		return nil
	}
	if err != nil {
		return err
	}
	t := tasks{engine: e}
	if err := t.remove(ctx, uid); err != nil {
		return err
	}
	return t.await(ctx, "index_not_found")
}

// Count returns how many documents a generation holds of a journal. It returns
// domain.ErrNotFound if it is lost.
func (e *Engine) Count(ctx context.Context, p Place, journal events.JournalID) (int64, error) {
	uid, err := e.locate(ctx, p)
	if err != nil {
		return 0, err
	}
	_, total, err := e.search(ctx, uid, request{filter: inJournal(journal)}, 0, 0)
	return int64(total), err
}

// Check returns domain.ErrNotFound if a generation is lost, and domain.ErrConflict if it is live
// and not the one that readers get.
func (e *Engine) Check(ctx context.Context, p Place, live bool) error {
	uid, err := e.locate(ctx, p)
	if err != nil {
		return err
	}
	if live && uid != e.liveName(p.Version) {
		return fmt.Errorf("generation %s is in index %s: %w", p.Tag, uid, domain.ErrConflict)
	}
	return nil
}
