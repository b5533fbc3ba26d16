package adaptertest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// vocabulary are words that nobody takes for one another, whatever is missing at their end.
var vocabulary = strings.Fields("alder birchwood cypress juniper maple willow poplar hazelnut rowanberry 20251101")

// testLaw compares random searches with a reading of every message.
func testLaw(t *testing.T, e Engine) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	var mails []mail
	for id := domain.MessageID(1); id <= 80; id++ {
		mails = append(mails, g.mail(id))
	}
	index(t, e, journal, mails...)
	slices.SortFunc(mails, func(a, b mail) int { return cmp.Or(b.Date.Compare(a.Date), cmp.Compare(b.ID, a.ID)) })
	answered := 0
	for range 300 {
		f := queries.MessageFilter{Journal: journal, Search: g.condition(3)}
		var want []domain.MessageID
		for _, m := range mails {
			if m.searched().Matches(f.Search, domain.Fold) {
				want = append(want, m.ID)
			}
		}
		t.Run(fmt.Sprintf("%+v", f.Search), func(t *testing.T) {
			if find(t, e, f, want...) {
				answered++
			}
		})
	}
	if t.Logf("%d of 300 answered", answered); answered < 60 {
		t.Errorf("%d of 300 searches were answered", answered)
	}
}

// searched is a message as a reader of it all sees it.
func (m mail) searched() queries.Searched {
	return queries.Searched{
		Message: queries.Message{
			ID: m.ID, Account: m.Account, Date: m.Date, ReceivedAt: m.InternalDate, Size: m.Size, Folder: m.Folder, HasAttachments: m.HasAttachments,
			Seen: domain.HasFlag(m.Flags, domain.FlagSeen), Flagged: domain.HasFlag(m.Flags, domain.FlagFlagged),
		},
		Flags: m.Flags, Content: m.content,
	}
}

// generator makes messages and searches of few words, so that they meet.
type generator struct{ *rand.Rand }

func (g generator) word() string { return vocabulary[g.IntN(len(vocabulary))] }

func (g generator) text(most int) string {
	var b strings.Builder
	for range g.IntN(most + 1) {
		b.WriteString(g.word())
		b.WriteString([]string{" ", " ", ", ", ".\n", "-"}[g.IntN(5)])
	}
	return b.String()
}

func (g generator) mail(id domain.MessageID) mail {
	m := simple(id, domain.AccountID(1+g.IntN(3)), g.text(3))
	m.Date, m.InternalDate = day(g.IntN(10)), day(g.IntN(10)).Add(time.Duration(g.IntN(3))*time.Second)
	m.Size, m.HasAttachments = int64(g.IntN(5)), g.IntN(2) == 0
	m.Folder = []domain.MailboxName{"INBOX", "Work", "work"}[g.IntN(3)]
	for _, flag := range []domain.Flag{domain.FlagSeen, domain.FlagFlagged, "$Junk"} {
		if g.IntN(2) == 0 {
			m.Flags = append(m.Flags, flag)
		}
	}
	m.content.From = people(g.text(2), g.word()+"@"+g.word()+".example")
	m.content.To = people("", g.word()+"@mail.example")
	m.content.Text = g.text(5)
	if g.IntN(3) == 0 {
		m.content.Attachments = []domain.Attachment{{FileName: g.word() + ".pdf"}}
	}
	return m
}

func (g generator) condition(depth int) queries.Condition {
	if depth == 0 || g.IntN(3) == 0 {
		return g.leaf()
	}
	parts := make([]queries.Condition, 1+g.IntN(3))
	for i := range parts {
		parts[i] = g.condition(depth - 1)
	}
	switch g.IntN(6) {
	case 0:
		return queries.Not{Of: parts[0]}
	case 1:
		return queries.Any(parts)
	}
	return queries.All(parts)
}

func (g generator) leaf() queries.Condition {
	n, m := int64(g.IntN(5)), int64(g.IntN(6))
	from, before := day(g.IntN(10)).Add(time.Second), day(g.IntN(10)).Add(time.Second)
	return []queries.Condition{
		g.asked(), g.asked(), g.asked(),
		queries.Seen{Is: g.IntN(2) == 0},
		queries.Flagged{Is: g.IntN(2) == 0},
		queries.HasFlag{Flag: "$junk"},
		queries.HasAttachments{},
		queries.Size{Over: &n},
		queries.Size{Over: &n, Under: &m},
		queries.Received{From: &from},
		queries.Received{From: &from, Before: &before},
		queries.InFolders{Names: []domain.MailboxName{"work"}},
		queries.OfAccounts{IDs: []domain.AccountID{1, 2}},
	}[g.IntN(13)]
}

// asked is one or two words, whole or by their beginning, somewhere.
func (g generator) asked() queries.Text {
	t := queries.Text{Value: g.word(), Whole: g.IntN(2) == 0}
	two := g.IntN(4) == 0
	switch {
	case t.Whole || g.IntN(2) == 0:
	case two:
		t.Value = t.Value[:3+g.IntN(2)]
	default:
		t.Value = t.Value[:1+g.IntN(4)]
	}
	if two {
		t.Value = g.word() + " " + t.Value
	}
	if g.IntN(4) == 0 {
		t.In = []queries.SearchField{queries.InSubject, queries.InFrom, queries.InTo, queries.InFileName}[g.IntN(4)]
	}
	return t
}
