package postgres

import (
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// plainCondition is a condition on what is no text.
func plainCondition(c queries.Condition) func(*statement) {
	switch c := c.(type) {
	case queries.Seen:
		return sqlWith("d.seen = ", c.Is, "")
	case queries.Flagged:
		return sqlWith("d.flagged = ", c.Is, "")
	case queries.HasFlag:
		return sqlWith("EXISTS (SELECT FROM unnest(d.flags) f WHERE lower(f) = lower(", string(c.Flag), "::text))")
	case queries.HasAttachments:
		return sqlText("d.has_attachments")
	case queries.Size:
		return between("d.size", " > ", c.Over, " < ", c.Under)
	case queries.Received:
		return between("d.internal_date", " >= ", c.From, " < ", c.Before)
	case queries.MsgID:
		return ofMessages(queries.MessageFilter{MsgID: &c.ID})
	case queries.InThread:
		return ofMessages(queries.MessageFilter{Thread: &c.ID})
	case queries.InFolders:
		names := column(c.Names, func(n domain.MailboxName) string { return string(n) })
		return sqlWith("d.folder = ANY(", slices.DeleteFunc(names, func(n string) bool { return !storable(n) }), "::text[])")
	case queries.OfAccounts:
		return sqlWith("d.account_id = ANY(", accountIDs(append([]domain.AccountID{}, c.IDs...)), "::bigint[])")
	}
	return sqlText("false") // Resolve leaves no other
}

// ofMessages asks the mail read model for the messages of a thread or a Message-ID, which are few.
func ofMessages(f queries.MessageFilter) func(*statement) {
	return func(s *statement) {
		s.add("d.id IN (SELECT m.id FROM message m WHERE m.journal_id = $1")
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
