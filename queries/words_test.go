package queries

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

func TestParseWords(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]Words{
		"":                  nil,
		" - , ":             nil,
		`""`:                nil,
		"Invoice 2291":      {{"invoice", false}, {"2291", false}},
		`"Your order" soon`: {{"your order", true}, {"soon", false}},
		"o'neil@x.org":      {{"o neil x org", false}},
		`"not closed`:       {{"not closed", true}},
		`GRÜSSE`:            {{"grüsse", false}},
		`a"b c"d`:           {{"a", false}, {"b c", true}, {"d", false}},
		"日本語":               {{"日本語", false}},
	} {
		if diff := cmp.Diff(want, ParseWords(q)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", q, diff)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	c := &domain.Content{
		Subject: "Your Invoice-2291", From: []domain.Address{{Name: "Ann O'Neil", Addr: "ann@shop.example"}},
		To: []domain.Address{{Addr: "bob@example.org"}}, Cc: []domain.Address{{Addr: "cc@example.org"}}, Bcc: []domain.Address{{Addr: "bcc@example.org"}},
		Text: "Grüße,\nthe parcel is on its way.", HTML: "<p>hidden</p>", Attachments: []domain.Attachment{{FileName: "bill_march.pdf"}},
	}
	for q, want := range map[string]bool{
		"": true, "invoice": true, "INV": true, "voice": false, "2291 your": true, `"your invoice"`: true, `"your inv"`: false, `"invoice your"`: false,
		"grüße": true, "gru": false, "ann@shop": true, "o'n": true, "bob cc bcc": true, "bill_m": true, "hidden": false, "parcel nothing": false,
		`"2291 ann"`: false, `"is on its way"`: true, "on-its-w": true, `"way"`: true, `"march pdf"`: true,
	} {
		if got := ParseWords(q).Match(c); got != want {
			t.Errorf("%q: got %v, want %v", q, got, want)
		}
	}
}

// What a message says is found by any of its words and by the beginning of each.
func FuzzWords(f *testing.F) {
	f.Add("Hello, world", 1, 2)
	f.Add("ǅ ß İstanbul", 0, 1)
	f.Fuzz(func(t *testing.T, text string, at, cut int) {
		c := &domain.Content{Text: text}
		words := strings.FieldsFunc(domain.Fold(text), notWord)
		if len(words) == 0 {
			return
		}
		word := []rune(words[max(at, 0)%len(words)])
		begin := string(word[:1+max(cut, 0)%len(word)])
		if w := ParseWords(begin); len(w) > 0 && !w.Match(c) {
			t.Errorf("%q is not found in %q", begin, text)
		}
		if w := ParseWords(`"` + strings.Join(words, " ") + `"`); !w.Match(c) {
			t.Errorf("all words are not found in %q", text)
		}
	})
}

// mailbox is the readers behind a list of messages; it remembers what it was asked.
type mailbox struct {
	asked   *MessageFilter
	order   *[]Order
	matched []domain.MessageID
	names   []domain.MailboxName
}

func (m mailbox) Messages(_ context.Context, f MessageFilter, _ bool, order []Order, _ Paging) (Page[Message], error) {
	*m.asked, *m.order = f, order
	return Page[Message]{}, ErrPage
}

func (m mailbox) Matching(context.Context, MessageFilter, func(*domain.Content) bool) ([]domain.MessageID, error) {
	return m.matched, nil
}

func (m mailbox) FoldersNamed(_ context.Context, _ events.JournalID, _ []domain.AccountID, name domain.MailboxName, role domain.Role) ([]domain.MailboxName, error) {
	if name == "INBOX" || role == domain.RoleSent {
		return m.names, nil
	}
	return nil, nil
}

// A folder that is not there and a search that finds nothing mean no messages, not all.
func TestListMessages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		q       ListMessages
		folders []domain.MailboxName
		ids     []domain.MessageID
	}{
		"all":                 {ListMessages{}, nil, nil},
		"inbox":               {ListMessages{Folder: "inbox"}, []domain.MailboxName{"INBOX", "x"}, nil},
		"a special use":       {ListMessages{Folder: "Sent"}, []domain.MailboxName{"INBOX", "x"}, nil},
		"no such folder":      {ListMessages{Folder: "Nowhere"}, []domain.MailboxName{}, nil},
		"found":               {ListMessages{Query: "hello"}, nil, []domain.MessageID{7}},
		"a search of nothing": {ListMessages{Query: " - "}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked MessageFilter
			var order []Order
			m := mailbox{&asked, &order, []domain.MessageID{7}, []domain.MailboxName{"INBOX", "x"}}
			if _, err := NewListMessages(m, m).Handle(t.Context(), test.q); !errors.Is(err, ErrPage) {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(MessageFilter{Folders: test.folders, IDs: test.ids}, asked); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			if !slices.Equal(order, []Order{{Field: "date", Desc: true}}) {
				t.Errorf("order %v", order)
			}
		})
	}
	var asked MessageFilter
	var order []Order
	m := mailbox{asked: &asked, order: &order}
	_, _ = NewListMessages(m, m).Handle(t.Context(), ListMessages{Query: "nothing", Order: []Order{{Field: "id"}}})
	if asked.IDs == nil || len(order) != 1 || order[0].Desc {
		t.Errorf("asked for %v in order %v", asked.IDs, order)
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
		{1, nil, true}, {1, []domain.AccountID{3}, true}, {1, []domain.AccountID{4}, false}, {1, []domain.AccountID{}, false},
		{2, nil, true}, {2, []domain.AccountID{3}, false}, {3, nil, false},
	} {
		_, err := NewGetEvent(eventReader{}).Handle(t.Context(), GetEvent{Accounts: test.accounts, Position: test.pos})
		if test.there != (err == nil) || err != nil && !errors.Is(err, domain.ErrNotFound) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}
