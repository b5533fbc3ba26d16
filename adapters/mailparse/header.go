package mailparse

import (
	"bytes"
)

// A field is a header field the parser reads; all others are skipped.
type field uint8

const (
	fieldNone field = iota
	fieldBcc
	fieldCc
	fieldContentDisposition
	fieldContentID
	fieldContentType
	fieldDate
	fieldDeliveredTo
	fieldEncoding
	fieldFrom
	fieldInReplyTo
	fieldListID
	fieldMessageID
	fieldReferences
	fieldReplyTo
	fieldSubject
	fieldThreadIndex
	fieldTo
	fieldCount
)

var fieldNames = map[string]field{
	"bcc": fieldBcc, "cc": fieldCc, "content-disposition": fieldContentDisposition, "content-id": fieldContentID,
	"content-type": fieldContentType, "date": fieldDate, "delivered-to": fieldDeliveredTo,
	"content-transfer-encoding": fieldEncoding, "from": fieldFrom, "in-reply-to": fieldInReplyTo,
	"list-id": fieldListID, "message-id": fieldMessageID, "references": fieldReferences,
	"reply-to": fieldReplyTo, "subject": fieldSubject, "thread-index": fieldThreadIndex, "to": fieldTo,
}

// commonNames are fields without a hyphen that begin a line of a header more
// often than a line of prose.
var commonNames = map[string]bool{
	"bcc": true, "cc": true, "date": true, "from": true, "received": true, "references": true,
	"sender": true, "subject": true, "to": true, "organization": true, "precedence": true, "status": true,
	"comments": true, "keywords": true, "lines": true, "importance": true, "priority": true,
}

// A header holds the values of the known fields of one header block, folded as sent.
type header struct {
	first [fieldCount][]byte
	more  []repeated // further fields of a name
}

type repeated struct {
	field field
	value []byte
}

// set keeps a value; an empty one is kept only until another comes.
func (h *header) set(f field, value []byte) {
	if f == fieldNone {
		return
	}
	if len(bytes.TrimSpace(h.first[f])) == 0 {
		h.first[f] = value
		return
	}
	h.more = append(h.more, repeated{f, value})
}

// text returns the unfolded value of the first field f, nil if there is none.
func (h *header) text(f field) []byte {
	return unfold(h.first[f])
}

// joined returns the unfolded values of all fields f, with commas between them:
// RFC 5322 section 3.6 allows one, but senders that write two mean both.
func (h *header) joined(f field) []byte {
	v := h.text(f)
	if len(h.more) == 0 {
		return v
	}
	v = bytes.Clone(v)
	for _, r := range h.more {
		if r.field == f {
			v = append(append(v, ", "...), unfold(r.value)...)
		}
	}
	return v
}

// lookup names the field of a line; upper and lower case are the same.
func lookup(name []byte) (field, bool) {
	var buf [25]byte // as long as content-transfer-encoding
	if len(name) > len(buf) {
		return fieldNone, bytes.IndexByte(name, '-') > 0
	}
	for i, c := range name {
		buf[i] = lower(c)
	}
	low := buf[:len(name)]
	if f := fieldNames[string(low)]; f != fieldNone {
		return f, true
	}
	return fieldNone, bytes.IndexByte(low, '-') > 0 || commonNames[string(low)]
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// splitField splits a line at its colon. RFC 5322 section 4.5 allows white space
// before the colon. A line without a field name gives -1.
func splitField(line []byte) (name []byte, colon int) {
	i := 0
	for i < len(line) && line[i] > ' ' && line[i] != ':' && line[i] != 0x7f {
		i++
	}
	end := i
	for i < len(line) && isBlank(line[i]) {
		i++
	}
	if end == 0 || i == len(line) || line[i] != ':' {
		return nil, -1
	}
	return line[:end], i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// line returns the line at pos without its end, and where the next one starts.
func line(raw []byte, pos int) (text []byte, next int) {
	i := bytes.IndexByte(raw[pos:], '\n')
	if i < 0 {
		return bytes.TrimSuffix(raw[pos:], []byte{'\r'}), len(raw)
	}
	return bytes.TrimSuffix(raw[pos:pos+i], []byte{'\r'}), pos + i + 1
}

// readHeader reads the header block at pos and returns where the body starts. If
// a delimiter comes before the blank line, the part has no body and cut is true.
func (w *walker) readHeader(pos int, h *header) (body int, d delimiter, cut bool) {
	start, limit := pos, pos+w.opts.MaxHeader
	for pos < len(w.raw) {
		text, next := line(w.raw, pos)
		if len(text) == 0 {
			return next, d, false
		}
		if d, ok := w.delimiterAt(pos, start); ok {
			return pos, d, true
		}
		name, colon := splitField(text)
		if colon < 0 {
			if !w.headerGoesOn(next) {
				return pos, d, false
			}
			w.clock.defects |= badHeader
			pos = next
			continue
		}
		value := pos + colon + 1
		end, next := w.continuation(pos+len(text), next)
		if end > limit {
			w.clock.defects |= headerLimit
			end = max(value, limit)
		}
		if value < limit {
			w.shape.field(name, w.raw[value:end])
		}
		if f, _ := lookup(name); f != fieldNone && value < limit {
			h.set(f, w.raw[value:end])
		}
		pos = next
	}
	return pos, d, false
}

// continuation returns where a value ends that goes on, folded, at next (RFC 5322
// section 2.2.3). A line of white space continues it too (section 4.2), unless it
// stands where the blank line should: before text that is no field.
func (w *walker) continuation(end, next int) (valueEnd, nextField int) {
	for next < len(w.raw) && isBlank(w.raw[next]) {
		text, after := line(w.raw, next)
		if len(bytes.TrimLeft(text, " \t")) == 0 && w.bodyAt(after) {
			break
		}
		end, next = next+len(text), after
	}
	return end, next
}

// bodyAt reports whether the line at pos can be neither a field nor its continuation
// nor the end of the header.
func (w *walker) bodyAt(pos int) bool {
	if pos >= len(w.raw) || isBlank(w.raw[pos]) {
		return false
	}
	text, _ := line(w.raw, pos)
	_, colon := splitField(text)
	return len(text) > 0 && colon < 0
}

// headerGoesOn reports whether a line that is surely a field comes at pos or behind
// it, before a blank line, so that the line before pos, which is none, is to be skipped.
func (w *walker) headerGoesOn(pos int) bool {
	if pos <= w.fieldAhead {
		return true
	}
	for pos < len(w.raw) {
		text, next := line(w.raw, pos)
		if len(text) == 0 {
			return false
		}
		if surelyField(text) {
			w.fieldAhead = pos
			return true
		}
		pos = next
	}
	return false
}

// surelyField reports whether a line is a field whose name is known, or has a hyphen.
func surelyField(text []byte) bool {
	name, colon := splitField(text)
	if colon < 0 {
		return false
	}
	_, common := lookup(name)
	return common
}

// unfold returns a value as one line: a line break and the white space after it
// become one space (api.md D62). White space at both ends goes.
func unfold(v []byte) []byte {
	v = bytes.Trim(v, " \t\r\n")
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return v
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); {
		if v[i] != '\n' && v[i] != '\r' {
			out = append(out, v[i])
			i++
			continue
		}
		for i < len(v) && (v[i] == '\n' || v[i] == '\r' || isBlank(v[i])) {
			i++
		}
		out = append(out, ' ')
	}
	return out
}
