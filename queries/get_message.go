package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// GetMessage asks for one message, whole.
type GetMessage struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	ID       domain.MessageID
	// Thread asks for at most so many other messages of the thread too, the newest.
	Thread int
}

// MessageDetail is one message, whole.
type MessageDetail struct {
	Message
	CreatedAt time.Time
	UpdatedAt time.Time
	Flags     []domain.Flag
	SHA256    []byte // of the raw message
	Position  events.Position
	Content   *domain.Content  // empty if the octets are not stored
	Others    []*ThreadMessage // of the thread, oldest first
}

// ThreadMessage is a message as one of a thread.
type ThreadMessage struct {
	ID        domain.MessageID
	Subject   string
	Sender    string
	Recipient string
	Date      time.Time
	Text      string
	HTML      string
	Folder    domain.MailboxName
}

// MessageReader reads single messages and threads.
type MessageReader interface {
	// Message returns a message whole, with the newest others of its thread, at most so
	// many, oldest first, by date and id. It returns domain.ErrNotFound.
	Message(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID, others int) (MessageDetail, error)
	// Thread returns the newest messages of the thread of a message, at most limit, oldest
	// first, by date and id, and how many there are. It returns domain.ErrNotFound.
	Thread(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID, limit int) (Thread, error)
}

// GetMessageHandler answers GetMessage.
type GetMessageHandler struct{ messages MessageReader }

// NewGetMessage returns the handler.
func NewGetMessage(messages MessageReader) *GetMessageHandler { return &GetMessageHandler{messages} }

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetMessageHandler) Handle(ctx context.Context, q GetMessage) (MessageDetail, error) {
	m, err := h.messages.Message(ctx, q.Journal, q.Accounts, q.ID, q.Thread)
	if err != nil {
		return m, fmt.Errorf("get message %d: %w", q.ID, err)
	}
	return m, nil
}

// GetThread asks for all messages of the thread of a message.
type GetThread struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	ID       domain.MessageID
	Limit    int // the newest so many
}

// Thread is the messages of a thread, oldest first.
type Thread struct {
	Messages []*ThreadMessage
	Total    int // also those over the limit
}

// GetThreadHandler answers GetThread.
type GetThreadHandler struct{ messages MessageReader }

// NewGetThread returns the handler.
func NewGetThread(messages MessageReader) *GetThreadHandler { return &GetThreadHandler{messages} }

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetThreadHandler) Handle(ctx context.Context, q GetThread) (Thread, error) {
	t, err := h.messages.Thread(ctx, q.Journal, q.Accounts, q.ID, q.Limit)
	if err != nil {
		return t, fmt.Errorf("get thread of message %d: %w", q.ID, err)
	}
	return t, nil
}
