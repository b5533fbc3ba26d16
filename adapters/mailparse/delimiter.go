package mailparse

import "bytes"

// nextDelimiter returns the first line at pos or behind it that is a delimiter of
// an open multipart. pos is the start of a line.
func (w *walker) nextDelimiter(pos int) delimiter {
	none := delimiter{len(w.raw), len(w.raw), -1, false}
	if len(w.boundaries) == 0 || pos >= len(w.raw) {
		return none
	}
	if d, ok := w.delimiterAt(pos, pos); ok {
		return d
	}
	for at, lines := pos, 1; ; lines++ {
		i := bytes.Index(w.raw[at:], []byte("\n--"))
		if i < 0 || lines&0xffff == 0 && w.clock.over() {
			return none
		}
		at += i + 1
		if d, ok := w.delimiterAt(at, pos); ok {
			return d
		}
	}
}

// delimiterAt reports whether the line at pos is a delimiter: two hyphens, the
// boundary, two more at the end of a multipart, then white space, and whatever
// follows that: section 5.1.1 of RFC 2046 has a note that it is to be ignored. The
// line break before it belongs to the delimiter; the content before it starts at start.
func (w *walker) delimiterAt(pos, start int) (d delimiter, ok bool) {
	if len(w.boundaries) == 0 || !bytes.HasPrefix(w.raw[pos:], []byte("--")) {
		return d, false
	}
	text, next := line(w.raw, pos)
	text = bytes.TrimRight(text[2:], " \t\r")
	level, closed, ok := w.match(text)
	if !ok {
		if i := bytes.IndexAny(text, " \t"); i >= 8 { // shorter ones could be prose
			level, closed, ok = w.match(text[:i])
		}
	}
	return delimiter{w.contentEnd(pos, start), next, level, closed}, ok
}

// match looks for an open boundary that is text, or text without two hyphens at its end.
func (w *walker) match(text []byte) (level int, closed, ok bool) {
	if level, ok := w.levels[string(text)]; ok {
		return level, false, true
	}
	if short, ok := bytes.CutSuffix(text, []byte("--")); ok {
		level, ok := w.levels[string(bytes.TrimRight(short, " \t"))]
		return level, true, ok
	}
	return 0, false, false
}

// A boundary is one on the stack.
type boundary struct {
	text     string
	shadowed int // the level of an outer multipart with the same boundary, -1 for none
}

// push opens a multipart. Of equal boundaries the innermost counts.
func (w *walker) push(text string) {
	if w.levels == nil {
		w.levels = map[string]int{}
	}
	outer, ok := w.levels[text]
	if !ok {
		outer = -1
	}
	w.levels[text] = len(w.boundaries)
	w.boundaries = append(w.boundaries, boundary{text, outer})
}

// pop closes the innermost multipart.
func (w *walker) pop() {
	last := w.boundaries[len(w.boundaries)-1]
	w.boundaries = w.boundaries[:len(w.boundaries)-1]
	if last.shadowed >= 0 {
		w.levels[last.text] = last.shadowed
		return
	}
	delete(w.levels, last.text)
}

// contentEnd returns pos without the line break before it, at least start.
func (w *walker) contentEnd(pos, start int) int {
	if pos > start && w.raw[pos-1] == '\n' {
		pos--
		if pos > start && w.raw[pos-1] == '\r' {
			pos--
		}
	}
	return pos
}

// guessBoundary finds the boundary of a multipart that does not name it: the first
// line that starts with two hyphens and is followed by a field or a blank line, and
// stands there once more, or closed.
func guessBoundary(body []byte) []byte {
	for pos, tries := 0, 0; pos < len(body) && tries < 8; {
		text, next := line(body, pos)
		name := bytes.TrimRight(bytes.TrimPrefix(text, []byte("--")), " \t")
		if bytes.HasPrefix(text, []byte("--")) && len(name) > 0 && !bytes.HasPrefix(name, []byte(" ")) {
			tries++
			if partFollows(body, next) && bytes.Contains(body[next:], append([]byte("\n--"), name...)) {
				return name
			}
		}
		i := bytes.Index(body[max(next-1, 0):], []byte("\n--"))
		if i < 0 {
			return nil
		}
		pos = max(next-1, 0) + i + 1
	}
	return nil
}

// partFollows reports whether a part may start at pos.
func partFollows(body []byte, pos int) bool {
	if pos >= len(body) {
		return false
	}
	text, _ := line(body, pos)
	name, colon := splitField(text)
	return colon > 0 && bytes.HasPrefix(bytes.ToLower(name), []byte("content-"))
}
