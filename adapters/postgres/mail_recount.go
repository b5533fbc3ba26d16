package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	clearTallies = `DELETE FROM tally WHERE journal_id = $1`

	countTallies = `
INSERT INTO tally (journal_id, account_id, mailbox_id, folder, messages, unseen, size)
SELECT journal_id, account_id, mailbox_id, folder, count(*), count(*) FILTER (WHERE NOT seen), sum(size)
FROM message WHERE journal_id = $1 GROUP BY journal_id, account_id, mailbox_id, folder
UNION ALL
SELECT journal_id, account_id, 0, '', count(*), 0, 0
FROM thread WHERE journal_id = $1 GROUP BY journal_id, account_id`
)

// Recount makes the tallies of the journal anew from its messages and threads.
func (s *MailStore) Recount(ctx context.Context) error {
	var b pgx.Batch
	b.Queue(clearTallies, s.journal)
	b.Queue(countTallies, s.journal)
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("count messages of mailboxes: %w", translate(err))
	}
	return nil
}
