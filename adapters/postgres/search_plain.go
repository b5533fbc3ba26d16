package postgres

import (
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// plainCondition is a condition on what is no text, of document d.
func plainCondition(c queries.Condition) func(*statement) { return plainOf("d", c) }

// plainOf is a condition on what is no text, of a document or a message: they have the same columns.
func plainOf(row string, c queries.Condition) func(*statement) {
	switch c := c.(type) {
	case queries.Seen:
		return sqlWith(row+".seen = ", c.Is, "")
	case queries.Flagged:
		return sqlWith(row+".flagged = ", c.Is, "")
	case queries.HasFlag:
		return sqlWith("EXISTS (SELECT FROM unnest("+row+".flags) f WHERE lower(f) = lower(", string(c.Flag), "::text))")
	case queries.HasAttachments:
		return sqlText(row + ".has_attachments")
	case queries.Size:
		return between(row+".size", " > ", c.Over, " < ", c.Under)
	case queries.Received:
		return between(row+".internal_date", " >= ", c.From, " < ", c.Before)
	case queries.MsgID:
		return ofMessages(row, queries.MessageFilter{MsgID: &c.ID})
	case queries.InThread:
		return ofMessages(row, queries.MessageFilter{Thread: &c.ID})
	case queries.InFolders:
		return sqlWith(row+".folder = ANY(", folderNames(c.Names), "::text[])")
	case queries.OfAccounts:
		return sqlWith(row+".account_id = ANY(", accountIDs(append([]domain.AccountID{}, c.IDs...)), "::bigint[])")
	}
	return sqlText("false") // Resolve leaves no other
}

// folderNames are names that a row can hold.
func folderNames(names []domain.MailboxName) []string {
	out := column(names, func(n domain.MailboxName) string { return string(n) })
	return slices.DeleteFunc(out, func(n string) bool { return !storable(n) })
}

// ofMessages asks the mail read model for the messages of a thread or a Message-ID, which are few.
func ofMessages(row string, f queries.MessageFilter) func(*statement) {
	return func(s *statement) {
		s.add(row, ".id IN (SELECT m.id FROM message m WHERE m.journal_id = $1")
		(&messageList{filter: f}).whereFree(s)
		s.add(")")
	}
}

// itsMessage asks the mail read model what else it knows of the message. OFFSET keeps the planner
// at one look into the index for each document.
func itsMessage(f queries.MessageFilter) func(*statement) {
	return func(s *statement) {
		s.add("EXISTS (SELECT FROM message m WHERE m.journal_id = $1 AND m.id = d.id")
		(&messageList{filter: f}).whereFree(s)
		s.add(" OFFSET 0)")
	}
}

// between bounds a column on both sides.
func between[T any](column, low string, from *T, high string, to *T) func(*statement) {
	var parts []func(*statement)
	if from != nil {
		parts = append(parts, sqlWith(column+low, *from, ""))
	}
	if to != nil {
		parts = append(parts, sqlWith(column+high, *to, ""))
	}
	return func(s *statement) { joinConditions(s, parts, " AND ", "true") }
}
