package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

const deleteMessages = `DELETE FROM message WHERE journal_id = $1 AND id = ANY($2)`

// messageArrays are the rows of messages that messageColumns gives.
const messageArrays = `FROM unnest(@id::bigint[], @account_id::bigint[], @mailbox_id::bigint[], @thread_id::bigint[],
	@date::timestamptz[], @internal_date::timestamptz[], @size::bigint[], @position::bigint[],
	@created_at::timestamptz[], @updated_at::timestamptz[], @parser::int[],
	@seen::boolean[], @flagged::boolean[], @has_attachments::boolean[], @important::boolean[], @junk::boolean[], @sha256::bytea[], @flags::text[],
	@folder::text[], @folder_fold::text[], @msg_id::text[], @in_reply_to::text[], @subject::text[], @subject_fold::text[],
	@sender::text[], @sender_fold::text[], @sender_name::text[], @recipient::text[], @recipient_fold::text[], @snippet::text[])
	AS x (id, account_id, mailbox_id, thread_id, date, internal_date, size, position,
	created_at, updated_at, parser, seen, flagged, has_attachments, important, junk, sha256, flags,
	folder, folder_fold, msg_id, in_reply_to, subject, subject_fold,
	sender, sender_fold, sender_name, recipient, recipient_fold, snippet)`

const saveMessages = `
INSERT INTO message (journal_id, id, account_id, mailbox_id, thread_id, date, internal_date, size, position,
	created_at, updated_at, parser, seen, flagged, has_attachments, important, junk, sha256, flags, folder, folder_fold, msg_id, in_reply_to,
	subject, subject_fold, sender, sender_fold, sender_name, recipient, recipient_fold, snippet)
SELECT @journal_id, id, account_id, mailbox_id, thread_id, date, internal_date, size, position,
	created_at, updated_at, parser, seen, flagged, has_attachments, important, junk, sha256, string_to_array(flags, E'\x1f'),
	folder, folder_fold, msg_id, in_reply_to,
	subject, subject_fold, sender, sender_fold, sender_name, recipient, recipient_fold, snippet
` + messageArrays + `
ON CONFLICT (journal_id, id) DO UPDATE SET
	account_id = excluded.account_id, mailbox_id = excluded.mailbox_id, thread_id = excluded.thread_id,
	date = excluded.date, internal_date = excluded.internal_date, size = excluded.size, position = excluded.position,
	created_at = excluded.created_at, updated_at = excluded.updated_at, parser = excluded.parser,
	seen = excluded.seen, flagged = excluded.flagged, has_attachments = excluded.has_attachments,
	important = excluded.important, junk = excluded.junk,
	sha256 = excluded.sha256, flags = excluded.flags, folder = excluded.folder, folder_fold = excluded.folder_fold,
	msg_id = excluded.msg_id, in_reply_to = excluded.in_reply_to,
	subject = excluded.subject, subject_fold = excluded.subject_fold,
	sender = excluded.sender, sender_fold = excluded.sender_fold, sender_name = excluded.sender_name,
	recipient = excluded.recipient, recipient_fold = excluded.recipient_fold, snippet = excluded.snippet`

const saveTallies = `
INSERT INTO tally (journal_id, account_id, mailbox_id, folder, messages, unseen, size)
SELECT @journal_id, * FROM unnest(@account_id::bigint[], @mailbox_id::bigint[], @folder::text[],
	@messages::bigint[], @unseen::bigint[], @size::bigint[])
ON CONFLICT (journal_id, account_id, mailbox_id, md5(folder)) DO UPDATE SET
	messages = tally.messages + excluded.messages, unseen = tally.unseen + excluded.unseen, size = tally.size + excluded.size`

// makeThreads makes the rows of the named threads anew, and brings the number of
// threads of their accounts level. All parts see the rows as they were before.
const makeThreads = `
WITH named AS (SELECT unnest(@thread_id::bigint[]) AS thread_id),
after AS MATERIALIZED (
	SELECT DISTINCT ON (m.thread_id) m.thread_id, m.account_id, m.id, m.date,
		count(*) OVER members AS messages, count(*) FILTER (WHERE NOT m.seen) OVER members AS unseen
	FROM named n JOIN message m ON m.journal_id = @journal_id AND m.thread_id = n.thread_id
	WINDOW members AS (PARTITION BY m.thread_id)
	ORDER BY m.thread_id, m.date DESC, m.id DESC),
before AS MATERIALIZED (
	SELECT t.thread_id, t.account_id
	FROM named n JOIN thread t ON t.journal_id = @journal_id AND t.thread_id = n.thread_id),
saved AS (
	INSERT INTO thread (journal_id, thread_id, account_id, messages, unseen, latest_id, latest_date)
	SELECT @journal_id, thread_id, account_id, messages, unseen, id, date FROM after
	ON CONFLICT (journal_id, thread_id) DO UPDATE SET
		messages = excluded.messages, unseen = excluded.unseen,
		latest_id = excluded.latest_id, latest_date = excluded.latest_date
	WHERE (thread.messages, thread.unseen, thread.latest_id, thread.latest_date)
		IS DISTINCT FROM (excluded.messages, excluded.unseen, excluded.latest_id, excluded.latest_date)),
gone AS (
	DELETE FROM thread t USING before b
	WHERE t.journal_id = @journal_id AND t.thread_id = b.thread_id
		AND NOT EXISTS (SELECT FROM after a WHERE a.thread_id = b.thread_id))
INSERT INTO tally (journal_id, account_id, mailbox_id, folder, messages, unseen, size)
SELECT @journal_id, account_id, 0, '', sum(n), 0, 0
FROM (SELECT account_id, 1 AS n FROM after UNION ALL SELECT account_id, -1 FROM before) AS change
GROUP BY account_id
HAVING sum(n) <> 0
ON CONFLICT (journal_id, account_id, mailbox_id, md5(folder)) DO UPDATE SET messages = tally.messages + excluded.messages`

const deleteTallies = `DELETE FROM tally WHERE journal_id = $1 AND messages = 0 AND unseen = 0 AND size = 0`

// Save writes the changes and makes the rows of the named threads anew from their
// messages, in one round trip.
func (s *MailStore) Save(ctx context.Context, changes projections.MailChanges) error {
	var b pgx.Batch
	if len(changes.Delete) > 0 {
		b.Queue(deleteMessages, s.journal, changes.Delete)
	}
	if len(changes.Save) > 0 {
		b.Queue(saveMessages, messageColumns(s.journal, changes.Save))
	}
	if len(changes.Tallies) > 0 {
		b.Queue(saveTallies, s.tallyColumns(changes.Tallies))
	}
	if len(changes.Threads) > 0 {
		b.Queue(makeThreads, pgx.StrictNamedArgs{"journal_id": s.journal, "thread_id": changes.Threads})
	}
	if b.Len() == 0 {
		return nil
	}
	b.Queue(deleteTallies, s.journal)
	if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("save %d messages: %w", len(changes.Save), translate(err))
	}
	return nil
}

func (s *MailStore) tallyColumns(tallies map[projections.TallyKey]projections.Tally) pgx.StrictNamedArgs {
	var account, mailbox, messages, unseen, size []int64
	var folder []string
	for key, t := range tallies {
		if t == (projections.Tally{}) {
			continue // moved there and back, or only its flags changed
		}
		account, mailbox = append(account, int64(key.Account)), append(mailbox, int64(key.Mailbox))
		folder = append(folder, string(key.Folder))
		messages, unseen, size = append(messages, int64(t.Messages)), append(unseen, int64(t.Unseen)), append(size, t.Size)
	}
	return pgx.StrictNamedArgs{
		"journal_id": s.journal, "account_id": account, "mailbox_id": mailbox, "folder": folder,
		"messages": messages, "unseen": unseen, "size": size,
	}
}

func messageColumns(journal events.JournalID, rows []*projections.Message) pgx.StrictNamedArgs {
	fold := memoFold()
	return pgx.StrictNamedArgs{
		"journal_id":      journal,
		"id":              column(rows, func(m *projections.Message) int64 { return int64(m.ID) }),
		"account_id":      column(rows, func(m *projections.Message) int64 { return int64(m.Account) }),
		"mailbox_id":      column(rows, func(m *projections.Message) int64 { return int64(m.Mailbox) }),
		"thread_id":       column(rows, func(m *projections.Message) int64 { return int64(m.Thread) }),
		"date":            column(rows, func(m *projections.Message) time.Time { return m.Summary.Date }),
		"internal_date":   column(rows, func(m *projections.Message) time.Time { return m.InternalDate }),
		"size":            column(rows, func(m *projections.Message) int64 { return m.Size }),
		"position":        column(rows, func(m *projections.Message) int64 { return int64(m.Position) }),
		"created_at":      column(rows, func(m *projections.Message) time.Time { return m.CreatedAt }),
		"updated_at":      column(rows, func(m *projections.Message) time.Time { return m.UpdatedAt }),
		"parser":          column(rows, func(m *projections.Message) int32 { return int32(m.Parser) }),
		"seen":            column(rows, func(m *projections.Message) bool { return domain.HasFlag(m.Flags, domain.FlagSeen) }),
		"flagged":         column(rows, func(m *projections.Message) bool { return domain.HasFlag(m.Flags, domain.FlagFlagged) }),
		"has_attachments": column(rows, func(m *projections.Message) bool { return m.Summary.HasAttachments }),
		"important":       column(rows, func(m *projections.Message) bool { return domain.HasFlag(m.Flags, domain.KeywordImportant) }),
		"junk":            column(rows, func(m *projections.Message) bool { return domain.HasFlag(m.Flags, domain.KeywordJunk) }),
		"sha256":          column(rows, func(m *projections.Message) []byte { return m.SHA256 }),
		"flags":           column(rows, func(m *projections.Message) string { return joinFlags(m.Flags) }),
		"folder":          column(rows, func(m *projections.Message) string { return string(m.Folder) }),
		"folder_fold":     column(rows, func(m *projections.Message) string { return fold(string(m.Folder)) }),
		"msg_id":          column(rows, func(m *projections.Message) string { return m.MsgID }),
		"in_reply_to":     column(rows, func(m *projections.Message) string { return m.Summary.InReplyTo }),
		"subject":         column(rows, func(m *projections.Message) string { return m.Summary.Subject }),
		"subject_fold":    column(rows, func(m *projections.Message) string { return domain.Fold(m.Summary.Subject) }),
		"sender":          column(rows, func(m *projections.Message) string { return m.Summary.Sender }),
		"sender_fold":     column(rows, func(m *projections.Message) string { return domain.Fold(m.Summary.Sender) }),
		"sender_name":     column(rows, func(m *projections.Message) string { return m.Summary.SenderName }),
		"recipient":       column(rows, func(m *projections.Message) string { return m.Summary.Recipient }),
		"recipient_fold":  column(rows, func(m *projections.Message) string { return domain.Fold(m.Summary.Recipient) }),
		"snippet":         column(rows, func(m *projections.Message) string { return m.Summary.Snippet }),
	}
}

// column returns one column of rows, for unnest.
func column[R, C any](rows []R, of func(R) C) []C {
	out := make([]C, len(rows))
	for i, r := range rows {
		out[i] = of(r)
	}
	return out
}

// memoFold returns domain.Fold that remembers the last text: neighbours share a folder.
func memoFold() func(string) string {
	var text, folded string
	return func(t string) string {
		if t != text {
			text, folded = t, domain.Fold(t)
		}
		return folded
	}
}
