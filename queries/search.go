package queries

import (
	"time"
	"unicode"

	"github.com/imap2api/imap2api/domain"
)

// Condition is a search as it was understood: a tree (api.md section 12). Nil holds for every message.
type Condition interface{ condition() }

// All holds if each of its conditions does; empty, it holds for every message.
type All []Condition

// Any holds if one of its conditions does; empty, it holds for none.
type Any []Condition

// Not holds where Of does not.
type Not struct{ Of Condition }

// SearchField is where a Text is looked for.
type SearchField int

// The fields of a message.
const (
	InAnywhere    SearchField = iota // subject, sender, recipients, body, names of attachments
	InFrom                           // names and addresses of From
	InTo                             // names and addresses of To, Cc and Bcc
	InCc                             // names and addresses of Cc
	InBcc                            // names and addresses of Bcc
	InSubject                        // Subject
	InDeliveredTo                    // Delivered-To
	InList                           // List-Id
	InFileName                       // names of attachments
)

// Text holds if the words of Value follow one another in one field: one name, address, subject,
// file name or body. Engines cut Value into words with the code that cut the messages; if
// there are none, it holds for every message.
type Text struct {
	In    SearchField
	Value string // as written, with a letter or digit; valid UTF-8 without control characters
	Whole bool   // a phrase: also the last word is a whole one
	// Inside: Value is also found where its first word is the end or the middle of a word, and its
	// last one, however short, the beginning or the middle. Never with Whole.
	Inside bool
}

// Begins reports whether the last word of a message need only begin with the last one of t: not
// in a phrase, and not if t has only one or two letters (D48).
func (t Text) Begins() bool {
	letters := 0
	for _, r := range t.Value {
		if isLetter(r) {
			letters++
		}
	}
	return !t.Whole && letters > 2
}

// isLetter reports whether r is of a word.
func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// Seen holds for messages that have the flag \Seen, or those that lack it.
type Seen struct{ Is bool }

// Flagged holds for messages that have the flag \Flagged, or those that lack it.
type Flagged struct{ Is bool }

// HasFlag holds for messages with a flag or keyword, in any case.
type HasFlag struct{ Flag domain.Flag }

// HasAttachments holds for messages with an attachment that is not inline.
type HasAttachments struct{}

// Size holds for messages of more than Over and of less than Under octets; nil: no bound.
type Size struct{ Over, Under *int64 }

// Received holds for messages whose internal date is at or after From, and before Before; nil: no
// bound. Both are UTC, in the years 1 to 9999.
type Received struct{ From, Before *time.Time }

// MsgID holds for messages with exactly this Message-ID, which has no brackets.
type MsgID struct{ ID string }

// InThread holds for the messages of a thread, which may be named by an earlier id.
type InThread struct{ ID domain.ThreadID }

// InFolders holds for messages in a folder with exactly one of these names; empty: none.
type InFolders struct{ Names []domain.MailboxName }

// OfAccounts holds for the messages of these accounts; empty: none.
type OfAccounts struct{ IDs []domain.AccountID }

// InLabel holds for messages with a label. Resolve replaces it.
type InLabel struct {
	// Name is the name of a label or a folder in any case, where "-" may stand for a space and
	// "/" for the server's separator, or the id of a label (api.md 11.5); "" if only Role is meant.
	Name string
	Role domain.Role // the special use that is meant as well, "" if none; domain.RoleAll: in:anywhere, every message
}

// Me holds for messages with the address of their account in a field. Resolve replaces it.
type Me struct{ In SearchField }

// UserLabels holds for messages that have a label which is no system label (api.md 11.5), or
// those that have none. Resolve replaces it.
type UserLabels struct{ Any bool }

func (All) condition()            {}
func (Any) condition()            {}
func (Not) condition()            {}
func (Text) condition()           {}
func (Seen) condition()           {}
func (Flagged) condition()        {}
func (HasFlag) condition()        {}
func (HasAttachments) condition() {}
func (Size) condition()           {}
func (Received) condition()       {}
func (MsgID) condition()          {}
func (InThread) condition()       {}
func (InFolders) condition()      {}
func (OfAccounts) condition()     {}
func (InLabel) condition()        {}
func (Me) condition()             {}
func (UserLabels) condition()     {}

// Terms returns the texts that c asks for, in their order, each once; not those that it excludes.
func Terms(c Condition) []Text {
	var out []Text
	met := map[Text]bool{}
	var walk func(c Condition, wanted bool)
	walk = func(c Condition, wanted bool) {
		switch c := c.(type) {
		case All:
			for _, part := range c {
				walk(part, wanted)
			}
		case Any:
			for _, part := range c {
				walk(part, wanted)
			}
		case Not:
			walk(c.Of, !wanted)
		case Text:
			if wanted && !met[c] {
				met[c] = true
				out = append(out, c)
			}
		}
	}
	walk(c, true)
	return out
}

// tidy returns c without nested All and Any, double negation and parts that decide nothing; nil
// if it holds for every message.
func tidy(c Condition) Condition {
	if c == nil {
		return nil
	}
	if c = simplify(c); isAll(c) {
		return nil
	}
	return c
}

func simplify(c Condition) Condition {
	switch c := c.(type) {
	case All:
		return simplifyAll(c)
	case Any:
		return simplifyAny(c)
	case Not:
		return simplifyNot(simplify(c.Of))
	}
	return c
}

func simplifyAll(c All) Condition {
	out := All{}
	for _, part := range c {
		switch part := simplify(part).(type) {
		case All:
			out = append(out, part...)
		case Any:
			if len(part) == 0 {
				return part
			}
			out = append(out, part)
		default:
			out = append(out, part)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

func simplifyAny(c Any) Condition {
	out := Any{}
	for _, part := range c {
		switch part := simplify(part).(type) {
		case Any:
			out = append(out, part...)
		case All:
			if len(part) == 0 {
				return part
			}
			out = append(out, part)
		default:
			out = append(out, part)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

func simplifyNot(of Condition) Condition {
	switch of := of.(type) {
	case Not:
		return of.Of
	case All:
		if len(of) == 0 {
			return Any{}
		}
	case Any:
		if len(of) == 0 {
			return All{}
		}
	}
	return Not{of}
}

// isAll reports whether c is the All that holds for every message.
func isAll(c Condition) bool {
	all, ok := c.(All)
	return ok && len(all) == 0
}
