package mailparse

import (
	"context"
	"strings"
)

// A Part is the content of an attachment.
type Part struct {
	Octets      []byte // decoded; may share memory with the raw message
	ContentType string // lower case, with the charset as sent if there is one
	FileName    string // as in domain.Attachment
}

// Part returns the attachment of a raw message that Parse lists under a MIME
// section; false if there is none, or if ctx ends or the budget is used up before it is found.
func (p *Parser) Part(ctx context.Context, raw []byte, section string) (part Part, ok bool) {
	defer func() {
		if recover() != nil {
			part, ok = Part{}, false
		}
	}()
	w := p.newWalker(ctx, raw)
	w.walk()
	for i := range w.leaves {
		l := &w.leaves[i]
		if !l.attachment || l.section != section {
			continue
		}
		part = Part{ContentType: l.media, FileName: l.fileName}
		if cs := token(l.charset); cs != "" && strings.HasPrefix(l.media, "text/") {
			part.ContentType += "; charset=" + cs
		}
		part.Octets, _ = l.octets()
		return part, true
	}
	return Part{}, false
}
