package httpapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// maxQuery is the longest search, in characters (api.md 12).
const maxQuery = 2000

// filters reads query parameters; what is wrong is collected, all at once (api.md 6.4).
// An empty value counts as not given.
type filters struct {
	r      *request
	faults inputError
}

// text reads a text; blank at its ends stays, as folder names may have it.
func (f *filters) text(name string) string {
	text, _ := f.r.lookup(name)
	if strings.ContainsRune(text, 0) {
		f.faults.add(name, msgNUL)
		return ""
	}
	return text
}

// search reads q or its alias search.
func (f *filters) search() string {
	q := f.text("q")
	if q == "" {
		q = f.text("search")
	}
	if utf8.RuneCountInString(q) > maxQuery {
		f.faults.add("q", tooLong(maxQuery))
		return ""
	}
	return q
}

// boolean reads one of the words of api.md 4.2; nil if it is not given.
func (f *filters) boolean(name string) *bool {
	text := f.r.get(name)
	if text == "" {
		return nil
	}
	b, ok := parseBool(text)
	if !ok {
		f.faults.add(name, msgBoolean)
		return nil
	}
	return &b
}

// choice reads one of the given words.
func (f *filters) choice(name string, choices ...string) string {
	text := f.r.get(name)
	if text != "" && !slices.Contains(choices, text) {
		f.faults.add(name, notAChoice(text))
		return ""
	}
	return text
}

// date reads a UTC day or a moment; end: a day counts to its end (api.md D29).
func (f *filters) date(name string, end bool) *time.Time {
	text := f.r.get(name)
	if text == "" {
		return nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if end {
			day = day.AddDate(0, 0, 1).Add(-time.Microsecond)
		}
		return &day
	}
	t, err := time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+")) // an offset whose + was not encoded
	if err != nil {
		f.faults.add(name, msgDate)
		return nil
	}
	t = t.UTC()
	return &t
}

// moment reads a timestamp.
func (f *filters) moment(name string) *time.Time {
	text := f.r.get(name)
	if text == "" {
		return nil
	}
	t, ok := parseMoment(strings.ReplaceAll(text, " ", "+"))
	if !ok {
		f.faults.add(name, msgDatetime)
		return nil
	}
	return &t
}

// accounts reads imap_server, and returns the accounts that a list is limited to.
func (f *filters) accounts(ctx context.Context, a *api, journal events.JournalID) ([]domain.AccountID, error) {
	text := f.r.get("imap_server")
	if text == "" {
		return f.r.accounts(), nil
	}
	id, ok := parseID(text)
	if ok {
		_, err := a.app.GetAccount(ctx, queries.GetAccount{Journal: journal, Accounts: f.r.accounts(), ID: domain.AccountID(id)})
		if err != nil && !errors.Is(err, domain.ErrNotFound) {
			return nil, fmt.Errorf("look up imap_server: %w", err)
		}
		ok = err == nil
	}
	if !ok {
		f.faults.add("imap_server", msgChoice)
	}
	return []domain.AccountID{domain.AccountID(id)}, nil
}

// ordering reads ordering: fields of allowed, unknown ones dropped (api.md 6.3).
func (f *filters) ordering(allowed []string) []queries.Order {
	var out []queries.Order
	for item := range strings.SplitSeq(f.r.get("ordering"), ",") {
		field, desc := strings.CutPrefix(strings.TrimSpace(item), "-")
		if slices.Contains(allowed, field) {
			out = append(out, queries.Order{Field: field, Desc: desc})
		}
	}
	return out
}
