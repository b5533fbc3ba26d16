package domain

import (
	"slices"
	"strings"
)

// Flag is a system flag such as \Seen or a keyword such as $Junk (RFC 9051
// section 2.3.2). System flags are spelled as the RFC does; flags compare
// without regard to case.
type Flag string

// The system flags that have a meaning here.
const (
	FlagSeen     Flag = `\Seen`
	FlagAnswered Flag = `\Answered`
	FlagFlagged  Flag = `\Flagged`
	FlagDeleted  Flag = `\Deleted`
	FlagDraft    Flag = `\Draft`
	FlagRecent   Flag = `\Recent`
)

var systemFlags = []Flag{FlagSeen, FlagAnswered, FlagFlagged, FlagDeleted, FlagDraft, FlagRecent}

// Flags returns the given flags in one order and spelling, each once, without
// \Recent (which is of a session, RFC 9051 section 2.3.2), control characters
// and what is longer than 255 octets.
func Flags(given []Flag) []Flag {
	out := make([]Flag, 0, len(given))
	for _, f := range given {
		if f == "" || len(f) > 255 || strings.ContainsFunc(string(f), func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
			continue
		}
		for _, s := range systemFlags {
			if strings.EqualFold(string(f), string(s)) {
				f = s
			}
		}
		if f != FlagRecent {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return slices.CompactFunc(out, func(a, b Flag) bool { return strings.EqualFold(string(a), string(b)) })
}

// HasFlag reports whether flags contain f.
func HasFlag(flags []Flag, f Flag) bool {
	return slices.ContainsFunc(flags, func(g Flag) bool { return strings.EqualFold(string(g), string(f)) })
}

// DiffFlags returns what was added to and removed from before to give after.
func DiffFlags(before, after []Flag) (added, removed []Flag) {
	for _, f := range after {
		if !HasFlag(before, f) {
			added = append(added, f)
		}
	}
	for _, f := range before {
		if !HasFlag(after, f) {
			removed = append(removed, f)
		}
	}
	return added, removed
}
