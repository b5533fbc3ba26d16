package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/queries"
)

const activityByDay = `
SELECT date_trunc('day', m.date AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS day, count(*)
FROM message m
WHERE m.journal_id = $1 AND m.date >= $2 AND m.date < $3 AND ($4::bigint[] IS NULL OR m.account_id = ANY ($4))
GROUP BY day
ORDER BY day`

const activityBySender = `
SELECT max(m.sender_name), m.sender, count(*) AS messages
FROM message m
WHERE m.journal_id = $1 AND m.date >= $2 AND m.date < $3 AND ($4::bigint[] IS NULL OR m.account_id = ANY ($4)) AND m.sender <> ''
GROUP BY m.sender
ORDER BY messages DESC, m.sender
LIMIT $5`

// Activity counts the messages of some days, by day and by sender.
func (r *MailReader) Activity(ctx context.Context, q queries.GetActivity) (queries.Activity, error) {
	var out queries.Activity
	args := []any{int64(q.Journal), q.Since, q.Until, accountIDs(q.Accounts)}
	err := r.read(ctx,
		question{sql: activityByDay, args: args, scan: func(rows pgx.Rows) error {
			for rows.Next() {
				var d queries.DayCount
				if err := rows.Scan(&d.Day, &d.Messages); err != nil {
					return fmt.Errorf("scan day: %w", err)
				}
				d.Day = d.Day.UTC()
				out.Days = append(out.Days, d)
			}
			return rows.Err()
		}},
		question{sql: activityBySender, args: append(args[:4:4], q.Senders), scan: func(rows pgx.Rows) error {
			for rows.Next() {
				var s queries.SenderCount
				if err := rows.Scan(&s.Name, &s.Address, &s.Messages); err != nil {
					return fmt.Errorf("scan sender: %w", err)
				}
				out.Senders = append(out.Senders, s)
			}
			return rows.Err()
		}})
	return out, err
}
