package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// randomMail is messages of two accounts, in few threads, with ties of their internal dates.
func randomMail(rnd *rand.Rand, n int) []events.MessageFetched {
	out := make([]events.MessageFetched, n)
	for i := range out {
		out[i] = fetched(int64(i+1), func(e *events.MessageFetched) {
			e.Account = domain.AccountID(1 + rnd.IntN(2))
			e.Thread = domain.ThreadID(100*int(e.Account) + rnd.IntN(n/3))
			e.Folder = []domain.MailboxName{"INBOX", "Sent", "Trash", "Ärger"}[rnd.IntN(4)]
			e.InternalDate = epoch.Add(time.Duration(rnd.IntN(n/2)) * time.Minute)
			e.Summary.Snippet = fmt.Sprint("snippet ", e.ID)
			for _, f := range []domain.Flag{domain.FlagSeen, domain.FlagFlagged, "$junk", domain.KeywordImportant} {
				if rnd.IntN(3) == 0 {
					e.Flags = append(e.Flags, f)
				}
			}
		})
	}
	return out
}

// randomPlain is a condition on what is no text.
func randomPlain(rnd *rand.Rand, depth int) queries.Condition {
	if depth > 0 && rnd.IntN(2) == 0 {
		parts := make([]queries.Condition, rnd.IntN(3))
		for i := range parts {
			parts[i] = randomPlain(rnd, depth-1)
		}
		switch rnd.IntN(3) {
		case 0:
			return queries.All(parts)
		case 1:
			return queries.Any(parts)
		}
		return queries.Not{Of: randomPlain(rnd, depth-1)}
	}
	at := epoch.Add(time.Duration(rnd.IntN(20)) * time.Minute)
	size := int64(1000 + rnd.IntN(40))
	return []queries.Condition{
		queries.Seen{Is: rnd.IntN(2) == 0},
		queries.Flagged{Is: rnd.IntN(2) == 0},
		queries.HasFlag{Flag: domain.KeywordJunk},
		queries.HasFlag{Flag: domain.KeywordImportant},
		queries.Received{From: &at},
		queries.Received{Before: &at},
		queries.Size{Over: &size},
		queries.InFolders{Names: []domain.MailboxName{"Trash", "Ärger"}},
		queries.InFolders{Names: []domain.MailboxName{"no\x00name"}},
		queries.OfAccounts{IDs: []domain.AccountID{2}},
		queries.MsgID{ID: "m7@example.org"},
		queries.InThread{ID: 101},
	}[rnd.IntN(12)]
}

func searchedOf(e events.MessageFetched) queries.Searched {
	return queries.Searched{Message: queries.Message{
		ID: e.ID, Account: e.Account, MsgID: e.MsgID, Folder: e.Folder, Thread: e.Thread, Size: e.Size, ReceivedAt: e.InternalDate,
		Seen: domain.HasFlag(e.Flags, domain.FlagSeen), Flagged: domain.HasFlag(e.Flags, domain.FlagFlagged), Date: e.Summary.Date,
	}, Flags: e.Flags}
}

// TestFound compares lists of ids, and what has a label, with what reading all messages gives.
func TestFound(t *testing.T) {
	t.Parallel()
	pool := open(t)
	addAccount(t, pool, 1, 1)
	addAccount(t, pool, 1, 2)
	schema := live(t, pool, "mail", 1)
	live(t, pool, "search", 1)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	mail := randomMail(rnd, 60)
	list := make([]events.Event, len(mail))
	for i, e := range mail {
		list[i] = e
	}
	foldMail(t, pool, schema, 1, recorded(1, list...))
	reader := postgres.NewMailReader(pool, 1, nil, postgres.NewSearchReader(pool, 1, 1, lexer))
	for range 60 {
		f := queries.MessageFilter{Journal: 1, Plain: randomPlain(rnd, 2), Accounts: [][]domain.AccountID{nil, {1}, {}}[rnd.IntN(3)]}
		hits := slices.DeleteFunc(slices.Clone(mail), func(e events.MessageFetched) bool {
			return f.Accounts != nil && !slices.Contains(f.Accounts, e.Account) || !searchedOf(e).Matches(f.Plain, domain.Fold)
		})
		slices.SortFunc(hits, func(a, b events.MessageFetched) int {
			if c := b.InternalDate.Compare(a.InternalDate); c != 0 {
				return c
			}
			return int(b.ID - a.ID)
		})
		for _, byThread := range []bool{false, true} {
			compareFound(t, reader, f, byThread, wantFound(mail, hits, byThread), 1+rnd.IntN(9))
		}
		counts, err := reader.LabelCounts(t.Context(), f)
		if want := wantCounts(hits); err != nil || counts != want {
			t.Errorf("%#v: counts %+v, %v, want %+v", f.Plain, counts, err, want)
		}
	}
}

// wantFound is the rows of a list; a thread is shown by its newest message, whether that matches or not.
func wantFound(all, hits []events.MessageFetched, byThread bool) []queries.FoundMessage {
	var out []queries.FoundMessage
	met := map[domain.ThreadID]bool{}
	for _, e := range hits {
		row := queries.FoundMessage{ID: e.ID, Thread: e.Thread, Snippet: e.Summary.Snippet, Position: events.Position(e.ID)}
		if byThread {
			if met[e.Thread] {
				continue
			}
			met[e.Thread] = true
			for _, other := range all { // dates grow with ids
				if other.Thread == e.Thread {
					row.Snippet, row.Position = other.Summary.Snippet, events.Position(other.ID)
				}
			}
		}
		out = append(out, row)
	}
	return out
}

func wantCounts(hits []events.MessageFetched) (out queries.LabelCounts) {
	threads, unseen := map[domain.ThreadID]bool{}, map[domain.ThreadID]bool{}
	for _, e := range hits {
		out.Messages++
		threads[e.Thread] = true
		if !domain.HasFlag(e.Flags, domain.FlagSeen) {
			out.Unseen++
			unseen[e.Thread] = true
		}
	}
	out.Threads, out.UnseenThreads = len(threads), len(unseen)
	return out
}

// compareFound reads a list part by part.
func compareFound(t *testing.T, reader *postgres.MailReader, f queries.MessageFilter, byThread bool, want []queries.FoundMessage, size int) {
	t.Helper()
	var got []queries.FoundMessage
	for after := (*queries.Cursor)(nil); ; {
		page, err := reader.Found(t.Context(), f, byThread, after, size)
		if err != nil {
			t.Fatalf("%#v: %v", f.Plain, err)
		}
		if page.Count != len(want) || len(page.Items) > size {
			t.Fatalf("%#v by thread %v: %d of %d, want %d in all", f.Plain, byThread, len(page.Items), page.Count, len(want))
		}
		got = append(got, page.Items...)
		if after = page.Next; after == nil {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%#v by thread %v (-want +got):\n%s", f.Plain, byThread, diff)
	}
}
