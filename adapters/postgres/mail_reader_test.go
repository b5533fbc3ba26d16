package postgres_test

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// stored is a message as a list should show it.
type stored struct {
	queries.Message
	createdAt, updatedAt time.Time
}

// storedBy says what a log without changes leads to.
func storedBy(log []events.Recorded, merged map[domain.ThreadID]domain.ThreadID) []stored {
	var out []stored
	for _, rec := range log {
		e := rec.Event.(events.MessageFetched)
		m := stored{queries.Message{
			ID: e.ID, Account: e.Account, MsgID: e.MsgID, Subject: e.Summary.Subject, Sender: e.Summary.Sender,
			SenderName: e.Summary.SenderName, Recipient: e.Summary.Recipient, Date: e.Summary.Date, Folder: e.Folder, Thread: e.Thread,
			Snippet: e.Summary.Snippet, Seen: domain.HasFlag(e.Flags, domain.FlagSeen), Flagged: domain.HasFlag(e.Flags, domain.FlagFlagged),
			HasAttachments: e.Summary.HasAttachments, Size: e.Size, ReceivedAt: e.InternalDate,
		}, rec.RecordedAt, rec.RecordedAt}
		for _, from := range e.Merged {
			for i := range out {
				if out[i].Thread == from {
					out[i].Thread, out[i].updatedAt = e.Thread, rec.RecordedAt
				}
			}
			merged[from] = e.Thread
		}
		out = append(out, m)
	}
	for i := range out {
		for _, o := range out {
			if o.Thread == out[i].Thread {
				out[i].ThreadCount++
				if !o.Seen {
					out[i].ThreadUnseen++
				}
			}
		}
	}
	return out
}

// variedMail is n messages with few values in each field, so that ties are many.
func variedMail(rnd *rand.Rand, n int) []events.Recorded {
	list := make([]events.Event, n)
	for i := range list {
		list[i] = fetched(int64(i+1), func(e *events.MessageFetched) {
			e.Account = domain.AccountID(1 + rnd.IntN(3))
			e.Folder = []domain.MailboxName{"INBOX", "Sent", "archive", "Ärger"}[rnd.IntN(4)]
			e.Mailbox = domain.MailboxID(len(e.Folder))
			e.Thread = domain.ThreadID(int64(e.Account)*100 + int64(rnd.IntN(20)))
			e.Summary.Subject = []string{"", "zebra", "Äpfel", "äpfel 100% _", "ZEBRA"}[rnd.IntN(5)]
			e.Summary.Sender = []string{"ann@example.org", "Bob@example.org", ""}[rnd.IntN(3)]
			e.Summary.Date = epoch.Add(time.Duration(rnd.IntN(12)) * time.Hour)
			e.Summary.HasAttachments = rnd.IntN(2) == 0
			e.InternalDate = epoch.Add(time.Duration(rnd.IntN(3)) * time.Minute)
			e.Size = int64(rnd.IntN(4))
			e.Flags = [][]domain.Flag{{}, {domain.FlagSeen}, {domain.FlagFlagged}}[rnd.IntN(3)]
			if i == n-1 {
				e.Account, e.Thread, e.Merged = 1, 99, []domain.ThreadID{100, 101}
			}
		})
	}
	return recorded(1, list...)
}

func newMailReader(pool *pgxpool.Pool) *postgres.MailReader {
	return postgres.NewMailReader(pool, 1, nil)
}

// TestMessageLists compares lists of random filters, orders and pages with what
// sorting and filtering in memory gives, walking each forth and back.
func TestMessageLists(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "mail", 1)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	log := variedMail(rnd, 400)
	foldMail(t, pool, schema, 1, log)
	// Another user's mail is never seen.
	foldMail(t, pool, schema, 2, func() []events.Recorded {
		other := variedMail(rnd, 50)
		for i := range other {
			other[i].Journal = 2
		}
		return other
	}())
	merged := map[domain.ThreadID]domain.ThreadID{}
	all := storedBy(log, merged)
	reader := newMailReader(pool)
	for range 300 {
		f, byThread, order := randomFilter(rnd), rnd.IntN(3) == 0, randomOrder(rnd)
		want := oracle(all, merged, f, byThread, order)
		size := 1 + rnd.IntN(100)
		if !walkNumbers(t, reader, f, byThread, order, size, want) || !walkCursors(t, reader, f, byThread, order, size, want) {
			t.Fatalf("seed %d: filter %+v, by thread %v, order %+v, size %d", seed, f, byThread, order, size)
		}
	}
}

func ids(list []queries.Message) []domain.MessageID {
	out := []domain.MessageID{}
	for _, m := range list {
		out = append(out, m.ID)
	}
	return out
}

func walkNumbers(t *testing.T, r *postgres.MailReader, f queries.MessageFilter, byThread bool, order []queries.Order, size int, want []queries.Message) bool {
	t.Helper()
	pages := max(1, (len(want)+size-1)/size)
	for _, p := range []queries.Paging{{Size: size, Number: 1}, {Size: size, Number: min(2, pages)}, {Size: size, Last: true}} {
		page, err := r.Messages(t.Context(), f, byThread, order, p)
		if err != nil {
			t.Errorf("page %+v: %v", p, err)
			return false
		}
		number := p.Number
		if p.Last {
			number = pages
		}
		part := want[(number-1)*size : min(number*size, len(want))]
		if diff := gocmp.Diff(part, page.Items); diff != "" && len(part)+len(page.Items) > 0 || page.Count != len(want) || page.Number != number {
			t.Errorf("page %+v: got %v, count %d, number %d; want %v, count %d\n%s", p, ids(page.Items), page.Count, page.Number, ids(part), len(want), diff)
			return false
		}
	}
	if _, err := r.Messages(t.Context(), f, byThread, order, queries.Paging{Size: size, Number: pages + 1}); !errors.Is(err, queries.ErrPage) {
		t.Errorf("page past the end: got %v, want ErrPage", err)
		return false
	}
	return true
}

func walkCursors(t *testing.T, r *postgres.MailReader, f queries.MessageFilter, byThread bool, order []queries.Order, size int, want []queries.Message) bool {
	t.Helper()
	var forth, back []domain.MessageID
	var last queries.Page[queries.Message]
	p := queries.Paging{Size: size, ByCursor: true}
	for {
		page, err := r.Messages(t.Context(), f, byThread, order, p)
		if err != nil {
			t.Errorf("cursor %+v: %v", p.Cursor, err)
			return false
		}
		if (page.Previous == nil) != (p.Cursor == nil) && len(page.Items) > 0 {
			t.Errorf("cursor %+v: previous is %+v", p.Cursor, page.Previous)
			return false
		}
		forth, last = append(forth, ids(page.Items)...), page
		if page.Next == nil {
			break
		}
		p.Cursor = page.Next
	}
	back = ids(last.Items)
	for p.Cursor = last.Previous; p.Cursor != nil; {
		page, err := r.Messages(t.Context(), f, byThread, order, p)
		if err != nil || page.Next == nil {
			t.Errorf("cursor %+v: next %v, error %v", p.Cursor, page.Next, err)
			return false
		}
		back = append(ids(page.Items), back...)
		p.Cursor = page.Previous
	}
	if !slices.Equal(forth, ids(want)) || !slices.Equal(back, ids(want)) {
		t.Errorf("by cursor: got %v forth and %v back, want %v", forth, back, ids(want))
		return false
	}
	return true
}

func randomOrder(rnd *rand.Rand) []queries.Order {
	var out []queries.Order
	for len(out) == 0 || rnd.IntN(3) == 0 {
		out = append(out, queries.Order{Field: queries.MessageOrders[rnd.IntN(len(queries.MessageOrders))], Desc: rnd.IntN(2) == 0})
	}
	if rnd.IntN(3) == 0 {
		return []queries.Order{{Field: "date", Desc: true}}
	}
	return out
}

func randomFilter(rnd *rand.Rand) queries.MessageFilter {
	f := queries.MessageFilter{Journal: 1}
	one := func(chance int) bool { return rnd.IntN(chance) == 0 }
	if one(2) {
		f.Accounts = [][]domain.AccountID{{1}, {2, 3}, {}, {7}}[rnd.IntN(4)]
	}
	if one(3) {
		f.Folders = [][]domain.MailboxName{{"INBOX"}, {"Sent", "Ärger"}, {}, {"no\x00name"}}[rnd.IntN(4)]
	}
	if one(2) {
		return f
	}
	moment := func() *time.Time { at := epoch.Add(time.Duration(rnd.IntN(13)) * time.Hour); return &at }
	truth := func() *bool { b := one(2); return &b }
	if one(5) {
		f.From = moment()
	}
	if one(5) {
		f.To = moment()
	}
	if one(8) {
		id := domain.ThreadID([]int64{99, 100, 101, 205, 777}[rnd.IntN(5)])
		f.Thread = &id
	}
	if one(15) {
		id := []string{"m7@example.org", "", "\xff"}[rnd.IntN(3)]
		f.MsgID = &id
	}
	if one(6) {
		f.Sender = []string{"BOB", "example", "%"}[rnd.IntN(3)]
	}
	if one(8) {
		f.Recipient = []string{"bob@", "nobody"}[rnd.IntN(2)]
	}
	if one(6) {
		f.Subject = []string{"ÄPFEL", "0% _", "_ebra"}[rnd.IntN(3)]
	}
	if one(6) {
		f.Seen = truth()
	}
	if one(6) {
		f.Flagged = truth()
	}
	if one(6) {
		f.Attachments = truth()
	}
	if one(8) {
		f.IDs = [][]domain.MessageID{{}, {1, 5, 9, 100, 9999}}[rnd.IntN(2)]
	}
	return f
}

// oracle answers a list from memory.
func oracle(all []stored, merged map[domain.ThreadID]domain.ThreadID, f queries.MessageFilter, byThread bool, order []queries.Order) []queries.Message {
	has := func(text, part string) bool { return strings.Contains(domain.Fold(text), domain.Fold(part)) }
	is := func(want *bool, got bool) bool { return want == nil || *want == got }
	var out []stored
	newest := map[domain.ThreadID]stored{}
	for _, m := range all {
		thread := domain.ThreadID(0)
		if f.Thread != nil {
			thread = *f.Thread
			if into, ok := merged[thread]; ok {
				thread = into
			}
		}
		if (f.Accounts != nil && !slices.Contains(f.Accounts, m.Account)) || (f.Folders != nil && !slices.Contains(f.Folders, m.Folder)) ||
			(f.From != nil && m.Date.Before(*f.From)) || (f.To != nil && m.Date.After(*f.To)) || (thread != 0 && m.Thread != thread) ||
			(f.MsgID != nil && (*f.MsgID == "" || *f.MsgID != m.MsgID)) ||
			!has(m.Sender, f.Sender) || !has(m.Recipient, f.Recipient) || !has(m.Subject, f.Subject) ||
			!is(f.Seen, m.Seen) || !is(f.Flagged, m.Flagged) || !is(f.Attachments, m.HasAttachments) ||
			(f.IDs != nil && !slices.Contains(f.IDs, m.ID)) {
			continue
		}
		out = append(out, m)
		if o, ok := newest[m.Thread]; !ok || m.Date.After(o.Date) || m.Date.Equal(o.Date) && m.ID > o.ID {
			newest[m.Thread] = m
		}
	}
	if byThread {
		out = slices.DeleteFunc(out, func(m stored) bool { return newest[m.Thread].ID != m.ID })
	}
	slices.SortFunc(out, func(a, b stored) int {
		for _, o := range append(slices.Clone(order), queries.Order{Field: "id", Desc: order[len(order)-1].Desc}) {
			c := compareBy(o.Field, a, b)
			if o.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	list := make([]queries.Message, len(out))
	for i, m := range out {
		list[i] = m.Message
	}
	return list
}

func compareBy(field string, a, b stored) int {
	switch field {
	case "date":
		return a.Date.Compare(b.Date)
	case "subject":
		return strings.Compare(domain.Fold(a.Subject), domain.Fold(b.Subject))
	case "sender":
		return strings.Compare(domain.Fold(a.Sender), domain.Fold(b.Sender))
	case "recipient":
		return strings.Compare(domain.Fold(a.Recipient), domain.Fold(b.Recipient))
	case "folder":
		return strings.Compare(domain.Fold(string(a.Folder)), domain.Fold(string(b.Folder)))
	case "size":
		return cmp.Compare(a.Size, b.Size)
	case "thread_count":
		return cmp.Compare(a.ThreadCount, b.ThreadCount)
	case "received_at":
		return a.ReceivedAt.Compare(b.ReceivedAt)
	case "created_at":
		return a.createdAt.Compare(b.createdAt)
	case "updated_at":
		return a.updatedAt.Compare(b.updatedAt)
	}
	return cmp.Compare(a.ID, b.ID)
}
