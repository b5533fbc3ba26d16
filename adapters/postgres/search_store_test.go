package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// TestEraseDocuments leaves nothing of one account and all of the other.
func TestEraseDocuments(t *testing.T) {
	t.Parallel()
	pool := open(t)
	l, log := newSearchLog(7, 500)
	schema, only := live(t, pool, "search", 1), live(t, pool, "search", 2)
	foldSearch(t, pool, schema, 1, l.said, log)
	eraseDocuments(t, pool, schema, 1, 1)
	foldSearch(t, pool, only, 1, l.said, slices.DeleteFunc(log, func(rec events.Recorded) bool { return rec.Account != 2 }))
	for _, table := range postgres.SearchTableNames {
		if diff := cmp.Diff(dump(t, pool, only, table), dump(t, pool, schema, table)); diff != "" {
			t.Errorf("table %s (-only account 2 +account 1 erased):\n%s", table, diff)
		}
	}
}

// TestDocumentChanges tells what each event changes of a document, and what stays.
func TestDocumentChanges(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "search", 1)
	texts := said{}
	e := fetched(16, func(e *events.MessageFetched) { e.Flags = []domain.Flag{domain.FlagSeen, "$Junk"} })
	texts.says(&e, &domain.Content{Subject: "subject", Date: epoch})
	moved := e.Message
	moved.Folder = "Ärger"
	at := events.Position(0)
	for _, step := range []struct {
		event events.Event
		want  []string
	}{
		{events.FlagsChanged{Message: e.Message, Flags: []domain.Flag{domain.FlagFlagged}}, []string{}}, // not there yet
		{e, []string{"INBOX true false [\\Seen $Junk] 'subject'"}},
		{events.FlagsChanged{Message: e.Message, Flags: []domain.Flag{domain.FlagFlagged, `a"b{c,}`, "été"}}, []string{`INBOX false true [\Flagged a"b{c,} été] 'subject'`}},
		{events.FlagsChanged{Message: e.Message, Flags: nil}, []string{"INBOX false false [] 'subject'"}},
		{events.MessageMoved{Message: moved, From: e.Place, Flags: []domain.Flag{domain.FlagSeen}}, []string{"Ärger false false [] 'subject'"}},
		{events.FlagsChanged{Message: e.Message, Flags: []domain.Flag{"\\sEEN"}}, []string{"Ärger true false [\\sEEN] 'subject'"}},
		{events.MessageExpunged{Message: moved}, []string{}},
		{events.MessageExpunged{Message: moved}, []string{}},
	} {
		at++
		foldSearch(t, pool, schema, 1, texts, recorded(at, step.event))
		got := documents(t, pool, schema)
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("after %+v (-want +got):\n%s", step.event, diff)
		}
	}
}

// A store may save several times in its transaction, and nothing is no error.
func TestSaveSeveralTimes(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "search", 1)
	inSchema(t, pool, schema, func(tx pgx.Tx) error {
		store := postgres.NewSearchStore(lexer)(tx, 1)
		for _, id := range []domain.MessageID{16, 32, 16} {
			store.Index(projections.Document{ID: id, Account: 1, Folder: "INBOX", Date: epoch, InternalDate: epoch}, &domain.Content{Subject: fmt.Sprint("subject", id)})
			if err := store.Save(t.Context(), nil, nil); err != nil {
				return err
			}
			if err := store.Save(t.Context(), nil, []domain.MessageID{7}); err != nil {
				return err
			}
		}
		return nil
	})
	checkFrequencies(t, pool, schema, 0)
	want := []string{"INBOX false false [] 'subject16'", "INBOX false false [] 'subject32'"}
	if diff := cmp.Diff(want, documents(t, pool, schema)); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// Words of a journal are never met from another, though its number may begin with that of this one, and
// a word with anything.
func TestSearchOfOneJournal(t *testing.T) {
	t.Parallel()
	pool := open(t)
	schema := live(t, pool, "search", 1)
	live(t, pool, "mail", 1)
	journals := []events.JournalID{1, 12, 2, 121, 11}
	for i, journal := range journals {
		texts := said{}
		e := fetched(int64(16 * (i + 1)))
		texts.says(&e, &domain.Content{
			Subject: fmt.Sprintf("shared only%dx 2aword 1aword", journal), Text: "2ashared a2shared 1ashared 2fann",
			From: []domain.Address{{Name: "1aann", Addr: "ann@2f.example"}}, Attachments: []domain.Attachment{{FileName: "2Nnn.1"}},
		})
		foldSearch(t, pool, schema, journal, texts, recorded(1, e))
	}
	checkFrequencies(t, pool, schema, 0)
	reader := postgres.NewSearchReader(pool, 1, 1, lexer)
	for i, journal := range journals {
		mine := domain.MessageID(16 * (i + 1))
		for _, value := range []string{"shared", "sha", "2aword", "1aw", "2ashared", "word", "ann", "1", "2", "2ann", "a", "a2shared", "12ashared", "ashared", "only"} {
			for _, c := range []queries.Condition{word(value), phrase(value), in(queries.InFrom, value), in(queries.InFileName, value), queries.Not{Of: word(value)}} {
				if got := find(t, reader, journal, c); len(got) > 1 || len(got) == 1 && got[0] != mine {
					t.Errorf("%+v in journal %d: got %v", c, journal, got)
				}
			}
		}
		for _, other := range journals {
			if got := find(t, reader, journal, word(fmt.Sprintf("only%dx", other))); (len(got) == 1) != (other == journal) {
				t.Errorf("the word of journal %d in journal %d: got %v", other, journal, got)
			}
		}
	}
}

// documents shows the documents of a schema, by id, with the words of their subject.
func documents(t *testing.T, pool *pgxpool.Pool, schema string) []string {
	t.Helper()
	return texts(t, pool, schema, `
		SELECT folder || ' ' || seen || ' ' || flagged || ' [' || array_to_string(flags, ' ') || '] ''' || (
			SELECT string_agg(substr(lexeme, 3), ' ') FROM unnest(tsvector_to_array(words)) lexeme WHERE starts_with(lexeme, '1s')) || ''''
		FROM document ORDER BY id`)
}
