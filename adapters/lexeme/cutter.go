package lexeme

import "unicode/utf8"

// feed takes one folded character, which the text has from start to end.
func (c *cutter) feed(k class, r rune, start, end int) {
	switch k {
	case separator:
		c.finish()
	case ignored:
	case letter, spelled:
		c.letter(k, r, start, end)
	case jamoTail:
		if c.open == packed && c.shape.takesJamo() {
			c.shape.mark(markJoined, r)
			c.end = end
			return
		}
		c.packed(r, start, end)
	case packed:
		c.packed(r, start, end)
	default:
		if c.open != separator {
			c.shape.mark(k, r)
			c.end = end
		}
	}
}

func (c *cutter) letter(k class, r rune, start, end int) {
	if c.open != letter {
		c.finish()
		c.open, c.start = letter, start
	}
	c.end = end
	c.shape.close()
	if len(c.shape.buf) >= MaxWord { // beyond the cap, and so are the marks that follow
		c.shape.class = separator
		return
	}
	c.shape.begin(k, r)
}

// packed adds a character to a run of pairs. With a third the first two are given.
func (c *cutter) packed(r rune, start, end int) {
	switch {
	case c.open != packed:
		c.finish()
		c.open = packed
	case c.long:
		c.pair()
	default:
		c.long = true
	}
	c.shape.begin(packed, r)
	c.prior, c.start, c.end = c.start, start, end
}

// pair gives the two characters at hand and forgets the first.
func (c *cutter) pair() {
	s := &c.shape
	s.close()
	p := c.piece(s.buf, c.prior)
	p.kind, p.first, p.middle = pair, min(s.last, len(p.text)), c.start
	c.give(p)
	n := copy(s.buf, s.buf[s.last:])
	s.buf, s.last = s.buf[:n], 0
}

// finish ends the word or the run.
func (c *cutter) finish() {
	switch c.open {
	case separator:
		return
	case packed:
		last := alone
		if c.long {
			c.pair()
			last = tail
		}
		c.shape.close()
		p := c.piece(c.shape.buf, c.start)
		p.kind = last
		c.give(p)
	default:
		c.shape.close()
		c.give(c.piece(c.shape.buf, c.start))
	}
	c.shape.reset()
	c.open, c.long = separator, false
}

// piece returns folded, cut to MaxWord, which the text has from start on. Where
// the text has the same octets no memory is used.
func (c *cutter) piece(folded []byte, start int) piece {
	if n := MaxWord; len(folded) > n {
		for !utf8.RuneStart(folded[n]) {
			n--
		}
		folded = folded[:n]
	}
	p := piece{start: start, end: c.end}
	if n := start + len(folded); n <= len(c.text) && c.text[start:n] == string(folded) {
		p.text = c.text[start:n]
	} else {
		p.text = string(folded)
	}
	return p
}

func (c *cutter) give(p piece) {
	if !c.done {
		c.done = !c.yield(p)
	}
}
