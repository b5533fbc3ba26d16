package queries

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// SearchNames tells what people mean by a label, and by themselves. A MailboxReader and an
// AccountReader are it together.
type SearchNames interface {
	// Accounts returns all accounts of a journal, by id; only those in ids unless it is nil.
	Accounts(ctx context.Context, journal events.JournalID, ids []domain.AccountID) ([]Account, error)
	// Folders returns all folders of an account, by name.
	Folders(ctx context.Context, journal events.JournalID, acc domain.AccountID) ([]Folder, error)
}

// Resolve returns c with names of folders, flags and addresses in place of InLabel, Me and
// UserLabels, as they are in the given accounts; nil: all of the journal. It reads only what c
// needs. To ask only for messages of the accounts is left to the caller.
func Resolve(ctx context.Context, c Condition, journal events.JournalID, accounts []domain.AccountID, names SearchNames) (Condition, error) {
	r := resolver{journal: journal, ids: accounts, names: names}
	c, err := r.resolve(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("resolve search in journal %d: %w", journal, err)
	}
	return tidy(c), nil
}

// resolver reads names when they are first needed.
type resolver struct {
	journal  events.JournalID
	ids      []domain.AccountID
	names    SearchNames
	accounts []Account // nil: not read
	folders  map[domain.AccountID][]Folder
}

func (r *resolver) resolve(ctx context.Context, c Condition) (Condition, error) {
	switch c := c.(type) {
	case All:
		parts, err := r.each(ctx, c)
		return All(parts), err
	case Any:
		parts, err := r.each(ctx, c)
		return Any(parts), err
	case Not:
		of, err := r.resolve(ctx, c.Of)
		return Not{of}, err
	case InLabel:
		return r.label(ctx, c)
	case UserLabels:
		labelled, err := r.inFolders(ctx, Folder.isUserLabel)
		if !c.Any {
			labelled = Not{labelled}
		}
		return labelled, err
	case Me:
		return r.me(ctx, c.In)
	}
	return c, nil
}

func (r *resolver) each(ctx context.Context, parts []Condition) ([]Condition, error) {
	out := make([]Condition, len(parts))
	var err error
	for i, part := range parts {
		if out[i], err = r.resolve(ctx, part); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// label: a keyword may give the same label as a special use (api.md 11.5).
func (r *resolver) label(ctx context.Context, l InLabel) (Condition, error) {
	if l.Role == domain.RoleAll {
		return All{}, nil
	}
	in, err := r.inFolders(ctx, func(f Folder) bool { return f.hasLabel(l) })
	switch l.Role {
	case domain.RoleImportant:
		in = Any{HasFlag{domain.KeywordImportant}, in}
	case domain.RoleJunk:
		in = Any{HasFlag{domain.KeywordJunk}, in}
	}
	return in, err
}

// me: the address of an account is the name it logs in with (api.md 11.3).
func (r *resolver) me(ctx context.Context, in SearchField) (Condition, error) {
	accounts, err := r.allAccounts(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string][]domain.AccountID{}
	for _, a := range accounts {
		name := domain.Fold(a.Settings.Username)
		byName[name] = append(byName[name], a.ID)
	}
	var out Any
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		mine := Text{In: in, Value: name, Whole: true}
		if len(byName) == 1 {
			return mine, nil
		}
		out = append(out, All{OfAccounts{byName[name]}, mine})
	}
	return out, nil
}

// inFolders returns the condition that a message is in a folder that is meant.
func (r *resolver) inFolders(ctx context.Context, meant func(Folder) bool) (Condition, error) {
	accounts, err := r.allAccounts(ctx)
	if err != nil {
		return nil, err
	}
	folders := make(map[domain.AccountID][]Folder, len(accounts))
	for _, a := range accounts {
		if folders[a.ID], err = r.foldersOf(ctx, a.ID); err != nil {
			return nil, err
		}
	}
	return inFoldersMeant(folders, meant), nil
}

// inFoldersMeant returns the condition that a message is in a folder that is meant. If a name
// means different things in two accounts, each has a condition of its own.
func inFoldersMeant(folders map[domain.AccountID][]Folder, meant func(Folder) bool) Condition {
	var each Any
	names := map[domain.MailboxName]bool{}
	others := map[domain.MailboxName]bool{}
	for _, acc := range slices.Sorted(maps.Keys(folders)) {
		var found []domain.MailboxName
		for _, f := range folders[acc] {
			if !meant(f) {
				others[f.Name] = true
				continue
			}
			names[f.Name] = true
			found = append(found, f.Name)
		}
		if found != nil {
			each = append(each, All{OfAccounts{[]domain.AccountID{acc}}, InFolders{found}})
		}
	}
	for name := range names {
		if others[name] {
			return each
		}
	}
	if len(names) == 0 {
		return Any{}
	}
	return InFolders{slices.Sorted(maps.Keys(names))}
}

func (r *resolver) allAccounts(ctx context.Context) ([]Account, error) {
	if r.accounts != nil {
		return r.accounts, nil
	}
	found, err := r.names.Accounts(ctx, r.journal, r.ids)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	r.accounts = append([]Account{}, found...)
	return r.accounts, nil
}

func (r *resolver) foldersOf(ctx context.Context, acc domain.AccountID) ([]Folder, error) {
	if folders, ok := r.folders[acc]; ok {
		return folders, nil
	}
	folders, err := r.names.Folders(ctx, r.journal, acc)
	if err != nil {
		return nil, fmt.Errorf("list folders of account %d: %w", acc, err)
	}
	if r.folders == nil {
		r.folders = map[domain.AccountID][]Folder{}
	}
	r.folders[acc] = folders
	return folders, nil
}

// labelID returns the id of the label of a folder (api.md 11.4).
func labelID(name domain.MailboxName) string {
	sum := sha256.Sum256([]byte(name))
	return "Label_" + hex.EncodeToString(sum[:6])
}

// hasLabel reports whether f is meant by l: by its special use, its name or the id of its
// label. Where a special use is meant, a folder below INBOX may have the name, since servers
// that keep all folders there seldom tell special uses.
func (f Folder) hasLabel(l InLabel) bool {
	if l.Role != "" && f.Role == l.Role {
		return true
	}
	if l.Name == "" {
		return false
	}
	name := string(f.Name)
	if l.Role == "" {
		return isNamed(name, l.Name) || strings.EqualFold(labelID(f.Name), l.Name)
	}
	if len(name) > len("INBOX.") && isNamed(name[:len("INBOX.")], "INBOX/") {
		name = name[len("INBOX."):]
	}
	return isNamed(name, l.Name) || slices.ContainsFunc(roleNames[l.Role], func(n string) bool { return isNamed(name, n) })
}

// roleNames are further names by which folders with a special use are asked for.
var roleNames = map[domain.Role][]string{
	domain.RoleDrafts: {"draft", "drafts"},
	domain.RoleJunk:   {"junk"},
}

// isNamed compares a name with what a person wrote: case does not count, "-" may stand for a
// space and "/" for any separator of levels.
func isNamed(name, written string) bool {
	a, b := []rune(domain.Fold(name)), []rune(domain.Fold(written))
	return slices.EqualFunc(a, b, func(a, b rune) bool {
		return a == b || (b == '-' && a == ' ') || (b == '/' && (a == '.' || a == '\\'))
	})
}

// isUserLabel reports whether f gives a label that is no system label (api.md 11.5).
func (f Folder) isUserLabel() bool {
	switch f.Role {
	case domain.RoleSent, domain.RoleDrafts, domain.RoleTrash, domain.RoleJunk, domain.RoleImportant, domain.RoleArchive, domain.RoleAll:
		return false
	}
	return f.Name != "INBOX"
}
