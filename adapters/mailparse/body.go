package mailparse

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
)

// A body is a leaf that is read.
type body struct {
	leaf   int
	kind   bodyKind
	named  bool   // it is an attachment as well
	text   []byte // clean UTF-8
	shown  bool   // as HTML, if it is
	quoted bool   // has a part in Content.Text
}

// A bodyKind says how a type is read.
type bodyKind uint8

const (
	notRead     bodyKind = iota
	plainText            // text/plain
	htmlMarkup           // text/html
	otherText            // read where no better form stands beside it
	otherMarkup          // the same, with tags to be left out
	lastResort           // written for programs; read only if there is nothing else
)

// kindOf tells how a leaf is read. Of other types only what has no name is, since
// the rest can be had as an attachment.
func kindOf(l *leaf) bodyKind {
	if l.attachment && !l.named {
		return notRead
	}
	switch l.media {
	case "text/plain":
		return plainText
	case "text/html":
		return htmlMarkup
	case "text/enriched", "text/richtext", "text/xml":
		return otherMarkup
	case "text/calendar", "text/rtf", "text/css", "text/rfc822-headers", "message/delivery-status",
		"message/disposition-notification", "message/feedback-report":
		return lastResort
	}
	if strings.HasPrefix(l.media, "text/") {
		return otherText
	}
	return notRead
}

// readBodies fills Text, HTML and Snippet.
func readBodies(w *walker, c *domain.Content) {
	bodies := make([]body, 0, 4)
	for i := range w.leaves {
		l := &w.leaves[i]
		kind := kindOf(l)
		if kind == notRead {
			continue
		}
		if w.clock.over() {
			break
		}
		html := kind == htmlMarkup
		bodies = append(bodies, body{leaf: i, kind: kind, named: l.named, text: w.bodyText(l, html), shown: html, quoted: true})
	}
	settleNamed(bodies)
	for _, ch := range w.choices {
		choose(bodies, ch)
	}
	settleLast(bodies)
	c.HTML = joinHTML(bodies)
	c.Text = joinText(bodies, w.clock)
	c.Snippet = snippet(c.Text)
}

// settleLast leaves out what is a last resort if anything else is there.
func settleLast(bodies []body) {
	other := false
	for i := range bodies {
		b := &bodies[i]
		other = other || b.kind != lastResort && b.quoted && !blank(b.text)
	}
	for i := range bodies {
		if b := &bodies[i]; b.kind == lastResort && other {
			b.quoted = false
		}
	}
}

// settleNamed leaves out HTML with a file name if there is HTML without one, and
// its text if there is any other. Plain text with a file name is kept: it is shown
// below the body by most programs, and searched for.
func settleNamed(bodies []body) {
	var html, text bool
	for i := range bodies {
		if b := &bodies[i]; !b.named && !blank(b.text) {
			html = html || b.kind == htmlMarkup
			text = true
		}
	}
	for i := range bodies {
		if b := &bodies[i]; b.named && b.kind == htmlMarkup {
			b.shown, b.quoted = !html, !text
		}
	}
}

// choose settles a multipart/alternative: plain text makes text from its other
// forms needless, HTML those that are neither; and of several children with HTML the
// first counts.
func choose(bodies []body, ch choice) {
	best, htmlChild := lastResort, -1
	for i := range bodies {
		b := &bodies[i]
		child := ch.child(b.leaf)
		if child < 0 || blank(b.text) {
			continue
		}
		if b.quoted {
			best = min(best, b.kind)
		}
		if b.shown && htmlChild < 0 {
			htmlChild = child
		}
	}
	for i := range bodies {
		b := &bodies[i]
		child := ch.child(b.leaf)
		if child < 0 {
			continue
		}
		otherHTML := b.kind == htmlMarkup && htmlChild >= 0 && child != htmlChild
		if b.kind > best && best <= htmlMarkup || otherHTML {
			b.quoted = false
		}
		if otherHTML {
			b.shown = false
		}
	}
}

// child returns which child of the choice a leaf is in, -1 for none.
func (ch choice) child(leaf int) int {
	if leaf >= ch.end || len(ch.starts) == 0 || leaf < ch.starts[0] {
		return -1
	}
	n := len(ch.starts) - 1
	for ch.starts[n] > leaf {
		n--
	}
	return n
}

func joinHTML(bodies []body) string {
	var parts [][]byte
	for _, b := range bodies {
		if b.shown && len(b.text) > 0 {
			parts = append(parts, b.text)
		}
	}
	return join(parts)
}

func joinText(bodies []body, cl *clock) string {
	var parts [][]byte
	for _, b := range bodies {
		if !b.quoted {
			continue
		}
		text := b.text
		if b.kind == htmlMarkup || b.kind == otherMarkup {
			text = htmlText(text, cl.over)
		}
		if len(text) > 0 {
			parts = append(parts, text)
		}
	}
	return join(parts)
}

// join puts parts one below the other.
func join(parts [][]byte) string {
	if len(parts) == 1 {
		return string(parts[0])
	}
	var out strings.Builder
	for i, p := range parts {
		if i > 0 && !bytes.HasSuffix(parts[i-1], []byte("\n")) {
			out.WriteByte('\n')
		}
		out.Write(p)
	}
	return out.String()
}

// bodyText decodes a leaf to clean UTF-8.
func (w *walker) bodyText(l *leaf, html bool) []byte {
	octets, bad := l.octets()
	w.clock.defects |= bad
	name := l.charset
	if enc, known := encodings[charsetKey(name)]; html && known && enc == nil && !utf8.Valid(octets) {
		name = metaCharset(octets, name)
	}
	text, bad := toUTF8(name, octets, w.clock.over)
	w.clock.defects |= bad
	return cleanBody(make([]byte, 0, len(text)), text)
}

var metaPattern = regexp.MustCompile(`(?i)<meta[^>]{0,200}charset\s*=\s*["']?([a-z0-9_:.-]{2,40})`)

// metaCharset returns the character set that HTML without one in its part's header
// names for itself, if it is one of ASCII's supersets; else name.
func metaCharset(b []byte, name string) string {
	m := metaPattern.FindSubmatch(b[:min(len(b), 2048)])
	if m == nil || escapes(charsetKey(string(m[1]))) && charsetKey(string(m[1])) != "utf8" {
		return name
	}
	return string(m[1])
}
