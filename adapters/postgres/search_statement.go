package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// documentSearch is one search, to be asked for in several ways. Its statements are put
// together from constants; what clients say is in the arguments only.
type documentSearch struct {
	filter    queries.MessageFilter
	condition searchCondition
}

// compile returns the search of f, of which the words that it finds by their parts are known.
func (r *SearchReader) compile(ctx context.Context, f queries.MessageFilter) (*documentSearch, error) {
	x := newSearchCompiler(r.lexer, f.Journal)
	parts := x.parts(f.Search)
	if len(parts) > 0 {
		var err error
		if x.known, err = r.words(ctx, x, f.Journal, parts); err != nil {
			return nil, err
		}
	}
	return &documentSearch{f, x.compile(f.Search)}, nil
}

const (
	hitsByWords = "WITH hits AS MATERIALIZED (\nSELECT d.id, d.date FROM document d"
	countedHits = `)
SELECT id, (SELECT count(*) FROM hits) FROM hits
ORDER BY date DESC, id DESC
LIMIT `
	countHits  = "SELECT count(*) FROM document d"
	walkAll    = "SELECT d.id, 0::bigint FROM document d"
	walkNewest = `
SELECT d.id, 0::bigint FROM (
	SELECT d.* FROM document d
	WHERE d.journal_id = $1
	ORDER BY d.date DESC, d.id DESC
	LIMIT `
	newestDocuments = "\nORDER BY d.date DESC, d.id DESC\nLIMIT "
)

// byWords finds the hits by the index of words. It counts all if the page has any.
func (s *documentSearch) byWords(into *found, offset, limit int) question {
	var st statement
	st.add(hitsByWords)
	s.where(&st)
	st.add(countedHits)
	st.arg(limit)
	st.add(" OFFSET ")
	st.arg(offset)
	return st.question(true, scanHits(into))
}

// walk tests the newest documents, at most steps; 0: all.
func (s *documentSearch) walk(into *found, offset, limit, steps int) question {
	var st statement
	if steps == 0 {
		st.add(walkAll)
	} else {
		st.add(walkNewest, strconv.Itoa(steps), ") d")
	}
	s.where(&st)
	st.add(newestDocuments)
	st.arg(limit)
	st.add(" OFFSET ")
	st.arg(offset)
	return st.question(true, scanHits(into))
}

func (s *documentSearch) count(into *int) question {
	var st statement
	st.add(countHits)
	s.where(&st)
	return st.question(true, scanCount(into))
}

// counts asks how many documents match: total less those that less has. The index knows who has
// words that must not be met; to find who lacks them, the words of each document would be read.
func (s *documentSearch) counts(total, less *int) []question {
	c := s.condition
	switch {
	case c.query != "" && c.without == "":
		return []question{bitmapsOnly, s.count(total)}
	case c.without == "":
		return []question{s.count(total)}
	}
	all, having := *s, *s
	all.condition, having.condition = c.split()
	if c.query == "" {
		return []question{all.count(total), bitmapsOnly, having.count(less)}
	}
	return []question{bitmapsOnly, all.count(total), having.count(less)}
}

// key names what is counted.
func (s *documentSearch) key() string {
	var st statement
	s.where(&st)
	return st.key()
}

// where adds the conditions on document d, its words last: they may lie aside.
func (s *documentSearch) where(st *statement) {
	f, condition := s.filter, s.condition
	narrow := condition.few || f.IDs != nil || f.From != nil || f.To != nil || f.Thread != nil || f.MsgID != nil
	s.journal(st, condition.query != "" && !narrow)
	if f.Accounts != nil {
		st.when("d.account_id = ANY(", accountIDs(f.Accounts), "::bigint[])")
	}
	st.add(documentNotErased)
	for _, rest := range append(slices.Clip(condition.rest), s.plain()...) {
		st.add("\n\tAND ")
		rest(st)
	}
	condition.words(st)
}

// of adds the conditions of the search alone.
func (s *documentSearch) of(st *statement) {
	condition := s.condition
	s.journal(st, condition.query != "" && !condition.few)
	for _, rest := range condition.rest {
		st.add("\n\tAND ")
		rest(st)
	}
	condition.words(st)
}

// journal adds that document d is of the journal. It is no key where words must be met: else a planner
// who knows nothing of a word, or what it was long ago, reads all documents of the journal in place of
// those that the index of words names. Their lexemes lead with the journal.
func (s *documentSearch) journal(st *statement, met bool) {
	st.add("\nWHERE d.journal_id")
	if met {
		st.add(" + 0")
	}
	st.add(" = ")
	if len(st.args) == 0 {
		st.arg(int64(s.filter.Journal))
	} else {
		st.add("$1")
	}
}

// plain returns the filters beside the search.
func (s *documentSearch) plain() []func(*statement) {
	f := s.filter
	var out []func(*statement)
	add := func(c queries.Condition) { out = append(out, plainCondition(c)) }
	if f.Folders != nil {
		add(queries.InFolders{Names: f.Folders})
	}
	if f.From != nil || f.To != nil {
		out = append(out, between("d.date", " >= ", f.From, " <= ", f.To))
	}
	if f.Seen != nil {
		add(queries.Seen{Is: *f.Seen})
	}
	if f.Flagged != nil {
		add(queries.Flagged{Is: *f.Flagged})
	}
	if f.Attachments != nil {
		out = append(out, sqlWith("d.has_attachments = ", *f.Attachments, ""))
	}
	if f.IDs != nil {
		out = append(out, sqlWith("d.id = ANY(", messageIDs(f.IDs), "::bigint[])"))
	}
	if f.Thread != nil || f.MsgID != nil {
		out = append(out, ofMessages("d", queries.MessageFilter{Thread: f.Thread, MsgID: f.MsgID}))
	}
	if f.Sender != "" || f.Recipient != "" || f.Subject != "" {
		out = append(out, itsMessage(queries.MessageFilter{Sender: f.Sender, Recipient: f.Recipient, Subject: f.Subject}))
	}
	return out
}

func messageIDs(ids []domain.MessageID) []int64 {
	return column(ids, func(id domain.MessageID) int64 { return int64(id) })
}

func scanHits(into *found) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			var id domain.MessageID
			if err := rows.Scan(&id, &into.total); err != nil {
				return fmt.Errorf("scan hit: %w", err)
			}
			into.ids = append(into.ids, id)
		}
		return rows.Err()
	}
}

const frequenciesOf = `
SELECT f.lexeme, false, f.documents FROM frequency f WHERE f.journal_id = $1 AND f.lexeme = ANY($2)
UNION ALL
SELECT x.prefix, true, coalesce(sum(f.documents), 0)::bigint
FROM unnest($3::text[]) AS x (prefix)
LEFT JOIN frequency f ON f.journal_id = $1 AND f.lexeme >= x.prefix AND f.lexeme < x.prefix || chr(1114109)
GROUP BY x.prefix`

// frequencies asks how many of the sampled documents may match, and how many are sampled. A
// prefix is expected to have the hits of all its words.
func (s *documentSearch) frequencies(expected, sampled *int64) question {
	words, prefixes := []string{""}, []string{}
	for _, t := range s.condition.terms {
		if t.prefix {
			prefixes = append(prefixes, t.word)
		} else {
			words = append(words, t.word)
		}
	}
	return question{
		sql:  frequenciesOf,
		args: []any{int64(s.filter.Journal), words, prefixes},
		scan: func(rows pgx.Rows) error {
			known := map[searchTerm]int64{}
			for rows.Next() {
				var t searchTerm
				var documents int64
				if err := rows.Scan(&t.word, &t.prefix, &documents); err != nil {
					return fmt.Errorf("scan frequency: %w", err)
				}
				known[t] = documents
			}
			*sampled = known[searchTerm{}]
			*expected = min(s.condition.expect(known), *sampled)
			return rows.Err()
		},
	}
}

// checkpoints asks what a count depends on.
func (r *SearchReader) checkpoints(journal events.JournalID, into *found) question {
	return question{
		sql: checkpointsOf, args: []any{int64(journal), r.projection, r.version, r.beside, r.besideVersion},
		scan: func(rows pgx.Rows) error {
			for rows.Next() {
				if err := rows.Scan(&into.at[0], &into.at[1], &into.at[2]); err != nil {
					return fmt.Errorf("scan checkpoints: %w", err)
				}
			}
			return rows.Err()
		},
	}
}
