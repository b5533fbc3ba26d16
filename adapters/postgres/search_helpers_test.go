package postgres_test

import (
	"context"
	"strings"
	"testing"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/lexeme"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// said is what messages say, by their SHA-256.
type said map[[32]byte]*domain.Content

// Texts gives what is there.
func (s said) Texts(_ context.Context, _ events.JournalID, sums [][]byte, fn func([32]byte, *domain.Content) error) error {
	for _, sum := range sums {
		if c := s[[32]byte(sum)]; c != nil {
			if err := fn([32]byte(sum), c); err != nil {
				return err
			}
		}
	}
	return nil
}

// says gives a message its content, and what follows from it.
func (s said) says(e *events.MessageFetched, c *domain.Content) {
	s[[32]byte(e.SHA256)] = c
	if c.Date.IsZero() {
		c.Date = e.Summary.Date
	}
	e.Summary = events.Summarise(c, e.InternalDate)
}

// foldSearch folds a batch into the documents of a schema.
func foldSearch(t testing.TB, pool *pgxpool.Pool, schema string, journal events.JournalID, texts said, batch []events.Recorded) {
	t.Helper()
	search := projections.Search("search", texts)
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		return search.Apply(t.Context(), postgres.NewSearchStore(lexer)(tx, journal), batch)
	})
}

// eraseDocuments erases an account of a journal.
func eraseDocuments(t testing.TB, pool *pgxpool.Pool, schema string, journal events.JournalID, acc domain.AccountID) {
	t.Helper()
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		return postgres.NewSearchStore(lexer)(tx, journal).EraseAccount(t.Context(), acc)
	})
}

// find returns all that a search finds in a journal.
func find(t testing.TB, r *postgres.SearchReader, journal events.JournalID, c queries.Condition) []domain.MessageID {
	t.Helper()
	ids, total, err := r.Find(t.Context(), queries.MessageFilter{Journal: journal, Search: c}, 0, 1000)
	if err != nil || total != len(ids) {
		t.Fatalf("%+v: got %d ids of %d, error %v", c, len(ids), total, err)
	}
	return ids
}

// word and phrase are what is searched for anywhere.
func word(text string) queries.Condition   { return queries.Text{Value: text} }
func phrase(text string) queries.Condition { return queries.Text{Value: text, Whole: true} }

// runBorder is a word of its own where two runs of a script without spaces meet. No text of a test has it.
const runBorder = " ꙮ "

// oracleFold folds a text so that queries.Searched.Matches reads it by the rules of package
// lexeme: Hangul is written as ideographs are, and no match goes from one run to another.
func oracleFold(text string) string {
	var out strings.Builder
	packed, border := false, false // the last character was of a run; something came after it
	for _, r := range lexeme.Fold(text) {
		switch {
		case isPacked(r):
			if packed && border {
				out.WriteString(runBorder)
			}
			if unicode.Is(unicode.Hangul, r) {
				r += 0x20000 - 0xAC00
			} else if r == 'ー' {
				r = 0x2A6D0
			}
			packed, border = true, false
		case unicode.IsLetter(r), unicode.IsNumber(r):
			packed, border = false, false
		case !unicode.IsMark(r):
			border = true
		}
		out.WriteRune(r)
	}
	return out.String()
}

// isPacked reports whether a character is of a script that is cut into pairs.
func isPacked(r rune) bool {
	return r == 'ー' || r >= 0xAC00 && r <= 0xD7A3 ||
		unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}
