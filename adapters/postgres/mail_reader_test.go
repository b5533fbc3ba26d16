package postgres_test

import (
	"errors"
	"math/rand/v2"
	"slices"
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

// readerOf reads mail and what its words are.
func readerOf(pool *pgxpool.Pool, contents *postgres.Contents) *postgres.MailReader {
	return postgres.NewMailReader(pool, 1, contents, postgres.NewSearchReader(pool, 1, 1, lexer))
}

func newMailReader(pool *pgxpool.Pool) *postgres.MailReader {
	return readerOf(pool, postgres.NewContents(pool, postgres.NewRawStore(pool, 3, time.Now), &lineParser{}))
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
