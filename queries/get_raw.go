package queries

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// GetRaw asks for the octets of a message.
type GetRaw struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	ID       domain.MessageID
}

// Raw is a message exactly as IMAP gave it.
type Raw struct {
	SHA256 []byte
	Octets []byte
}

// RawFinder finds the octets of messages.
type RawFinder interface {
	// RawOf returns the SHA-256 of the octets of a message. It returns domain.ErrNotFound.
	RawOf(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID) ([]byte, error)
}

// RawReader opens stored raw messages.
type RawReader interface {
	// Raw returns the octets. It returns domain.ErrNotFound if they are not stored.
	Raw(ctx context.Context, journal events.JournalID, sum []byte) ([]byte, error)
}

// GetRawHandler answers GetRaw.
type GetRawHandler struct {
	messages RawFinder
	raws     RawReader
}

// NewGetRaw returns the handler.
func NewGetRaw(messages RawFinder, raws RawReader) *GetRawHandler {
	return &GetRawHandler{messages, raws}
}

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetRawHandler) Handle(ctx context.Context, q GetRaw) (Raw, error) {
	sum, err := h.messages.RawOf(ctx, q.Journal, q.Accounts, q.ID)
	if err != nil {
		return Raw{}, fmt.Errorf("get message %d: %w", q.ID, err)
	}
	octets, err := h.raws.Raw(ctx, q.Journal, sum)
	if err != nil {
		return Raw{}, fmt.Errorf("open raw message %d: %w", q.ID, err)
	}
	return Raw{sum, octets}, nil
}

// GetAttachment asks for the decoded octets of one attachment.
type GetAttachment struct {
	GetRaw
	Section string // MIME section number
}

// Part is a decoded part of a message.
type Part struct {
	FileName    string
	ContentType string // with its charset, as sent; fit for a header
	Octets      []byte
}

// PartReader takes a part out of a raw message.
type PartReader interface {
	// Part returns the part with a section number, if it is an attachment.
	Part(ctx context.Context, raw []byte, section string) (Part, bool)
}

// GetAttachmentHandler answers GetAttachment.
type GetAttachmentHandler struct {
	raw   *GetRawHandler
	parts PartReader
}

// NewGetAttachment returns the handler.
func NewGetAttachment(raw *GetRawHandler, parts PartReader) *GetAttachmentHandler {
	return &GetAttachmentHandler{raw, parts}
}

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetAttachmentHandler) Handle(ctx context.Context, q GetAttachment) (Part, error) {
	raw, err := h.raw.Handle(ctx, q.GetRaw)
	if err != nil {
		return Part{}, err
	}
	part, ok := h.parts.Part(ctx, raw.Octets, q.Section)
	if !ok {
		return Part{}, fmt.Errorf("part %q of message %d: %w", q.Section, q.ID, domain.ErrNotFound)
	}
	return part, nil
}
