package postgres_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

func randomOrder(rnd *rand.Rand) []queries.Order {
	var out []queries.Order
	for len(out) == 0 || rnd.IntN(3) == 0 {
		out = append(out, queries.Order{Field: queries.MessageOrders[rnd.IntN(len(queries.MessageOrders))], Desc: rnd.IntN(2) == 0})
	}
	if rnd.IntN(3) == 0 {
		return []queries.Order{{Field: "date", Desc: true}}
	}
	return out
}

func randomFilter(rnd *rand.Rand) queries.MessageFilter {
	f := queries.MessageFilter{Journal: 1}
	one := func(chance int) bool { return rnd.IntN(chance) == 0 }
	if one(2) {
		f.Accounts = [][]domain.AccountID{{1}, {2, 3}, {}, {7}}[rnd.IntN(4)]
	}
	if one(3) {
		f.Folders = [][]domain.MailboxName{{"INBOX"}, {"Sent", "Ärger"}, {}, {"no\x00name"}}[rnd.IntN(4)]
	}
	if one(2) {
		return f
	}
	moment := func() *time.Time { at := epoch.Add(time.Duration(rnd.IntN(13)) * time.Hour); return &at }
	truth := func() *bool { b := one(2); return &b }
	if one(5) {
		f.From = moment()
	}
	if one(5) {
		f.To = moment()
	}
	if one(8) {
		id := domain.ThreadID([]int64{99, 100, 101, 205, 777}[rnd.IntN(5)])
		f.Thread = &id
	}
	if one(15) {
		id := []string{"m7@example.org", "", "\xff"}[rnd.IntN(3)]
		f.MsgID = &id
	}
	if one(6) {
		f.Sender = []string{"BOB", "example", "%"}[rnd.IntN(3)]
	}
	if one(8) {
		f.Recipient = []string{"bob@", "nobody"}[rnd.IntN(2)]
	}
	if one(6) {
		f.Subject = []string{"ÄPFEL", "0% _", "_ebra"}[rnd.IntN(3)]
	}
	if one(6) {
		f.Seen = truth()
	}
	if one(6) {
		f.Flagged = truth()
	}
	if one(6) {
		f.Attachments = truth()
	}
	if one(8) {
		f.IDs = [][]domain.MessageID{{}, {1, 5, 9, 100, 9999}}[rnd.IntN(2)]
	}
	return f
}

// oracle answers a list from memory.
func oracle(all []stored, merged map[domain.ThreadID]domain.ThreadID, f queries.MessageFilter, byThread bool, order []queries.Order) []queries.Message {
	has := func(text, part string) bool { return strings.Contains(domain.Fold(text), domain.Fold(part)) }
	is := func(want *bool, got bool) bool { return want == nil || *want == got }
	var out []stored
	newest := map[domain.ThreadID]stored{}
	for _, m := range all {
		thread := domain.ThreadID(0)
		if f.Thread != nil {
			thread = *f.Thread
			if into, ok := merged[thread]; ok {
				thread = into
			}
		}
		if (f.Accounts != nil && !slices.Contains(f.Accounts, m.Account)) || (f.Folders != nil && !slices.Contains(f.Folders, m.Folder)) ||
			(f.From != nil && m.Date.Before(*f.From)) || (f.To != nil && m.Date.After(*f.To)) || (thread != 0 && m.Thread != thread) ||
			(f.MsgID != nil && (*f.MsgID == "" || *f.MsgID != m.MsgID)) ||
			!has(m.Sender, f.Sender) || !has(m.Recipient, f.Recipient) || !has(m.Subject, f.Subject) ||
			!is(f.Seen, m.Seen) || !is(f.Flagged, m.Flagged) || !is(f.Attachments, m.HasAttachments) ||
			(f.IDs != nil && !slices.Contains(f.IDs, m.ID)) {
			continue
		}
		out = append(out, m)
		if o, ok := newest[m.Thread]; !ok || m.Date.After(o.Date) || m.Date.Equal(o.Date) && m.ID > o.ID {
			newest[m.Thread] = m
		}
	}
	if byThread {
		out = slices.DeleteFunc(out, func(m stored) bool { return newest[m.Thread].ID != m.ID })
	}
	slices.SortFunc(out, func(a, b stored) int {
		for _, o := range append(slices.Clone(order), queries.Order{Field: "id", Desc: order[len(order)-1].Desc}) {
			c := compareBy(o.Field, a, b)
			if o.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	list := make([]queries.Message, len(out))
	for i, m := range out {
		list[i] = m.Message
	}
	return list
}

func compareBy(field string, a, b stored) int {
	switch field {
	case "date":
		return a.Date.Compare(b.Date)
	case "subject":
		return strings.Compare(domain.Fold(a.Subject), domain.Fold(b.Subject))
	case "sender":
		return strings.Compare(domain.Fold(a.Sender), domain.Fold(b.Sender))
	case "recipient":
		return strings.Compare(domain.Fold(a.Recipient), domain.Fold(b.Recipient))
	case "folder":
		return strings.Compare(domain.Fold(string(a.Folder)), domain.Fold(string(b.Folder)))
	case "size":
		return cmp.Compare(a.Size, b.Size)
	case "thread_count":
		return cmp.Compare(a.ThreadCount, b.ThreadCount)
	case "received_at":
		return a.ReceivedAt.Compare(b.ReceivedAt)
	case "created_at":
		return a.createdAt.Compare(b.createdAt)
	case "updated_at":
		return a.updatedAt.Compare(b.updatedAt)
	}
	return cmp.Compare(a.ID, b.ID)
}
