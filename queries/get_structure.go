package queries

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// HeaderField is a field of a header: its name as sent, its value unfolded and decoded (RFC 2047).
type HeaderField struct{ Name, Value string }

// MIMEPart is a part of a message as it was sent (RFC 2045), with the parts in it.
type MIMEPart struct {
	Section     string // RFC 9051 section 6.4.5; "" for a multipart
	ContentType string // lower case, without parameters
	FileName    string // decoded, "" for none
	Header      []HeaderField
	// Parts are those of a multipart, in their order; of an attached message the message itself.
	Parts []*MIMEPart

	// Of a part with content; a multipart has neither.
	Size   int64         // octets of the decoded content
	Octets func() []byte // the decoded content
	Text   func() []byte // the same in UTF-8, by the charset of the part
}

// Find returns the part with a section number that has content; nil if there is none.
func (p *MIMEPart) Find(section string) *MIMEPart {
	if p.Octets != nil && p.Section == section {
		return p
	}
	for _, part := range p.Parts {
		if found := part.Find(section); found != nil {
			return found
		}
	}
	return nil
}

// StructureReader takes raw messages apart.
type StructureReader interface {
	// Structure returns the root part of a message with all that is in it.
	Structure(ctx context.Context, raw []byte) *MIMEPart
	// Header returns the root part with its type and header only.
	Header(ctx context.Context, raw []byte) *MIMEPart
}

// GetSources asks for messages as they were sent, by the SHA-256 of their octets.
type GetSources struct {
	Journal events.JournalID
	SHA256  [][]byte
	Parts   SourceParts
}

// SourceParts says how far a message is taken apart.
type SourceParts int

// How far.
const (
	NoParts SourceParts = iota // no octets either
	OctetsOnly
	HeaderOnly
	AllParts
)

// Source is a message as it was sent.
type Source struct {
	Octets []byte
	Root   *MIMEPart // nil for OctetsOnly
}

// RawsReader opens many stored raw messages.
type RawsReader interface {
	// Raws returns the octets of each message by its SHA-256; one that is not stored is left out.
	Raws(ctx context.Context, journal events.JournalID, sums [][]byte) (map[[32]byte][]byte, error)
}

// GetSourcesHandler answers GetSources.
type GetSourcesHandler struct {
	raws  RawsReader
	parts StructureReader
}

// NewGetSources returns the handler.
func NewGetSources(raws RawsReader, parts StructureReader) *GetSourcesHandler {
	return &GetSourcesHandler{raws, parts}
}

// Handle returns the messages in the order of q.SHA256. It returns domain.ErrNotFound if one is not stored.
func (h *GetSourcesHandler) Handle(ctx context.Context, q GetSources) ([]Source, error) {
	raws, err := h.raws.Raws(ctx, q.Journal, q.SHA256)
	if err != nil {
		return nil, fmt.Errorf("open %d raw messages: %w", len(q.SHA256), err)
	}
	out := make([]Source, len(q.SHA256))
	for i, sum := range q.SHA256 {
		octets, ok := raws[[32]byte(sum)]
		if !ok {
			return nil, fmt.Errorf("raw message %x: %w", sum, domain.ErrNotFound)
		}
		out[i] = sourceOf(ctx, h.parts, octets, q.Parts)
	}
	return out, nil
}
