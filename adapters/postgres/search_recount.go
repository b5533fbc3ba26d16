package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	clearFrequencies = `DELETE FROM frequency WHERE journal_id = $1`

	clearShortWords = `DELETE FROM short_word WHERE journal_id = $1`

	// countShortWords counts as Index does: $2 and $3 are $3 and $5 of removeDocuments.
	countShortWords = `
SELECT substr(lexeme, length($2), 1), substr(lexeme, length($2) + 1), count(*)
FROM document d, unnest(tsvector_to_array(d.words)) AS lexeme
WHERE d.journal_id = $1 AND substr(lexeme, length($2), 1) = ANY($3)
GROUP BY 1, 2`

	// countFrequencies counts as Index does: $2 is the beginning of the lexemes that are
	// counted, $3 how far apart the sampled documents are.
	countFrequencies = `
INSERT INTO frequency (journal_id, lexeme, documents)
WITH sampled AS (SELECT words FROM document WHERE journal_id = $1 AND id % $3 = 0)
SELECT $1, '', count(*) FROM sampled HAVING count(*) > 0
UNION ALL
SELECT $1, substr(lexeme, length($2) + 1), count(*) FROM sampled, unnest(tsvector_to_array(words)) AS lexeme
WHERE starts_with(lexeme, $2)
GROUP BY lexeme`
)

// Recount makes the frequencies of the journal anew from its sampled documents, and the words
// of short fields from all.
func (s *SearchStore) Recount(ctx context.Context) error {
	var b pgx.Batch
	b.Queue(clearFrequencies, s.journal)
	b.Queue(clearShortWords, s.journal)
	b.Queue(countFrequencies, s.journal, s.counted(), sampleOf)
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("count words of documents: %w", translate(err))
	}
	return s.recountShortWords(ctx)
}

func (s *SearchStore) recountShortWords(ctx context.Context) error {
	rows, err := s.tx.Query(ctx, countShortWords, s.journal, s.counted(), shortClasses)
	if err != nil {
		return fmt.Errorf("count words of short fields: %w", translate(err))
	}
	var field, word string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&field, &word, &n}, func() error {
		s.short[shortWord{field[0], word}] = n
		return nil
	})
	if err != nil {
		return fmt.Errorf("count words of short fields: %w", translate(err))
	}
	var b pgx.Batch
	s.queueShortWords(&b)
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("save words of short fields: %w", translate(err))
	}
	return nil
}
