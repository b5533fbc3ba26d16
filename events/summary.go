package events

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
)

// Limits of the texts of a Summary, in octets of JSON: together they leave room in
// MaxPayload for all else that an event of a message says.
const (
	maxSubject   = 8 << 10
	maxAddress   = 1 << 10
	maxRecipient = 12 << 10
	maxMsgID     = 1 << 10
	maxSnippet   = 2 << 10 // of the 200 characters that it has
)

// Summarise returns what lists show of a message with the given content and
// internal date.
func Summarise(c *domain.Content, internalDate time.Time) Summary {
	s := Summary{
		Subject: cut(c.Subject, maxSubject),
		Snippet: cut(c.Snippet, maxSnippet),
		Date:    c.Date,
	}
	if s.Date.IsZero() {
		s.Date = internalDate.UTC().Truncate(time.Second)
	}
	if len(c.From) > 0 {
		s.Sender, s.SenderName = cut(c.From[0].Addr, maxAddress), cut(c.From[0].Name, maxAddress)
	}
	addrs := make([]string, 0, len(c.To))
	for _, a := range c.To {
		if a.Addr != "" {
			addrs = append(addrs, a.Addr)
		}
	}
	s.Recipient = cut(strings.Join(addrs, ", "), maxRecipient)
	if len(c.InReplyTo) > 0 {
		s.InReplyTo = cut(c.InReplyTo[0], maxMsgID)
	}
	for _, a := range c.Attachments {
		s.HasAttachments = s.HasAttachments || !a.Inline
	}
	return s
}

// MsgIDOf returns the message-id of a content as events carry it.
func MsgIDOf(c *domain.Content) string { return cut(c.MsgID, maxMsgID) }

// cut shortens text so that it takes at most n octets of JSON, without breaking a character.
func cut(text string, n int) string {
	for i, r := range text {
		if n -= octetsOf(r); n < 0 {
			return text[:i]
		}
	}
	return text
}

// octetsOf returns how many octets a character takes in a string of JSON.
func octetsOf(r rune) int {
	switch {
	case r == '"' || r == '\\':
		return 2
	case r < ' ' || r == '\u2028' || r == '\u2029' || r == utf8.RuneError:
		return len(`\u2028`)
	}
	return utf8.RuneLen(r)
}
