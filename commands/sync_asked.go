package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// PendingChange is a change that was asked for and has not ended.
type PendingChange struct {
	events.ChangeRequested
	Tries int // runs that have begun to make it
}

// ChangeState reads what the log knows of changes.
type ChangeState interface {
	// PendingChanges returns the changes of an account that have not ended, in the order in which they were asked for.
	PendingChanges(ctx context.Context, journal events.JournalID, acc domain.AccountID) ([]PendingChange, error)
	// PlacesOf returns where messages of an account are, by mailbox and UID; those that are not stored are left out.
	PlacesOf(ctx context.Context, journal events.JournalID, acc domain.AccountID, of []events.ChangedMessage) ([]KnownAt, error)
}

// askedChange is a change in a run.
type askedChange struct {
	PendingChange
	begun   bool // by this run
	refused string
}

// maxTries is how many runs try a change: a server may break off, and others may change the same messages.
const maxTries = 3

// readAsked reads which changes the run has to make.
func (r *accountRun) readAsked(ctx context.Context) error {
	pending, err := r.state.PendingChanges(ctx, r.Journal, r.Account)
	if err != nil {
		return fmt.Errorf("pending changes of account %d: %w", r.Account, err)
	}
	for _, p := range pending {
		r.asked = append(r.asked, &askedChange{PendingChange: p})
	}
	return nil
}

// makeAsked makes the changes on the server, before the run looks at it, so that the run sees what they did. All steps can be
// repeated: a run before this one may have been killed after any of them.
func (r *accountRun) makeAsked(ctx context.Context) error {
	if len(r.asked) == 0 || !r.settings.AllowChanges {
		return nil
	}
	tried := TriedChangesRow{Account: r.Account}
	for _, c := range r.asked {
		tried.Changes = append(tried.Changes, c.Change)
	}
	if err := r.record(ctx, nil, tried); err != nil {
		return err
	}
	all, err := r.state.Mailboxes(ctx, r.Journal, r.Account)
	if err != nil {
		return fmt.Errorf("mailboxes of account %d: %w", r.Account, err)
	}
	boxes := map[domain.MailboxID]domain.Mailbox{}
	for _, m := range all {
		boxes[m.ID] = m
	}
	for _, c := range r.asked {
		c.begun = true
		if err := r.make(ctx, c, boxes); err != nil {
			return fmt.Errorf("make change %d of account %d: %w", c.Change, r.Account, err)
		}
	}
	return nil
}

// make makes one change, mailbox by mailbox. A message that is where it should be has its flags changed there.
func (r *accountRun) make(ctx context.Context, c *askedChange, boxes map[domain.MailboxID]domain.Mailbox) error {
	to, known := boxes[c.MoveTo]
	if c.MoveTo != 0 && !known {
		c.refused = fmt.Sprintf("There is no folder %q any more.", c.Folder)
		return nil
	}
	places, err := r.state.PlacesOf(ctx, r.Journal, r.Account, c.Messages)
	if err != nil {
		return fmt.Errorf("find messages: %w", err)
	}
	slices.SortFunc(places, func(a, b KnownAt) int {
		return cmp.Or(cmp.Compare(a.Mailbox, b.Mailbox), cmp.Compare(a.UID, b.UID))
	})
	for len(places) > 0 && c.refused == "" {
		n := slices.IndexFunc(places, func(k KnownAt) bool { return k.Mailbox != places[0].Mailbox })
		if n < 0 {
			n = len(places)
		}
		if err := r.makeIn(ctx, c, boxes[places[0].Mailbox], places[:n], to); err != nil {
			return err
		}
		places = places[n:]
	}
	return nil
}

// makeIn makes a change of messages of one mailbox.
func (r *accountRun) makeIn(ctx context.Context, c *askedChange, in domain.Mailbox, places []KnownAt, to domain.Mailbox) error {
	uids := make([]domain.UID, len(places))
	for i, k := range places {
		uids[i] = k.UID
	}
	of := MailboxChange{Mailbox: in.Name, UIDValidity: in.UIDValidity, UIDs: domain.UIDs(uids...), Add: c.Add, Remove: c.Remove}
	if to.ID != 0 && to.ID != in.ID {
		of.MoveTo = to.Name
	}
	out, err := r.change(ctx, c, of)
	if err != nil {
		return err
	}
	if out.NoMove {
		of.MoveTo = ""
		return r.moveByCopy(ctx, c, of, places, to)
	}
	for _, k := range places {
		if uid, told := out.UIDs[k.UID]; told {
			r.foretold = append(r.foretold, foretold{to.ID, out.Validity, uid, left{in, k.UID, k.Known}})
		}
	}
	return nil
}

// change has the server make a step of a change.
func (r *accountRun) change(ctx context.Context, c *askedChange, of MailboxChange) (Changed, error) {
	out, err := r.conn.Change(ctx, of)
	if err == nil {
		c.refused = cmp.Or(c.refused, out.Refused)
	}
	return out, err
}

// moveByCopy moves where the server has no MOVE: copies, and takes away by UID what was copied (RFC 4315 section 2.1). What a try
// before this one has copied already is recognised by what a copy keeps, and not copied twice.
func (r *accountRun) moveByCopy(ctx context.Context, c *askedChange, of MailboxChange, places []KnownAt, to domain.Mailbox) error {
	copied, err := r.copiedBefore(ctx, c, places, to)
	if err != nil {
		return err
	}
	copies := of
	copies.UIDs, copies.CopyTo = of.UIDs.Minus(copied), to.Name
	takes := of
	takes.Add, takes.Remove, takes.Expunge = nil, nil, true
	for _, step := range []MailboxChange{copies, takes} {
		if step.UIDs.Count() == 0 {
			continue
		}
		out, err := r.change(ctx, c, step)
		if err != nil || c.refused != "" || out.Another {
			return err
		}
	}
	return nil
}

// copiedBefore returns which of the messages an earlier try has copied: those that the target has and the log does not know there.
func (r *accountRun) copiedBefore(ctx context.Context, c *askedChange, places []KnownAt, to domain.Mailbox) (domain.UIDSet, error) {
	if c.Tries == 0 {
		return nil, nil
	}
	status, uids, err := r.see(ctx, &mailboxRun{listed: domain.Listed{Name: to.Name}, state: to, lookedAt: 1}, nil)
	if err != nil || status.UIDValidity != to.UIDValidity {
		return nil, err
	}
	known, err := r.state.KnownUIDs(ctx, r.Journal, to.ID)
	if err != nil {
		return nil, fmt.Errorf("known uids of mailbox %d: %w", to.ID, err)
	}
	there := map[trace]int{}
	err = r.conn.Headers(ctx, uids.Minus(known), func(h MessageHead) error {
		there[trace{domain.MsgKey(h.MsgID), h.Size, h.InternalDate.UTC()}]++
		return nil
	})
	var copied []domain.UID
	for _, k := range places {
		if t := (trace{k.MsgKey, k.Size, k.InternalDate.UTC()}); there[t] > 0 {
			there[t]--
			copied = append(copied, k.UID)
		}
	}
	return domain.UIDs(copied...), err
}

// endAsked records what came of the changes: made is what the log now shows, by what the run has seen. What the server has
// refused is given up, and so is all if it could not be reached and no run has begun. The rest is tried again.
func (r *accountRun) endAsked(ctx context.Context, failed error) error {
	var ended []events.Event
	for _, c := range r.asked {
		e := events.ChangeEnded{Change: c.Change, Account: r.Account}
		if c.refused != "" {
			e.Error, e.Reply = &events.SyncError{Code: events.CodeRefused, Message: "The mail server refused the change."}, c.refused
			ended = append(ended, e)
			continue
		}
		seen, err := r.seenAsked(ctx, c)
		if err != nil {
			return err
		}
		tries := c.Tries
		if c.begun {
			tries++
		}
		switch {
		case c.begun && seen:
		case !r.settings.AllowChanges:
			e.Error = &events.SyncError{Code: events.CodeReadOnly, Message: "Changes are not allowed any more."}
		case tries > 0 && tries < maxTries:
			continue
		default:
			e.Error = r.whyNot(ctx, failed)
		}
		ended = append(ended, e)
	}
	if err := r.record(context.WithoutCancel(ctx), ended); err != nil {
		return err
	}
	r.log.Debug("changes made", slog.Int64("account", int64(r.Account)), slog.Int("ended", len(ended)), slog.Int("asked", len(r.asked)))
	return nil
}

// whyNot returns why a change is given up.
func (r *accountRun) whyNot(ctx context.Context, failed error) *events.SyncError {
	if failed == nil && !errors.Is(context.Cause(ctx), errCancelled) {
		return &events.SyncError{Code: CodeProtocolError, Message: "The mail server does not show the change."}
	}
	code, message := r.failure(ctx, failed)
	return &events.SyncError{Code: code, Message: message}
}

// seenAsked reports whether the log shows all that a change asks for, or no message of it any more.
func (r *accountRun) seenAsked(ctx context.Context, c *askedChange) (bool, error) {
	places, err := r.state.PlacesOf(context.WithoutCancel(ctx), r.Journal, r.Account, c.Messages)
	if err != nil {
		return false, fmt.Errorf("find messages of change %d: %w", c.Change, err)
	}
	for _, k := range places {
		moved := c.MoveTo == 0 || k.Mailbox == c.MoveTo
		added := !slices.ContainsFunc(c.Add, func(f domain.Flag) bool { return !domain.HasFlag(k.Flags, f) })
		removed := !slices.ContainsFunc(c.Remove, func(f domain.Flag) bool { return domain.HasFlag(k.Flags, f) })
		if !moved || !added || !removed {
			return false, nil
		}
	}
	return true, nil
}

// foretold is a move that the server has told of when it was made here.
type foretold struct {
	to       domain.MailboxID
	validity domain.UIDValidity
	uid      domain.UID
	left     left
}

// foretoldPairs returns the messages that came into a mailbox as the server has told before, and takes them out of those that are
// to be recognised. A message without a Message-ID keeps its id so.
func (r *accountRun) foretoldPairs(m *mailboxRun, gone map[trace][]left, arrived map[trace][]domain.UID) map[domain.UID]left {
	pairs := map[domain.UID]left{}
	for _, f := range r.foretold {
		if f.to != m.state.ID || f.validity != m.status.UIDValidity || !m.come.Contains(f.uid) {
			continue
		}
		t := trace{f.left.known.MsgKey, f.left.known.Size, f.left.known.InternalDate.UTC()}
		i := slices.IndexFunc(gone[t], func(l left) bool { return l.from.ID == f.left.from.ID && l.uid == f.left.uid })
		if i < 0 {
			continue
		}
		pairs[f.uid] = gone[t][i]
		gone[t] = slices.Delete(slices.Clone(gone[t]), i, i+1)
		arrived[t] = slices.DeleteFunc(slices.Clone(arrived[t]), func(uid domain.UID) bool { return uid == f.uid })
	}
	return pairs
}
