package mailparse

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
)

// A body is a leaf that is read: plain text, or HTML.
type body struct {
	leaf   int
	html   bool
	named  bool   // it is an attachment as well
	text   []byte // clean UTF-8
	shown  bool   // as HTML, if it is
	quoted bool   // has a part in Content.Text
}

// readBodies fills Text, HTML and Snippet.
func readBodies(w *walker, c *domain.Content) {
	bodies := make([]body, 0, 4)
	for i := range w.leaves {
		l := &w.leaves[i]
		html := l.media == "text/html"
		if w.clock.over() {
			break
		}
		if l.attachment && !l.named || !html && !readable(l.media) {
			continue
		}
		bodies = append(bodies, body{leaf: i, html: html, named: l.named, text: w.bodyText(l, html), shown: html, quoted: true})
	}
	settleNamed(bodies)
	for _, ch := range w.choices {
		choose(bodies, ch)
	}
	c.HTML = joinHTML(bodies)
	c.Text = joinText(bodies, w.clock)
	c.Snippet = snippet(c.Text)
}

// readable reports whether a type, other than HTML, is text for people.
func readable(media string) bool {
	return media == "text/plain"
}

// settleNamed leaves out HTML with a file name if there is HTML without one, and
// its text if there is any other. Plain text with a file name is kept: it is shown
// below the body by most programs, and searched for.
func settleNamed(bodies []body) {
	var html, text bool
	for i := range bodies {
		if b := &bodies[i]; !b.named && !blank(b.text) {
			html = html || b.html
			text = true
		}
	}
	for i := range bodies {
		if b := &bodies[i]; b.named && b.html {
			b.shown, b.quoted = !html, !text
		}
	}
}

// choose settles a multipart/alternative: plain text makes text from its HTML
// needless, and of several children with HTML the first counts.
func choose(bodies []body, ch choice) {
	var plainText bool
	htmlChild := -1
	for i := range bodies {
		b := &bodies[i]
		child := ch.child(b.leaf)
		if child < 0 || blank(b.text) {
			continue
		}
		if !b.html {
			plainText = plainText || b.quoted
		}
		if b.html && b.shown && htmlChild < 0 {
			htmlChild = child
		}
	}
	for i := range bodies {
		b := &bodies[i]
		child := ch.child(b.leaf)
		if child < 0 || !b.html {
			continue
		}
		if plainText || child != htmlChild {
			b.quoted = false
		}
		if child != htmlChild && htmlChild >= 0 {
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
		if b.html && b.shown && len(b.text) > 0 {
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
		if b.html {
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
