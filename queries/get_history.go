package queries

import (
	"context"
	"fmt"
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// GetHistory asks what happened to the messages of accounts after a position, as far as the mail read
// model has come.
type GetHistory struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // nil: all
	After    events.Position
	// Until is the last position that is told; 0: up to where the read model is now.
	Until events.Position
	Kinds []ChangeKind // nil: all
	Label string       // only messages that have this label now, or whose change involves it; "": all
	Limit int
}

// ChangeKind is what happened to a message, as labels tell it (api.md 11.9).
type ChangeKind string

// The kinds of change, as clients name them.
const (
	MessageAdded   ChangeKind = "messageAdded"
	MessageDeleted ChangeKind = "messageDeleted"
	LabelAdded     ChangeKind = "labelAdded"
	LabelRemoved   ChangeKind = "labelRemoved"
)

// ChangeKinds are all kinds.
var ChangeKinds = []ChangeKind{MessageAdded, MessageDeleted, LabelAdded, LabelRemoved}

// Change is one event of a message, as labels tell it.
type Change struct {
	Position events.Position
	Kinds    []ChangeKind
	ID       domain.MessageID
	Thread   domain.ThreadID // the one it is in now, if it still is
	Labels   []string        // after the change; of a deleted message those last known
	// Added and Removed are labels, of LabelAdded and LabelRemoved.
	Added, Removed []string
}

// History is a part of what happened.
type History struct {
	Changes []Change
	Until   events.Position // the position at the first page, which the last one ends at
	Next    events.Position // to go on after; 0: there is no more
}

// changeTypes are the events that change what a mailbox lists.
var changeTypes = []events.Type{events.TypeMessageFetched, events.TypeMessageExpunged, events.TypeFlagsChanged, events.TypeMessageMoved}

// GetHistoryHandler answers GetHistory.
type GetHistoryHandler struct {
	events  EventReader
	applied AppliedReader
	mail    EntryReader
	folders LabelFolders
}

// NewGetHistory returns the handler.
func NewGetHistory(log EventReader, applied AppliedReader, mail EntryReader, folders LabelFolders) *GetHistoryHandler {
	return &GetHistoryHandler{log, applied, mail, folders}
}

const historyBatch = 1_000 // events read at once, at most

// Handle answers q. A part is never empty while there is more. It returns domain.ErrNotFound for a
// position beyond what is known.
func (h *GetHistoryHandler) Handle(ctx context.Context, q GetHistory) (History, error) {
	out := History{Until: q.Until}
	if q.Until == 0 {
		pos, err := h.applied.Applied(ctx, q.Journal, mailModel)
		if err != nil {
			return out, fmt.Errorf("history of journal %d: %w", q.Journal, err)
		}
		out.Until = pos
	}
	if q.After > out.Until {
		return out, fmt.Errorf("history of journal %d after %d: %w", q.Journal, q.After, domain.ErrNotFound)
	}
	labels, err := ReadLabels(ctx, h.folders, q.Journal, q.Accounts)
	if err != nil {
		return out, err
	}
	if err := h.read(ctx, q, labels, &out); err != nil {
		return out, fmt.Errorf("history of journal %d: %w", q.Journal, err)
	}
	if len(out.Changes) > q.Limit { // one more tells whether there is a next part
		out.Changes = out.Changes[:q.Limit]
		out.Next = out.Changes[q.Limit-1].Position
	}
	return out, nil
}

// read collects changes until there is one more than asked for, or nothing is left.
func (h *GetHistoryHandler) read(ctx context.Context, q GetHistory, labels *Labels, out *History) error {
	at, size := q.After, min(historyBatch, q.Limit+20)
	for at < out.Until && len(out.Changes) <= q.Limit {
		page, err := h.events.Events(ctx, ListEvents{
			Journal: q.Journal, Accounts: q.Accounts, After: at, Before: out.Until + 1, Types: changeTypes, Limit: size,
		})
		if err != nil {
			return err
		}
		if err := h.take(ctx, q, labels, page.Items, out); err != nil {
			return err
		}
		if !page.More {
			return nil
		}
		at, size = page.Items[len(page.Items)-1].Position, historyBatch
	}
	return nil
}

// take adds the changes that events are.
func (h *GetHistoryHandler) take(ctx context.Context, q GetHistory, labels *Labels, recs []events.Recorded, out *History) error {
	now, err := h.now(ctx, q, labels, recs)
	if err != nil {
		return err
	}
	for _, rec := range recs {
		change, ok := labels.change(rec)
		if !ok {
			continue
		}
		entry, there := now[change.ID]
		if there {
			change.Thread = entry.Thread
		}
		if q.Kinds != nil {
			change.Kinds = slices.DeleteFunc(change.Kinds, func(k ChangeKind) bool { return !slices.Contains(q.Kinds, k) })
		}
		if len(change.Kinds) > 0 && (q.Label == "" || change.involves(q.Label) || slices.Contains(entry.Labels, q.Label)) {
			out.Changes = append(out.Changes, change)
		}
	}
	return nil
}

// now returns the messages of events as they are now.
func (h *GetHistoryHandler) now(ctx context.Context, q GetHistory, labels *Labels, recs []events.Recorded) (map[domain.MessageID]Entry, error) {
	ids := make([]domain.MessageID, 0, len(recs))
	for _, rec := range recs {
		ids = append(ids, domain.MessageID(rec.Stream.ID))
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	entries, err := h.mail.Entries(ctx, GetEntries{Journal: q.Journal, Accounts: q.Accounts, IDs: ids})
	if err != nil {
		return nil, fmt.Errorf("messages of a history: %w", err)
	}
	out := make(map[domain.MessageID]Entry, len(entries))
	for _, e := range entries {
		e.Labels = labels.Of(e.Account, e.Folder, e.Flags)
		out[e.ID] = e
	}
	return out, nil
}

// involves reports whether a change is about a label.
func (c Change) involves(label string) bool {
	return slices.Contains(c.Labels, label) || slices.Contains(c.Added, label) || slices.Contains(c.Removed, label)
}

// change returns what an event says of a message; false for one that is about no label, or was erased.
func (l *Labels) change(rec events.Recorded) (Change, bool) {
	c := Change{Position: rec.Position}
	switch e := rec.Event.(type) {
	case events.MessageFetched:
		c.ID, c.Thread, c.Labels = e.ID, e.Thread, l.Of(e.Account, e.Folder, e.Flags)
		c.Kinds = []ChangeKind{MessageAdded}
	case events.MessageExpunged:
		c.ID, c.Thread, c.Labels = e.ID, e.Thread, l.Of(e.Account, e.Folder, e.Flags)
		c.Kinds = []ChangeKind{MessageDeleted}
	case events.FlagsChanged:
		before := slices.DeleteFunc(slices.Concat(e.Flags, e.Removed), func(f domain.Flag) bool { return domain.HasFlag(e.Added, f) })
		c.ID, c.Thread = e.ID, e.Thread
		c.between(l.Of(e.Account, e.Folder, before), l.Of(e.Account, e.Folder, e.Flags))
	case events.MessageMoved:
		c.ID, c.Thread = e.ID, e.Thread
		c.between(l.Of(e.Account, e.From.Folder, e.Flags), l.Of(e.Account, e.Folder, e.Flags))
	}
	return c, len(c.Kinds) > 0
}

// between tells the labels before and after a change apart.
func (c *Change) between(before, after []string) {
	c.Labels = after
	for _, label := range after {
		if !slices.Contains(before, label) {
			c.Added = append(c.Added, label)
		}
	}
	for _, label := range before {
		if !slices.Contains(after, label) {
			c.Removed = append(c.Removed, label)
		}
	}
	if c.Removed != nil {
		c.Kinds = append(c.Kinds, LabelRemoved)
	}
	if c.Added != nil {
		c.Kinds = append(c.Kinds, LabelAdded)
	}
}
