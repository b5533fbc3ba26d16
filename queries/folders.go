package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ListFolders asks for the names of folders that hold at least one message,
// most messages first, ties by name; equal names of several accounts once.
type ListFolders struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
}

// FolderCount is a folder and the number of its messages.
type FolderCount struct {
	Name     domain.MailboxName
	Messages int
}

// Folder is a folder of an account as the last sync knew it.
type Folder struct {
	Name        domain.MailboxName
	Role        domain.Role
	Delimiter   string // between the levels of a name; "" if there is no hierarchy, or it is not known
	Selected    bool
	Messages    int
	Unseen      int
	Size        int64
	UIDValidity domain.UIDValidity
}

// FolderCounter counts the messages of folders.
type FolderCounter interface {
	// FolderCounts answers ListFolders.
	FolderCounts(ctx context.Context, q ListFolders) ([]FolderCount, error)
}

// MailboxReader reads the mailboxes read model.
type MailboxReader interface {
	// Folders returns all folders of an account, by name.
	Folders(ctx context.Context, journal events.JournalID, acc domain.AccountID) ([]Folder, error)
}

// ListFoldersHandler answers ListFolders.
type ListFoldersHandler struct{ folders FolderCounter }

// NewListFolders returns the handler.
func NewListFolders(folders FolderCounter) *ListFoldersHandler { return &ListFoldersHandler{folders} }

// Handle answers q.
func (h *ListFoldersHandler) Handle(ctx context.Context, q ListFolders) ([]FolderCount, error) {
	out, err := h.folders.FolderCounts(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list folders of journal %d: %w", q.Journal, err)
	}
	return out, nil
}

// AccountFolders asks for all folders of one account.
type AccountFolders struct {
	Journal events.JournalID
	Account domain.AccountID
}

// AccountFoldersHandler answers AccountFolders.
type AccountFoldersHandler struct{ mailboxes MailboxReader }

// NewAccountFolders returns the handler.
func NewAccountFolders(mailboxes MailboxReader) *AccountFoldersHandler {
	return &AccountFoldersHandler{mailboxes}
}

// Handle answers q.
func (h *AccountFoldersHandler) Handle(ctx context.Context, q AccountFolders) ([]Folder, error) {
	out, err := h.mailboxes.Folders(ctx, q.Journal, q.Account)
	if err != nil {
		return nil, fmt.Errorf("list folders of account %d: %w", q.Account, err)
	}
	return out, nil
}

// GetStatistics asks for totals.
type GetStatistics struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
}

// Statistics are totals of stored mail.
type Statistics struct {
	Messages, Threads, Unseen int
	Size                      int64
	Folders                   []FolderCount // most messages first, ties by name
	Oldest, Newest            *time.Time    // dates; nil without messages
}

// StatisticsReader reads totals from the mail read model.
type StatisticsReader interface {
	// Statistics answers GetStatistics.
	Statistics(ctx context.Context, q GetStatistics) (Statistics, error)
}

// GetStatisticsHandler answers GetStatistics.
type GetStatisticsHandler struct{ mail StatisticsReader }

// NewGetStatistics returns the handler.
func NewGetStatistics(mail StatisticsReader) *GetStatisticsHandler {
	return &GetStatisticsHandler{mail}
}

// Handle answers q.
func (h *GetStatisticsHandler) Handle(ctx context.Context, q GetStatistics) (Statistics, error) {
	out, err := h.mail.Statistics(ctx, q)
	if err != nil {
		return out, fmt.Errorf("statistics of journal %d: %w", q.Journal, err)
	}
	return out, nil
}
