package imapsource

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
)

// utf7 is the alphabet of modified UTF-7 (RFC 3501 section 5.1.3).
var utf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// encodeName writes a name in modified UTF-7.
func encodeName(name string) string {
	var out strings.Builder
	for i := 0; i < len(name); {
		if c := name[i]; c >= ' ' && c <= '~' {
			if out.WriteByte(c); c == '&' {
				out.WriteByte('-')
			}
			i++
			continue
		}
		end := i
		for end < len(name) && (name[end] < ' ' || name[end] > '~') {
			end++
		}
		var octets []byte
		for _, unit := range utf16.Encode([]rune(name[i:end])) {
			octets = binary.BigEndian.AppendUint16(octets, unit)
		}
		out.WriteString("&" + utf7.EncodeToString(octets) + "-")
		i = end
	}
	return out.String()
}

// decodeName reads a name in modified UTF-7, as far as it is one.
func decodeName(wire string) string {
	var out strings.Builder
	for {
		text, shifted, found := strings.Cut(wire, "&")
		out.WriteString(text)
		if !found {
			return out.String()
		}
		code, rest, _ := strings.Cut(shifted, "-")
		if wire = rest; code == "" {
			out.WriteByte('&')
			continue
		}
		octets, _ := utf7.DecodeString(code)
		var units []uint16
		for ; len(octets) > 1; octets = octets[2:] {
			units = append(units, binary.BigEndian.Uint16(octets))
		}
		out.WriteString(string(utf16.Decode(units)))
	}
}

// rightForm reports whether a name is in the one right form of modified UTF-7. Servers send R&D,
// Latin-1, UTF-8 and base64 of plain ASCII, none of which can be written back once it is
// decoded.
func rightForm(wire string) bool { return encodeName(decodeName(wire)) == wire }

// shownName returns the name of a mailbox for people and for the log: decoded if that is right,
// else as it is, octets that are no UTF-8 as Latin-1.
func shownName(wire string) domain.MailboxName {
	if rightForm(wire) {
		return domain.MailboxName(decodeName(wire))
	}
	if !utf8.ValidString(wire) {
		latin1 := make([]rune, len(wire))
		for i := range len(wire) {
			latin1[i] = rune(wire[i])
		}
		wire = string(latin1)
	}
	return domain.MailboxName(strings.ReplaceAll(wire, "\x00", "\ufffd"))
}

// wireName returns the name by which the server knows a mailbox: the one that it
// listed, else the one that it must have.
func (c *Conn) wireName(name domain.MailboxName) string {
	if wire, ok := c.odd[name]; ok {
		return wire
	}
	return encodeName(string(name))
}

// names gives each mailbox of a list a name of its own.
type names struct {
	given map[string]domain.MailboxName // by the name on the wire
	taken map[domain.MailboxName]bool
	odd   map[domain.MailboxName]string // names on the wire that do not follow from those given
}

func (n *names) give(wire string) {
	if _, ok := n.given[wire]; ok {
		return
	}
	name := shownName(wire)
	for n.taken[name] {
		name += "\ufffd"
	}
	n.given[wire], n.taken[name] = name, true
	if encodeName(string(name)) != wire {
		n.odd[name] = wire
	}
}
