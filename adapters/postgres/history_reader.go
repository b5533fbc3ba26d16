package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
	"github.com/imap2api/imap2api/queries"
)

// HistoryReader reads the history read model. What it gives for a moment reads as it does now:
// the statements are the same, over the tables as they were.
type HistoryReader struct {
	view
	contents *Contents
}

// NewHistoryReader returns a reader of the given version of projections.History.
func NewHistoryReader(pool *pgxpool.Pool, version int, contents *Contents) *HistoryReader {
	return &HistoryReader{view{pool: pool, projection: "history", version: version}, contents}
}

// tablesAsOf are the tables of projections.Mail and of projections.Mailboxes as they were after the
// event at @, as far as the statements of readers name them. $1 is the journal in all of these. They are
// not materialised: each is planned as if the statement named the versions itself. The position
// is in the text, so that the plan knows it.
const tablesAsOf = `
WITH message AS NOT MATERIALIZED (
	SELECT v.*, v.from_position AS position FROM version v WHERE v.from_position <= @ AND v.until_position > @),
thread AS NOT MATERIALIZED (
	SELECT journal_id, thread_id, count(*)::int AS messages, (count(*) FILTER (WHERE NOT seen))::int AS unseen
	FROM message GROUP BY journal_id, thread_id),
thread_alias AS NOT MATERIALIZED (
	WITH RECURSIVE chain (thread_id, into_id) AS (
		SELECT thread_id, into_id FROM merge WHERE journal_id = $1 AND position <= @
		UNION ALL
		SELECT c.thread_id, g.into_id FROM chain c JOIN merge g ON g.journal_id = $1 AND g.thread_id = c.into_id AND g.position <= @)
	SELECT $1::bigint AS journal_id, c.thread_id, c.into_id FROM chain c
	WHERE NOT EXISTS (SELECT FROM merge g WHERE g.journal_id = $1 AND g.thread_id = c.into_id AND g.position <= @)),
tally AS NOT MATERIALIZED (
	SELECT journal_id, account_id, mailbox_id, folder, count(*) AS messages,
		count(*) FILTER (WHERE NOT seen) AS unseen, sum(size)::bigint AS size
	FROM message GROUP BY journal_id, account_id, mailbox_id, folder
	UNION ALL
	SELECT journal_id, account_id, 0, '', count(DISTINCT thread_id), 0, 0 FROM message GROUP BY journal_id, account_id),
mailbox AS NOT MATERIALIZED (
	SELECT * FROM (
		SELECT DISTINCT ON (account_id, mailbox_id) * FROM mailbox_version
		WHERE journal_id = $1 AND position <= @
		ORDER BY account_id, mailbox_id, position DESC) m
	WHERE NOT removed)`

// at returns the view of a moment.
func (r *HistoryReader) at(pos events.Position) view {
	v := r.view
	v.with = strings.ReplaceAll(tablesAsOf, "@", strconv.FormatInt(int64(pos), 10))
	return v
}

// Mail returns a reader of the mail as it was after an event. It knows no searches.
func (r *HistoryReader) Mail(pos events.Position) *MailReader {
	return &MailReader{view: r.at(pos), contents: r.contents}
}

// Mailboxes returns a reader of the names of folders as they were after an event.
func (r *HistoryReader) Mailboxes(pos events.Position) *MailboxReader {
	return &MailboxReader{r.at(pos)}
}

// Accounts returns a reader of accounts as they were after an event.
func (r *HistoryReader) Accounts(pos events.Position) *AccountHistory {
	return &AccountHistory{r.view, pos}
}

// AccountHistory reads accounts as they were after an event.
type AccountHistory struct {
	view
	pos events.Position
}

// accountsAsOf goes from account to account, and takes of each the last version.
const accountsAsOf = `
WITH RECURSIVE each (account_id) AS (
	(SELECT account_id FROM account_version WHERE journal_id = $1 ORDER BY account_id LIMIT 1)
	UNION ALL
	SELECT (SELECT v.account_id FROM account_version v WHERE v.journal_id = $1 AND v.account_id > e.account_id ORDER BY v.account_id LIMIT 1)
	FROM each e WHERE e.account_id IS NOT NULL)
SELECT m.account_id, m.position, m.version, m.settings, m.state, m.last_sync, m.last_error, m.last_run, m.created_at, m.updated_at
FROM each e
CROSS JOIN LATERAL (
	SELECT * FROM account_version v
	WHERE v.journal_id = $1 AND v.account_id = e.account_id AND v.position <= $3
	ORDER BY v.position DESC
	LIMIT 1) m
WHERE ($2::bigint[] IS NULL OR m.account_id = ANY($2))` + notErased + `
ORDER BY m.account_id`

// Accounts returns all accounts that a journal had, by id; only those in ids unless it is nil. One
// that is erased by now is left out.
func (r *AccountHistory) Accounts(ctx context.Context, journal events.JournalID, ids []domain.AccountID) ([]queries.Account, error) {
	var found []projections.AccountVersion
	err := r.read(ctx, question{
		lookup: true, sql: accountsAsOf, args: []any{journal, accountIDs(ids), int64(r.pos)}, scan: scanAccountVersions(&found),
	})
	return column(found, func(v projections.AccountVersion) queries.Account {
		return queries.Account{
			ID: v.ID, Version: v.Version, Settings: v.Settings, LastSync: v.LastSync, State: v.State, LastError: v.LastError,
			CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
		}
	}), err
}
