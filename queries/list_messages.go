package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// MessageFilter says which messages are asked for; all that is given must hold.
type MessageFilter struct {
	Journal events.JournalID
	// Accounts limits to these accounts; nil: all of the journal, empty: none.
	Accounts []domain.AccountID
	Folders  []domain.MailboxName // exact names, any of them; nil: all
	From, To *time.Time           // the message's date, both inclusive
	Thread   *domain.ThreadID     // also by an earlier id
	MsgID    *string              // without brackets, exact
	// Sender, Recipient and Subject are contained in the field, in any case; "" not given.
	Sender, Recipient, Subject string
	Seen, Flagged, Attachments *bool
	IDs                        []domain.MessageID // exactly these; nil: not given
	Search                     Condition          // as Resolve returned it; nil: every message
	// Plain is a further condition without a Text in it, as Resolve returned it, that needs no search
	// engine; nil: every message.
	Plain Condition
}

// ListMessages asks for messages, or for the newest matching message of each thread.
type ListMessages struct {
	MessageFilter
	Folder   string // a name, INBOX in any case, or a special use if no folder has that name
	Query    string // search
	ByThread bool
	Order    []Order // of MessageOrders; empty: -date
	// Highlight asks to show where a search has matched.
	Highlight bool
	Paging
}

// MessageOrders are the fields a list of messages can be ordered by.
var MessageOrders = []string{
	"date", "subject", "sender", "recipient", "folder", "id", "size", "thread_count", "received_at", "created_at", "updated_at",
}

// Message is one row of a list.
type Message struct {
	ID             domain.MessageID
	Account        domain.AccountID
	MsgID          string // without brackets
	Subject        string
	Sender         string
	SenderName     string
	Recipient      string
	Date           time.Time
	Folder         domain.MailboxName
	Thread         domain.ThreadID
	ThreadCount    int // stored messages of the thread
	ThreadUnseen   int
	Snippet        string
	Seen, Flagged  bool
	HasAttachments bool
	Size           int64
	ReceivedAt     time.Time
	Highlight      *Highlight // nil: not asked for
}

// MailReader reads lists from the mail read model.
type MailReader interface {
	// Messages returns the part of the list that p asks for, in the given order and,
	// after it, by id in the direction of its last key. It returns ErrPage for a page past the end.
	Messages(ctx context.Context, f MessageFilter, byThread bool, order []Order, p Paging) (Page[Message], error)
	// MessagesByID returns rows in the order of ids; one that is not there is left out.
	MessagesByID(ctx context.Context, journal events.JournalID, ids []domain.MessageID) ([]Message, error)
	// TextsByID returns the plain text of messages; one whose octets are not stored is left out.
	TextsByID(ctx context.Context, journal events.JournalID, ids []domain.MessageID) (map[domain.MessageID]string, error)
}

// FolderNames resolves what clients call a folder.
type FolderNames interface {
	// FoldersNamed returns the folders of the accounts with exactly this name; if there are none,
	// those with the role.
	FoldersNamed(ctx context.Context, journal events.JournalID, accounts []domain.AccountID, name domain.MailboxName, role domain.Role) ([]domain.MailboxName, error)
}

// Searcher finds messages by what they say: SearchEngines.
type Searcher interface {
	// Search returns the messages that match f, newest first by date and then id, at most
	// limit from offset on, and how many match in all.
	Search(ctx context.Context, f MessageFilter, offset, limit int) (Hits, error)
}

// ListMessagesHandler answers ListMessages.
type ListMessagesHandler struct {
	mail    MailReader
	folders FolderNames
	search  Searcher
	names   SearchNames
	marker  Marker
	now     func() time.Time
}

// NewListMessages returns the handler. now is for searches by age.
func NewListMessages(mail MailReader, folders FolderNames, search Searcher, names SearchNames, marker Marker, now func() time.Time) *ListMessagesHandler {
	return &ListMessagesHandler{mail, folders, search, names, marker, now}
}

// Handle answers q. It returns ErrPage for a page past the end.
func (h *ListMessagesHandler) Handle(ctx context.Context, q ListMessages) (Page[Message], error) {
	if q.Folder != "" {
		names, err := h.folders.FoldersNamed(ctx, q.Journal, q.Accounts, domain.NormalName(q.Folder), domain.RoleNamed(q.Folder))
		if err != nil {
			return Page[Message]{}, fmt.Errorf("find folder: %w", err)
		}
		q.Folders = append([]domain.MailboxName{}, names...)
	}
	var err error
	if q.Search, err = Resolve(ctx, ParseSearch(q.Query, h.now()), q.Journal, q.Accounts, h.names); err != nil {
		return Page[Message]{}, err
	}
	if len(q.Order) == 0 {
		q.Order = []Order{{Field: "date", Desc: true}}
	}
	page, err := h.page(ctx, q)
	if err != nil {
		return Page[Message]{}, fmt.Errorf("list messages of journal %d: %w", q.Journal, err)
	}
	if q.Highlight {
		if err := h.highlight(ctx, q, page.Items); err != nil {
			return Page[Message]{}, fmt.Errorf("highlight messages of journal %d: %w", q.Journal, err)
		}
	}
	return page, nil
}

// page asks a search engine for what it has in order, the mail read model for all else.
func (h *ListMessagesHandler) page(ctx context.Context, q ListMessages) (Page[Message], error) {
	newest := len(q.Order) == 1 && q.Order[0] == Order{Field: "date", Desc: true}
	if q.Search == nil || q.ByThread || q.ByCursor || !newest {
		return h.mail.Messages(ctx, q.MessageFilter, q.ByThread, q.Order, q.Paging)
	}
	number := q.Number
	if q.Last {
		hits, err := h.search.Search(ctx, q.MessageFilter, 0, 1)
		if err != nil {
			return Page[Message]{}, err
		}
		number, _, _ = Offset(hits.Total, q.Paging) // there is a last page
	}
	if number < 1 {
		return Page[Message]{}, ErrPage
	}
	hits, err := h.search.Search(ctx, q.MessageFilter, (number-1)*q.Size, q.Size)
	if err != nil {
		return Page[Message]{}, err
	}
	if number, _, err = Offset(hits.Total, Paging{Size: q.Size, Number: number}); err != nil {
		return Page[Message]{}, err
	}
	rows, err := h.mail.MessagesByID(ctx, q.Journal, hits.IDs)
	return Page[Message]{Items: rows, Count: hits.Total, Number: number, Engine: hits.Engine}, err
}
