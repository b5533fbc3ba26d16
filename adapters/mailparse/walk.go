package mailparse

import (
	"bytes"
	"strconv"
	"strings"
)

// A leaf is a part that holds content: no multipart, and no message that is opened.
type leaf struct {
	section    string // only of attachments
	media      string // type and subtype, lower case
	charset    string // as sent
	encoding   string // of the transfer, lower case
	fileName   string
	contentID  string
	body       []byte // encoded
	attachment bool
	inline     bool
	named      bool // text that is shown, although it has a file name
}

// A walker takes a message apart in one pass. All multiparts that are open have
// their boundaries in a stack, so that the end of an outer one ends the inner ones
// too (RFC 2046 section 5.1.2), and the work does not grow with the depth.
type walker struct {
	raw        []byte
	opts       Options
	clock      *clock
	onHeader   func(*header)  // called with the header of the message itself
	boundaries []boundary     // of open multiparts, outermost first
	levels     map[string]int // their places in boundaries
	path       []int          // section numbers of the part at hand
	parts      int
	fieldAhead int // a line that is surely a field, found by headerGoesOn
	leaves     []leaf
	choices    []choice // inner ones before outer ones
	shape      *shape   // nil: nobody asks for the structure
}

// A choice is a multipart/alternative: its children say the same in several forms.
type choice struct {
	starts []int // the first leaf of each child, as an index
	end    int   // behind the last leaf
}

// A delimiter is a line that ends a part.
type delimiter struct {
	end   int // where the content before it ends, without its line break
	next  int // where the line after it starts
	level int // of the boundary in the stack; -1 for the end of the message
	close bool
}

// surroundings are what the multipart around a part means for it.
type surroundings struct {
	digest, related bool
}

// walk finds all leaves of the message.
func (w *walker) walk() {
	pos := w.skipEnvelope()
	w.entity(pos, surroundings{})
}

// skipEnvelope skips what stands before the header by mistake: the "From " line of
// an mbox, and blank lines if fields follow.
func (w *walker) skipEnvelope() int {
	pos := 0
	text, next := line(w.raw, 0)
	if bytes.HasPrefix(text, []byte("From ")) || bytes.HasPrefix(text, []byte(">From ")) {
		w.clock.defects |= badHeader
		pos = next
	}
	at := pos
	for at < len(w.raw) && (w.raw[at] == '\r' || w.raw[at] == '\n') {
		at++
	}
	if text, _ := line(w.raw, at); at > pos && surelyField(text) {
		w.clock.defects |= badHeader
		return at
	}
	return pos
}

// entity reads the part at pos, header and body, and returns what ended it.
func (w *walker) entity(pos int, in surroundings) delimiter {
	var h header
	w.parts++
	body, d, cut := w.readHeader(pos, &h)
	if w.onHeader != nil {
		w.onHeader(&h)
		w.onHeader = nil
	}
	t := w.mediaType(&h, in)
	defer w.shape.enter(w, t.media).leave()
	if cut {
		w.leaf(&h, t, nil, in)
		return d
	}
	if !t.is("multipart/") {
		d = w.nextDelimiter(body)
		w.leaf(&h, t, w.raw[body:d.end], in)
		return d
	}
	if len(w.boundaries) >= w.opts.MaxDepth {
		w.clock.defects |= depthLimit
		d = w.nextDelimiter(body)
		w.opaque(t.media, body, d.end)
		return d
	}
	return w.multipart(body, &h, t, in)
}

// multipart reads the children of a multipart whose body starts at body.
func (w *walker) multipart(body int, h *header, t mediaType, in surroundings) delimiter {
	level, mark := len(w.boundaries), len(w.leaves)
	d, ok := w.openMultipart(body, t.param("boundary"))
	if !ok {
		w.clock.defects |= noBoundary
		if len(bytes.TrimSpace(w.raw[body:d.end])) > 0 {
			t.media = "text/plain"
			w.leaf(h, t, w.raw[body:d.end], in)
		}
		return d
	}
	start := d.end
	d, starts := w.children(d, level, surroundings{t.media == "multipart/digest", t.media == "multipart/related"})
	if t.media == "multipart/alternative" {
		w.choices = append(w.choices, choice{starts, len(w.leaves)})
	}
	w.pop()
	if d.level != level {
		w.clock.defects |= noEndBoundary
		return d
	}
	if len(w.leaves) == mark && len(bytes.TrimSpace(w.raw[body:start])) > 0 {
		t.media = "text/plain" // nothing but a preamble
		w.leaf(h, t, w.raw[body:start], in)
	}
	return w.nextDelimiter(d.next)
}

// children reads the parts between the delimiters of one level, and tells at which
// leaf each one started.
func (w *walker) children(d delimiter, level int, in surroundings) (end delimiter, starts []int) {
	w.path = append(w.path, 0)
	for d.level == level && !d.close && !w.clock.over() {
		w.path[len(w.path)-1]++
		starts = append(starts, len(w.leaves))
		if w.parts >= w.opts.MaxParts {
			w.clock.defects |= partLimit
			w.shape.enter(w, "application/octet-stream")
			w.opaque("application/octet-stream", d.next, len(w.raw))
			w.shape.leave()
			d = delimiter{len(w.raw), len(w.raw), -1, false}
			break
		}
		d = w.entity(d.next, in)
	}
	w.path = w.path[:len(w.path)-1]
	return d, starts
}

// openMultipart puts the boundary on the stack and finds the first delimiter. If
// the boundary is missing or does not occur, it is guessed from the body.
func (w *walker) openMultipart(body int, boundary string) (delimiter, bool) {
	level := len(w.boundaries)
	var d delimiter
	if boundary = strings.TrimRight(boundary, " \t"); boundary != "" {
		w.push(boundary)
		if d = w.nextDelimiter(body); d.level == level {
			return d, true
		}
		w.pop()
	} else {
		d = w.nextDelimiter(body)
	}
	guess := guessBoundary(w.raw[body:d.end])
	if guess == nil {
		return d, false
	}
	w.clock.defects |= noBoundary
	w.push(string(guess))
	return w.nextDelimiter(body), true
}

// section returns the section number of the part at hand (RFC 9051 section 6.4.5).
func (w *walker) section() string {
	if len(w.path) == 0 {
		return "1"
	}
	b := make([]byte, 0, 16)
	for i, n := range w.path {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}
