package postgres

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// SearchStore holds the documents of projections.Search of one journal in the built-in
// engine, in one transaction whose search path is the generation's schema.
type SearchStore struct {
	tx      pgx.Tx
	journal events.JournalID
	vector  *vector
	rows    documentColumns
	octets  int                 // of words in rows
	sampled map[string]int64    // what is to be added to frequency
	short   map[shortWord]int64 // what is to be added to short_word
}

// takeOctets of words are written while the next are cut.
const takeOctets = 256 << 10

// shortWord is a word of a short field.
type shortWord struct {
	class byte
	word  string
}

// NewSearchStore returns what makes the store of a journal in a transaction.
func NewSearchStore(lexer Lexer) func(tx pgx.Tx, journal events.JournalID) projections.SearchStore {
	return func(tx pgx.Tx, journal events.JournalID) projections.SearchStore {
		return &SearchStore{tx: tx, journal: journal, vector: newVector(lexer, journal), sampled: map[string]int64{}, short: map[shortWord]int64{}}
	}
}

// Journal returns the journal the store is of.
func (s *SearchStore) Journal() events.JournalID { return s.journal }

// documentColumns are new rows of document.
type documentColumns struct {
	id, account, size          []int64
	date, internalDate         []time.Time
	seen, flagged, attachments []bool
	flags, folder, parts       []string
	words                      []pgtype.TSVector
}

// partBreak parts the texts of document.parts in a parameter, since unnest takes nested
// arrays apart. No word has a control character.
const partBreak = "\x1f"

// Index takes the text of a new document, which Take or Save write, and reports whether that is
// enough for Take.
func (s *SearchStore) Index(doc projections.Document, c *domain.Content) (enough bool) {
	parts := s.vector.document(c)
	r := &s.rows
	r.id, r.account, r.size = append(r.id, int64(doc.ID)), append(r.account, int64(doc.Account)), append(r.size, doc.Size)
	r.date, r.internalDate = append(r.date, doc.Date), append(r.internalDate, doc.InternalDate)
	r.seen = append(r.seen, domain.HasFlag(doc.Flags, domain.FlagSeen))
	r.flagged = append(r.flagged, domain.HasFlag(doc.Flags, domain.FlagFlagged))
	r.attachments = append(r.attachments, doc.HasAttachments)
	r.flags, r.folder = append(r.flags, joinFlags(doc.Flags)), append(r.folder, string(doc.Folder))
	r.words = append(r.words, pgtype.TSVector{Lexemes: s.vector.lexemes, Valid: true})
	joined := ""
	for i, part := range parts {
		if i > 0 {
			joined += partBreak
		}
		joined += part
	}
	r.parts = append(r.parts, joined)
	s.vector.shortWords(func(class byte, word string) { s.short[shortWord{class, word}]++ })
	if isSampled(doc.ID) {
		s.sampled[""]++
		for _, word := range s.vector.words() {
			s.sampled[word]++
		}
	}
	s.octets += s.vector.size
	return s.octets >= takeOctets
}

const (
	saveDocuments = `
INSERT INTO document (journal_id, id, account_id, date, internal_date, size, seen, flagged, has_attachments, flags, folder, words, parts)
SELECT @journal_id, id, account_id, date, internal_date, size, seen, flagged, has_attachments,
	string_to_array(flags, E'\x1f'), folder, words, string_to_array(parts, E'\x1f')
FROM unnest(@id::bigint[], @account_id::bigint[], @date::timestamptz[], @internal_date::timestamptz[], @size::bigint[],
	@seen::boolean[], @flagged::boolean[], @has_attachments::boolean[], @flags::text[], @folder::text[], @words::tsvector[], @parts::text[])
	AS x (id, account_id, date, internal_date, size, seen, flagged, has_attachments, flags, folder, words, parts)`

	changeDocuments = `
UPDATE document d SET
	folder = coalesce(x.folder, d.folder),
	flags = CASE WHEN x.flags IS NULL THEN d.flags ELSE string_to_array(x.flags, E'\x1f') END,
	seen = coalesce(x.seen, d.seen), flagged = coalesce(x.flagged, d.flagged)
FROM unnest(@id::bigint[], @folder::text[], @flags::text[], @seen::boolean[], @flagged::boolean[])
	AS x (id, folder, flags, seen, flagged)
WHERE d.journal_id = @journal_id AND d.id = x.id`

	// removeDocuments takes what is sampled of the documents out of frequency, and their words out of
	// short_word; $3 is the beginning of the lexemes that are counted, $4 how far apart the sampled ones
	// are, $5 the classes of short words, which stand in a lexeme where that of $3 does.
	removeDocuments = `
WITH gone AS (DELETE FROM document WHERE journal_id = $1 AND id = ANY($2) RETURNING id, words)` + unsample

	eraseDocuments = `
WITH gone AS (DELETE FROM document WHERE journal_id = $1 AND account_id = $2 RETURNING id, words)` + unsample

	unsample = `,
short AS (
	SELECT substr(lexeme, length($3), 1) AS field, substr(lexeme, length($3) + 1) AS word, count(*) AS n
	FROM gone, unnest(tsvector_to_array(words)) AS lexeme
	WHERE substr(lexeme, length($3), 1) = ANY($5)
	GROUP BY 1, 2),
unused AS (
	DELETE FROM short_word w USING short s
	WHERE w.journal_id = $1 AND w.field = s.field AND w.word = s.word AND w.documents <= s.n),
rarer AS (
	UPDATE short_word w SET documents = w.documents - s.n FROM short s
	WHERE w.journal_id = $1 AND w.field = s.field AND w.word = s.word AND w.documents > s.n),
sampled AS (SELECT words FROM gone WHERE id % $4 = 0),
less AS (
	SELECT '' AS lexeme, count(*) AS n FROM sampled
	UNION ALL
	SELECT substr(lexeme, length($3) + 1), count(*) FROM sampled, unnest(tsvector_to_array(words)) AS lexeme
	WHERE starts_with(lexeme, $3)
	GROUP BY lexeme),
last AS (
	DELETE FROM frequency f USING less
	WHERE f.journal_id = $1 AND f.lexeme = less.lexeme AND f.documents <= less.n)
UPDATE frequency f SET documents = f.documents - less.n
FROM less
WHERE f.journal_id = $1 AND f.lexeme = less.lexeme AND f.documents > less.n AND less.n > 0`

	saveFrequencies = `
INSERT INTO frequency AS f (journal_id, lexeme, documents)
SELECT $1, * FROM unnest($2::text[], $3::bigint[])
ON CONFLICT (journal_id, lexeme) DO UPDATE SET documents = f.documents + excluded.documents`

	saveShortWords = `
INSERT INTO short_word AS w (journal_id, field, word, documents, pieces)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::tsvector[])
ON CONFLICT (journal_id, field, word) DO UPDATE SET documents = w.documents + excluded.documents`
)

// sampleOf is how many documents stand for one that is counted in frequency.
const sampleOf = 16

func isSampled(id domain.MessageID) bool { return id%sampleOf == 0 }

// Take returns what writes what Index has taken.
func (s *SearchStore) Take() (write func(ctx context.Context) error) {
	b, n := s.queue(nil), len(s.rows.id)
	s.forget()
	return func(ctx context.Context) error { return s.send(ctx, b, n) }
}

// Save writes what Index has taken, in place of documents with the same ids, then the
// changes of others, and deletes those that are gone.
func (s *SearchStore) Save(ctx context.Context, changes []projections.DocumentChange, gone []domain.MessageID) error {
	b, n := s.queue(gone), len(s.rows.id)+len(gone)
	if len(changes) > 0 {
		b.Queue(changeDocuments, changeColumns(s.journal, changes))
	}
	s.forget()
	return s.send(ctx, b, n)
}

// queue queues what writes the documents that were taken.
func (s *SearchStore) queue(gone []domain.MessageID) *pgx.Batch {
	b := &pgx.Batch{}
	removed := slices.Clone(s.rows.id)
	for _, id := range gone {
		removed = append(removed, int64(id))
	}
	if len(removed) > 0 {
		b.Queue(removeDocuments, s.journal, removed, s.counted(), sampleOf, shortClasses)
	}
	if len(s.rows.id) > 0 {
		b.Queue(saveDocuments, s.rows.args(s.journal))
	}
	if len(s.sampled) > 0 {
		words := slices.Sorted(maps.Keys(s.sampled)) // one order: two writers do not wait for each other in a ring
		b.Queue(saveFrequencies, s.journal, words, column(words, func(w string) int64 { return s.sampled[w] }))
	}
	s.queueShortWords(b)
	return b
}

func (s *SearchStore) forget() {
	s.rows, s.octets, s.sampled, s.short = documentColumns{}, 0, map[string]int64{}, map[shortWord]int64{}
}

func (s *SearchStore) send(ctx context.Context, b *pgx.Batch, documents int) error {
	if b.Len() == 0 {
		return nil
	}
	if err := s.tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("save %d documents: %w", documents, translate(err))
	}
	return nil
}

// queueShortWords adds the words of short fields to short_word, in one order as others do.
func (s *SearchStore) queueShortWords(b *pgx.Batch) {
	if len(s.short) == 0 {
		return
	}
	list := slices.SortedFunc(maps.Keys(s.short), func(a, b shortWord) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.word, b.word))
	})
	b.Queue(saveShortWords, s.journal,
		column(list, func(w shortWord) string { return string(w.class) }), column(list, func(w shortWord) string { return w.word }),
		column(list, func(w shortWord) int64 { return s.short[w] }), column(list, s.vector.pieces))
}

// counted is the beginning of the lexemes that frequency counts.
func (s *SearchStore) counted() string { return s.vector.journal + string(anyWord) }

// EraseAccount deletes all documents of an account.
func (s *SearchStore) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	if _, err := s.tx.Exec(ctx, eraseDocuments, s.journal, acc, s.counted(), sampleOf, shortClasses); err != nil {
		return fmt.Errorf("erase documents of account %d: %w", acc, translate(err))
	}
	return nil
}

func (r *documentColumns) args(journal events.JournalID) pgx.StrictNamedArgs {
	return pgx.StrictNamedArgs{
		"journal_id": journal, "id": r.id, "account_id": r.account, "date": r.date, "internal_date": r.internalDate, "size": r.size,
		"seen": r.seen, "flagged": r.flagged, "has_attachments": r.attachments, "flags": r.flags, "folder": r.folder,
		"words": r.words, "parts": r.parts,
	}
}

func changeColumns(journal events.JournalID, changes []projections.DocumentChange) pgx.StrictNamedArgs {
	n := len(changes)
	ids, folders, flags, seen, flagged := make([]int64, n), make([]*string, n), make([]*string, n), make([]*bool, n), make([]*bool, n)
	for i, c := range changes {
		ids[i] = int64(c.ID)
		if c.Folder != nil {
			name := string(*c.Folder)
			folders[i] = &name
		}
		if c.Flags != nil {
			joined, isSeen, isFlagged := joinFlags(c.Flags), domain.HasFlag(c.Flags, domain.FlagSeen), domain.HasFlag(c.Flags, domain.FlagFlagged)
			flags[i], seen[i], flagged[i] = &joined, &isSeen, &isFlagged
		}
	}
	return pgx.StrictNamedArgs{"journal_id": journal, "id": ids, "folder": folders, "flags": flags, "seen": seen, "flagged": flagged}
}
