package domain

import (
	"strings"
	"unicode"
)

// NormalName returns a mailbox name with INBOX in capitals (RFC 9051 section 5.1: INBOX in any
// case is INBOX; of names below it, such as Inbox/Work, it says nothing).
func NormalName(name string) MailboxName {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return MailboxName(name)
}

// RoleNamed returns the role that a person may name a folder by (api.md 9.3), "" for any other word.
func RoleNamed(name string) Role {
	switch name {
	case "Sent":
		return RoleSent
	case "Drafts":
		return RoleDrafts
	case "Trash":
		return RoleTrash
	case "Spam", "Junk":
		return RoleJunk
	case "Archive":
		return RoleArchive
	case "All":
		return RoleAll
	case "Important":
		return RoleImportant
	case "Flagged":
		return RoleFlagged
	}
	return ""
}

// Fold returns text as it is compared without regard to case: Unicode simple
// case folding, rune by rune.
func Fold(text string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, text)
}
