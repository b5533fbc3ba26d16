package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// listedMessage is a row of a list, with what orders it and is not shown.
type listedMessage struct {
	queries.Message
	createdAt, updatedAt time.Time
}

// orderKey is a field that lists can be ordered by.
type orderKey struct {
	column string                     // of m or t, see the statements below
	text   func(listedMessage) string // the value in a cursor
	parse  func(string) (any, error)  // back
}

func textKey(s string) (any, error)      { return s, nil }
func numberKey(s string) (any, error)    { return strconv.ParseInt(s, 10, 64) }
func countKey(s string) (any, error)     { return strconv.ParseInt(s, 10, 32) }
func momentKey(s string) (any, error)    { return time.Parse(time.RFC3339Nano, s) }
func number[N ~int | ~int64](n N) string { return strconv.FormatInt(int64(n), 10) }
func moment(t time.Time) string          { return t.UTC().Format(time.RFC3339Nano) }

// orderKeys has a key for each of queries.MessageOrders.
var orderKeys = map[string]orderKey{
	"date":         {"m.date", func(m listedMessage) string { return moment(m.Date) }, momentKey},
	"subject":      {"m.subject_fold", func(m listedMessage) string { return domain.Fold(m.Subject) }, textKey},
	"sender":       {"m.sender_fold", func(m listedMessage) string { return domain.Fold(m.Sender) }, textKey},
	"recipient":    {"m.recipient_fold", func(m listedMessage) string { return domain.Fold(m.Recipient) }, textKey},
	"folder":       {"m.folder_fold", func(m listedMessage) string { return domain.Fold(string(m.Folder)) }, textKey},
	"id":           {"m.id", func(m listedMessage) string { return number(m.ID) }, numberKey},
	"size":         {"m.size", func(m listedMessage) string { return number(m.Size) }, numberKey},
	"thread_count": {"t.messages", func(m listedMessage) string { return number(m.ThreadCount) }, countKey},
	"received_at":  {"m.internal_date", func(m listedMessage) string { return moment(m.ReceivedAt) }, momentKey},
	"created_at":   {"m.created_at", func(m listedMessage) string { return moment(m.createdAt) }, momentKey},
	"updated_at":   {"m.updated_at", func(m listedMessage) string { return moment(m.updatedAt) }, momentKey},
}

// messageList is a list of messages to be asked for in parts. Its statements are
// put together from constants; what clients say is in the arguments only.
type messageList struct {
	filter   queries.MessageFilter
	byThread bool
	order    []queries.Order
	keys     []orderKey      // of order, and the id unless it is one of them
	desc     []bool          // of keys
	search   *documentSearch // nil: none
	steps    int             // of a walk that tests no more messages; 0: none
	past     bool            // as of a moment: nothing is kept but the messages
}

func newMessageList(f queries.MessageFilter, byThread bool, order []queries.Order) (*messageList, error) {
	l := &messageList{filter: f, byThread: byThread, order: order}
	if len(order) == 0 {
		return nil, fmt.Errorf("list without order: %w", domain.ErrInvalid)
	}
	for _, o := range order {
		key, ok := orderKeys[o.Field]
		if !ok {
			return nil, fmt.Errorf("order by %q: %w", o.Field, domain.ErrInvalid)
		}
		l.keys, l.desc = append(l.keys, key), append(l.desc, o.Desc)
	}
	l.keys, l.desc = append(l.keys, orderKeys["id"]), append(l.desc, order[len(order)-1].Desc)
	return l, nil
}

// none reports whether a filter is an empty set, or a text that no row can hold, so
// that nothing needs to be asked.
func (l *messageList) none() bool {
	f := l.filter
	if (f.Accounts != nil && len(f.Accounts) == 0) || (f.IDs != nil && len(f.IDs) == 0) {
		return true
	}
	if f.Folders != nil && !slices.ContainsFunc(f.Folders, func(n domain.MailboxName) bool { return storable(string(n)) }) {
		return true
	}
	return !storable(f.Sender) || !storable(f.Recipient) || !storable(f.Subject) || (f.MsgID != nil && !storable(*f.MsgID))
}

// storable reports whether Postgres takes a text.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// free reports whether a filter is given that no sum is kept for.
func (l *messageList) free() bool {
	f := l.filter
	return f.From != nil || f.To != nil || f.Thread != nil || f.MsgID != nil || f.Sender != "" || f.Recipient != "" ||
		f.Subject != "" || f.Seen != nil || f.Flagged != nil || f.Attachments != nil || f.IDs != nil || f.Search != nil || f.Plain != nil
}

// rare reports whether the list's statements are too many to be kept prepared.
func (l *messageList) rare() bool {
	return l.past || l.free() || !l.byDate()
}

// latest reports whether the newest message of each thread is the one that the thread's row names.
func (l *messageList) latest() bool {
	return l.byThread && !l.past && !l.free() && l.filter.Folders == nil
}

const (
	countMessages = "SELECT count(*) FROM "
	countThreads  = "SELECT count(*) FROM (SELECT FROM "
	eachThread    = "\nGROUP BY m.thread_id) threads"
	// Sums of what was kept; of threads they are under mailbox 0.
	sumMessages = "SELECT coalesce(sum(m.messages), 0)::bigint FROM tally m"
	sumThreads  = " AND m.mailbox_id = 0"
	sumMailbox  = " AND m.mailbox_id <> 0"
)

// count asks how long the list is.
func (l *messageList) count(into *int) question {
	var s statement
	switch {
	case l.latest():
		s.add(sumMessages)
		l.where(&s)
		s.add(sumThreads)
	case !l.byThread && !l.past && !l.free():
		s.add(sumMessages)
		l.where(&s)
		s.add(sumMailbox)
	case l.byThread:
		s.add(countThreads)
		l.from(&s, nil, false)
		l.where(&s)
		s.add(eachThread)
	default:
		s.add(countMessages)
		l.from(&s, nil, false)
		l.where(&s)
	}
	return s.question(l.rare(), scanCount(into))
}

// page asks for at least size rows from offset on.
func (l *messageList) page(into *[]listedMessage, size, offset int) question {
	var s statement
	l.rows(&s, nil, false, size, offset)
	return s.question(l.rare(), scanMessages(into))
}

// after asks for more than size rows on from a cursor, backward in backward
// order. It returns queries.ErrCursor for a cursor of another order.
func (l *messageList) after(into *[]listedMessage, c *queries.Cursor, size int) (question, error) {
	var s statement
	if c == nil {
		l.rows(&s, nil, false, size, 0)
		return s.question(l.rare(), scanMessages(into)), nil
	}
	if len(c.Keys) != len(l.order) {
		return question{}, queries.ErrCursor
	}
	values := make([]any, 0, len(l.keys))
	for i, text := range c.Keys {
		value, err := l.keys[i].parse(text)
		if err != nil || !storable(text) {
			return question{}, queries.ErrCursor
		}
		values = append(values, value)
	}
	l.rows(&s, append(values, c.ID), c.Backward, size, 0)
	return s.question(l.rare(), scanMessages(into)), nil
}

// cursor returns the place of a row.
func (l *messageList) cursor(m listedMessage, backward bool) *queries.Cursor {
	c := &queries.Cursor{ID: int64(m.ID), Backward: backward}
	for _, key := range l.keys[:len(l.order)] {
		c.Keys = append(c.Keys, key.text(m))
	}
	return c
}
