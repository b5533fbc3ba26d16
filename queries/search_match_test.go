package queries

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
)

var accents = strings.NewReplacer("é", "e", "è", "e", "û", "u", "ü", "u", "ö", "o", "ë", "e")

func plainFold(text string) string { return accents.Replace(domain.Fold(text)) }

// searchedMail is a message under the name by which the tests expect it.
type searchedMail struct {
	key string
	Searched
}

// letter makes an unseen message of thread 100 in INBOX, received on 5 March 2025, with changes.
func letter(key, subject, text string, changes ...func(*Searched)) searchedMail {
	m := searchedMail{key, Searched{
		Message: Message{Account: 1, Folder: "INBOX", Thread: 100, Size: 900, MsgID: key + "@corpus.example", ReceivedAt: time.Date(2025, 3, 5, 8, 0, 0, 0, time.UTC)},
		Content: &domain.Content{
			Subject: subject, Text: text, From: []domain.Address{{Name: "Bea Berg", Addr: "bea@example.net"}}, To: []domain.Address{{Name: "Ann", Addr: "ann@example.org"}},
		},
	}}
	for _, change := range changes {
		change(&m.Searched)
	}
	return m
}

func files(names ...string) func(*Searched) {
	return func(m *Searched) {
		m.HasAttachments = true
		for _, n := range names {
			m.Content.Attachments = append(m.Content.Attachments, domain.Attachment{FileName: n})
		}
	}
}

func budget(m *Searched) { m.Thread = 17 }

func searchedMails() []searchedMail {
	return []searchedMail{
		letter("plain", "Your order 2291", "Thank you for your order.\nIt will leave our warehouse today.\n", func(m *Searched) {
			m.Content.From = []domain.Address{{Name: "Example Shop", Addr: "orders@shop.example"}}
			m.Content.To = append(m.Content.To, domain.Address{Name: "Bob Bauer", Addr: "bob@example.net"})
			m.Content.Cc = []domain.Address{{Addr: "carol@example.net"}}
			m.Content.Bcc = []domain.Address{{Addr: "dave@example.net"}}
			m.Content.DeliveredTo, m.Content.ListID = "ann+shop@example.org", "offers.shop.example"
			m.Seen = true
		}),
		letter("alpha-third", "Re: Budget alpha", "Third in the row.\n", budget),
		letter("alpha-root", "Budget alpha", "First in the row.\n", budget),
		letter("alpha-second", "Re: Budget alpha", "Second in the row.\n", budget, func(m *Searched) {
			m.Folder, m.Seen = "Sent", true
			m.Content.From, m.Content.To = []domain.Address{{Name: "Ann", Addr: "ann@example.org"}}, []domain.Address{{Addr: "bea@example.net"}}
		}),
		letter("beta-root", "Question beta", "A question.\n"),
		letter("encoded-words", "Grüße aus Köln, schön", "Encoded headers.\n", func(m *Searched) {
			m.Content.From, m.Content.To = []domain.Address{{Name: "Привет", Addr: "privet@example.net"}}, []domain.Address{{Name: `Zoë "Z"`, Addr: "zoe@example.org"}}
		}),
		letter("folded-subject", "A subject which goes on and on over three lines", "Folded.\n"),
		letter("huge-header", "Huge header", "Small body.\n", func(m *Searched) { m.Size = 72_000 }),
		letter("future-date", "From the future", "Not yet.\n", func(m *Searched) { m.Date = time.Date(2098, 1, 1, 0, 0, 0, 0, time.UTC) }),
		letter("iso-2022-jp", "Charset", "会議の資料を送ります。\n"), letter("gb18030", "Charset", "下周的会议改到星期三𠮷\n"), letter("koi8-r", "Charset", "Встреча переносится на среду\n"),
		letter("latin1", "Charset", "Crème brûlée à Zürich\n"), letter("euc-kr", "Charset", "회의 자료입니다\n"),
		letter("alternative", "Both forms", "Plain form, pineapple.\n"),
		letter("html-only", "HTML only", "Dear reader\nOnly HTML here & nothing else.\nSecond paragraph\n", func(m *Searched) { m.Content.HTML = `<p onclick="steal()">` }),
		letter("attachment", "One attachment", "See the attached invoice.\n", files("invoice-2291.pdf"), func(m *Searched) { m.Flagged = true }),
		letter("rfc2231", "Long names", "Three names.\n", files("Straßen in Köln.csv", "Bild über.png", "")),
		letter("forwarded", "Fwd: Inner message", "Have a look at this.\n", files("")), letter("deep", "Nested deeply", "Deep text.\n", files("d.png", "notes.txt")),
		letter("no-end-boundary", "No last boundary", "Unfinished papaya business.\n"),
		letter("clients", "A folder with a comma", "Client.\n", func(m *Searched) { m.Folder, m.Seen = "Clients, EU", true }),
		letter("archived", "Archived", "Old things.\n", func(m *Searched) {
			m.Folder, m.ReceivedAt, m.Seen = "Archive/2024", time.Date(2024, 12, 5, 8, 11, 4, 0, time.UTC), true
		}),
		letter("important", "With a keyword", "Important.\n", func(m *Searched) { m.Flags = []domain.Flag{"$important"} }),
	}
}

// mailBook has the folders of searchedMails.
func mailBook() nameBook {
	return nameBook{
		users: map[domain.AccountID]string{1: "ann@example.org"}, asked: new(int),
		folders: map[domain.AccountID][]Folder{1: {{Name: "INBOX"}, {Name: "Sent"}, {Name: "Clients, EU"}, {Name: "Archive/2024"}}},
	}
}

func findMails(ctx context.Context, t *testing.T, q string) []string {
	t.Helper()
	c, err := Resolve(ctx, ParseSearch(q, searchTime), 1, nil, mailBook())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, m := range searchedMails() {
		if m.Matches(c, plainFold) {
			out = append(out, m.key)
		}
	}
	slices.Sort(out)
	return out
}

// The examples of the contract and of its acceptance tests.
func TestSearch(t *testing.T) {
	t.Parallel()
	none, alpha := "", "alpha-root alpha-second alpha-third"
	for q, want := range map[string]string{
		"pineapple": "alternative", "PINEAPPLE": "alternative", "pineap": "alternative", "neappl": none, "orders@shop": "plain", "zoe@example": "encoded-words",
		"order 2291": "plain", "papaya": "no-end-boundary", "nosuchwordanywhere": none,
		"budget third": "alpha-third", "third budget": "alpha-third", "budget pineapple": none, "budget AND third": "alpha-third",
		"creme brulee": "latin1", "CRÈME": "latin1", "zurich": "latin1", "ПРИВЕТ": "encoded-words", "koln": "encoded-words rfc2231", "koln aus": "encoded-words",
		"会議の資料": "iso-2022-jp", "議の": "iso-2022-jp", "会": "gb18030 iso-2022-jp", "星期三": "gb18030", "三期": none, "встреча": "koi8-r", "회의": "euc-kr", "회": none, "자료입": "euc-kr",
		`"second paragraph"`: "html-only", "onclick": none,
		`"first in the row"`: "alpha-root", `"row the in"`: none, `"order. It will"`: "plain", `"goes on and on over"`: "folded-subject", `"in the ro"`: none, `"in the ro`: alpha,
		"subject:budget": alpha, "from:shop.example": "plain", "from:Привет": "encoded-words", "subject:(budget alpha)": alpha, `subject:"budget alpha"`: alpha,
		"to:bob@example.net": "plain", "to:carol@example.net": "plain", "to:dave": "plain", "cc:carol": "plain", "bcc:dave": "plain", "cc:bob": none, "from:ders@sh": "plain", "from:hop.ex": "plain",
		"to:me subject:budget": "alpha-root alpha-third", "from:me": "alpha-second", "deliveredto:ann+shop": "plain", "list:shop.example": "plain",
		"rfc822msgid:beta-root@corpus.example": "beta-root", "rfc822msgid:<beta-root@corpus.example>": "beta-root",
		"pineapple OR papaya": "alternative no-end-boundary", "{pineapple papaya}": "alternative no-end-boundary", "budget -third": "alpha-root alpha-second",
		"budget -(third OR second)": "alpha-root", "subject:budget third OR second": "alpha-second alpha-third", "(pineapple) OR (papaya)": "alternative no-end-boundary",
		"is:starred": "attachment", "is:important": "important", "subject:budget is:read": "alpha-second", "subject:budget is:unread": "alpha-root alpha-third",
		"subject:budget has:attachment": none, "filename:invoice": "attachment", "filename:voice-22": "attachment", "filename:pdf": "attachment", "filename:notes.txt": "deep",
		"has:attachment": "attachment deep forwarded rfc2231", "in:sent": "alpha-second", "subject:budget in:inbox": "alpha-root alpha-third", `label:"Clients, EU"`: "clients", "label:Clients,-EU": "clients",
		"in:anywhere subject:budget": alpha, "has:userlabels": "alpha-second archived clients", "has:nouserlabels is:read": "plain",
		"larger:60K": "huge-header", "size:61440": "huge-header", "size:72000": none, "subject:budget smaller:10K": alpha, "smaller:900": none, "subject:budget larger:1M": none,
		`subject:"from the future" before:2026/01/01`: "future-date", "subject:archived before:2025/01/01": "archived", "subject:archived older:2025-01-01": "archived",
		"subject:archived after:2025/01/01": none, "subject:archived newer:1733385600": "archived", "after:1733386264 before:1733386265": "archived", "before:1733386264": none,
		"subject:archived older_than:1d": "archived", "subject:archived newer_than:1d": none, "subject:archived newer_than:4m": "archived",
		"thread:thread-17": alpha, "re: budget": "alpha-second alpha-third", "nosuch:operator": none, "http://nowhere.example": none, "category:primary": none, "has:drive": none,
		"pine%": "alternative", "pine*": "alternative", "p%apple": none, "%": "*", `"`: "*", "a OR": none, "from:": "future-date", "after:never": none,
	} {
		var all []string
		for _, m := range searchedMails() {
			all = append(all, m.key)
		}
		if want == "*" {
			slices.Sort(all)
			want = strings.Join(all, " ")
		}
		if diff := cmp.Diff(want, strings.Join(findMails(t.Context(), t, q), " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q, diff)
		}
	}
}

// randomCondition makes a tree of conditions that all of searchedMails have something to say to.
func randomCondition(r *rand.Rand, levels int) Condition {
	if levels == 0 || r.IntN(3) == 0 {
		n, at := int64(r.IntN(2000)), time.Date(2025, 3, r.IntN(10), 0, 0, 0, 0, time.UTC)
		return []Condition{
			word("budget"), word("row"), subject("re"),
			Seen{r.IntN(2) == 0},
			Flagged{true},
			HasAttachments{},
			Size{Over: &n},
			Size{Under: &n},
			Received{From: &at},
			InThread{17},
			InFolders{[]domain.MailboxName{"INBOX", "Sent"}},
			OfAccounts{[]domain.AccountID{1}},
			hasFlag("$Important"),
			All{},
			Any{},
		}[r.IntN(15)]
	}
	var parts []Condition
	for range r.IntN(4) {
		parts = append(parts, randomCondition(r, levels-1))
	}
	switch r.IntN(3) {
	case 0:
		return All(parts)
	case 1:
		return Any(parts)
	}
	return Not{randomCondition(r, levels-1)}
}

// A tidy tree means what the tree meant.
func TestTidy(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	mails := searchedMails()
	for range 2000 {
		c := randomCondition(r, 4)
		tidied := tidy(c)
		if tidied != nil {
			if err := checkTidy(tidied, ""); err != nil {
				t.Fatalf("seed %d: %#v: %v", seed, tidied, err)
			}
		}
		for _, m := range mails {
			if want, got := m.Matches(c, plainFold), m.Matches(tidied, plainFold); got != want {
				t.Fatalf("seed %d: %s: got %v, want %v\n%#v\n%#v", seed, m.key, got, want, c, tidied)
			}
		}
	}
}

// A condition that names what Resolve replaces holds for nothing, as its excluded twin for all.
func TestMatchesUnresolved(t *testing.T) {
	t.Parallel()
	m := searchedMails()[0]
	for _, c := range []Condition{InLabel{Name: "INBOX"}, Me{InTo}, UserLabels{}} {
		if m.Matches(c, plainFold) || !m.Matches(Not{c}, plainFold) {
			t.Errorf("%#v", c)
		}
	}
}
