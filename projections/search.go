package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// TextReader gives what stored messages say, read by the parser of this program,
// without their HTML.
type TextReader interface {
	// Texts calls fn with the content of each raw message by its SHA-256, in any order,
	// one at a time; one whose octets are gone (its account is being erased) is left out.
	Texts(ctx context.Context, journal events.JournalID, sums [][]byte, fn func(sum [32]byte, c *domain.Content) error) error
}

// Search keeps one document for each message: what q is answered from. Each engine keeps a
// read model of its own, under a name of its own, in its SearchStore.
//
// Table of the built-in engine: document. Reader: queries.SearchReader.
func Search(name string, texts TextReader) Projection[SearchStore] {
	return Projection[SearchStore]{
		Name:    name,
		Version: 2,
		Handles: []events.Type{
			events.TypeMessageFetched, events.TypeFlagsChanged, events.TypeMessageMoved, events.TypeMessageExpunged,
		},
		Apply: func(ctx context.Context, store SearchStore, batch []events.Recorded) error {
			return applySearch(ctx, store, texts, batch)
		},
	}
}

// Document is what a search knows of a message beside its text.
type Document struct {
	ID             domain.MessageID
	Account        domain.AccountID
	SHA256         []byte // of the raw message
	Date           time.Time
	InternalDate   time.Time
	Size           int64
	HasAttachments bool
	Folder         domain.MailboxName
	Flags          []domain.Flag
}

// DocumentChange is a change of a document that may be there.
type DocumentChange struct {
	ID     domain.MessageID
	Folder *domain.MailboxName // nil: as it was
	Flags  []domain.Flag       // nil: as they were
}

// SearchStore holds the documents of Search.
type SearchStore interface {
	Store
	// Journal returns the journal the store is of.
	Journal() events.JournalID
	// Index takes the text of a new document, which Take or Save write. It keeps nothing of c,
	// and reports whether it has taken enough for Take.
	Index(doc Document, c *domain.Content) (enough bool)
	// Take returns what writes what Index has taken until now. It may run beside Index, but not
	// beside another of its kind, nor Save.
	Take() (write func(ctx context.Context) error)
	// Save writes what Index has taken since in place of earlier documents with the same ids,
	// then the changes of other documents, and deletes those that are gone. An id that is
	// not there is no error.
	Save(ctx context.Context, changes []DocumentChange, gone []domain.MessageID) error
}

// applySearch folds the batch, then reads the text of what is new and left. Reading goes on while what
// was read is written.
func applySearch(ctx context.Context, store SearchStore, texts TextReader, batch []events.Recorded) error {
	fold := searchFold{documents: map[domain.MessageID]*fetched{}, changes: map[domain.MessageID]*DocumentChange{}}
	for _, rec := range batch {
		fold.evolve(rec.Event)
	}
	bySum, sums := fold.added()
	w := searchWriter{store: store}
	err := texts.Texts(ctx, store.Journal(), sums, func(sum [32]byte, c *domain.Content) error {
		for _, d := range bySum[sum] {
			summary := events.Summarise(c, d.InternalDate) // as this parser reads it
			d.Date, d.HasAttachments = summary.Date, summary.HasAttachments
			if err := w.index(ctx, d.Document, c); err != nil {
				return err
			}
		}
		delete(bySum, sum)
		return nil
	})
	if err = errors.Join(err, w.wait()); err != nil {
		return fmt.Errorf("index %d texts: %w", len(sums), err)
	}
	for _, sum := range sums {
		for _, d := range bySum[[32]byte(sum)] {
			store.Index(d.Document, d.known)
		}
	}
	changes, gone := fold.rest()
	if err := store.Save(ctx, changes, gone); err != nil {
		return fmt.Errorf("save documents: %w", err)
	}
	return nil
}

// searchWriter writes one part of documents while the next is indexed.
type searchWriter struct {
	store   SearchStore
	written chan error // of the part that is being written; nil without one
}

func (w *searchWriter) index(ctx context.Context, d Document, c *domain.Content) error {
	if !w.store.Index(d, c) {
		return nil
	}
	if err := w.wait(); err != nil {
		return err
	}
	write, written := w.store.Take(), make(chan error, 1)
	w.written = written
	go func() { written <- write(ctx) }()
	return nil
}

// wait waits until no part is being written.
func (w *searchWriter) wait() error {
	if w.written == nil {
		return nil
	}
	err := <-w.written
	w.written = nil
	return err
}

// fetched is a document that a batch brought.
type fetched struct {
	Document
	known *domain.Content // what the event says of it, should its octets be gone
}

// searchFold is the state of a fold over one batch.
type searchFold struct {
	documents map[domain.MessageID]*fetched // nil: gone in this batch
	changes   map[domain.MessageID]*DocumentChange
}

// evolve is the fold of one event.
func (f *searchFold) evolve(event events.Event) {
	switch e := event.(type) {
	case events.MessageFetched:
		s := e.Summary
		f.documents[e.ID] = &fetched{
			Document{
				ID: e.ID, Account: e.Account, SHA256: e.SHA256, Date: s.Date, InternalDate: e.InternalDate, Size: e.Size,
				HasAttachments: s.HasAttachments, Folder: e.Folder, Flags: e.Flags,
			},
			&domain.Content{Subject: s.Subject, From: []domain.Address{{Name: s.SenderName, Addr: s.Sender}}, Snippet: s.Snippet},
		}
		delete(f.changes, e.ID)
	case events.FlagsChanged:
		if d := f.documents[e.ID]; d != nil {
			d.Flags = e.Flags
		} else {
			f.change(e.ID).Flags = append([]domain.Flag{}, e.Flags...)
		}
	case events.MessageMoved:
		if d := f.documents[e.ID]; d != nil {
			d.Folder = e.Folder
		} else {
			f.change(e.ID).Folder = &e.Folder
		}
	case events.MessageExpunged:
		f.documents[e.ID] = nil
		delete(f.changes, e.ID)
	}
}

func (f *searchFold) change(id domain.MessageID) *DocumentChange {
	c := f.changes[id]
	if c == nil {
		c = &DocumentChange{ID: id}
		f.changes[id] = c
	}
	return c
}

// added returns the new documents by the SHA-256 of their octets, and these, by id.
func (f *searchFold) added() (bySum map[[32]byte][]*fetched, sums [][]byte) {
	bySum = map[[32]byte][]*fetched{}
	for _, id := range slices.Sorted(maps.Keys(f.documents)) {
		d := f.documents[id]
		if d == nil {
			continue
		}
		sum := [32]byte(d.SHA256)
		if len(bySum[sum]) == 0 {
			sums = append(sums, d.SHA256)
		}
		bySum[sum] = append(bySum[sum], d)
	}
	return bySum, sums
}

// rest returns the changes of documents that came before the batch, and what is gone, by id.
func (f *searchFold) rest() (changes []DocumentChange, gone []domain.MessageID) {
	for _, id := range slices.Sorted(maps.Keys(f.changes)) {
		if _, inBatch := f.documents[id]; !inBatch {
			changes = append(changes, *f.changes[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(f.documents)) {
		if f.documents[id] == nil {
			gone = append(gone, id)
		}
	}
	return changes, gone
}
