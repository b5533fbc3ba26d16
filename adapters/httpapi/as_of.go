package httpapi

import (
	"errors"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

const (
	msgMoment       = "Enter a valid position or timestamp."
	msgFuture       = "This moment is in the future."
	msgSearchAsOf   = "A search cannot be made as of a moment."
	headerAsOf      = "X-As-Of-Position"
	maxPosition     = events.Position(1<<63 - 2)
	longestPosition = 19 // digits
)

// views returns what answers a request: as of the moment that it names in as_of, else as of now.
func (a *api) views(r *request) (Views, error) {
	text := r.get("as_of")
	if text == "" {
		return a.app.Views, nil
	}
	q, ok := readMoment(text)
	if !ok {
		return Views{}, invalid("as_of", msgMoment)
	}
	q.Journal = r.who.Journal
	pos, err := a.app.FindMoment(r.Context(), q)
	if errors.Is(err, queries.ErrFuture) {
		return Views{}, invalid("as_of", msgFuture)
	}
	if err != nil {
		return Views{}, err
	}
	r.w.Header().Set(headerAsOf, strconv.FormatInt(int64(pos), 10))
	return a.app.AsOf(pos), nil
}

// readMoment reads a position, from 1, or a timestamp.
func readMoment(text string) (q queries.FindMoment, ok bool) {
	if strings.Trim(text, "0123456789") == "" {
		digits := strings.TrimLeft(text, "0")
		n, err := strconv.ParseInt(digits, 10, 64)
		if len(digits) > longestPosition || digits != "" && err != nil {
			n = int64(maxPosition) // none has come that far
		}
		return queries.FindMoment{Position: events.Position(n)}, n > 0
	}
	at, ok := parseMoment(strings.ReplaceAll(text, " ", "+")) // an offset whose + was not encoded
	return queries.FindMoment{At: &at}, ok
}
