package queries

import (
	"slices"
	"strings"
	"unicode"

	"github.com/imap2api/imap2api/domain"
)

// Searched is a message with all that a search asks about. It is what engines are compared with.
type Searched struct {
	Message
	Flags   []domain.Flag
	Content *domain.Content
}

// Matches reports whether c, which Resolve has returned, holds for m, by reading all of it. fold makes
// words that are equal but for case and accents the same.
func (m Searched) Matches(c Condition, fold func(string) string) bool {
	holds := func(c Condition) bool { return m.Matches(c, fold) }
	switch c := c.(type) {
	case nil:
		return true
	case All:
		return !slices.ContainsFunc(c, func(part Condition) bool { return !holds(part) })
	case Any:
		return slices.ContainsFunc(c, holds)
	case Not:
		return !holds(c.Of)
	case Text:
		return slices.ContainsFunc(m.field(c.In), func(text string) bool { return c.isIn(text, fold) })
	}
	return m.is(c)
}

// is decides about what is not text.
func (m Searched) is(c Condition) bool {
	switch c := c.(type) {
	case Seen:
		return m.Seen == c.Is
	case Flagged:
		return m.Flagged == c.Is
	case HasFlag:
		return domain.HasFlag(m.Flags, c.Flag)
	case HasAttachments:
		return m.HasAttachments
	case Size:
		return (c.Over == nil || m.Size > *c.Over) && (c.Under == nil || m.Size < *c.Under)
	case Received:
		return (c.From == nil || !m.ReceivedAt.Before(*c.From)) && (c.Before == nil || m.ReceivedAt.Before(*c.Before))
	case MsgID:
		return m.MsgID == c.ID
	case InThread:
		return m.Thread == c.ID
	case InFolders:
		return slices.Contains(c.Names, m.Folder)
	case OfAccounts:
		return slices.Contains(c.IDs, m.Account)
	}
	return false
}

// field returns the texts of a field; words of two of them never follow one another.
func (m Searched) field(in SearchField) []string {
	c := m.Content
	var out []string
	people := func(lists ...[]domain.Address) []string {
		for _, a := range slices.Concat(lists...) {
			out = append(out, a.Name, a.Addr)
		}
		return out
	}
	switch in {
	case InFrom:
		return people(c.From)
	case InTo:
		return people(c.To, c.Cc, c.Bcc)
	case InCc:
		return people(c.Cc)
	case InBcc:
		return people(c.Bcc)
	case InSubject:
		return []string{c.Subject}
	case InDeliveredTo:
		return []string{c.DeliveredTo}
	case InList:
		return []string{c.ListID}
	case InFileName:
		for _, a := range c.Attachments {
			out = append(out, a.FileName)
		}
		return out
	}
	return slices.Concat([]string{c.Subject, c.Text}, m.field(InFrom), m.field(InTo), m.field(InFileName))
}

// isIn reports whether the words of t follow one another in text.
func (t Text) isIn(text string, fold func(string) string) bool {
	asked, given := cutWords(fold(t.Value)), cutWords(fold(text))
	last := len(asked) - 1
	if last < 0 || t.Inside && strings.Contains(strings.Join(given, " "), strings.Join(asked, " ")) {
		return true
	}
	for ; len(given) > last; given = given[1:] {
		end := given[last] == asked[last] || t.Begins() && strings.HasPrefix(given[last], asked[last])
		if end && slices.Equal(given[:last], asked[:last]) {
			return true
		}
	}
	return false
}

// spaceless are the scripts that are written without spaces between words.
var spaceless = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// cutWords returns the words of a text: runs of letters and digits with their marks; in scripts
// without spaces each letter.
func cutWords(text string) []string {
	var out []string
	inside := false
	for _, r := range text {
		switch {
		case unicode.In(r, spaceless...):
			out, inside = append(out, string(r)), false
		case !isLetter(r) && !unicode.IsMark(r):
			inside = false
		case inside:
			out[len(out)-1] += string(r)
		default:
			out, inside = append(out, string(r)), true
		}
	}
	return out
}
