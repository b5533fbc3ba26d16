package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/queries"
)

// statistics are totals by folder, each with those of all accounts, whose ends are found
// by an index of each.
const statistics = `
SELECT m.folder, sum(m.messages)::bigint, sum(m.unseen)::bigint, sum(m.size)::bigint, t.threads, t.oldest, t.newest
FROM tally m
CROSS JOIN (
	SELECT coalesce(sum(m.messages), 0)::bigint AS threads, min(oldest.date) AS oldest, max(newest.date) AS newest
	FROM tally m
	CROSS JOIN LATERAL (
		SELECT o.date FROM message o
		WHERE o.journal_id = $1 AND o.account_id = m.account_id
		ORDER BY o.date, o.id
		LIMIT 1) oldest
	CROSS JOIN LATERAL (
		SELECT n.date FROM message n
		WHERE n.journal_id = $1 AND n.account_id = m.account_id
		ORDER BY n.date DESC, n.id DESC
		LIMIT 1) newest
	WHERE m.journal_id = $1 AND m.mailbox_id = 0 AND ($2::bigint[] IS NULL OR m.account_id = ANY($2))` + notErased + `) t
WHERE m.journal_id = $1 AND m.mailbox_id <> 0 AND ($2::bigint[] IS NULL OR m.account_id = ANY($2))` + notErased + `
GROUP BY m.folder, t.threads, t.oldest, t.newest
ORDER BY 2 DESC, 1`

// Statistics answers queries.GetStatistics from sums that the fold keeps.
func (r *MailReader) Statistics(ctx context.Context, q queries.GetStatistics) (queries.Statistics, error) {
	var out queries.Statistics
	err := r.read(ctx, question{lookup: true, sql: statistics, args: []any{q.Journal, accountIDs(q.Accounts)}, scan: func(rows pgx.Rows) error {
		for rows.Next() {
			var f queries.FolderCount
			var unseen int
			var size int64
			if err := rows.Scan(&f.Name, &f.Messages, &unseen, &size, &out.Threads, &out.Oldest, &out.Newest); err != nil {
				return fmt.Errorf("scan folder: %w", err)
			}
			out.Folders = append(out.Folders, f)
			out.Messages, out.Unseen, out.Size = out.Messages+f.Messages, out.Unseen+unseen, out.Size+size
		}
		return rows.Err()
	}})
	return out, err
}
