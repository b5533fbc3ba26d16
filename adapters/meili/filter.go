package meili

import (
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// token stands for a name in documents and filters: Meilisearch folds what it compares, cuts it
// at some length and has characters of its own in filters.
func token(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:10]))
}

// flagToken is the token of a flag in any case.
func flagToken(f domain.Flag) string { return token(domain.Fold(string(f))) }

// nothing and everything are filters that hold for no message, and for each.
const (
	nothing    = idAttr + " IN []"
	everything = "NOT " + nothing
)

// builder writes a filter.
type builder struct {
	parts  []string
	failed bool // it cannot be said
	none   bool // a part holds for no message
}

func (b *builder) and(part string) { b.parts = append(b.parts, part) }

// String returns the conjunction of all parts.
func (b *builder) String() string { return strings.Join(b.parts, " AND ") }

// limits adds what f says beside the search.
func (b *builder) limits(f queries.MessageFilter) {
	if f.Accounts != nil {
		b.and(b.filter(queries.OfAccounts{IDs: f.Accounts}, 0))
		b.none = b.none || len(f.Accounts) == 0
	}
	if f.IDs != nil {
		b.and(isOneOf(b, idAttr, f.IDs, id[domain.MessageID]))
		b.none = b.none || len(f.IDs) == 0
	}
	if f.Folders != nil {
		b.and(b.filter(queries.InFolders{Names: f.Folders}, 0))
		b.none = b.none || len(f.Folders) == 0
	}
	if f.From != nil {
		b.and(dateAttr + " >= " + micros(ceiling(*f.From)))
	}
	if f.To != nil {
		b.and(dateAttr + " <= " + micros(*f.To))
	}
	for _, given := range []struct {
		is *bool
		of queries.Condition
	}{
		{f.Seen, queries.Seen{Is: true}}, {f.Flagged, queries.Flagged{Is: true}}, {f.Attachments, queries.HasAttachments{}},
	} {
		switch {
		case given.is == nil:
		case *given.is:
			b.and(b.filter(given.of, 0))
		default:
			b.and(b.filter(queries.Not{Of: given.of}, 0))
		}
	}
}

// filter returns a condition as a filter that binds as tightly as AND.
func (b *builder) filter(c queries.Condition, depth int) string {
	if depth > maxDepth {
		b.failed = true
		return everything
	}
	switch c := c.(type) {
	case queries.All:
		return b.joined(c, " AND ", everything, depth)
	case queries.Any:
		return b.joined(c, " OR ", nothing, depth)
	case queries.Not:
		return "NOT (" + b.filter(c.Of, depth+1) + ")"
	case queries.Seen:
		return hasFlag(domain.FlagSeen, c.Is)
	case queries.Flagged:
		return hasFlag(domain.FlagFlagged, c.Is)
	case queries.HasFlag:
		return hasFlag(c.Flag, true)
	case queries.HasAttachments:
		return attachmentsAttr + " = true"
	case queries.Size:
		return between(sizeAttr, " > ", c.Over, " < ", c.Under, func(n int64) string { return strconv.FormatInt(n, 10) })
	case queries.Received:
		return between(receivedAttr, " >= ", c.From, " < ", c.Before, func(t time.Time) string { return micros(ceiling(t)) })
	case queries.InFolders:
		return isOneOf(b, folderAttr, c.Names, func(n domain.MailboxName) string { return token(string(n)) })
	case queries.OfAccounts:
		return isOneOf(b, accountAttr, c.IDs, id[domain.AccountID])
	}
	b.failed = true // text, threads, message-ids, and what Resolve should have replaced
	return everything
}

func (b *builder) joined(list []queries.Condition, by, empty string, depth int) string {
	parts := make([]string, len(list))
	for i, c := range list {
		parts[i] = b.filter(c, depth+1)
	}
	if len(parts) == 0 {
		return empty
	}
	return "(" + strings.Join(parts, by) + ")"
}

func hasFlag(f domain.Flag, is bool) string {
	if is {
		return flagsAttr + " = " + flagToken(f)
	}
	return "NOT " + flagsAttr + " = " + flagToken(f)
}

// between returns a filter with up to two bounds.
func between[T any](attr, over string, from *T, under string, to *T, text func(T) string) string {
	var parts []string
	if from != nil {
		parts = append(parts, attr+over+text(*from))
	}
	if to != nil {
		parts = append(parts, attr+under+text(*to))
	}
	if len(parts) == 0 {
		return everything
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

// isOneOf returns a filter that holds for some values.
func isOneOf[T any](b *builder, attr string, values []T, text func(T) string) string {
	if len(values) > maxValues {
		b.failed = true
		return everything
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = text(v)
	}
	slices.Sort(out)
	return attr + " IN [" + strings.Join(slices.Compact(out), ", ") + "]"
}

func id[T ~int64](v T) string { return strconv.FormatInt(int64(v), 10) }

// micros is a moment as documents have it, and as the 53 bits of Meilisearch's numbers hold it
// until the year 2255; later ones keep their order.
func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// ceiling returns t in whole microseconds, rounded up.
func ceiling(t time.Time) time.Time {
	if whole := t.Truncate(time.Microsecond); whole.Before(t) {
		return whole.Add(time.Microsecond)
	}
	return t
}
