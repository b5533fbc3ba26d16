package queries

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/imap2api/imap2api/domain"
)

// ErrPage is returned for a page past the end. It is a domain.ErrNotFound.
var ErrPage = fmt.Errorf("page: %w", domain.ErrNotFound)

// ErrCursor is returned for a cursor that is damaged or was made for another
// list. It is a domain.ErrNotFound.
var ErrCursor = fmt.Errorf("cursor: %w", domain.ErrNotFound)

// Paging says which part of a list is asked for: a page by number, or what
// follows a cursor.
type Paging struct {
	Size   int  // rows, 1 to 100
	Number int  // from 1; used without ByCursor
	Last   bool // the last page, whatever its number
	// ByCursor pages without a count; Cursor nil is the beginning.
	ByCursor bool
	Cursor   *Cursor
}

// Page is one part of a list.
type Page[T any] struct {
	Items  []T
	Count  int // of the whole list; 0 by cursor
	Number int // of this page; 0 by cursor
	// Next and Previous lead on and back; nil at the ends, and by number.
	Next, Previous *Cursor
	Engine         SearchEngine // that found the rows; "" if none was asked or there is only one
}

// Cursor is a place between two rows of a list, opaque to clients: the keys by which the list is
// ordered, of the row before it (after it if Backward), and that row's id.
type Cursor struct {
	Keys     []string
	ID       int64
	Backward bool
}

type cursorJSON struct {
	Keys     []string `json:"k,omitempty"`
	ID       int64    `json:"i"`
	Backward bool     `json:"b,omitempty"`
	Binding  []byte   `json:"h"`
}

// binding is a short hash of the list that a cursor belongs to.
func binding(list string) []byte {
	sum := sha256.Sum256([]byte(list))
	return sum[:6]
}

// Encode returns the cursor as clients get it, bound to the list, which is any
// text that names its filters and order.
func (c Cursor) Encode(list string) string {
	b, err := json.Marshal(cursorJSON{c.Keys, c.ID, c.Backward, binding(list)})
	if err != nil { // strings and numbers only
		panic(err)
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(append(sum[:4], b...))
}

// ParseCursor reads what Encode wrote for the same list. It returns ErrCursor for anything else.
func ParseCursor(text, list string) (*Cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 5 {
		return nil, ErrCursor
	}
	if sum := sha256.Sum256(b[4:]); string(sum[:4]) != string(b[:4]) {
		return nil, ErrCursor
	}
	var c cursorJSON
	if err := json.Unmarshal(b[4:], &c); err != nil || string(c.Binding) != string(binding(list)) {
		return nil, errors.Join(ErrCursor, err)
	}
	return &Cursor{c.Keys, c.ID, c.Backward}, nil
}

// Order is one key of an ordering.
type Order struct {
	Field string // as clients spell it
	Desc  bool
}
