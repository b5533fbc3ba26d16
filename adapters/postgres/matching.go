package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// matchBatch is how many messages are looked at at a time.
const matchBatch = 500

// candidate is a message whose content is to be looked at.
type candidate struct {
	id  int64
	sum [32]byte
}

// Matching returns the ids of the messages of f whose content match accepts. It reads
// every content once, in batches by id, so no transaction stays open for long; HTML is left out.
func (r *MailReader) Matching(ctx context.Context, f queries.MessageFilter, match func(*domain.Content) bool) ([]domain.MessageID, error) {
	l, err := newMessageList(f, false, []queries.Order{{Field: "id"}})
	if err != nil || l.none() {
		return nil, err
	}
	var out []domain.MessageID
	for after := int64(0); ; {
		var batch []candidate
		if err := r.read(ctx, l.candidates(&batch, after)); err != nil {
			return nil, err
		}
		found, err := r.matchBatch(ctx, f, batch, match)
		if err != nil {
			return nil, fmt.Errorf("read %d contents: %w", len(batch), err)
		}
		out = append(out, found...)
		if len(batch) < matchBatch {
			return out, nil
		}
		after = batch[len(batch)-1].id
	}
}

const (
	listCandidates  = "SELECT m.id, m.sha256 FROM message m"
	limitCandidates = "\nORDER BY m.id\nLIMIT 500" // matchBatch
)

func (l *messageList) candidates(into *[]candidate, after int64) question {
	var s statement
	s.add(listCandidates)
	l.where(&s)
	s.when("m.id > ", after)
	s.add(limitCandidates)
	return s.question(true, func(rows pgx.Rows) error {
		for rows.Next() {
			var c candidate
			var sum []byte
			if err := rows.Scan(&c.id, &sum); err != nil {
				return fmt.Errorf("scan message: %w", err)
			}
			copy(c.sum[:], sum)
			*into = append(*into, c)
		}
		return rows.Err()
	})
}

// matchBatch returns the ids of a batch whose content match accepts. Equal octets are looked at once.
func (r *MailReader) matchBatch(ctx context.Context, f queries.MessageFilter, batch []candidate, match func(*domain.Content) bool) ([]domain.MessageID, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	verdict := make(map[[32]byte]bool, len(batch))
	sums := make([][]byte, 0, len(batch))
	for i := range batch {
		if _, ok := verdict[batch[i].sum]; !ok {
			verdict[batch[i].sum] = false
			sums = append(sums, batch[i].sum[:])
		}
	}
	err := r.contents.each(ctx, f.Journal, sums, withoutHTML, func(sum [32]byte, c *domain.Content) {
		verdict[sum] = match(c)
	})
	if err != nil {
		return nil, err
	}
	var out []domain.MessageID
	for _, c := range batch {
		if verdict[c.sum] {
			out = append(out, domain.MessageID(c.id))
		}
	}
	return out, nil
}
