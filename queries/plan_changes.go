package queries

import (
	"context"
	"fmt"
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// PlanChanges asks what a change of labels means on the mail servers (api.md 11.10).
type PlanChanges struct {
	GetEntries
	Add, Remove []string // ids of labels
	Restore     bool     // what is in the trash goes back to where it was
}

// Plan is what is to be changed for some messages of one account, which all go to the same folder.
type Plan struct {
	Account     domain.AccountID
	Add, Remove []domain.Flag
	MoveTo      domain.MailboxName // "": they stay where they are
	Messages    []Entry            // with the labels that they have then
}

// LabelError says that a label is not known, or cannot be changed.
type LabelError struct{ Label string }

// Error names the label.
func (e *LabelError) Error() string { return "label " + e.Label + " cannot be changed" }

// FolderError says that an account has no folder for what is asked.
type FolderError struct{ Wanted string }

// Error names the folder.
func (e *FolderError) Error() string { return "there is no folder " + e.Wanted }

// ErrFolders says that a message cannot be in two folders.
var ErrFolders = fmt.Errorf("two folders: %w", domain.ErrInvalid)

// PlanChangesHandler answers PlanChanges.
type PlanChangesHandler struct {
	accounts AccountsByID
	mail     EntryReader
	folders  LabelFolders
	log      EventReader
}

// NewPlanChanges returns the handler.
func NewPlanChanges(accounts AccountsByID, mail EntryReader, folders LabelFolders, log EventReader) *PlanChangesHandler {
	return &PlanChangesHandler{accounts, mail, folders, log}
}

// Handle returns a plan for each account and folder; messages that are not there are left out. It returns
// domain.ErrReadOnly if changes are not allowed on an account of the messages, or on any; a *LabelError, a *FolderError or ErrFolders.
func (h *PlanChangesHandler) Handle(ctx context.Context, q PlanChanges) ([]Plan, error) {
	accounts, err := h.accounts.Accounts(ctx, q.Journal, q.Accounts)
	if err != nil {
		return nil, fmt.Errorf("accounts of journal %d: %w", q.Journal, err)
	}
	writable := map[domain.AccountID]bool{}
	for _, a := range accounts {
		if a.Settings.AllowChanges {
			writable[a.ID] = true
		}
	}
	entries, err := h.mail.Entries(ctx, q.GetEntries)
	if err != nil {
		return nil, fmt.Errorf("get messages of journal %d: %w", q.Journal, err)
	}
	if len(writable) == 0 || slices.ContainsFunc(entries, func(e Entry) bool { return !writable[e.Account] }) {
		return nil, fmt.Errorf("changes in journal %d: %w", q.Journal, domain.ErrReadOnly)
	}
	labels, err := ReadLabels(ctx, h.folders, q.Journal, q.Accounts)
	if err != nil {
		return nil, err
	}
	p, err := labels.planner(q)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		was := Folder{}
		if q.Restore {
			if was, err = h.trashedFrom(ctx, q.Journal, labels, e); err != nil {
				return nil, err
			}
		}
		if err := p.plan(e, was); err != nil {
			return nil, err
		}
	}
	return p.plans, nil
}

// trashedFrom returns the folder from which a message in the trash came: the one that the log names if it is still there, else INBOX;
// the zero Folder for a message that is not in the trash.
func (h *PlanChangesHandler) trashedFrom(ctx context.Context, journal events.JournalID, labels *Labels, e Entry) (Folder, error) {
	if now, _ := labels.folder(e.Account, e.Folder); now.Role != domain.RoleTrash {
		return Folder{}, nil
	}
	page, err := h.log.Events(ctx, ListEvents{
		Journal: journal, Types: []events.Type{events.TypeMessageMoved}, Stream: &events.Stream{Kind: events.StreamMessage, ID: int64(e.ID)}, Desc: true, Limit: 1,
	})
	if err != nil {
		return Folder{}, fmt.Errorf("find where message %d was: %w", e.ID, err)
	}
	for _, rec := range page.Items {
		if moved, ok := rec.Event.(events.MessageMoved); ok {
			if was, ok := labels.folder(e.Account, moved.From.Folder); ok && was.Role != domain.RoleTrash {
				return was, nil
			}
		}
	}
	inbox, _ := labels.folder(e.Account, "INBOX")
	inbox.Name = "INBOX" // there is always one
	return inbox, nil
}

// folder returns a folder of an account.
func (l *Labels) folder(acc domain.AccountID, name domain.MailboxName) (Folder, bool) {
	i := slices.IndexFunc(l.folders[acc], func(f Folder) bool { return f.Name == name })
	if i < 0 {
		return Folder{}, false
	}
	return l.folders[acc][i], true
}

// planner gathers plans.
type planner struct {
	labels      *Labels
	target      string   // label of the folder to move to, "" for none
	leaves      []string // labels of folders that messages leave
	add, remove []domain.Flag
	plans       []Plan
}

// flagLabels are the labels that are flags; those of keywords may be folders besides.
var flagLabels = map[string]struct {
	flag  domain.Flag
	unset bool // the label says that the flag is not there
}{
	LabelUnread: {domain.FlagSeen, true}, LabelStarred: {domain.FlagFlagged, false}, LabelImportant: {domain.KeywordImportant, false},
}

// planner reads the labels of a change.
func (l *Labels) planner(q PlanChanges) (*planner, error) {
	p := &planner{labels: l}
	for _, id := range slices.Concat(q.Add, q.Remove) {
		if _, err := l.Find(id); err != nil || id == LabelSent || id == LabelDraft {
			return nil, &LabelError{id}
		}
	}
	for _, id := range q.Add {
		f, isFlag := flagLabels[id]
		switch {
		case isFlag && f.unset:
			p.remove = append(p.remove, f.flag)
		case isFlag:
			p.add = append(p.add, f.flag)
		case p.target != "" && p.target != id:
			return nil, ErrFolders
		default:
			p.target = id
		}
	}
	for _, id := range q.Remove {
		f, isFlag := flagLabels[id]
		switch {
		case isFlag && f.unset:
			p.add = append(p.add, f.flag)
		case isFlag:
			p.remove = append(p.remove, f.flag)
		default:
			p.leaves = append(p.leaves, id)
			if id == LabelSpam {
				p.remove = append(p.remove, domain.KeywordJunk)
			}
		}
	}
	return p, nil
}

// plan adds a message to the plan for its account and folder, unless nothing is asked of it. back is where it is to be restored to.
func (p *planner) plan(e Entry, back Folder) error {
	to, err := p.folderFor(e)
	if err != nil {
		return err
	}
	if back.Name != "" {
		to = back.Name
	}
	if to == e.Folder {
		to = ""
	}
	flags := domain.Flags(slices.DeleteFunc(slices.Concat(e.Flags, p.add), func(f domain.Flag) bool { return domain.HasFlag(p.remove, f) }))
	folder := e.Folder
	if to != "" {
		folder = to
	}
	e.Labels = p.labels.Of(e.Account, folder, flags)
	i := slices.IndexFunc(p.plans, func(x Plan) bool { return x.Account == e.Account && x.MoveTo == to })
	if i < 0 {
		i = len(p.plans)
		p.plans = append(p.plans, Plan{Account: e.Account, Add: p.add, Remove: p.remove, MoveTo: to})
	}
	p.plans[i].Messages = append(p.plans[i].Messages, e)
	return nil
}

// folderFor returns the folder that a message goes to, "" if it stays. What only leaves its folder goes to the archive, else to the
// folder of all mail.
func (p *planner) folderFor(e Entry) (domain.MailboxName, error) {
	all := p.labels.folders[e.Account]
	if p.target != "" {
		if i := slices.IndexFunc(all, func(f Folder) bool { return f.label() == p.target }); i >= 0 {
			return all[i].Name, nil
		}
		return "", &FolderError{p.target}
	}
	now, known := p.labels.folder(e.Account, e.Folder)
	if !known || !slices.Contains(p.leaves, now.label()) {
		return "", nil
	}
	for _, role := range []domain.Role{domain.RoleArchive, domain.RoleAll} {
		if i := slices.IndexFunc(all, func(f Folder) bool { return f.Role == role }); i >= 0 {
			return all[i].Name, nil
		}
	}
	return "", &FolderError{"with the special use \\Archive or \\All"}
}
