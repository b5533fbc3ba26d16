package meili

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/meilisearch/meilisearch-go"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// List returns up to limit ids of messages of a journal that a generation holds, those after an
// id in ascending order. It returns domain.ErrNotFound if the generation is lost.
func (e *Engine) List(ctx context.Context, p Place, journal events.JournalID, after domain.MessageID, limit int) ([]domain.MessageID, error) {
	uid, err := e.locate(ctx, p)
	if err != nil {
		return nil, err
	}
	hitsPerPage := int64(limit)
	query := &meilisearch.SearchRequest{
		Filter: inJournal(journal) + " AND " + idAttr + " > " + id(after), MatchingStrategy: meilisearch.All,
		Sort: []string{idAttr + ":asc"}, AttributesToRetrieve: []string{idAttr}, HitsPerPage: &hitsPerPage, Page: 1,
	}
	var found *meilisearch.SearchResponse
	err = e.do(ctx, e.opts.RequestTimeout, "list index "+uid, func(ctx context.Context) (err error) {
		found, err = e.service.Index(uid).SearchWithContext(ctx, "", query)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]domain.MessageID, len(found.Hits))
	for i, hit := range found.Hits {
		if err := json.Unmarshal(hit[idAttr], &out[i]); err != nil {
			return nil, fmt.Errorf("list index %s: read hit %d: %w", uid, i, err)
		}
	}
	return out, nil
}
