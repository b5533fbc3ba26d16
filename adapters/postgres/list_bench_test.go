package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// bareList is one SELECT of what a page of a list shows.
const bareList = `
SELECT m.id, m.account_id, m.msg_id, m.subject, m.sender, m.sender_name, m.recipient, m.date, m.folder,
	m.thread_id, t.messages, t.unseen, m.snippet, m.seen, m.flagged, m.has_attachments, m.size, m.internal_date
FROM mail_g1.message m
JOIN mail_g1.thread t ON t.journal_id = m.journal_id AND t.thread_id = m.thread_id
WHERE m.journal_id = $1
ORDER BY m.date DESC, m.id DESC
LIMIT 50`

// BenchmarkList reads pages of 50 of 50,000 messages, and next to them what one
// bare SELECT of the same rows takes: the ratio is what is watched.
func BenchmarkList(b *testing.B) {
	pool, _ := fiftyThousand(b)
	reader := newMailReader(pool)
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			rows, err := pool.Query(b.Context(), bareList, int64(1))
			if err != nil {
				b.Fatal(err)
			}
			list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m queries.Message, err error) {
				err = row.Scan(&m.ID, &m.Account, &m.MsgID, &m.Subject, &m.Sender, &m.SenderName, &m.Recipient, &m.Date, &m.Folder,
					&m.Thread, &m.ThreadCount, &m.ThreadUnseen, &m.Snippet, &m.Seen, &m.Flagged, &m.HasAttachments, &m.Size, &m.ReceivedAt)
				return m, err
			})
			if err != nil || len(list) != 50 {
				b.Fatal(len(list), err)
			}
		}
	})
	newest := []queries.Order{{Field: "date", Desc: true}}
	first := queries.Paging{Size: 50, Number: 1}
	for _, c := range []struct {
		name     string
		filter   queries.MessageFilter
		byThread bool
		paging   queries.Paging
	}{
		{"number", queries.MessageFilter{}, false, first},
		{"cursor", queries.MessageFilter{}, false, queries.Paging{Size: 50, ByCursor: true}},
		{"page 100", queries.MessageFilter{}, false, queries.Paging{Size: 50, Number: 100}},
		{"account", queries.MessageFilter{Accounts: []domain.AccountID{1}}, false, first},
		{"folder", queries.MessageFilter{Folders: []domain.MailboxName{"Folder 3"}}, false, first},
		{"threads", queries.MessageFilter{}, true, first},
		{"threads of a folder", queries.MessageFilter{Folders: []domain.MailboxName{"Folder 3"}}, true, first},
		{"unseen", queries.MessageFilter{Seen: ptr(false)}, false, first},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.filter.Journal = 1
			for b.Loop() {
				page, err := reader.Messages(b.Context(), c.filter, c.byThread, newest, c.paging)
				if err != nil || len(page.Items) != 50 {
					b.Fatal(len(page.Items), err)
				}
			}
		})
	}
}
