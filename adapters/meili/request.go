package meili

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/meilisearch/meilisearch-go"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// What a request may have, so that Meilisearch takes all of it into account.
const (
	maxTerms  = 10   // it looks at no more
	maxDepth  = 30   // of nested conditions: its parser ends at 150 of its own
	maxValues = 1000 // of one list in a filter
)

// request is what is asked of an index.
type request struct {
	q      string
	filter string
	// loose is set if some words are found only whole, or with typos, that the contract also
	// finds by their beginnings: Meilisearch takes none but the last word of a query for one.
	loose bool
	none  bool // nothing can match
}

// newRequest returns what f is in the terms of Meilisearch, false if they do not suffice.
func (e *Engine) newRequest(f queries.MessageFilter) (request, bool) {
	if f.Thread != nil || f.MsgID != nil || f.Sender != "" || f.Recipient != "" || f.Subject != "" {
		return request{}, false
	}
	var b builder
	b.and(inJournal(f.Journal))
	b.limits(f)
	words := wordsOf{engine: e}
	for _, part := range conjunction(f.Search) {
		if t, ok := part.(queries.Text); ok {
			words.add(t)
		} else {
			b.and(b.filter(part, 0))
		}
	}
	if b.failed || words.failed || words.terms() > maxTerms {
		return request{}, false
	}
	return request{q: words.query(), filter: b.String(), loose: len(words.begins) > 1, none: b.none}, true
}

// conjunction returns the conditions that must all hold.
func conjunction(c queries.Condition) []queries.Condition {
	switch c := c.(type) {
	case nil:
		return nil
	case queries.All:
		var out []queries.Condition
		for _, part := range c {
			out = append(out, conjunction(part)...)
		}
		return out
	}
	return []queries.Condition{c}
}

// wordsOf collects what is searched in the text of messages.
type wordsOf struct {
	engine *Engine
	exact  []string // quoted: whole words, without typos
	begins []string
	failed bool
}

// add takes one text. Phrases of three words and more are left to others: Meilisearch compares
// the distances of pairs, which words that follow one another have, and others may have as well.
func (w *wordsOf) add(t queries.Text) {
	term := w.engine.opts.Query(t.Value, t.Whole)
	n := len(term.Words)
	switch {
	case n == 0: // holds for every message
	case t.In != queries.InAnywhere || t.Inside || n > 2 || n > 1 && t.Begins() || slices.ContainsFunc(term.Words, isUnspaced):
		w.failed = true
	case term.Prefix:
		w.begins = append(w.begins, term.Words[0])
	default:
		w.exact = append(w.exact, `"`+strings.Join(term.Words, " ")+`"`)
	}
}

func (w *wordsOf) terms() int { return len(w.exact) + len(w.begins) }

// query returns the words with one that is found by its beginning at the end.
func (w *wordsOf) query() string { return strings.Join(append(w.exact, w.begins...), " ") }

// inJournal is the filter that every request has.
func inJournal(journal events.JournalID) string {
	return journalAttr + " = " + strconv.FormatInt(int64(journal), 10)
}

// search asks an index for a part of the list, newest first, and its total. Meilisearch tells
// totals exactly only by page, so it asks for the shortest page that has the part.
func (e *Engine) search(ctx context.Context, uid string, r request, offset, limit int) (ids []domain.MessageID, total int, err error) {
	size, page := window(offset, limit)
	hitsPerPage := int64(size)
	query := &meilisearch.SearchRequest{
		Filter: r.filter, MatchingStrategy: meilisearch.All, Sort: []string{dateAttr + ":desc", idAttr + ":desc"},
		AttributesToRetrieve: []string{idAttr}, HitsPerPage: &hitsPerPage, Page: int64(page),
	}
	var found *meilisearch.SearchResponse
	err = e.do(ctx, e.opts.SearchTimeout, "search index "+uid, func(ctx context.Context) (err error) {
		found, err = e.service.Index(uid).SearchWithContext(ctx, r.q, query)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	skip := offset - (page-1)*size
	for i, hit := range found.Hits {
		if i < skip || len(ids) == limit {
			continue
		}
		var id domain.MessageID
		if err := json.Unmarshal(hit[idAttr], &id); err != nil {
			return nil, 0, fmt.Errorf("search index %s: read hit %d: %w", uid, i, err)
		}
		ids = append(ids, id)
	}
	return ids, int(found.TotalHits), nil
}

// window returns the size and the number, from 1, of the shortest page that holds limit rows
// from offset on.
func window(offset, limit int) (size, page int) {
	if limit <= 0 {
		return 0, 1
	}
	for size = limit; offset/size != (offset+limit-1)/size; size++ {
	}
	return size, offset/size + 1
}
