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
	Content   *domain.Content
	Others    []ThreadMessage // oldest first
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

// MessageReader reads single messages and threads from the mail read model.
type MessageReader interface {
	// Message returns a message without its content. It returns domain.ErrNotFound.
	Message(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID) (MessageDetail, error)
	// Thread returns the newest messages of the thread of a message, at most limit, oldest
	// first, by date and id; the total; and the SHA-256 of each raw message in the same order.
	// Text and HTML are left empty. It returns domain.ErrNotFound.
	Thread(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, id domain.MessageID, limit int) (msgs []ThreadMessage, sums [][]byte, total int, err error)
}

// ContentReader gives what stored messages say.
type ContentReader interface {
	// Contents returns the content of each raw message by its SHA-256; one that is not stored is left out.
	Contents(ctx context.Context, journal events.JournalID, sums [][]byte) (map[[32]byte]*domain.Content, error)
}

// GetMessageHandler answers GetMessage.
type GetMessageHandler struct {
	messages MessageReader
	contents ContentReader
}

// NewGetMessage returns the handler.
func NewGetMessage(messages MessageReader, contents ContentReader) *GetMessageHandler {
	return &GetMessageHandler{messages, contents}
}

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetMessageHandler) Handle(ctx context.Context, q GetMessage) (MessageDetail, error) {
	m, err := h.messages.Message(ctx, q.Journal, q.Accounts, q.ID)
	if err != nil {
		return m, fmt.Errorf("get message %d: %w", q.ID, err)
	}
	var others []ThreadMessage
	sums := [][]byte{m.SHA256}
	if q.Thread > 0 && m.ThreadCount > 1 {
		msgs, threadSums, _, err := h.messages.Thread(ctx, q.Journal, q.Accounts, q.ID, q.Thread+1)
		if err != nil {
			return m, fmt.Errorf("get thread of message %d: %w", q.ID, err)
		}
		others, sums = without(msgs, threadSums, m)
		if len(others) > q.Thread { // the message itself is older than the newest ones
			others, sums = others[1:], append(sums[:1], sums[2:]...)
		}
	}
	contents, err := h.contents.Contents(ctx, q.Journal, sums)
	if err != nil {
		return m, fmt.Errorf("read content of message %d: %w", q.ID, err)
	}
	m.Content = contentOf(contents, m.SHA256)
	fill(others, sums[1:], contents)
	m.Others = others
	return m, nil
}

// without returns the messages but m, and the sums of m and of these.
func without(msgs []ThreadMessage, all [][]byte, m MessageDetail) ([]ThreadMessage, [][]byte) {
	others, sums := make([]ThreadMessage, 0, len(msgs)), [][]byte{m.SHA256}
	for i, o := range msgs {
		if o.ID != m.ID {
			others, sums = append(others, o), append(sums, all[i])
		}
	}
	return others, sums
}

// fill sets the bodies of messages.
func fill(msgs []ThreadMessage, sums [][]byte, contents map[[32]byte]*domain.Content) {
	for i := range msgs {
		c := contentOf(contents, sums[i])
		msgs[i].Text, msgs[i].HTML = c.Text, c.HTML
	}
}

// contentOf returns a content, an empty one if the octets are not stored.
func contentOf(contents map[[32]byte]*domain.Content, sum []byte) *domain.Content {
	if c := contents[[32]byte(sum)]; c != nil {
		return c
	}
	return &domain.Content{}
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
	Messages []ThreadMessage
	Total    int // also those over the limit
}

// GetThreadHandler answers GetThread.
type GetThreadHandler struct {
	messages MessageReader
	contents ContentReader
}

// NewGetThread returns the handler.
func NewGetThread(messages MessageReader, contents ContentReader) *GetThreadHandler {
	return &GetThreadHandler{messages, contents}
}

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetThreadHandler) Handle(ctx context.Context, q GetThread) (Thread, error) {
	msgs, sums, total, err := h.messages.Thread(ctx, q.Journal, q.Accounts, q.ID, q.Limit)
	if err != nil {
		return Thread{}, fmt.Errorf("get thread of message %d: %w", q.ID, err)
	}
	contents, err := h.contents.Contents(ctx, q.Journal, sums)
	if err != nil {
		return Thread{}, fmt.Errorf("read contents of thread: %w", err)
	}
	fill(msgs, sums, contents)
	return Thread{msgs, total}, nil
}
