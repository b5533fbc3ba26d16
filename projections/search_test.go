package projections

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// indexed is a document with what was searchable of it.
type indexed struct {
	Document
	Subject, Text string
}

// searchRows is a SearchStore of maps, and the texts it is filled from.
type searchRows struct {
	documents map[domain.MessageID]indexed
	taken     []indexed
	texts     map[[32]byte]*domain.Content
	sums      int // asked for
	err       error
	refused   error // what Take's write returns
}

func newSearchRows(texts map[[32]byte]*domain.Content) *searchRows {
	return &searchRows{documents: map[domain.MessageID]indexed{}, texts: texts}
}

// Texts gives one content that is used again, as a reader with one buffer would.
func (s *searchRows) Texts(_ context.Context, _ events.JournalID, sums [][]byte, fn func([32]byte, *domain.Content) error) error {
	var buffer domain.Content
	for _, sum := range sums {
		s.sums++
		if c := s.texts[[32]byte(sum)]; c != nil {
			buffer = *c
			if err := fn([32]byte(sum), &buffer); err != nil {
				return err
			}
			buffer = domain.Content{Subject: "of another"}
		}
	}
	return s.err
}

func (s *searchRows) apply(t *testing.T, batch []events.Recorded) {
	t.Helper()
	if err := Search("search", s).Apply(t.Context(), s, batch); err != nil {
		t.Fatal(err)
	}
}

func (s *searchRows) EraseAccount(_ context.Context, acc domain.AccountID) error {
	maps.DeleteFunc(s.documents, func(_ domain.MessageID, d indexed) bool { return d.Account == acc })
	return nil
}

func (s *searchRows) Journal() events.JournalID { return 1 }

func (s *searchRows) Index(doc Document, c *domain.Content) bool {
	s.taken = append(s.taken, indexed{doc, c.Subject, c.Text})
	return len(s.taken) == 3
}

func (s *searchRows) Take() func(context.Context) error {
	taken := s.taken
	s.taken = nil
	return func(context.Context) error {
		for _, d := range taken {
			s.documents[d.ID] = d
		}
		return s.refused
	}
}

func (s *searchRows) Save(_ context.Context, changes []DocumentChange, gone []domain.MessageID) error {
	for _, d := range s.taken {
		s.documents[d.ID] = d
	}
	s.taken = nil
	for _, c := range changes {
		d, ok := s.documents[c.ID]
		if !ok {
			continue
		}
		if c.Folder != nil {
			d.Folder = *c.Folder
		}
		if c.Flags != nil {
			d.Flags = c.Flags
		}
		s.documents[c.ID] = d
	}
	for _, id := range gone {
		delete(s.documents, id)
	}
	return nil
}

func (s *searchRows) rows() rows {
	for id, d := range s.documents { // no flags are no flags
		d.Flags = append([]domain.Flag{}, d.Flags...)
		s.documents[id] = d
	}
	return rows{"documents": sorted(s.documents)}
}

// withTexts gives each message of a log octets of its own or of another message, and returns
// what most of them say.
func withTexts(j *journal) map[[32]byte]*domain.Content {
	texts := map[[32]byte]*domain.Content{}
	for i, rec := range j.log {
		e, ok := rec.Event.(events.MessageFetched)
		if !ok {
			continue
		}
		n := j.Uint64N(1 + uint64(e.ID))
		e.SHA256 = binary.BigEndian.AppendUint64(make([]byte, 24), n)
		e.Summary.Subject, e.Summary.Snippet = "as sent", "as sent"
		j.log[i].Event = e
		if n%5 > 0 {
			texts[[32]byte(e.SHA256)] = &domain.Content{
				Subject: "again", Text: strings.Repeat("text ", int(n%7)), Date: time.Date(2025, 1, 1, int(n%24), 0, 0, 0, time.UTC),
			}
		}
	}
	return texts
}

// TestSearchLaws: any log cut into any batches gives the same documents, and again when each
// batch, or all of the log, is applied twice; and they agree with the messages.
func TestSearchLaws(t *testing.T) {
	t.Parallel()
	handles := Search("search", nil).Handles
	for round := range 60 {
		seed := rand.Uint64()
		j := newJournal(seed)
		for range 10 + 4*round {
			j.step()
		}
		texts := withTexts(j)
		whole := newSearchRows(texts)
		want := fold(t, whole, handles, j.log, func() bool { return false })
		for _, largest := range []int{1, 3, 20, 100} {
			cut := func() bool { return j.IntN(largest) == 0 }
			if diff := difference(want, fold(t, newSearchRows(texts), handles, j.log, cut)); diff != "" {
				t.Fatalf("seed %d, %d events, batches of about %d (-whole +cut):\n%s", seed, len(j.log), largest, diff)
			}
			twice := &repeated{searchRows: newSearchRows(texts)}
			if diff := difference(want, fold(t, twice, handles, j.log, cut)); diff != "" {
				t.Fatalf("seed %d, each batch of about %d twice (-once +twice):\n%s", seed, largest, diff)
			}
		}
		if diff := difference(want, fold(t, whole, handles, j.log, func() bool { return j.IntN(7) == 0 })); diff != "" {
			t.Fatalf("seed %d, all of it again (-once +again):\n%s", seed, diff)
		}
		checkDocuments(t, seed, j, whole)
	}
}

// repeated applies each batch twice.
type repeated struct{ *searchRows }

func (s *repeated) apply(t *testing.T, batch []events.Recorded) {
	t.Helper()
	s.searchRows.apply(t, batch)
	s.searchRows.apply(t, batch)
}

// checkDocuments compares documents with the messages of the log.
func checkDocuments(t *testing.T, seed uint64, j *journal, s *searchRows) {
	t.Helper()
	if len(s.documents) != len(j.messages) {
		t.Fatalf("seed %d: %d documents, want %d", seed, len(s.documents), len(j.messages))
	}
	sent := map[domain.MessageID]events.MessageFetched{}
	for _, rec := range j.log {
		if e, ok := rec.Event.(events.MessageFetched); ok {
			sent[e.ID] = e
		}
	}
	for _, m := range j.messages {
		e := sent[m.ID]
		want := indexed{Document: Document{
			ID: m.ID, Account: m.Account, SHA256: e.SHA256, Date: e.Summary.Date, InternalDate: m.InternalDate, Size: m.Size,
			Folder: m.Folder, Flags: append([]domain.Flag{}, m.Flags...),
		}, Subject: "as sent"}
		if c := s.texts[[32]byte(e.SHA256)]; c != nil {
			want.Subject, want.Text, want.Date = c.Subject, c.Text, c.Date
		}
		if diff := difference(want, s.documents[m.ID]); diff != "" {
			t.Fatalf("seed %d: document %d (-want +got):\n%s", seed, m.ID, diff)
		}
	}
}

// Octets that several messages of a batch share are read once, and what is gone again within
// the batch is not read.
func TestSearchReadsTextsOnce(t *testing.T) {
	t.Parallel()
	message := func(id domain.MessageID, sum byte) events.MessageFetched {
		e := events.MessageFetched{Message: events.Message{ID: id, Account: 1}, SHA256: make([]byte, 32)}
		e.SHA256[0] = sum
		return e
	}
	j := newJournal(1)
	j.log = nil
	gone := message(4, 3)
	j.record(message(1, 1), message(2, 1), message(3, 2), gone, events.MessageExpunged{Message: gone.Message})
	s := newSearchRows(map[[32]byte]*domain.Content{{1}: {Text: "one"}, {2}: {Text: "two"}, {3}: {Text: "three"}})
	fold(t, s, Search("search", nil).Handles, j.log, func() bool { return false })
	got := map[domain.MessageID]string{}
	for id, d := range s.documents {
		got[id] = d.Text
	}
	if diff := cmp.Diff(map[domain.MessageID]string{1: "one", 2: "one", 3: "two"}, got); diff != "" || s.sums != 2 {
		t.Errorf("%d texts were asked for, want 2; documents (-want +got):\n%s", s.sums, diff)
	}
}

// What the event says of a message is searched where its octets are gone.
func TestSearchWithoutOctets(t *testing.T) {
	t.Parallel()
	store := &contentStore{}
	e := events.MessageFetched{
		Message: events.Message{ID: 1, Account: 1}, SHA256: make([]byte, 32),
		Summary: events.Summary{Subject: "subject", Sender: "ann@example.org", SenderName: "Ann", Snippet: "snippet", HasAttachments: true},
	}
	if err := Search("search", newSearchRows(nil)).Apply(t.Context(), store, []events.Recorded{{Event: e}}); err != nil {
		t.Fatal(err)
	}
	want := &domain.Content{Subject: "subject", From: []domain.Address{{Name: "Ann", Addr: "ann@example.org"}}, Snippet: "snippet"}
	if diff := cmp.Diff(want, store.content); diff != "" || !store.doc.HasAttachments {
		t.Errorf("has attachments %v; content (-want +got):\n%s", store.doc.HasAttachments, diff)
	}
}

// contentStore keeps the last content that it is given.
type contentStore struct {
	searchRows
	doc     Document
	content *domain.Content
}

func (s *contentStore) Index(doc Document, c *domain.Content) bool {
	s.doc, s.content = doc, c
	return false
}

// A part that cannot be written fails its batch, whichever part it is.
func TestSearchWriteFails(t *testing.T) {
	t.Parallel()
	for _, messages := range []int{3, 4, 7} {
		texts := map[[32]byte]*domain.Content{}
		var batch []events.Recorded
		for id := range domain.MessageID(messages) {
			sum := [32]byte{byte(id)}
			texts[sum] = &domain.Content{Text: "text"}
			batch = append(batch, events.Recorded{Event: events.MessageFetched{Message: events.Message{ID: id + 1}, SHA256: sum[:]}})
		}
		s := newSearchRows(texts)
		s.refused = errors.New("no connection")
		if err := Search("search", s).Apply(t.Context(), s, batch); !errors.Is(err, s.refused) {
			t.Errorf("%d messages: got error %v", messages, err)
		}
	}
}

// A batch whose texts cannot be read is not saved.
func TestSearchTextsFail(t *testing.T) {
	t.Parallel()
	s := newSearchRows(map[[32]byte]*domain.Content{{}: {Text: "text"}})
	s.err = errors.New("no connection")
	e := events.MessageFetched{Message: events.Message{ID: 1}, SHA256: make([]byte, 32)}
	err := Search("search", s).Apply(t.Context(), s, []events.Recorded{{Event: e}})
	if !errors.Is(err, s.err) || len(s.documents) > 0 {
		t.Errorf("got error %v and %d documents", err, len(s.documents))
	}
}
