package queries

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imap2api/imap2api/domain"
)

// allowed reports whether a list of ids, nil for all, permits id.
func allowed[ID comparable](ids []ID, id ID) bool { return ids == nil || slices.Contains(ids, id) }

// Handle answers q. It returns ErrPage for a page past the end.
func (h *ListAccountsHandler) Handle(ctx context.Context, q ListAccounts) (Page[Account], error) {
	all, err := h.accounts.Accounts(ctx, q.Journal, q.Accounts)
	if err != nil {
		return Page[Account]{}, fmt.Errorf("list accounts of journal %d: %w", q.Journal, err)
	}
	all = slices.DeleteFunc(all, func(a Account) bool { return !q.matches(a) })
	order := q.Order
	if len(order) == 0 {
		order = []Order{{Field: "name"}}
	}
	return pageOf(all, order, accountKey, func(a Account) int64 { return int64(a.ID) }, q.Paging)
}

func (q ListAccounts) matches(a Account) bool {
	contains := func(text, part string) bool { return strings.Contains(domain.Fold(text), domain.Fold(part)) }
	s := a.Settings
	return contains(s.Name, q.Name) && contains(s.Host, q.Host) && contains(s.Username, q.Username) &&
		(contains(s.Name, q.Search) || contains(s.Host, q.Search) || contains(s.Username, q.Search)) &&
		(q.UseTLS == nil || *q.UseTLS == s.UseTLS) && (q.State == "" || q.State == a.State)
}

func accountKey(a Account, field string) string {
	switch field {
	case "name":
		return domain.Fold(a.Settings.Name)
	case "host":
		return domain.Fold(a.Settings.Host)
	case "username":
		return domain.Fold(a.Settings.Username)
	case "last_sync":
		if a.LastSync == nil {
			return ""
		}
		return timeKey(*a.LastSync)
	case "created_at":
		return timeKey(a.CreatedAt)
	}
	return idKey(int64(a.ID))
}

// pageOf pages a short list that is read whole. key gives a text that orders as the field does.
func pageOf[T any](items []T, order []Order, key func(T, string) string, id func(T) int64, p Paging) (Page[T], error) {
	compare := func(aKeys []string, aID int64, b T) int {
		for i, o := range order {
			if c := signed(strings.Compare(aKeys[i], key(b, o.Field)), o.Desc); c != 0 {
				return c
			}
		}
		return signed(cmp.Compare(aID, id(b)), order[len(order)-1].Desc)
	}
	keys := func(x T) []string {
		out := make([]string, len(order))
		for i, o := range order {
			out[i] = key(x, o.Field)
		}
		return out
	}
	slices.SortFunc(items, func(a, b T) int { return compare(keys(a), id(a), b) })
	if p.ByCursor {
		if p.Cursor != nil && len(p.Cursor.Keys) != len(order) {
			return Page[T]{}, ErrCursor
		}
		return cursorPage(items, p, func(c Cursor, b T) int { return compare(c.Keys, c.ID, b) },
			func(x T) Cursor { return Cursor{Keys: keys(x), ID: id(x)} }), nil
	}
	return NumberPage(items, len(items), p)
}

func signed(c int, desc bool) int {
	if desc {
		return -c
	}
	return c
}

// cursorPage cuts the part of sorted items that a cursor asks for.
func cursorPage[T any](items []T, p Paging, compare func(Cursor, T) int, cursor func(T) Cursor) Page[T] {
	from, to := 0, min(p.Size, len(items))
	if c := p.Cursor; c != nil {
		at, _ := slices.BinarySearchFunc(items, *c, func(b T, c Cursor) int { return -compare(c, b) })
		if c.Backward {
			from, to = max(0, at-p.Size), at
		} else {
			for at < len(items) && compare(*c, items[at]) == 0 {
				at++
			}
			from, to = at, min(at+p.Size, len(items))
		}
	}
	page := Page[T]{Items: items[from:to]}
	if to < len(items) && to > from {
		next := cursor(items[to-1])
		page.Next = &next
	}
	if from > 0 && to > from {
		previous := cursor(items[from])
		previous.Backward = true
		page.Previous = &previous
	}
	return page
}

// NumberPage cuts a page by its number out of a list that is all there. It returns ErrPage for a page past the end.
func NumberPage[T any](items []T, count int, p Paging) (Page[T], error) {
	number, offset, err := Offset(count, p)
	if err != nil {
		return Page[T]{}, err
	}
	return Page[T]{Items: items[offset:min(offset+p.Size, count)], Count: count, Number: number}, nil
}

// Offset returns the number of the page that p asks for and the row it begins
// with. It returns ErrPage for a page past the end; the first page is always there.
func Offset(count int, p Paging) (number, offset int, err error) {
	pages := max(1, (count+p.Size-1)/p.Size)
	number = p.Number
	if p.Last {
		number = pages
	}
	if number < 1 || number > pages {
		return 0, 0, ErrPage
	}
	return number, (number - 1) * p.Size, nil
}
