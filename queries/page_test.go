package queries

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	cmpdiff "github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// item is a row of a list with an ambiguous key.
type item struct {
	ID  int64
	Key string
}

func itemID(x item) int64 { return x.ID }
func itemKey(x item, field string) string {
	return map[string]string{"key": x.Key, "id": idKey(x.ID)}[field]
}

func items(r *rand.Rand, n int) []item {
	out := make([]item, n)
	for i := range out {
		out[i] = item{int64(i + 1), fmt.Sprint(r.IntN(4))}
	}
	r.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// inOrder returns a list as an ordering means it.
func inOrder(list []item, order []Order) []item {
	return slices.SortedFunc(slices.Values(list), func(a, b item) int {
		sign := func(c int, desc bool) int { return map[bool]int{true: -c, false: c}[desc] }
		for _, o := range order {
			if c := sign(cmp.Compare(itemKey(a, o.Field), itemKey(b, o.Field)), o.Desc); c != 0 {
				return c
			}
		}
		return sign(cmp.Compare(a.ID, b.ID), order[len(order)-1].Desc)
	})
}

func randomOrder(r *rand.Rand) []Order {
	return [][]Order{
		{{Field: "key"}}, {{Field: "key", Desc: true}}, {{Field: "id", Desc: true}}, {{Field: "key", Desc: true}, {Field: "id"}},
	}[r.IntN(4)]
}

// Following next to the end and previous back to the beginning shows each row once, in
// order; rows that come and go meanwhile do not make others be skipped or repeated.
func TestCursors(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		list, order, size := items(r, r.IntN(12)), randomOrder(r), 1+r.IntN(5)
		want := inOrder(list, order)
		page := func(c *Cursor) Page[item] {
			t.Helper()
			if c != nil { // as clients hand it back
				var err error
				if c, err = ParseCursor(c.Encode("list"), "list"); err != nil {
					t.Fatal(err)
				}
			}
			p, err := pageOf(slices.Clone(list), order, itemKey, itemID, Paging{Size: size, ByCursor: true, Cursor: c})
			if err != nil || len(p.Items) > size || p.Count != 0 || p.Number != 0 {
				t.Fatalf("%v: %+v", err, p)
			}
			return p
		}
		var forward, back []item
		var pages []Page[item]
		for p := page(nil); ; p = page(p.Next) {
			forward = append(forward, p.Items...)
			if pages = append(pages, p); p.Next == nil {
				break
			}
		}
		if !slices.Equal(forward, want) || pages[0].Previous != nil {
			t.Fatalf("%v of %v: got %v, previous of the first %v", order, list, forward, pages[0].Previous)
		}
		p := pages[len(pages)-1]
		back = slices.Clone(p.Items)
		for p.Previous != nil {
			p = page(p.Previous)
			back = append(slices.Clone(p.Items), back...)
		}
		if !slices.Equal(back, want) {
			t.Fatalf("%v of %v: back %v", order, list, back)
		}
		if len(pages) < 2 {
			continue
		}
		// The row that the cursor names goes, another comes before it.
		gone, next := pages[0].Items[len(pages[0].Items)-1], pages[0].Next
		list = slices.DeleteFunc(slices.Clone(list), func(x item) bool { return x == gone })
		list = append(list, item{1000, gone.Key}, item{0, gone.Key})
		rest := inOrder(append(slices.Clone(list), gone), order)
		rest = rest[slices.Index(rest, gone)+1:]
		if got := page(next).Items; !slices.Equal(got, rest[:min(size, len(rest))]) {
			t.Fatalf("%v of %v after %v is gone: got %v, want %v", order, list, gone, got, rest)
		}
	}
}

func TestCursorOfAnotherOrder(t *testing.T) {
	t.Parallel()
	p := Paging{Size: 5, ByCursor: true, Cursor: &Cursor{Keys: []string{"a", "b"}, ID: 1}}
	if _, err := pageOf([]item{{1, "a"}}, []Order{{Field: "key"}}, itemKey, itemID, p); !errors.Is(err, ErrCursor) || !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	list := []item{{1, ""}, {2, ""}, {3, ""}, {4, ""}, {5, ""}}
	for _, test := range []struct {
		count int
		p     Paging
		want  string
	}{
		{5, Paging{Size: 2, Number: 1}, "1 of 5: 1 2"},
		{5, Paging{Size: 2, Number: 3}, "3 of 5: 5"},
		{5, Paging{Size: 2, Last: true}, "3 of 5: 5"},
		{4, Paging{Size: 2, Last: true}, "2 of 4: 3 4"},
		{0, Paging{Size: 2, Number: 1}, "1 of 0:"},
		{0, Paging{Size: 2, Last: true}, "1 of 0:"},
		{5, Paging{Size: 2, Number: 4}, "page"},
		{5, Paging{Size: 2}, "page"},
		{5, Paging{Size: 2, Number: -1}, "page"},
		{0, Paging{Size: 2, Number: 2}, "page"},
		{5, Paging{Size: 100, Number: 1}, "1 of 5: 1 2 3 4 5"},
	} {
		got := "page"
		page, err := pageOf(slices.Clone(list[:test.count]), []Order{{Field: "id"}}, itemKey, itemID, test.p)
		if err == nil {
			got = fmt.Sprintf("%d of %d:", page.Number, page.Count)
			for _, x := range page.Items {
				got += fmt.Sprint(" ", x.ID)
			}
		} else if !errors.Is(err, ErrPage) || !errors.Is(err, domain.ErrNotFound) {
			t.Errorf("%+v: %v", test.p, err)
		}
		if got != test.want {
			t.Errorf("%+v of %d: got %q, want %q", test.p, test.count, got, test.want)
		}
	}
}

func TestParseCursor(t *testing.T) {
	t.Parallel()
	c := Cursor{Keys: []string{"2026-01-02", "ü"}, ID: 42, Backward: true}
	text := c.Encode("emails -date")
	if strings.ContainsAny(text, "+/=&?") {
		t.Errorf("%s is not fit for a URL", text)
	}
	got, err := ParseCursor(text, "emails -date")
	if diff := cmpdiff.Diff(&c, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := ParseCursor(text, "emails date"); !errors.Is(err, ErrCursor) {
		t.Errorf("of another list: %v", err)
	}
	for i := range text { // each letter counts
		for _, other := range []string{"A", "B", "", "="} {
			if damaged := text[:i] + other + text[i+1:]; damaged != text {
				if _, err := ParseCursor(damaged, "emails -date"); !errors.Is(err, ErrCursor) {
					t.Fatalf("damaged at %d: %v", i, err)
				}
			}
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(Cursor{Keys: []string{"a"}, ID: 1}.Encode(""), "")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, text, list string) {
		c, err := ParseCursor(text, list)
		if err != nil {
			if c != nil || !errors.Is(err, ErrCursor) {
				t.Fatalf("%v, %v", c, err)
			}
			return
		}
		again, err := ParseCursor(c.Encode(list), list)
		if diff := cmpdiff.Diff(c, again); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

// runs is an AccountReader that has some runs and two accounts.
type runs struct {
	AccountReader
	ids      []domain.SyncID // ascending
	accounts []Account
}

func (f runs) Accounts(context.Context, events.JournalID, []domain.AccountID) ([]Account, error) {
	return slices.Clone(f.accounts), nil
}

func (f runs) CountSyncRuns(context.Context, ListSyncRuns) (int, error) { return len(f.ids), nil }

func (f runs) SyncRuns(_ context.Context, _ ListSyncRuns, before, after domain.SyncID, offset, limit int) ([]SyncRun, error) {
	ids := slices.DeleteFunc(slices.Clone(f.ids), func(id domain.SyncID) bool { return before != 0 && id >= before || id <= after })
	if after != 0 {
		ids = ids[:min(limit, len(ids))]
	}
	slices.Reverse(ids)
	ids = ids[min(offset, len(ids)):]
	out := []SyncRun{}
	for _, id := range ids[:min(limit, len(ids))] {
		out = append(out, SyncRun{SyncEnd: events.SyncEnd{SyncStarted: events.SyncStarted{Sync: id}}})
	}
	return out, nil
}

// The runs of an account page as other lists do, newest first.
func TestSyncRunsByCursor(t *testing.T) {
	t.Parallel()
	for count := range 8 {
		f := runs{}
		var want []domain.SyncID
		for i := range count {
			f.ids = append(f.ids, domain.SyncID(10*i+1))
			want = append([]domain.SyncID{domain.SyncID(10*i + 1)}, want...)
		}
		page := func(c *Cursor) Page[SyncRun] {
			t.Helper()
			p, err := NewListSyncRuns(f).Handle(t.Context(), ListSyncRuns{Paging: Paging{Size: 3, ByCursor: true, Cursor: c}})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		idsOf := func(p Page[SyncRun]) (out []domain.SyncID) {
			for _, r := range p.Items {
				out = append(out, r.Sync)
			}
			return out
		}
		p := page(nil)
		got := idsOf(p)
		if p.Previous != nil {
			t.Errorf("%d runs: the first page has a previous one", count)
		}
		for p.Next != nil {
			p = page(p.Next)
			got = append(got, idsOf(p)...)
		}
		back := idsOf(p)
		for p.Previous != nil {
			p = page(p.Previous)
			back = append(idsOf(p), back...)
		}
		if !slices.Equal(got, want) || !slices.Equal(back, want) {
			t.Errorf("%d runs: forward %v, back %v", count, got, back)
		}
	}
}

func TestListAccounts(t *testing.T) {
	t.Parallel()
	early, late := time.Unix(1, 0), time.Unix(20, 5000)
	account := func(id domain.AccountID, name, host string, tls bool, last *time.Time) Account {
		return Account{ID: id, Settings: events.AccountSettings{Name: name, Host: host, Username: "Ann", UseTLS: tls}, LastSync: last, State: "idle", CreatedAt: time.Unix(100-int64(id), 0)}
	}
	f := runs{accounts: []Account{
		account(1, "office", "imap.b.org", true, &late), account(2, "Ärger", "imap.a.org", false, nil), account(10, "Bank", "imap.a.org", true, &early),
	}}
	yes := true
	for name, test := range map[string]struct {
		q    ListAccounts
		want []domain.AccountID
	}{
		"by name":       {ListAccounts{}, []domain.AccountID{10, 1, 2}},
		"by id":         {ListAccounts{Order: []Order{{Field: "id", Desc: true}}}, []domain.AccountID{10, 2, 1}},
		"by host":       {ListAccounts{Order: []Order{{Field: "host"}}}, []domain.AccountID{2, 10, 1}},
		"by last sync":  {ListAccounts{Order: []Order{{Field: "last_sync", Desc: true}}}, []domain.AccountID{1, 10, 2}},
		"by creation":   {ListAccounts{Order: []Order{{Field: "created_at"}}}, []domain.AccountID{10, 2, 1}},
		"by two":        {ListAccounts{Order: []Order{{Field: "username"}, {Field: "host", Desc: true}}}, []domain.AccountID{1, 10, 2}},
		"of a name":     {ListAccounts{Name: "ÄR"}, []domain.AccountID{2}},
		"with TLS":      {ListAccounts{UseTLS: &yes}, []domain.AccountID{10, 1}},
		"anywhere":      {ListAccounts{Search: "B"}, []domain.AccountID{10, 1}},
		"of a state":    {ListAccounts{State: "running"}, nil},
		"all must hold": {ListAccounts{Name: "office", Host: "a.org"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.q.Paging = Paging{Size: 10, Number: 1}
			page, err := NewListAccounts(f).Handle(t.Context(), test.q)
			var got []domain.AccountID
			for _, a := range page.Items {
				got = append(got, a.ID)
			}
			if err != nil || !slices.Equal(got, test.want) || page.Count != len(test.want) {
				t.Errorf("got %v of %d, %v, want %v", got, page.Count, err, test.want)
			}
		})
	}
}
