package postgres

import (
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// plainMessage is a condition without a Text, of message row.
func plainMessage(row string, c queries.Condition) func(*statement) {
	each := func(parts []queries.Condition) []func(*statement) {
		return column(parts, func(part queries.Condition) func(*statement) { return plainMessage(row, part) })
	}
	switch c := c.(type) {
	case queries.All:
		return func(s *statement) { joinConditions(s, each(c), " AND ", "true") }
	case queries.Any:
		return func(s *statement) { joinConditions(s, each(c), " OR ", "false") }
	case queries.Not:
		return func(s *statement) {
			s.add("NOT (")
			plainMessage(row, c.Of)(s)
			s.add(")")
		}
	case queries.InFolders:
		return inSomeFolders(row, folderNames(c.Names))
	case queries.HasFlag:
		switch c.Flag {
		case domain.KeywordImportant:
			return sqlText(row + ".important")
		case domain.KeywordJunk:
			return sqlText(row + ".junk")
		}
	}
	return plainOf(row, c)
}

// maxHashes is how many folders are looked up by the index of their names.
const maxHashes = 20

// inSomeFolders asks for a few folders by the hashes that the index has, which the planner can judge.
func inSomeFolders(row string, names []string) func(*statement) {
	return func(s *statement) {
		s.add("(")
		if len(names) <= maxHashes && len(names) > 0 {
			s.add("hashtextextended(", row, ".folder, 0) IN (")
			for i, name := range names {
				if i > 0 {
					s.add(", ")
				}
				s.add("hashtextextended(")
				s.arg(name)
				s.add("::text, 0)")
			}
			s.add(") AND ")
		}
		s.add(row, ".folder = ANY(")
		s.arg(names)
		s.add("::text[]))")
	}
}
