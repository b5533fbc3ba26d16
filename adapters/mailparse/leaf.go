package mailparse

import (
	"bytes"
	"strings"

	"github.com/imap2api/imap2api/domain"
)

// mediaType returns the type of a part. What is missing or no type at all is
// text/plain (RFC 2045 section 5.2), in a digest message/rfc822 (RFC 2046 section 5.1.5).
func (w *walker) mediaType(h *header, in surroundings) mediaType {
	v := h.text(fieldContentType)
	t := parseType(v)
	if len(v) == 0 && in.digest {
		t.media = "message/rfc822"
		return t
	}
	major, minor, ok := strings.Cut(t.media, "/")
	if ok && major != "" && minor != "" {
		return t
	}
	if len(v) > 0 {
		w.clock.defects |= badContentType
	}
	switch {
	case major == "multipart":
		t.media = "multipart/mixed"
	case len(v) > 0 && major == "" && len(h.text(fieldContentDisposition)) > 0 && len(w.path) > 0:
		t.media = "application/octet-stream"
	case major == "text", !knownMajor[major]:
		t.media = "text/plain"
	default:
		t.media = "application/octet-stream"
	}
	return t
}

var knownMajor = map[string]bool{
	"application": true, "audio": true, "font": true, "image": true, "message": true, "model": true, "video": true,
}

// token returns the characters of s up to one that may not be in a token (RFC 2045
// section 5.1).
func token(s string) string {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return s[:i]
		}
	}
	return s
}

// leaf keeps a part that holds content.
func (w *walker) leaf(h *header, t mediaType, body []byte, in surroundings) {
	l := leaf{media: t.media, charset: t.param("charset"), encoding: encodingName(h.text(fieldEncoding)), body: body}
	d := parseType(h.text(fieldContentDisposition))
	l.fileName = fileName(d.text("filename"))
	if l.fileName == "" {
		l.fileName = fileName(t.text("name"))
	}
	l.contentID = bracketed(h.text(fieldContentID))
	body1 := t.media == "text/plain" || t.media == "text/html"
	switch {
	case l.isMessage():
		l.attachment = true
		if l.fileName == "" {
			l.fileName = "message.eml"
		}
	case d.media != "" && d.media != "inline", l.fileName != "":
		l.attachment = true
	case l.contentID != "" && !body1:
		l.attachment = true
	}
	shown := d.media == "inline" || d.media == "" && (in.related || t.is("image/"))
	l.inline = l.attachment && l.contentID != "" && shown
	l.named = l.attachment && body1 && (d.media == "inline" || d.media == "")
	if l.attachment {
		l.section = w.section()
	}
	w.leaves = append(w.leaves, l)
	w.shape.holds(len(w.leaves) - 1)
}

// opaque keeps what a limit cut off as one attachment.
func (w *walker) opaque(media string, from, to int) {
	w.parts++
	w.leaves = append(w.leaves, leaf{section: w.section(), media: media, body: w.raw[from:to], attachment: true})
	w.shape.holds(len(w.leaves) - 1)
}

// encodingName returns the name of a Content-Transfer-Encoding, lower case.
func encodingName(v []byte) string {
	v = bytes.TrimLeft(v, "\"' ")
	for i, c := range v {
		if c <= ' ' || c == ';' || c == '(' || c == '"' || c == ',' {
			v = v[:i]
			break
		}
	}
	switch {
	case bytes.EqualFold(v, []byte("base64")):
		return "base64"
	case bytes.EqualFold(v, []byte("quoted-printable")):
		return "quoted-printable"
	}
	return strings.ToLower(string(v))
}

// fileName removes path separators from a decoded name (api.md 10.4).
func fileName(s string) string {
	if strings.ContainsAny(s, `/\`) {
		s = strings.NewReplacer("/", "", `\`, "").Replace(s)
	}
	return strings.TrimSpace(s)
}

// isMessage reports whether the leaf is a message (RFC 2046 section 5.2.1, RFC 6532 section 3.7).
func (l *leaf) isMessage() bool { return l.media == "message/rfc822" || l.media == "message/global" }

// octets returns the decoded content of the leaf.
func (l *leaf) octets() ([]byte, defect) {
	return decodeTransfer(l.encoding, l.body)
}

// describe returns the leaf as an attachment.
func (l *leaf) describe() domain.Attachment {
	return domain.Attachment{
		Section: l.section, FileName: l.fileName, ContentType: l.media, Size: transferSize(l.encoding, l.body),
		Inline: l.inline, ContentID: l.contentID,
	}
}
