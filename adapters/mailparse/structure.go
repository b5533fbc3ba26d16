package mailparse

import (
	"context"

	"github.com/imap2api/imap2api/queries"
)

// maxEmbedded is how deep messages in messages are opened; one below it is an opaque part.
const maxEmbedded = 8

// Structure returns the whole of a message as a tree of its parts, with those of attached
// messages (RFC 2046 section 5.2.1). Like Parse it never fails: what was not reached within
// the budget is missing. Parts share memory with raw.
func (p *Parser) Structure(ctx context.Context, raw []byte) *queries.MIMEPart {
	return p.structure(p.newWalker(ctx, raw), "", 0)
}

// Header returns the root part of a message with its type and its header, and nothing below.
func (p *Parser) Header(ctx context.Context, raw []byte) *queries.MIMEPart {
	w := p.newWalker(ctx, raw)
	body, _, _ := w.readHeader(w.skipEnvelope(), &header{})
	return p.structure(p.newWalker(ctx, w.raw[:body]), "", maxEmbedded)
}

// structure walks a message whose parts have numbers that begin with prefix.
func (p *Parser) structure(w *walker, prefix string, depth int) (root *queries.MIMEPart) {
	defer func() {
		if recover() != nil || root == nil {
			root = &queries.MIMEPart{ContentType: "text/plain"}
		}
	}()
	w.shape = &shape{}
	w.walk()
	return p.describe(w, w.shape.root, prefix, depth)
}

// describe returns a node as others see it.
func (p *Parser) describe(w *walker, n *node, prefix string, depth int) *queries.MIMEPart {
	out := &queries.MIMEPart{ContentType: n.media}
	for _, f := range n.fields {
		out.Header = append(out.Header, queries.HeaderField{Name: cleanLine(guessText(f.name)), Value: decodeWords(unfold(f.value))})
	}
	for _, kid := range n.kids {
		out.Parts = append(out.Parts, p.describe(w, kid, prefix, depth))
	}
	if n.leaf < 0 || len(n.kids) > 0 {
		return out
	}
	l := w.leaves[n.leaf]
	out.Section, out.ContentType, out.FileName = prefix+n.section, l.media, l.fileName
	out.Size = transferSize(l.encoding, l.body)
	out.Octets = func() []byte {
		octets, _ := l.octets()
		return octets
	}
	out.Text = func() []byte {
		text, _ := toUTF8(l.charset, out.Octets(), nil)
		return text
	}
	if l.isMessage() && depth < maxEmbedded && !w.clock.over() {
		inner := &walker{raw: lineFeeds(out.Octets()), opts: w.opts, clock: w.clock, parts: w.parts}
		out.Parts = []*queries.MIMEPart{p.structure(inner, out.Section+".", depth+1)}
		w.parts = inner.parts
	}
	return out
}

// shape collects the tree of parts during a walk. A nil shape collects nothing.
type shape struct {
	root   *node
	open   []*node    // from the root to the part at hand
	fields []rawField // of the header that is being read
}

// node is a part of the tree.
type node struct {
	media   string
	section string
	fields  []rawField
	leaf    int // its place in walker.leaves; -1 for none
	kids    []*node
}

// rawField is a field as sent.
type rawField struct{ name, value []byte }

func (s *shape) field(name, value []byte) {
	if s != nil {
		s.fields = append(s.fields, rawField{name, value})
	}
}

// enter begins the part at hand, whose header was read just now.
func (s *shape) enter(w *walker, media string) *shape {
	if s == nil {
		return nil
	}
	n := &node{media: media, section: w.section(), fields: s.fields, leaf: -1}
	s.fields = nil
	if len(s.open) == 0 {
		s.root = n
	} else {
		above := s.open[len(s.open)-1]
		above.kids = append(above.kids, n)
	}
	s.open = append(s.open, n)
	return s
}

// leave ends the part at hand.
func (s *shape) leave() {
	if s != nil {
		s.open = s.open[:len(s.open)-1]
	}
}

// holds notes which leaf the part at hand is.
func (s *shape) holds(leaf int) {
	if s != nil {
		s.open[len(s.open)-1].leaf = leaf
	}
}
