package domain

import (
	"cmp"
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

// The keywords that have a meaning here: that of RFC 8457, and one that is registered with IANA.
const (
	KeywordImportant Flag = "$Important"
	KeywordJunk      Flag = "$Junk"
)

var systemFlags = []Flag{FlagSeen, FlagAnswered, FlagFlagged, FlagDeleted, FlagDraft, FlagRecent}

// maxFlags is how many octets the flags of one message may have together.
const maxFlags = 4000

// Flags returns the given flags in one order and spelling, each once, without
// \Recent (which is of a session, RFC 9051 section 2.3.2), those with control characters
// or more than 255 octets, and those that are too many: beyond 4000 octets in all.
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
	slices.SortFunc(out, func(a, b Flag) int { // spellings of one flag come together
		return cmp.Or(strings.Compare(Fold(string(a)), Fold(string(b))), strings.Compare(string(a), string(b)))
	})
	out = slices.CompactFunc(out, func(a, b Flag) bool { return Fold(string(a)) == Fold(string(b)) })
	slices.Sort(out)
	octets := 0
	return slices.DeleteFunc(out, func(f Flag) bool {
		octets += len(f) + 3 // as JSON has it
		return octets > maxFlags
	})
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
