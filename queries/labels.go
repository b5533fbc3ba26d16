package queries

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// The system labels (api.md 11.5), in the order of a list.
const (
	LabelInbox     = "INBOX"
	LabelSent      = "SENT"
	LabelDraft     = "DRAFT"
	LabelTrash     = "TRASH"
	LabelSpam      = "SPAM"
	LabelStarred   = "STARRED"
	LabelUnread    = "UNREAD"
	LabelImportant = "IMPORTANT"
)

// SystemLabels are the system labels in the order of a list.
var SystemLabels = []string{LabelInbox, LabelSent, LabelDraft, LabelTrash, LabelSpam, LabelStarred, LabelUnread, LabelImportant}

// Label is a label of messages: a folder, or a flag.
type Label struct {
	ID   string
	Name string
	User bool // of a folder without a special use
}

// LabelFolders reads the folders that labels come from.
type LabelFolders interface {
	// FoldersOf returns all folders of accounts, by name; accounts nil: all of the journal.
	FoldersOf(ctx context.Context, journal events.JournalID, accounts []domain.AccountID) (map[domain.AccountID][]Folder, error)
}

// Labels knows which label each folder gives.
type Labels struct {
	folders map[domain.AccountID][]Folder
	ids     map[folderOf]string
}

type folderOf struct {
	account domain.AccountID
	name    domain.MailboxName
}

// ReadLabels reads the labels of accounts, nil for all of the journal.
func ReadLabels(ctx context.Context, from LabelFolders, journal events.JournalID, accounts []domain.AccountID) (*Labels, error) {
	folders, err := from.FoldersOf(ctx, journal, accounts)
	if err != nil {
		return nil, fmt.Errorf("read labels of journal %d: %w", journal, err)
	}
	l := &Labels{folders, map[folderOf]string{}}
	for acc, list := range folders {
		for _, f := range list {
			l.ids[folderOf{acc, f.Name}] = f.label()
		}
	}
	return l, nil
}

// label returns the id of the label of a folder, "" for one that gives none.
func (f Folder) label() string {
	switch f.Role {
	case domain.RoleSent:
		return LabelSent
	case domain.RoleDrafts:
		return LabelDraft
	case domain.RoleTrash:
		return LabelTrash
	case domain.RoleJunk:
		return LabelSpam
	case domain.RoleImportant:
		return LabelImportant
	case domain.RoleArchive, domain.RoleAll:
		return ""
	}
	if f.Name == "INBOX" {
		return LabelInbox
	}
	return labelID(f.Name)
}

// Of returns the ids of the labels of a message. A folder that is no longer known counts as one without a special use.
func (l *Labels) Of(acc domain.AccountID, name domain.MailboxName, flags []domain.Flag) []string {
	out := []string{}
	if !domain.HasFlag(flags, domain.FlagSeen) {
		out = append(out, LabelUnread)
	}
	if domain.HasFlag(flags, domain.FlagFlagged) {
		out = append(out, LabelStarred)
	}
	place, known := l.ids[folderOf{acc, name}]
	if !known {
		place = Folder{Name: name}.label()
	}
	for _, k := range []struct {
		keyword domain.Flag
		label   string
	}{{domain.KeywordImportant, LabelImportant}, {domain.KeywordJunk, LabelSpam}} {
		if domain.HasFlag(flags, k.keyword) && place != k.label {
			out = append(out, k.label)
		}
	}
	if place != "" {
		out = append(out, place)
	}
	return out
}

// All returns the system labels and then those of folders, by name; a name that several accounts have once.
func (l *Labels) All() []Label {
	var out []Label
	met := map[string]bool{}
	for _, list := range l.folders {
		for _, f := range list {
			if id := f.label(); f.isUserLabel() && !met[id] {
				met[id] = true
				out = append(out, Label{id, f.labelName(), true})
			}
		}
	}
	slices.SortFunc(out, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	system := make([]Label, len(SystemLabels))
	for i, id := range SystemLabels {
		system[i] = Label{ID: id, Name: id}
	}
	return append(system, out...)
}

// labelName returns the name with "/" between levels, whatever the server's separator is.
func (f Folder) labelName() string {
	if f.Delimiter == "" || f.Delimiter == "/" {
		return string(f.Name)
	}
	return strings.ReplaceAll(string(f.Name), f.Delimiter, "/")
}

// Find returns the label with an id. It returns domain.ErrNotFound.
func (l *Labels) Find(id string) (Label, error) {
	all := l.All()
	if i := slices.IndexFunc(all, func(x Label) bool { return x.ID == id }); i >= 0 {
		return all[i], nil
	}
	return Label{}, fmt.Errorf("label %q: %w", id, domain.ErrNotFound)
}

// Condition returns which messages have a label; none have one that is not known.
func (l *Labels) Condition(id string) Condition {
	switch id {
	case LabelUnread:
		return Seen{false}
	case LabelStarred:
		return Flagged{true}
	}
	out := Any{inFoldersMeant(l.folders, func(f Folder) bool { return f.label() == id })}
	switch id {
	case LabelImportant:
		out = append(out, HasFlag{domain.KeywordImportant})
	case LabelSpam:
		out = append(out, HasFlag{domain.KeywordJunk})
	}
	return simplify(out)
}
