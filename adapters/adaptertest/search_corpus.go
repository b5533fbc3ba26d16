package adaptertest

import (
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/projections"
)

// mail is a message that an engine is given.
type mail struct {
	projections.Document
	content *domain.Content
}

// now is when searches are asked.
var now = time.Date(2025, 6, 30, 12, 0, 0, 0, time.UTC)

// day is noon of a day of June 2025.
func day(n int) time.Time { return time.Date(2025, 6, n+1, 12, 0, 0, 0, time.UTC) }

// simple is a message of one word that came on the day of its id.
func simple(id domain.MessageID, acc domain.AccountID, text string) mail {
	return mail{
		projections.Document{
			ID: id, Account: acc, SHA256: make([]byte, 32), Date: day(int(id) % 28), InternalDate: day(int(id) % 28).Add(time.Hour),
			Size: 1000, Folder: "INBOX", Flags: []domain.Flag{},
		},
		&domain.Content{Subject: text, From: []domain.Address{{Name: "Eve", Addr: "eve@mail.example"}}},
	}
}

func people(pairs ...string) (out []domain.Address) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, domain.Address{Name: pairs[i], Addr: pairs[i+1]})
	}
	return out
}

// corpus are ten messages, one each day.
func corpus() []mail {
	list := []mail{
		{projections.Document{ID: 1, Account: 1, Size: 1000, Folder: "INBOX", Flags: []domain.Flag{domain.FlagSeen}}, &domain.Content{
			Subject: "Order 4711 confirmed",
			From:    people("Ann Lee", "ann.lee@orders.shop.example"), To: people("", "bob@mail.example"),
			Text: "Thank you for your purchase of pineapples.\nIt ships tomorrow.",
		}},
		{projections.Document{ID: 2, Account: 1, Size: 200_000, Folder: "Archive/2025", Flags: []domain.Flag{domain.FlagFlagged, domain.FlagSeen}}, &domain.Content{
			Subject: "Re: Grüße aus Köln",
			From:    people("José Müller", "jose@example.net"), To: people("Bob", "bob@mail.example"), Cc: people("Carla", "carla@mail.example"),
			Text: "Die Straße ist naß, das Café zu.",
		}},
		{projections.Document{ID: 3, Account: 1, Size: 2000, Folder: "INBOX"}, &domain.Content{
			Subject: "会议通知", From: people("王伟", "wang@example.cn"), Text: "我们的订单已确认，在清华大学。",
		}},
		{projections.Document{ID: 4, Account: 1, Size: 2000, Folder: "INBOX"}, &domain.Content{Subject: "สวัสดี", Text: "แมวกินปลาที่บ้าน"}},
		{projections.Document{ID: 5, Account: 1, Size: 2000, Folder: "INBOX"}, &domain.Content{Subject: "お知らせ", Text: "学校で勉強します。"}},
		{projections.Document{
			ID: 6, Account: 1, Size: 5_000_000, Folder: "Work", HasAttachments: true, Flags: []domain.Flag{"$Label1"},
		}, &domain.Content{
			Subject: "Papers", Bcc: people("", "hidden@mail.example"), Text: "new york new new york times",
			Attachments: []domain.Attachment{{FileName: "invoice-2025.pdf"}, {FileName: "Bericht März.docx"}},
		}},
		{projections.Document{ID: 7, Account: 1, Size: 3000, Folder: "work"}, &domain.Content{Subject: "Quick brown", Text: "quick brown dog. brown fox quick"}},
		{projections.Document{ID: 8, Account: 1, Size: 3000, Folder: "INBOX", Flags: []domain.Flag{domain.FlagDraft}}, &domain.Content{
			Subject: "the quick brown fox", Text: "don't stop; re-entry at 10:30. foo_bar",
		}},
		{projections.Document{ID: 9, Account: 2, Size: 3000, Folder: "INBOX"}, &domain.Content{Subject: "orders shop", Text: "ordinary shopping for pines"}},
		{projections.Document{ID: 10, Account: 2, Size: 500, Folder: "INBOX"}, &domain.Content{Text: "학교에서 만나요"}},
	}
	for i := range list {
		d := &list[i].Document
		d.SHA256 = make([]byte, 32)
		d.Date = day(int(d.ID))
		d.InternalDate = d.Date.Add(90 * time.Minute)
	}
	return list
}
