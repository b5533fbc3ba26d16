package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// MailStore holds the rows of projections.Mail of one journal, in one
// transaction whose search path is the generation's schema.
type MailStore struct {
	tx      pgx.Tx
	journal events.JournalID
}

// NewMailStore returns the store of a journal in a transaction.
func NewMailStore(tx pgx.Tx, journal events.JournalID) projections.MailStore {
	return &MailStore{tx, journal}
}

// Journal returns the journal the store is of.
func (s *MailStore) Journal() events.JournalID { return s.journal }

const (
	eraseMessages = `DELETE FROM message WHERE journal_id = $1 AND account_id = $2`
	eraseThreads  = `DELETE FROM thread WHERE journal_id = $1 AND account_id = $2`
	eraseAliases  = `DELETE FROM thread_alias WHERE journal_id = $1 AND account_id = $2`
	eraseTallies  = `DELETE FROM tally WHERE journal_id = $1 AND account_id = $2`
)

// EraseAccount deletes all rows of an account.
func (s *MailStore) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	var b pgx.Batch
	for _, statement := range []string{eraseMessages, eraseThreads, eraseAliases, eraseTallies} {
		b.Queue(statement, s.journal, acc)
	}
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("erase mail of account %d: %w", acc, translate(err))
	}
	return nil
}

const moveMessages = `
UPDATE message AS m SET
	thread_id = x.into_id, position = greatest(m.position, x.position), updated_at = greatest(m.updated_at, x.at)
FROM unnest(@from_id::bigint[], @into_id::bigint[], @position::bigint[], @at::timestamptz[])
	AS x (from_id, into_id, position, at)
WHERE m.journal_id = @journal_id AND m.thread_id = x.from_id`

const moveAliases = `
UPDATE thread_alias AS a SET into_id = x.into_id
FROM unnest(@from_id::bigint[], @into_id::bigint[]) AS x (from_id, into_id)
WHERE a.journal_id = @journal_id AND a.into_id = x.from_id`

const addAliases = `
INSERT INTO thread_alias (journal_id, thread_id, into_id, account_id)
SELECT @journal_id, * FROM unnest(@from_id::bigint[], @into_id::bigint[], @account_id::bigint[])
ON CONFLICT (journal_id, thread_id) DO UPDATE SET into_id = excluded.into_id`

// MergeThreads moves all messages and aliases of each From to its Into, in order,
// and keeps From as an alias. The threads' own rows are made anew by Save.
func (s *MailStore) MergeThreads(ctx context.Context, merges []projections.Merge) error {
	var from, into, account, position []int64
	var at []time.Time
	for _, m := range settled(merges) {
		from, into = append(from, int64(m.From)), append(into, int64(m.Into))
		account, position, at = append(account, int64(m.Account)), append(position, int64(m.Position)), append(at, m.At)
	}
	var b pgx.Batch
	b.Queue(moveMessages, pgx.StrictNamedArgs{"journal_id": s.journal, "from_id": from, "into_id": into, "position": position, "at": at})
	b.Queue(moveAliases, pgx.StrictNamedArgs{"journal_id": s.journal, "from_id": from, "into_id": into})
	b.Queue(addAliases, pgx.StrictNamedArgs{"journal_id": s.journal, "from_id": from, "into_id": into, "account_id": account})
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("merge %d threads: %w", len(merges), translate(err))
	}
	return nil
}

// settled returns one merge for each From, straight into the thread that is left
// when all are carried out in order, at the position of the last that moves it.
func settled(merges []projections.Merge) []projections.Merge {
	last := map[domain.ThreadID]int{} // index in out
	out := make([]projections.Merge, 0, len(merges))
	for i := len(merges) - 1; i >= 0; i-- {
		m := merges[i]
		if at, ok := last[m.Into]; ok {
			m.Into, m.Position, m.At = out[at].Into, out[at].Position, out[at].At
		}
		if at, ok := last[m.From]; ok { // merged twice: nothing is left for the second
			out[at] = m
			continue
		}
		last[m.From] = len(out)
		out = append(out, m)
	}
	return out
}

// storedColumns are those of a message that the fold needs, the position excepted.
const storedColumns = `id, account_id, mailbox_id, folder, thread_id, msg_id, sha256, size, flags, internal_date,
	subject, sender, sender_name, recipient, in_reply_to, date, snippet, has_attachments, parser, created_at, updated_at`

const loadMessages = `
SELECT ` + storedColumns + `, position
FROM message
WHERE journal_id = $1 AND id = ANY($2)`

// Load returns the rows with the given ids; an unknown id is left out.
func (s *MailStore) Load(ctx context.Context, ids []domain.MessageID) (map[domain.MessageID]*projections.Message, error) {
	out := make(map[domain.MessageID]*projections.Message, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	rows, err := s.tx.Query(ctx, loadMessages, s.journal, ids)
	if err != nil {
		return nil, fmt.Errorf("load %d messages: %w", len(ids), translate(err))
	}
	defer rows.Close()
	for rows.Next() {
		m := &projections.Message{}
		if err := scanStoredMessage(rows, m); err != nil {
			return nil, fmt.Errorf("scan message: %w", err)
		}
		out[m.ID] = m
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("load %d messages: %w", len(ids), translate(err))
	}
	return out, nil
}

// scanStoredMessage reads the columns of storedColumns.
func scanStoredMessage(rows pgx.Rows, m *projections.Message) error {
	y := &m.Summary
	return rows.Scan(&m.ID, &m.Account, &m.Mailbox, &m.Folder, &m.Thread, &m.MsgID, &m.SHA256, &m.Size, &m.Flags, &m.InternalDate,
		&y.Subject, &y.Sender, &y.SenderName, &y.Recipient, &y.InReplyTo, &y.Date, &y.Snippet, &y.HasAttachments,
		&m.Parser, &m.CreatedAt, &m.UpdatedAt, &m.Position)
}

// joinFlags packs flags for an array parameter, since unnest takes nested arrays
// apart. domain.Flags lets no control character through.
func joinFlags(flags []domain.Flag) string {
	if len(flags) == 0 {
		return ""
	}
	var b strings.Builder
	for i, f := range flags {
		if i > 0 {
			b.WriteByte(0x1f)
		}
		b.WriteString(string(f))
	}
	return b.String()
}
