package queries

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// OpenMessage asks for one message as the Gmail surface shows it.
type OpenMessage struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	ID       domain.MessageID
	Parts    SourceParts
}

// OpenedMessage is a message with as much of its source as was asked for.
type OpenedMessage struct {
	Entry
	Source
}

// MessageOpener reads single messages.
type MessageOpener interface {
	// Open returns a message, its folder and, if q wants them, its octets: nil if they are not stored. It returns domain.ErrNotFound.
	Open(ctx context.Context, q OpenMessage) (Entry, Folder, []byte, error)
}

// OpenMessageHandler answers OpenMessage.
type OpenMessageHandler struct {
	mail  MessageOpener
	parts StructureReader
}

// NewOpenMessage returns the handler.
func NewOpenMessage(mail MessageOpener, parts StructureReader) *OpenMessageHandler {
	return &OpenMessageHandler{mail, parts}
}

// Handle answers q. It returns domain.ErrNotFound, also if the octets are wanted and not stored.
func (h *OpenMessageHandler) Handle(ctx context.Context, q OpenMessage) (OpenedMessage, error) {
	e, folder, octets, err := h.mail.Open(ctx, q)
	if err != nil {
		return OpenedMessage{}, fmt.Errorf("open message of journal %d: %w", q.Journal, err)
	}
	labels := Labels{ids: map[folderOf]string{{e.Account, e.Folder}: folder.label()}}
	e.Labels = labels.Of(e.Account, e.Folder, e.Flags)
	if q.Parts == NoParts {
		return OpenedMessage{Entry: e}, nil
	}
	if octets == nil {
		return OpenedMessage{}, fmt.Errorf("raw message %x: %w", e.SHA256, domain.ErrNotFound)
	}
	return OpenedMessage{e, sourceOf(ctx, h.parts, octets, q.Parts)}, nil
}

// sourceOf takes octets apart as far as is asked for.
func sourceOf(ctx context.Context, from StructureReader, octets []byte, parts SourceParts) Source {
	out := Source{Octets: octets}
	switch parts {
	case HeaderOnly:
		out.Root = from.Header(ctx, octets)
	case AllParts:
		out.Root = from.Structure(ctx, octets)
	}
	return out
}
