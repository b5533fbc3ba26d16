package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// names are the accounts and folders of the letters.
type names struct{}

func (names) Accounts(_ context.Context, _ events.JournalID, only []domain.AccountID) ([]queries.Account, error) {
	var out []queries.Account
	for i, name := range []string{"ann@example.org", "zoe@example.org", "ann@example.org"} {
		out = append(out, queries.Account{ID: domain.AccountID(i + 1), Settings: events.AccountSettings{Username: name}})
	}
	return out, nil
}

func (names) Folders(_ context.Context, _ events.JournalID, acc domain.AccountID) ([]queries.Folder, error) {
	out := []queries.Folder{{Name: "INBOX"}, {Name: "Sent"}, {Name: "archive"}, {Name: "Ärger"}}
	if acc == 2 {
		out[1].Role, out[3].Role = domain.RoleSent, domain.RoleJunk
	}
	return out, nil
}

// fields are the operators that take text.
var fields = []string{"from", "to", "cc", "bcc", "subject", "deliveredto", "list", "filename"}

// query writes a random search.
func (l *letters) query(levels int) string {
	if levels == 0 || l.IntN(3) == 0 {
		return l.term()
	}
	parts := make([]string, 1+l.IntN(3))
	for i := range parts {
		parts[i] = l.query(levels - 1)
	}
	switch l.IntN(8) {
	case 0:
		return "{" + strings.Join(parts, " ") + "}"
	case 1, 2:
		return "(" + strings.Join(parts, " OR ") + ")"
	case 3:
		return "-(" + strings.Join(parts, " ") + ")"
	case 4:
		return fields[l.IntN(len(fields))] + ":(" + strings.Join(parts, " ") + ")"
	}
	return "(" + strings.Join(parts, " ") + ")"
}

// term writes a word, a phrase, or an operator with its value.
func (l *letters) term() string {
	m := l.now[l.IntN(len(l.now))]
	at := m.ReceivedAt.Unix()
	var out string
	switch l.IntN(16) {
	case 0:
		out = []string{"is:unread", "is:read", "is:starred", "is:important", "has:attachment", "has:userlabels", "category:promotions"}[l.IntN(7)]
	case 1:
		out = []string{"in:inbox", "in:sent", "in:spam", "in:anywhere", "label:Ärger", "label:ARCHIVE", "in:nowhere"}[l.IntN(7)]
	case 2:
		out = fmt.Sprintf("%s:%d", []string{"larger", "smaller", "size"}[l.IntN(3)], l.IntN(5))
	case 3:
		out = fmt.Sprintf("%s:%d", []string{"after", "before", "older", "newer"}[l.IntN(4)], at+int64(l.IntN(3)-1)*60)
	case 4:
		out = []string{"older_than:23h", "newer_than:1d", "before:2025/03/05", "after:2025-03-05"}[l.IntN(4)]
	case 5:
		out = "rfc822msgid:" + m.MsgID
	case 6:
		out = fmt.Sprint("thread:thread-", []int64{int64(m.Thread), 99, 100, 101, 777}[l.IntN(5)])
	case 7:
		out = []string{"from:me", "to:me", "cc:me"}[l.IntN(3)]
	case 8, 9, 10:
		out = fields[l.IntN(len(fields))] + ":" + l.value(m)
	default:
		out = l.value(m)
	}
	if l.IntN(6) == 0 {
		return "-" + out
	}
	return out
}

// value writes a part of what some message says, or of something that none does.
func (l *letters) value(m stored) string {
	c := l.said[l.sums[m.ID]]
	source := []string{c.Subject, c.Text, m.Sender, m.SenderName, m.Recipient, c.DeliveredTo, phrasesOf[l.IntN(len(phrasesOf))]}[l.IntN(7)]
	if l.IntN(3) == 0 {
		for _, a := range append(c.Cc, c.Bcc...) {
			source = a.Name + " " + a.Addr
		}
	}
	if len(c.Attachments) > 0 && l.IntN(3) == 0 {
		source = c.Attachments[0].FileName
	}
	if l.IntN(12) == 0 {
		source = "nowhere zz"
	}
	runes := characters(source)
	from := l.IntN(len(runes) + 1)
	part := strings.Join(runes[from:from+l.IntN(min(14, len(runes)-from)+1)], "")
	if l.IntN(3) > 0 { // from the beginning of a word
		words := strings.FieldsFunc(source, func(r rune) bool { return strings.ContainsRune(" \n,", r) })
		if len(words) > 0 {
			part = words[l.IntN(len(words))]
		}
	}
	switch l.IntN(8) {
	case 0:
		part = strings.ToUpper(part)
	case 1:
		word := characters(part)
		part = strings.Join(word[:l.IntN(len(word)+1)], "")
	case 2, 3:
		return `"` + part + `"`
	case 4:
		return `"` + strings.NewReplacer(" ", ", ", ".", " ").Replace(part) + `"`
	}
	return strings.Join(strings.Fields(part), ".")
}

// characters cuts a text before each letter.
func characters(text string) []string {
	var out []string
	for _, r := range text {
		if len(out) > 0 && (unicode.IsMark(r) || r == 'ำ' || r == 'ຳ' || r == 'ﾞ') {
			out[len(out)-1] += string(r)
		} else {
			out = append(out, string(r))
		}
	}
	return out
}

// search returns a random search as it was understood, and how it was written.
func (l *letters) search(t *testing.T) (string, queries.Condition) {
	t.Helper()
	q := l.query(3)
	c, err := queries.Resolve(t.Context(), queries.ParseSearch(q, epoch.Add(24*time.Hour)), 1, nil, names{})
	if err != nil {
		t.Fatal(err)
	}
	return q, c
}

// current returns c with the thread that an earlier id leads to in its place, as the oracle wants it.
func (l *letters) current(c queries.Condition) queries.Condition {
	switch c := c.(type) {
	case queries.All:
		out := queries.All{}
		for _, part := range c {
			out = append(out, l.current(part))
		}
		return out
	case queries.Any:
		out := queries.Any{}
		for _, part := range c {
			out = append(out, l.current(part))
		}
		return out
	case queries.Not:
		return queries.Not{Of: l.current(c.Of)}
	case queries.InThread:
		if into, ok := l.merged[c.ID]; ok {
			return queries.InThread{ID: into}
		}
	}
	return c
}
