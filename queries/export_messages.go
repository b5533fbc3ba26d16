package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ExportMessages asks for all stored messages of an account with their octets, by id: each as it is
// when its turn comes.
type ExportMessages struct {
	Journal events.JournalID
	Account domain.AccountID
}

// ExportedMessage is a message with its octets.
type ExportedMessage struct {
	ID           domain.MessageID
	Folder       domain.MailboxName
	Flags        []domain.Flag
	InternalDate time.Time
	Size         int64 // octets
	MsgID        string
	Thread       domain.ThreadID
	Sender       string
	SHA256       []byte
	Octets       []byte // nil: not stored, since the account is being erased or they are damaged
}

// ExportReader reads messages to export.
type ExportReader interface {
	// ExportPage returns up to limit messages of an account with ids after the given one, by id, without
	// their octets.
	ExportPage(ctx context.Context, journal events.JournalID, acc domain.AccountID, after domain.MessageID, limit int) ([]ExportedMessage, error)
}

// ExportMessagesHandler answers ExportMessages.
type ExportMessagesHandler struct {
	messages ExportReader
	raws     RawsReader
}

// NewExportMessages returns the handler.
func NewExportMessages(messages ExportReader, raws RawsReader) *ExportMessagesHandler {
	return &ExportMessagesHandler{messages, raws}
}

// What is held in memory at once: a page of rows, and octets of some of them.
const (
	exportPage   = 500
	exportOctets = 16 << 20
)

// Handle calls fn with each message. An error of fn ends it and is returned as it is.
func (h *ExportMessagesHandler) Handle(ctx context.Context, q ExportMessages, fn func(*ExportedMessage) error) error {
	for after := domain.MessageID(0); ; {
		page, err := h.messages.ExportPage(ctx, q.Journal, q.Account, after, exportPage)
		if err != nil {
			return fmt.Errorf("read messages of account %d after %d: %w", q.Account, after, err)
		}
		if len(page) == 0 {
			return nil
		}
		after = page[len(page)-1].ID
		for len(page) > 0 {
			n, octets := 1, page[0].Size
			for n < len(page) && octets+page[n].Size <= exportOctets {
				octets += page[n].Size
				n++
			}
			if err := h.some(ctx, q.Journal, page[:n], fn); err != nil {
				return err
			}
			page = page[n:]
		}
	}
}

// some reads the octets of some messages at once.
func (h *ExportMessagesHandler) some(ctx context.Context, journal events.JournalID, part []ExportedMessage, fn func(*ExportedMessage) error) error {
	sums := make([][]byte, len(part))
	for i := range part {
		sums[i] = part[i].SHA256
	}
	raws, err := h.raws.Raws(ctx, journal, sums)
	if err != nil {
		return fmt.Errorf("read %d raw messages: %w", len(sums), err)
	}
	for i := range part {
		part[i].Octets = raws[[32]byte(part[i].SHA256)]
		if err := fn(&part[i]); err != nil {
			return err
		}
	}
	return nil
}
