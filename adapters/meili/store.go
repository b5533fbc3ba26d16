package meili

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/meilisearch/meilisearch-go"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// What is sent in one request: far below the 100 MB that Meilisearch takes by default.
const (
	batchOctets = 8 << 20
	batchCount  = 1000
)

// Store writes the documents of one journal for projections.Search. What it wrote is found when
// Save returns, so a checkpoint that is committed then is never ahead of the index. Every write
// may be repeated.
type Store struct {
	engine  *Engine
	journal events.JournalID
	place   func(context.Context) (Place, error)
	batches []batch
	err     error // of Index
}

// batch is documents, or parts of them, with a comma before each.
type batch struct {
	json []byte
	ends []int // of each document
}

// Store returns the store of a journal in the generation that place names, which is asked
// when it is first needed.
func (e *Engine) Store(journal events.JournalID, place func(context.Context) (Place, error)) *Store {
	return &Store{engine: e, journal: journal, place: place}
}

// Journal returns the journal the store is of.
func (s *Store) Journal() events.JournalID { return s.journal }

// Index takes the text of a new document, which Take or Save write, and reports whether more than
// one request is full. It keeps nothing of c.
func (s *Store) Index(doc projections.Document, c *domain.Content) (enough bool) {
	text, err := s.engine.encode(s.journal, doc, c)
	if err != nil {
		s.err = errors.Join(s.err, err)
		return false
	}
	s.batches = appendTo(s.batches, text)
	return len(s.batches) > 1
}

// Take returns what writes what Index has taken. It returns when all of it can be found.
func (s *Store) Take() (write func(ctx context.Context) error) {
	taken := *s
	s.batches, s.err = nil, nil
	return func(ctx context.Context) error { return taken.Save(ctx, nil, nil) }
}

// appendTo adds a document to the last batch, or to a new one if that is full.
func appendTo(batches []batch, text []byte) []batch {
	n := len(batches)
	if n == 0 || len(batches[n-1].ends) == batchCount || len(batches[n-1].json)+len(text) > batchOctets {
		batches = append(batches, batch{})
		n++
	}
	b := &batches[n-1]
	b.json = append(append(b.json, ','), text...)
	b.ends = append(b.ends, len(b.json))
	return batches
}

// list returns the JSON of documents from i to j.
func (b *batch) list(i, j int) []byte {
	begin := 0
	if i > 0 {
		begin = b.ends[i-1]
	}
	out := make([]byte, 0, b.ends[j-1]-begin+1)
	out = append(out, '[')
	out = append(out, b.json[begin+1:b.ends[j-1]]...)
	return append(out, ']')
}

// Save writes what Index has taken in place of earlier documents with the same ids, then the
// changes of other documents, and deletes those that are gone. It returns when all of it can be
// found, and domain.ErrUnavailable if that takes too long or Meilisearch is away.
func (s *Store) Save(ctx context.Context, changes []projections.DocumentChange, gone []domain.MessageID) error {
	batches := s.batches
	s.batches = nil
	if s.err != nil {
		return s.err
	}
	if len(batches) == 0 && len(changes) == 0 && len(gone) == 0 {
		return nil
	}
	uid, err := s.uid(ctx)
	if err != nil {
		return err
	}
	w := writes{tasks{engine: s.engine}, uid}
	changed, err := s.changed(ctx, uid, changes)
	if err != nil {
		return err
	}
	for i := range batches {
		if err := w.put(ctx, &batches[i], 0, len(batches[i].ends), meilisearch.IndexManager.AddDocumentsWithContext); err != nil {
			return err
		}
		batches[i] = batch{} // as memory is needed for the next one
	}
	for i := range changed {
		if err := w.put(ctx, &changed[i], 0, len(changed[i].ends), meilisearch.IndexManager.UpdateDocumentsWithContext); err != nil {
			return err
		}
	}
	for len(gone) > 0 {
		n := min(len(gone), batchCount)
		if err := w.remove(ctx, s.journal, gone[:n]); err != nil {
			return err
		}
		gone = gone[n:]
	}
	return s.lost(w.await(ctx))
}

// EraseAccount deletes all documents of an account.
func (s *Store) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	uid, err := s.uid(ctx)
	if err != nil {
		return err
	}
	t := tasks{engine: s.engine}
	err = t.add(ctx, "delete documents of an account", func(ctx context.Context) (*meilisearch.TaskInfo, error) {
		return s.engine.service.Index(uid).DeleteDocumentsByFilterWithContext(ctx,
			inJournal(s.journal)+" AND "+accountAttr+" = "+strconv.FormatInt(int64(acc), 10), nil)
	})
	if err != nil {
		return s.lost(err)
	}
	return s.lost(t.await(ctx))
}

// uid returns the index that holds the generation now. It stays, since promotions wait for the
// transaction of the store.
func (s *Store) uid(ctx context.Context) (string, error) {
	p, err := s.place(ctx)
	if err != nil {
		return "", err
	}
	uid, err := s.engine.locate(ctx, p)
	return uid, s.lost(err)
}

// lost tells that an index which is gone is no fault of what is written: it is made again.
func (s *Store) lost(err error) error {
	if isNotFound(err) {
		return fmt.Errorf("%w: %w", domain.ErrUnavailable, err)
	}
	return err
}

// changed returns the changes of documents that are there, since Meilisearch would make the others.
func (s *Store) changed(ctx context.Context, uid string, changes []projections.DocumentChange) (out []batch, err error) {
	for len(changes) > 0 {
		n := min(len(changes), batchCount)
		known, err := s.known(ctx, uid, changes[:n])
		if err != nil {
			return nil, err
		}
		for _, c := range changes[:n] {
			if !known[c.ID] {
				continue
			}
			text, err := json.Marshal(changeOf(s.journal, c))
			if err != nil {
				return nil, fmt.Errorf("encode change of message %d: %w", c.ID, err)
			}
			out = appendTo(out, text)
		}
		changes = changes[n:]
	}
	return out, nil
}

func changeOf(journal events.JournalID, c projections.DocumentChange) change {
	out := change{Key: keyOf(journal, c.ID)}
	if c.Folder != nil {
		folder := token(string(*c.Folder))
		out.Folder = &folder
	}
	if c.Flags != nil {
		flags := flagTokens(c.Flags)
		out.Flags = &flags
	}
	return out
}

// known returns which of the documents are there.
func (s *Store) known(ctx context.Context, uid string, changes []projections.DocumentChange) (map[domain.MessageID]bool, error) {
	b := builder{}
	b.and(inJournal(s.journal))
	b.and(isOneOf(&b, idAttr, changes, func(c projections.DocumentChange) string { return id(c.ID) }))
	var found meilisearch.DocumentsResult
	err := s.engine.do(ctx, s.engine.opts.RequestTimeout, "look for documents", func(ctx context.Context) error {
		return s.engine.service.Index(uid).GetDocumentsWithContext(ctx, &meilisearch.DocumentsQuery{
			Filter: b.String(), Fields: []string{idAttr}, Limit: batchCount,
		}, &found)
	})
	if err != nil {
		return nil, s.lost(err)
	}
	out := make(map[domain.MessageID]bool, len(found.Results))
	for _, row := range found.Results {
		var id domain.MessageID
		if err := json.Unmarshal(row[idAttr], &id); err != nil {
			return nil, fmt.Errorf("look for documents: read id: %w", err)
		}
		out[id] = true
	}
	return out, nil
}

// writes are the tasks that change the documents of an index.
type writes struct {
	tasks
	uid string
}

// put sends documents, half as many at a time where the server takes less.
func (w *writes) put(ctx context.Context, b *batch, i, j int,
	send func(meilisearch.IndexManager, context.Context, any, *meilisearch.DocumentOptions) (*meilisearch.TaskInfo, error),
) error {
	err := w.add(ctx, "send documents", func(ctx context.Context) (*meilisearch.TaskInfo, error) {
		return send(w.engine.service.Index(w.uid), ctx, b.list(i, j), nil)
	})
	var answer *serverError
	if errors.As(err, &answer) && answer.Status == http.StatusRequestEntityTooLarge && j-i > 1 {
		half := (i + j) / 2
		if err := w.put(ctx, b, i, half, send); err != nil {
			return err
		}
		return w.put(ctx, b, half, j, send)
	}
	return err
}

func (w *writes) remove(ctx context.Context, journal events.JournalID, gone []domain.MessageID) error {
	keys := make([]string, len(gone))
	for i, id := range gone {
		keys[i] = keyOf(journal, id)
	}
	return w.add(ctx, "delete documents", func(ctx context.Context) (*meilisearch.TaskInfo, error) {
		return w.engine.service.Index(w.uid).DeleteDocumentsWithContext(ctx, keys, nil)
	})
}
