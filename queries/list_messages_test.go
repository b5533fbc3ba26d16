package queries

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// mailbox is the readers behind a list of messages; it remembers what it was asked. It has
// 45 hits for every search.
type mailbox struct {
	SearchNames
	asked *MessageFilter
	order *[]Order
	names []domain.MailboxName
}

const hits = 45

func (m mailbox) Messages(_ context.Context, f MessageFilter, _ bool, order []Order, _ Paging) (Page[Message], error) {
	*m.asked, *m.order = f, order
	return Page[Message]{}, ErrPage
}

func (m mailbox) MessagesByID(_ context.Context, _ events.JournalID, ids []domain.MessageID) ([]Message, error) {
	var out []Message
	for _, id := range ids {
		out = append(out, Message{ID: id})
	}
	return out, nil
}

func (m mailbox) TextsByID(_ context.Context, _ events.JournalID, ids []domain.MessageID) (map[domain.MessageID]string, error) {
	return map[domain.MessageID]string{ids[0]: "body"}, nil
}

func (m mailbox) Whole(text string, terms []Text) string { return text + fmt.Sprint(len(terms)) }

func (m mailbox) Parts(text string, terms []Text) []string {
	return []string{text + fmt.Sprint(len(terms))}
}

func (m mailbox) Search(_ context.Context, f MessageFilter, offset, limit int) (out Hits, err error) {
	*m.asked = f
	for n := offset; n < min(offset+limit, hits); n++ {
		out.IDs = append(out.IDs, domain.MessageID(hits-n))
	}
	out.Total = hits
	return out, nil
}

func (m mailbox) FoldersNamed(_ context.Context, _ events.JournalID, _ []domain.AccountID, name domain.MailboxName, role domain.Role) ([]domain.MailboxName, error) {
	if name == "INBOX" || role == domain.RoleSent {
		return m.names, nil
	}
	return nil, nil
}

func newMailbox() (mailbox, *ListMessagesHandler) {
	m := mailbox{asked: &MessageFilter{}, order: &[]Order{}, names: []domain.MailboxName{"INBOX", "x"}}
	return m, NewListMessages(m, m, m, m, m, func() time.Time { return time.Unix(1_700_000_000, 0) })
}

// A folder that is not there means no messages, not all. Searches that an engine has no order
// for go to the mail read model.
func TestListMessages(t *testing.T) {
	t.Parallel()
	hello := Text{Value: "hello"}
	for name, test := range map[string]struct {
		q       ListMessages
		folders []domain.MailboxName
		search  Condition
	}{
		"all":                 {ListMessages{}, nil, nil},
		"inbox":               {ListMessages{Folder: "inbox"}, []domain.MailboxName{"INBOX", "x"}, nil},
		"a special use":       {ListMessages{Folder: "Sent"}, []domain.MailboxName{"INBOX", "x"}, nil},
		"no such folder":      {ListMessages{Folder: "Nowhere"}, []domain.MailboxName{}, nil},
		"threads found":       {ListMessages{Query: "hello", ByThread: true}, nil, hello},
		"found, by cursor":    {ListMessages{Query: "hello", Paging: Paging{ByCursor: true}}, nil, hello},
		"a search of nothing": {ListMessages{Query: " - "}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, h := newMailbox()
			if _, err := h.Handle(t.Context(), test.q); !errors.Is(err, ErrPage) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(MessageFilter{Folders: test.folders, Search: test.search}, *m.asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			if !slices.Equal(*m.order, []Order{{Field: "date", Desc: true}}) {
				t.Errorf("order %v", *m.order)
			}
		})
	}
	m, h := newMailbox()
	_, _ = h.Handle(t.Context(), ListMessages{Query: "hello", Order: []Order{{Field: "id"}}})
	if m.asked.Search == nil || len(*m.order) != 1 || (*m.order)[0].Desc {
		t.Errorf("asked for %v in order %v", m.asked.Search, *m.order)
	}
}

func TestSearchPages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		paging       Paging
		number, rows int
		first        domain.MessageID
		err          error
	}{
		{Paging{Size: 20, Number: 1}, 1, 20, 45, nil},
		{Paging{Size: 20, Number: 3}, 3, 5, 5, nil},
		{Paging{Size: 20, Last: true}, 3, 5, 5, nil},
		{Paging{Size: 20, Number: 4}, 0, 0, 0, ErrPage},
		{Paging{Size: 20}, 0, 0, 0, ErrPage},
	} {
		m, h := newMailbox()
		page, err := h.Handle(t.Context(), ListMessages{Query: "hello", Folder: "inbox", Paging: test.paging})
		if !errors.Is(err, test.err) {
			t.Fatalf("%+v: %v", test.paging, err)
		}
		if test.err != nil {
			continue
		}
		if page.Number != test.number || len(page.Items) != test.rows || page.Items[0].ID != test.first || page.Count != hits {
			t.Errorf("%+v: got page %d of %d rows from %d, count %d", test.paging, page.Number, len(page.Items), page.Items[0].ID, page.Count)
		}
		if !slices.Equal(m.asked.Folders, m.names) {
			t.Errorf("asked in %v", m.asked.Folders)
		}
	}
}

// A word that was asked for in another field is not marked.
func TestHighlight(t *testing.T) {
	t.Parallel()
	_, h := newMailbox()
	page, err := h.Handle(t.Context(), ListMessages{Query: "hello subject:big from:ann -not", Highlight: true, Paging: Paging{Size: 2, Number: 1}})
	if err != nil {
		t.Fatal(err)
	}
	want := []*Highlight{{"2", []string{"body1"}}, {"2", []string{"1"}}}
	for i, m := range page.Items {
		if diff := cmp.Diff(want[i], m.Highlight); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", i, diff)
		}
	}
}

// eventReader has one event of account 3 and one of none.
type eventReader struct{ EventReader }

func (eventReader) Event(_ context.Context, _ events.JournalID, pos events.Position) (events.Recorded, error) {
	if pos > 2 {
		return events.Recorded{}, domain.ErrNotFound
	}
	return events.Recorded{Position: pos, Account: map[events.Position]domain.AccountID{1: 3}[pos]}, nil
}

func TestGetEvent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pos      events.Position
		accounts []domain.AccountID
		there    bool
	}{
		{1, nil, true},
		{1, []domain.AccountID{3}, true},
		{1, []domain.AccountID{4}, false},
		{1, []domain.AccountID{}, false},
		{2, nil, true},
		{2, []domain.AccountID{3}, false},
		{3, nil, false},
	} {
		_, err := NewGetEvent(eventReader{}).Handle(t.Context(), GetEvent{Accounts: test.accounts, Position: test.pos})
		if test.there != (err == nil) || err != nil && !errors.Is(err, domain.ErrNotFound) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}
