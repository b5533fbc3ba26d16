package events

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
)

// Limits of the texts of a Summary, in octets; together they stay far below
// MaxPayload however they are escaped.
const (
	maxSubject   = 8 << 10
	maxAddress   = 1 << 10
	maxRecipient = 12 << 10
	maxMsgID     = 1 << 10
)

// Summarise returns what lists show of a message with the given content and
// internal date.
func Summarise(c *domain.Content, internalDate time.Time) Summary {
	s := Summary{
		Subject: cut(c.Subject, maxSubject),
		Snippet: c.Snippet,
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

// cut shortens text to at most n octets without breaking a character.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
