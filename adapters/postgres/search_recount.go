package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	clearFrequencies = `DELETE FROM frequency WHERE journal_id = $1`

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

// Recount makes the frequencies of the journal anew from its sampled documents.
func (s *SearchStore) Recount(ctx context.Context) error {
	var b pgx.Batch
	b.Queue(clearFrequencies, s.journal)
	b.Queue(countFrequencies, s.journal, s.counted(), sampleOf)
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("count words of documents: %w", translate(err))
	}
	return nil
}
