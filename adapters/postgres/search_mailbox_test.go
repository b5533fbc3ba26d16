package postgres_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// phrasesOf are pieces of text in many scripts, few enough to come again.
var phrasesOf = []string{
	"Crème brûlée à Zürich", "Straße", "naïve café", "pineapple", "pine", "pines", "order", "orders", "order 2291", "Łódź", "Ærøskøbing",
	"don't", "on-a", "a_b", "C++", "foo/bar.txt", `x'y\z`, `back\\slash 'quoted' "twice"`, "100%", "👍🏽 ok", "e\u0301te\u0301", "so\u00ADft", "ＦＷ ｆｉｎ",
	"Встреча переносится на среду", "Ещё ёлка", "Καλημέρα κόσμε", "السلام عليكم", "बैठक की कार्यसूची", "2024", "٢٠٢٤", "I", "to be or not to be",
	"会議の資料を送ります", "会議", "資料", "下周的会议改到星期三", "𠮷野家", "スーパーマーケット", "ｶﾞｲﾄﾞ", "AWS会議2024", "议",
	"กรุณาตรวจสอบเอกสาร", "น้ำ", "ພາສາລາວ", "ភាសាខ្មែរ", "မြန်မာစာ", "회의자료입니다", "내일 회의", "자료",
	"orders@shop.example", "zoe.berg+x@mail.example.org", "www.example.org/a?b=c",
}

var peopleOf = []domain.Address{
	{Name: "Ann", Addr: "ann@example.org"},
	{Name: "Example Shop", Addr: "orders@shop.example"},
	{Addr: "bob@example.net"},
	{Name: `Zoë "Z" O'Hara`, Addr: "zoe@example.org"},
	{Name: "Привет", Addr: "privet@example.net"},
	{Name: "会議 太郎", Addr: "taro@会議.example"},
	{Name: "Bob Ann"},
	{Name: "회의실", Addr: "x@y.example"},
}

var filesOf = []string{"invoice-2291.pdf", "Straßen in Köln.csv", "", "资料.png", "notes.txt", "회의자료.hwp", "a.b"}

// letters are the messages of a small mailbox: the log that brought them, what they say,
// and as they are now.
type letters struct {
	*rand.Rand
	said
	log    []events.Recorded
	now    []stored
	flags  map[domain.MessageID][]domain.Flag
	sums   map[domain.MessageID][32]byte
	merged map[domain.ThreadID]domain.ThreadID
	folded map[string]string
}

func newLetters(rnd *rand.Rand, n int) *letters {
	l := &letters{
		Rand: rnd, said: said{}, flags: map[domain.MessageID][]domain.Flag{}, sums: map[domain.MessageID][32]byte{}, merged: map[domain.ThreadID]domain.ThreadID{},
		folded: map[string]string{},
	}
	l.log = variedMail(rnd, n)
	for i, rec := range l.log {
		e := rec.Event.(events.MessageFetched)
		c := l.content()
		if i%9 == 8 { // octets come again
			e.SHA256 = l.log[i-1].Event.(events.MessageFetched).SHA256
			c = l.said[[32]byte(e.SHA256)]
		}
		c.Date = e.Summary.Date
		l.says(&e, c)
		l.log[i].Event = e
		l.flags[e.ID], l.sums[e.ID] = e.Flags, [32]byte(e.SHA256)
	}
	for i, rec := range l.log { // who shares octets shares the date
		e := rec.Event.(events.MessageFetched)
		e.Summary = events.Summarise(l.said[[32]byte(e.SHA256)], e.InternalDate)
		l.log[i].Event = e
	}
	l.now = storedBy(l.log, l.merged)
	return l
}

// text joins up to n pieces.
func (l *letters) text(n int) string {
	var out strings.Builder
	for range l.IntN(n + 1) {
		out.WriteString(phrasesOf[l.IntN(len(phrasesOf))])
		out.WriteString([]string{" ", " ", "\n", ", ", "-", "/", ""}[l.IntN(7)])
	}
	return out.String()
}

func (l *letters) people(n int) []domain.Address {
	var out []domain.Address
	for range l.IntN(n + 1) {
		out = append(out, peopleOf[l.IntN(len(peopleOf))])
	}
	return out
}

func (l *letters) content() *domain.Content {
	c := &domain.Content{Subject: l.text(3), Text: l.text(12), From: l.people(2), To: l.people(3), Cc: l.people(1), Bcc: l.people(1), HTML: "<b>markup"}
	if l.IntN(30) == 0 {
		c.Text = strings.Repeat(l.text(30), 20)
	}
	if l.IntN(3) == 0 {
		c.DeliveredTo = peopleOf[l.IntN(len(peopleOf))].Addr
	}
	if l.IntN(3) == 0 {
		c.ListID = []string{"offers.shop.example", "list.example.org"}[l.IntN(2)]
	}
	for range max(0, l.IntN(5)-2) {
		c.Attachments = append(c.Attachments, domain.Attachment{FileName: filesOf[l.IntN(len(filesOf))], Inline: l.IntN(3) == 0})
	}
	return c
}

// change appends n changes of messages to the log.
func (l *letters) change(n int) {
	for range n {
		i := l.IntN(len(l.now))
		m := &l.now[i]
		place := events.Place{Mailbox: domain.MailboxID(len(m.Folder)), Folder: m.Folder, UIDValidity: 1}
		at := events.Message{ID: m.ID, Account: m.Account, Place: place, Thread: m.Thread}
		var e events.Event
		switch l.IntN(4) {
		case 0:
			e = events.MessageExpunged{Message: at, Flags: l.flags[m.ID], Size: m.Size}
		case 1:
			at.Folder = []domain.MailboxName{"INBOX", "Sent", "archive", "Ärger"}[l.IntN(4)]
			at.Mailbox = domain.MailboxID(len(at.Folder))
			m.Folder = at.Folder
			e = events.MessageMoved{Message: at, From: place, Flags: l.flags[m.ID], Size: m.Size}
		default:
			flags := [][]domain.Flag{{}, {domain.FlagSeen}, {domain.FlagFlagged, "$important"}, {domain.FlagSeen, "$Junk"}}[l.IntN(4)]
			l.flags[m.ID] = flags
			m.Seen, m.Flagged = domain.HasFlag(flags, domain.FlagSeen), domain.HasFlag(flags, domain.FlagFlagged)
			e = events.FlagsChanged{Message: at, Flags: flags}
		}
		rec := recorded(events.Position(len(l.log)+1), e)
		m.updatedAt = rec[0].RecordedAt
		l.log = append(l.log, rec...)
		if _, gone := e.(events.MessageExpunged); gone {
			l.now = slices.Delete(l.now, i, i+1)
		}
	}
	l.recount()
}

// recount counts threads anew.
func (l *letters) recount() {
	count, unseen := map[domain.ThreadID]int{}, map[domain.ThreadID]int{}
	for _, m := range l.now {
		count[m.Thread]++
		if !m.Seen {
			unseen[m.Thread]++
		}
	}
	for i, m := range l.now {
		l.now[i].ThreadCount, l.now[i].ThreadUnseen = count[m.Thread], unseen[m.Thread]
	}
}

// searched is a message as the oracle reads it.
func (l *letters) searched(m stored) queries.Searched {
	return queries.Searched{Message: m.Message, Flags: l.flags[m.ID], Content: l.said[l.sums[m.ID]]}
}

// store folds the log, cut into batches anywhere, into both read models of generation n.
func (l *letters) store(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	mail, search := live(t, pool, "mail", n), live(t, pool, "search", n)
	for i, rest := range [][]events.Recorded{l.log, l.log} {
		for len(rest) > 0 {
			cut := min(1+l.IntN(1+l.IntN(120)), len(rest))
			if i == 0 {
				foldMail(t, pool, mail, 1, rest[:cut])
			} else {
				foldSearch(t, pool, search, 1, l.said, rest[:cut])
			}
			rest = rest[cut:]
		}
	}
	foldSearch(t, pool, search, 12, l.said, l.log) // never met
	foldMail(t, pool, mail, 12, l.log)
	l.checkpoint(t, pool, n)
}

// checkpoint says how far generation n is folded.
func (l *letters) checkpoint(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	exec(t, pool, `INSERT INTO log.journals (journal_id, link, recorded_at) VALUES (1, '', now()), (12, '', now()) ON CONFLICT DO NOTHING`)
	exec(t, pool, `INSERT INTO log.checkpoints (journal_id, projection, generation, position, updated_at)
		SELECT j, p, $1, $2, now() FROM unnest(ARRAY[1, 12]) j, unnest(ARRAY['mail', 'search']) p`, n, len(l.log))
}
