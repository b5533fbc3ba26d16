package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
)

// statement is put together from constants and numbered arguments.
type statement struct {
	sql  strings.Builder
	args []any
}

func (s *statement) add(parts ...string) {
	for _, p := range parts {
		s.sql.WriteString(p)
	}
}

// arg adds the number of a new argument.
func (s *statement) arg(value any) {
	s.args = append(s.args, value)
	s.sql.WriteByte('$')
	s.sql.WriteString(strconv.Itoa(len(s.args)))
}

// key names what is asked, with its arguments quoted: no value looks like two.
func (s *statement) key() string { return fmt.Sprintf("%s %#v", s.sql.String(), s.args) }

func (s *statement) question(rare bool, scan func(pgx.Rows) error) question {
	return question{sql: s.sql.String(), args: s.args, scan: scan, rare: rare}
}

const (
	// notErased hides accounts whose rows are still being erased. The planner takes
	// coalesce for half of the rows; of <> ALL it would think that nothing is left.
	notErased = `
	AND coalesce(m.account_id <> ALL (ARRAY(
		SELECT e.account_id FROM state.accounts e WHERE e.journal_id = $1 AND e.erased_by IS NOT NULL)), true)`
	// ofThread also knows the earlier ids of a thread.
	ofThread = `
	AND m.thread_id = coalesce((SELECT a.into_id FROM thread_alias a WHERE a.journal_id = $1 AND a.thread_id = `
	withMsgID = `
	AND m.msg_id <> '' AND hashtextextended(m.msg_id, 0) = hashtextextended(`
)

// where adds the conditions on m, a message, a thread or a tally.
func (l *messageList) where(s *statement) {
	f := l.filter
	s.add("\nWHERE m.journal_id = ")
	s.arg(int64(f.Journal))
	if len(f.Accounts) == 1 {
		s.when("m.account_id = ", int64(f.Accounts[0]))
	} else if len(f.Accounts) > 1 {
		s.when("m.account_id = ANY(", column(f.Accounts, func(a domain.AccountID) int64 { return int64(a) }), ")")
	}
	s.add(notErased)
	l.inFolders(s, "m.folder = ")
	if len(f.Folders) == 1 {
		s.when("hashtextextended(m.folder, 0) = hashtextextended(", string(f.Folders[0]), "::text, 0)") // as the index has it
	}
	if l.free() {
		l.whereFree(s)
	}
}

// inFolders adds the condition that a folder, named by is, is one of the filter's.
func (l *messageList) inFolders(s *statement, is string) {
	folders := l.filter.Folders
	if len(folders) == 1 {
		s.when(is, string(folders[0]))
	} else if len(folders) > 1 {
		names := column(folders, func(n domain.MailboxName) string { return string(n) })
		s.when(is+"ANY(", slices.DeleteFunc(names, func(n string) bool { return !storable(n) }), ")")
	}
}

func (s *statement) when(before string, value any, after ...string) {
	s.add("\n\tAND ", before)
	s.arg(value)
	s.add(after...)
}

func (l *messageList) whereFree(s *statement) {
	f := l.filter
	if f.From != nil {
		s.when("m.date >= ", *f.From)
	}
	if f.To != nil {
		s.when("m.date <= ", *f.To)
	}
	if f.Thread != nil {
		s.add(ofThread)
		s.arg(int64(*f.Thread))
		s.add("), $", strconv.Itoa(len(s.args)), ")")
	}
	if f.MsgID != nil {
		s.add(withMsgID)
		s.arg(*f.MsgID)
		s.add(", 0) AND m.msg_id = $", strconv.Itoa(len(s.args)))
	}
	for _, part := range []struct{ column, text string }{
		{"m.sender_fold", f.Sender}, {"m.recipient_fold", f.Recipient}, {"m.subject_fold", f.Subject},
	} {
		if part.text != "" {
			s.when("strpos("+part.column+", ", domain.Fold(part.text), ") > 0")
		}
	}
	for _, flag := range []struct {
		column string
		is     *bool
	}{{"m.seen", f.Seen}, {"m.flagged", f.Flagged}, {"m.has_attachments", f.Attachments}} {
		if flag.is != nil {
			s.when(flag.column+" = ", *flag.is)
		}
	}
	if f.IDs != nil {
		s.when("m.id = ANY(", messageIDs(f.IDs), "::bigint[])")
	}
	if f.Plain != nil {
		s.add("\n\tAND ")
		plainMessage("m", f.Plain)(s)
	}
	if l.search != nil {
		l.found(s)
	}
}

const (
	listColumns = `SELECT m.id, m.account_id, m.msg_id, m.subject, m.sender, m.sender_name, m.recipient, m.date, m.folder,
	m.thread_id, t.messages, t.unseen, m.snippet, m.seen, m.flagged, m.has_attachments, m.size, m.internal_date,
	m.created_at, m.updated_at
FROM (`
	// The page is cut before threads are joined, or by the thread's own row.
	fromMessages = "\nSELECT m.* FROM "
	fromThreads  = "\nSELECT m.thread_id, m.latest_date AS date, m.latest_id AS id FROM thread m"
	fromNewest   = "\nSELECT m.* FROM (SELECT DISTINCT ON (m.thread_id) m.* FROM "
	ofThreads    = "\nSELECT m.* FROM thread t JOIN message m ON m.journal_id = t.journal_id AND m.id = t.latest_id"
	// noNewer is met by the newest message of a thread in some folders. Walking them by
	// date it takes a look into the index of threads for each message, and no sort.
	noNewer = `
	AND NOT EXISTS (
		SELECT FROM message n
		WHERE n.journal_id = $1 AND n.thread_id = m.thread_id AND (n.date, n.id) > (m.date, m.id)`
	newestFirst = "\nORDER BY m.thread_id, m.date DESC, m.id DESC) m"
	withCounts  = " JOIN thread t ON t.journal_id = m.journal_id AND t.thread_id = m.thread_id"
	// OFFSET keeps the planner at one look into the index for each row of the page. Before
	// the first ANALYZE of a table that grows fast it would hash all threads of the journal.
	joinLatest   = "\n) l CROSS JOIN LATERAL (SELECT * FROM message WHERE journal_id = $1 AND id = l.id OFFSET 0) m" + eachThreadOf + "l.thread_id OFFSET 0) t"
	joinThreads  = "\n) m" + eachThreadOf + "m.thread_id OFFSET 0) t"
	eachThreadOf = " CROSS JOIN LATERAL (SELECT messages, unseen FROM thread WHERE journal_id = $1 AND thread_id = "
)

// rows adds the statement of one part of the list: on from values, backward in
// backward order, or from offset on.
func (l *messageList) rows(s *statement, values []any, backward bool, size, offset int) {
	s.add(listColumns)
	keys, join := l.keys, joinThreads
	counted := l.ordered("t.messages")
	switch {
	case l.latest() && l.byDate():
		s.add(fromThreads)
		l.where(s)
		join = joinLatest
		keys = []orderKey{{column: "m.latest_date"}, {column: "m.latest_id"}}
	case l.latest():
		s.add(ofThreads)
		l.where(s)
	case l.byThread && !l.free() && l.byDate():
		s.add(fromMessages, "message m")
		l.where(s)
		s.add(noNewer)
		l.inFolders(s, "n.folder = ")
		s.add(")")
	case l.byThread:
		s.add(fromNewest)
		l.from(s, nil, false)
		l.where(s)
		s.add(newestFirst)
		if counted {
			s.add(withCounts)
		}
		s.add("\nWHERE true")
	default:
		s.add(fromMessages)
		l.from(s, values, backward)
		if counted {
			s.add(withCounts)
		}
		l.where(s)
	}
	if values != nil {
		s.add("\n\tAND ")
		l.beyond(s, keys, values, backward)
	}
	l.orderBy(s, keys, backward)
	s.add("\nLIMIT ", limitAbove(size))
	if offset > 0 {
		s.add(" OFFSET ")
		s.arg(int64(offset))
	}
	s.add(join)
	l.orderBy(s, l.keys, backward)
}

func (l *messageList) ordered(column string) bool {
	for _, key := range l.keys {
		if key.column == column {
			return true
		}
	}
	return false
}

func (l *messageList) byDate() bool { return len(l.order) == 1 && l.order[0].Field == "date" }

// limitAbove returns a limit that is more than size. It is a constant, so that
// the plan that is kept knows it, and one of few, so that few plans are kept.
func limitAbove(size int) string {
	switch {
	case size <= 10:
		return "11"
	case size <= 50:
		return "51"
	case size <= 100:
		return "101"
	}
	return "501"
}

func (l *messageList) orderBy(s *statement, keys []orderKey, backward bool) {
	s.add("\nORDER BY ")
	for i, key := range keys {
		if i > 0 {
			s.add(", ")
		}
		s.add(key.column)
		if l.desc[i] != backward {
			s.add(" DESC")
		}
	}
}

// beyond adds the condition that a row comes after values in the order: one
// comparison of rows, which an index can begin with, if all keys have one
// direction; else a comparison for each key, with those before it equal.
func (l *messageList) beyond(s *statement, keys []orderKey, values []any, backward bool) {
	names := make([]string, len(values))
	for i, v := range values {
		s.args = append(s.args, v)
		names[i] = "$" + strconv.Itoa(len(s.args))
	}
	sign := func(i int) string {
		if l.desc[i] != backward {
			return " < "
		}
		return " > "
	}
	uniform := true
	for _, d := range l.desc {
		uniform = uniform && d == l.desc[0]
	}
	if uniform {
		columns := column(keys, func(k orderKey) string { return k.column })
		s.add("(", strings.Join(columns, ", "), ")", sign(0), "(", strings.Join(names, ", "), ")")
		return
	}
	for i := range keys {
		if i > 0 {
			s.add(" OR (", keys[i-1].column, " = ", names[i-1], " AND ")
		}
		s.add("(", keys[i].column, sign(i), names[i])
	}
	s.add(strings.Repeat(")", 2*len(keys)-1))
}
