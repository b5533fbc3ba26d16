package httpapi

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/queries"
)

const (
	defaultPageSize = 50
	maxPageSize     = 100
)

// pageJSON is a page by number (api.md 6.1).
type pageJSON[T any] struct {
	Count    int     `json:"count"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}

// cursorJSON is a page by cursor (api.md 6.2).
type cursorJSON[T any] struct {
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Results  []T     `json:"results"`
}

// paging reads page, page_size and cursor. list names the list with its filters and
// order, which a cursor is bound to. It returns errPage or errCursor.
func (r *request) paging(list string) (queries.Paging, error) {
	p := queries.Paging{Size: pageSize(r.get("page_size"), maxPageSize)}
	if text, ok := r.lookup("cursor"); ok {
		p.ByCursor = true
		if text == "" {
			return p, nil
		}
		var err error
		p.Cursor, err = queries.ParseCursor(text, list)
		return p, err
	}
	switch text := r.get("page"); {
	case text == "":
		p.Number = 1
	case text == "last":
		p.Last = true
	case strings.Trim(text, "0123456789") != "":
		return p, errPage
	default:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 1 {
			return p, errPage
		}
		p.Number = int(n)
	}
	return p, nil
}

// pageSize reads a page size: larger ones are lowered, others mean the default.
func pageSize(text string, most int) int {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return defaultPageSize
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil: // more digits than a number has
		return most
	case n == 0:
		return defaultPageSize
	}
	return min(n, most)
}

// binding names a list for cursors: what it is, and all parameters but those of paging.
func (r *request) binding(what string) string {
	values := url.Values{}
	for name, all := range r.values() {
		last := all[len(all)-1]
		if last != "" && !slices.Contains([]string{"cursor", "page", "page_size", "format"}, name) {
			values.Set(name, last)
		}
	}
	return fmt.Sprintf("%d %s?%s", r.who.Journal, what, values.Encode())
}

// with returns the address of the request with one parameter changed, "" removing it.
func (r *request) with(name, value string) *string {
	values := url.Values{}
	for n, all := range r.values() {
		values[n] = all
	}
	if value == "" {
		values.Del(name)
	} else {
		values.Set(name, value)
	}
	to := r.origin + r.URL.EscapedPath()
	if len(values) > 0 {
		to += "?" + values.Encode() // sorted by name
	}
	return &to
}

// listOfPage returns the answer with a page of a list, each row in its shape.
func listOfPage[T, J any](r *request, p queries.Paging, list string, page queries.Page[T], shape func(T) J) response {
	rows := make([]J, len(page.Items))
	for i, item := range page.Items {
		rows[i] = shape(item)
	}
	if p.ByCursor {
		return response{body: cursorJSON[J]{r.at(page.Next, list), r.at(page.Previous, list), rows}}
	}
	out := pageJSON[J]{Count: page.Count, Results: rows}
	if page.Number*p.Size < page.Count {
		out.Next = r.with("page", strconv.Itoa(page.Number+1))
	}
	switch {
	case page.Number == 2:
		out.Previous = r.with("page", "")
	case page.Number > 2:
		out.Previous = r.with("page", strconv.Itoa(page.Number-1))
	}
	return response{body: out}
}

// at returns the address that a cursor leads to; nil for none.
func (r *request) at(c *queries.Cursor, list string) *string {
	if c == nil {
		return nil
	}
	return r.with("cursor", c.Encode(list))
}
