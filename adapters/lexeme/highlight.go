package lexeme

import (
	"cmp"
	"slices"
)

// Marks says what Highlight returns. The zero value gives three plain fragments.
type Marks = struct {
	Open, Close string              // put around each word that matches, as they are
	Around      int                 // characters shown on each side of a match; 0: 60
	Max         int                 // fragments; 0: 3
	Escape      func(string) string // applied to the text, not to Open and Close; nil: the text as it is
}

const (
	defaultAround = 60
	defaultMax    = 3
	maxPassed     = 32
	maxCore       = 4 // a long match is shown up to so many times Around characters
)

// Highlight returns the parts of text where terms match, in order: accents and case
// as written, white space as one space, "…" where text is left out, each word that
// matches between o.Open and o.Close. A word matched by its beginning is marked as
// a whole, the words of a phrase each; of a script without spaces what was asked
// for. Terms are not all required. It takes the fragments that together show the
// most terms, and of equal ones the first. No match: nil.
//
// If the result is to be HTML, the caller has to give Escape (html.EscapeString):
// nothing else escapes text that somebody else has written.
func Highlight(text string, terms []Term, o Marks) []string {
	if o.Around <= 0 {
		o.Around = defaultAround
	}
	if o.Max <= 0 {
		o.Max = defaultMax
	}
	m := newMatcher(terms)
	if len(m.terms) == 0 {
		return nil
	}
	f := finder{text: text, matcher: m, around: o.Around, max: o.Max, seen: make(map[int]bool)}
	found := f.found
	cut(text, func(p piece) bool {
		m.next(p, found)
		return !f.done
	})
	return f.render(o)
}

// A fragment is a part of the text that is worth showing.
type fragment struct {
	span
	most  span // how far later matches may stretch it
	terms map[int]bool
	marks []span
}

// A finder collects fragments while matches come in.
type finder struct {
	text        string
	matcher     *matcher
	around, max int
	fragments   []fragment
	passed      []span       // the last words that matched outside of all fragments
	seen        map[int]bool // terms that some fragment shows
	done        bool         // what could still come would not be shown
}

// found adds a match to the last fragment or begins another. Once there are
// enough fragments only terms not yet seen get one, so that a frequent word costs
// no memory.
func (f *finder) found(m match) {
	n := len(f.fragments)
	switch {
	case n > 0 && m.start < f.fragments[n-1].end:
	case n < f.max || !f.seen[m.term]:
		f.fragments = append(f.fragments, f.fragment(m))
	default:
		f.pass(m)
		return
	}
	g := &f.fragments[len(f.fragments)-1]
	g.terms[m.term], f.seen[m.term] = true, true
	g.marks = f.matcher.words(g.marks, m, m.words)
	g.start = min(g.start, max(g.most.start, m.start))
	g.end = max(g.end, min(g.most.end, m.end))
}

// pass keeps a match that gets no fragment: the next one may begin before it.
func (f *finder) pass(m match) {
	f.done = len(f.seen) == len(f.matcher.terms)
	f.passed = f.matcher.words(f.passed, m, maxPassed)
	if n := len(f.passed) - maxPassed; n > maxPassed {
		f.passed = append(f.passed[:0], f.passed[n:]...)
	}
}

// fragment returns the surroundings of a match.
func (f *finder) fragment(m match) fragment {
	reach := maxCore * f.around
	end := min(m.end, forward(f.text, m.start, reach))
	return fragment{
		marks: slices.Clone(f.passed),
		span:  span{f.from(m.start), f.to(end)},
		most:  span{backward(f.text, m.start, reach), forward(f.text, m.start, reach+f.around)},
		terms: make(map[int]bool),
	}
}

// chosen returns the fragments to show, in order of the text, merged where they touch.
func (f *finder) chosen() []fragment {
	picked := make([]bool, len(f.fragments))
	shown := make(map[int]bool)
	for range min(f.max, len(f.fragments)) {
		best, most := -1, -1
		for i, g := range f.fragments {
			if n := g.adds(shown); !picked[i] && n > most {
				best, most = i, n
			}
		}
		picked[best] = true
		for t := range f.fragments[best].terms {
			shown[t] = true
		}
	}
	var out []fragment
	for i, g := range f.fragments {
		if n := len(out); picked[i] && n > 0 && g.start <= out[n-1].end {
			out[n-1].start = min(out[n-1].start, g.start)
			out[n-1].end = max(out[n-1].end, g.end)
			out[n-1].marks = append(out[n-1].marks, g.marks...)
		} else if picked[i] {
			out = append(out, g)
		}
	}
	return out
}

// adds counts the terms of g that are not shown.
func (g *fragment) adds(shown map[int]bool) int {
	n := 0
	for t := range g.terms {
		if !shown[t] {
			n++
		}
	}
	return n
}

// merged returns spans in order, those that touch as one.
func merged(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.start <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}
