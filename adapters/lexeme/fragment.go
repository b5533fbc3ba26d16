package lexeme

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis stands where text is left out.
const ellipsis = "…"

// forward returns the place n characters behind at, or the end.
func forward(text string, at, n int) int {
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

// backward returns the place n characters before at, or the beginning.
func backward(text string, at, n int) int {
	for ; n > 0 && at > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:at])
		at -= size
	}
	return at
}

// from returns where a fragment begins whose first match begins at start: at a
// white space, if the first third of what may come before has one, and never
// between a letter and its marks.
func (f *finder) from(start int) int {
	at := backward(f.text, start, f.around)
	if at == 0 {
		return 0
	}
	before := backward(f.text, at, 1)
	head := f.text[before:min(start, forward(f.text, at, f.around/3))]
	if i := strings.IndexFunc(head, unicode.IsSpace); i >= 0 {
		return before + i
	}
	for at < start && clings(f.text[at:]) {
		_, size := utf8.DecodeRuneInString(f.text[at:])
		at += size
	}
	return at
}

// to is from in the other direction.
func (f *finder) to(end int) int {
	at := forward(f.text, end, f.around)
	if at == len(f.text) {
		return at
	}
	low := max(end, backward(f.text, at, f.around/3))
	if i := strings.LastIndexFunc(f.text[low:forward(f.text, at, 1)], unicode.IsSpace); i >= 0 {
		return low + i
	}
	for at > end && clings(f.text[at:]) {
		_, size := utf8.DecodeLastRuneInString(f.text[:at])
		at -= size
	}
	return at
}

// clings tells whether text begins with what belongs to the character before it.
func clings(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	c := pageOf(r).entries[r&0xFF].class()
	return c == ignored || c >= jamoTail
}

// render writes the chosen fragments.
func (f *finder) render(o Marks) []string {
	var out []string
	for _, g := range f.chosen() {
		w := fragmentWriter{escape: o.Escape}
		if strings.TrimSpace(f.text[:g.start]) != "" {
			w.b.WriteString(ellipsis)
		}
		at := g.start
		for _, s := range merged(g.marks) {
			s.start, s.end = max(s.start, g.start), min(s.end, g.end)
			if s.start >= s.end {
				continue
			}
			w.text(f.text[at:s.start])
			w.word(o.Open)
			w.text(f.text[s.start:s.end])
			w.b.WriteString(o.Close)
			at = s.end
		}
		w.text(f.text[at:g.end])
		if strings.TrimSpace(f.text[g.end:]) != "" {
			w.b.WriteString(ellipsis)
		}
		out = append(out, w.b.String())
	}
	return out
}

// A fragmentWriter writes text with white space as one space, none at its ends.
type fragmentWriter struct {
	b      strings.Builder
	escape func(string) string
	begun  bool
	space  bool // one is due before the next word
}

func (w *fragmentWriter) text(s string) {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	for s != "" {
		word := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsSpace(r) })
		if word != 0 {
			w.space = w.begun
			if word < 0 {
				return
			}
		}
		s = s[word:]
		end := strings.IndexFunc(s, unicode.IsSpace)
		if end < 0 {
			end = len(s)
		}
		w.word(w.escaped(s[:end]))
		s = s[end:]
	}
}

// word writes the space that is due, and s.
func (w *fragmentWriter) word(s string) {
	if w.space {
		w.b.WriteByte(' ')
	}
	w.begun, w.space = true, false
	w.b.WriteString(s)
}

func (w *fragmentWriter) escaped(s string) string {
	if w.escape == nil {
		return s
	}
	return w.escape(s)
}
