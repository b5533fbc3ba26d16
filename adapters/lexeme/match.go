package lexeme

import "strings"

// A span is octets of a text, from start up to end.
type span struct{ start, end int }

// A match is a term that ends with the piece at hand. Start and end are those of
// the first and the last of its words.
type match struct {
	span
	term  int
	words int
}

// A matcher finds terms in the pieces of a text, in one pass. The states of a
// phrase are bits, so that a phrase of one word many times costs no more than
// another.
type matcher struct {
	terms  []phrase
	first  [256]bool // octets that some word of some term begins with
	recent []span    // ring of the last words of the text, as long as the longest phrase
	count  int       // words seen
	busy   bool      // some phrase is in the middle
}

// A phrase is a term made ready.
type phrase struct {
	term   int
	length int
	last   string              // of a prefix term: the beginning of its last word
	at     map[string][]uint64 // word: its places in the phrase
	state  []uint64            // bit i: the last i+1 words of the text are the first i+1 of the phrase
}

func newMatcher(terms []Term) *matcher {
	m := &matcher{}
	longest := 1
	for i, t := range terms {
		if len(t.Words) == 0 {
			continue
		}
		m.terms = append(m.terms, newPhrase(i, t))
		longest = max(longest, len(t.Words))
		for _, w := range t.Words {
			if w != "" {
				m.first[w[0]] = true
			}
		}
	}
	m.recent = make([]span, longest)
	return m
}

func newPhrase(term int, t Term) phrase {
	n := len(t.Words)
	size := (n + 63) / 64
	p := phrase{term: term, length: n, at: make(map[string][]uint64, n), state: make([]uint64, size)}
	for i, w := range t.Words {
		bits := p.at[w]
		if bits == nil {
			bits = make([]uint64, size)
			p.at[w] = bits
		}
		bits[i/64] |= 1 << (i % 64)
	}
	if t.Prefix {
		p.last = t.Words[n-1]
	}
	return p
}

// next takes the next piece of the text and calls found for each term that ends with it.
func (m *matcher) next(p piece, found func(match)) {
	m.recent[m.count%len(m.recent)] = span{p.start, p.end}
	m.count++
	if !m.busy && !m.first[p.text[0]] {
		return
	}
	m.busy = false
	for i := range m.terms {
		t := &m.terms[i]
		if t.step(p.text) {
			found(m.match(t, p))
		}
		m.busy = m.busy || t.begun()
	}
}

// step moves on by one word and tells whether the phrase is complete.
func (t *phrase) step(word string) bool {
	bits := t.at[word]
	end := t.length - 1
	byPrefix := t.last != "" && strings.HasPrefix(word, t.last)
	carry := uint64(1)
	for i, s := range t.state {
		next := s<<1 | carry
		carry = s >> 63
		mask := uint64(0)
		if bits != nil {
			mask = bits[i]
		}
		if byPrefix && i == end/64 {
			mask |= 1 << (end % 64)
		}
		t.state[i] = next & mask
	}
	return t.state[end/64]&(1<<(end%64)) != 0
}

func (t *phrase) begun() bool {
	for _, s := range t.state {
		if s != 0 {
			return true
		}
	}
	return false
}

// match returns where a term is that ends with p. One character of a script
// without spaces is matched alone, not with the one behind it.
func (m *matcher) match(t *phrase, p piece) match {
	end := p.end
	if t.last != "" && p.kind == pair && len(t.last) <= p.first {
		end = p.middle
	}
	first := m.recent[(m.count-t.length)%len(m.recent)]
	return match{span{first.start, end}, t.term, t.length}
}

// words appends the words of x, the last match, to spans; of a long phrase the
// last most of them.
func (m *matcher) words(spans []span, x match, most int) []span {
	for i := m.count - min(x.words, most); i < m.count; i++ {
		s := m.recent[i%len(m.recent)]
		spans = append(spans, span{s.start, min(s.end, x.end)})
	}
	return spans
}
