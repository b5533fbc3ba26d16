package queries

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// FindMessages asks for the ids of messages, or of threads, as the Gmail surface lists them: those
// received last first.
type FindMessages struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	Query    string             // search
	Labels   []string           // ids; a message must have each
	// SpamTrash: also those with the labels of spam and trash, which are else left out unless asked for.
	SpamTrash bool
	ByThread  bool
	After     *Cursor // nil: from the beginning
	Limit     int
}

// Entry is what is known of a message beside its content.
type Entry struct {
	ID         domain.MessageID
	Account    domain.AccountID
	Thread     domain.ThreadID
	Folder     domain.MailboxName
	Flags      []domain.Flag
	Labels     []string // ids
	Snippet    string
	Size       int64
	ReceivedAt time.Time
	Position   events.Position // of the last event that changed the message
	SHA256     []byte
}

// FoundMessage is a row of a list of ids.
type FoundMessage struct {
	ID     domain.MessageID
	Thread domain.ThreadID
	// Of a thread: its newest message's, and the position of the last event that changed one of them.
	Snippet  string
	Position events.Position
}

// FoundPage is a part of a list of ids.
type FoundPage struct {
	Items []FoundMessage
	Count int // of the whole list
	Next  *Cursor
}

// LabelCounts are what has a label.
type LabelCounts struct{ Messages, Unseen, Threads, UnseenThreads int }

// EntryReader reads messages without their content.
type EntryReader interface {
	// Found returns ids by internal date and then id, the newest first: of messages that match, or of
	// threads by the newest of their messages that do.
	Found(ctx context.Context, f MessageFilter, byThread bool, after *Cursor, limit int) (FoundPage, error)
	// Entries returns the messages with these ids, or all of a thread, which may be named by an earlier
	// id, by date and then id.
	Entries(ctx context.Context, q GetEntries) ([]Entry, error)
	// LabelCounts counts what matches f.
	LabelCounts(ctx context.Context, f MessageFilter) (LabelCounts, error)
}

// FindMessagesHandler answers FindMessages.
type FindMessagesHandler struct {
	mail    EntryReader
	folders LabelFolders
	names   SearchNames
	now     func() time.Time
}

// NewFindMessages returns the handler. now is for searches by age.
func NewFindMessages(mail EntryReader, folders LabelFolders, names SearchNames, now func() time.Time) *FindMessagesHandler {
	return &FindMessagesHandler{mail, folders, names, now}
}

// Handle answers q. It returns ErrCursor for a cursor of another list.
func (h *FindMessagesHandler) Handle(ctx context.Context, q FindMessages) (FoundPage, error) {
	labels, err := ReadLabels(ctx, h.folders, q.Journal, q.Accounts)
	if err != nil {
		return FoundPage{}, err
	}
	asked := ParseSearch(q.Query, h.now())
	plain := All{}
	for _, id := range q.Labels {
		plain = append(plain, labels.Condition(id))
	}
	if !q.SpamTrash && !slices.Contains(q.Labels, LabelSpam) && !slices.Contains(q.Labels, LabelTrash) && !labels.asksForHidden(asked) {
		plain = append(plain, Not{labels.Condition(LabelSpam)}, Not{labels.Condition(LabelTrash)})
	}
	search, err := Resolve(ctx, asked, q.Journal, q.Accounts, h.names)
	if err != nil {
		return FoundPage{}, err
	}
	plainPart, textPart := splitText(search)
	f := MessageFilter{Journal: q.Journal, Accounts: q.Accounts, Search: textPart, Plain: tidy(append(plain, plainPart...))}
	page, err := h.mail.Found(ctx, f, q.ByThread, q.After, q.Limit)
	if err != nil {
		return page, fmt.Errorf("find messages of journal %d: %w", q.Journal, err)
	}
	return page, nil
}

// asksForHidden reports whether a search, not yet resolved, asks for spam or trash.
func (l *Labels) asksForHidden(c Condition) bool {
	switch c := c.(type) {
	case All:
		return slices.ContainsFunc(c, l.asksForHidden)
	case Any:
		return slices.ContainsFunc(c, l.asksForHidden)
	case InLabel:
		if c.Role == domain.RoleAll || c.Role == domain.RoleTrash || c.Role == domain.RoleJunk {
			return true
		}
		for _, folders := range l.folders {
			for _, f := range folders {
				if (f.Role == domain.RoleTrash || f.Role == domain.RoleJunk) && f.hasLabel(c) {
					return true
				}
			}
		}
	}
	return false
}

// splitText takes a resolved search apart into what needs no search engine, all of which must hold, and the rest.
func splitText(c Condition) (plain All, text Condition) {
	parts, ok := c.(All)
	if !ok && c != nil {
		parts = All{c}
	}
	var rest All
	for _, part := range parts {
		if hasText(part) {
			rest = append(rest, part)
			continue
		}
		plain = append(plain, part)
	}
	return plain, tidy(rest)
}

// hasText reports whether c has a Text in it, anywhere.
func hasText(c Condition) bool {
	switch c := c.(type) {
	case All:
		return slices.ContainsFunc(c, hasText)
	case Any:
		return slices.ContainsFunc(c, hasText)
	case Not:
		return hasText(c.Of)
	case Text:
		return true
	}
	return false
}

// GetEntries asks for messages without their content.
type GetEntries struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	IDs      []domain.MessageID // those that are not there are left out
	Thread   domain.ThreadID    // in place of IDs, if it is not 0
}

// GetEntriesHandler answers GetEntries.
type GetEntriesHandler struct {
	mail    EntryReader
	folders LabelFolders
}

// NewGetEntries returns the handler.
func NewGetEntries(mail EntryReader, folders LabelFolders) *GetEntriesHandler {
	return &GetEntriesHandler{mail, folders}
}

// Handle returns the messages, oldest first by date and then id.
func (h *GetEntriesHandler) Handle(ctx context.Context, q GetEntries) ([]Entry, error) {
	labels, err := ReadLabels(ctx, h.folders, q.Journal, q.Accounts)
	if err != nil {
		return nil, err
	}
	out, err := h.mail.Entries(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("get messages of journal %d: %w", q.Journal, err)
	}
	for i, e := range out {
		out[i].Labels = labels.Of(e.Account, e.Folder, e.Flags)
	}
	return out, nil
}

// ListLabels asks for all labels of accounts.
type ListLabels struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
}

// GetLabel asks for one label with counts.
type GetLabel struct {
	ListLabels
	ID string
}

// CountedLabel is a label and what has it.
type CountedLabel struct {
	Label
	LabelCounts
}

// ListLabelsHandler answers ListLabels and GetLabel.
type ListLabelsHandler struct {
	mail    EntryReader
	folders LabelFolders
}

// NewListLabels returns the handler.
func NewListLabels(mail EntryReader, folders LabelFolders) *ListLabelsHandler {
	return &ListLabelsHandler{mail, folders}
}

// Handle returns the system labels and then those of folders, by name.
func (h *ListLabelsHandler) Handle(ctx context.Context, q ListLabels) ([]Label, error) {
	labels, err := ReadLabels(ctx, h.folders, q.Journal, q.Accounts)
	if err != nil {
		return nil, err
	}
	return labels.All(), nil
}

// Get answers GetLabel. It returns domain.ErrNotFound.
func (h *ListLabelsHandler) Get(ctx context.Context, q GetLabel) (CountedLabel, error) {
	labels, err := ReadLabels(ctx, h.folders, q.Journal, q.Accounts)
	if err != nil {
		return CountedLabel{}, err
	}
	label, err := labels.Find(q.ID)
	if err != nil {
		return CountedLabel{}, err
	}
	f := MessageFilter{Journal: q.Journal, Accounts: q.Accounts, Plain: tidy(labels.Condition(q.ID))}
	counts, err := h.mail.LabelCounts(ctx, f)
	if err != nil {
		return CountedLabel{}, fmt.Errorf("count label of journal %d: %w", q.Journal, err)
	}
	return CountedLabel{label, counts}, nil
}
