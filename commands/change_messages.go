package commands

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ChangeMessages asks for messages of one account to be changed on its server: flags, and then the mailbox.
type ChangeMessages struct {
	Journal     events.JournalID
	Meta        events.Meta
	Account     domain.AccountID
	Messages    []events.ChangedMessage
	Add, Remove []domain.Flag
	MoveTo      domain.MailboxName // "": they stay where they are
	Wait        time.Duration      // for the server
}

// ChangeError says that a change is given up, for good.
type ChangeError struct{ events.ChangeEnded }

// Error returns why.
func (e *ChangeError) Error() string {
	return fmt.Sprintf("change %d: %s: %s %s", e.Change, e.ChangeEnded.Error.Code, e.ChangeEnded.Error.Message, e.Reply)
}

// ChangeOutcomes tells what came of changes.
type ChangeOutcomes interface {
	// Ended returns the ends of those of the changes that have ended, and the position of the last of these.
	Ended(ctx context.Context, journal events.JournalID, changes []domain.ChangeID) ([]events.ChangeEnded, events.Position, error)
}

// ChangeMessagesHandler carries out ChangeMessages.
type ChangeMessagesHandler struct {
	journal  Journal
	state    SyncState
	outcomes ChangeOutcomes
	sync     *RequestSyncHandler
	now      func() time.Time
}

// NewChangeMessages returns the handler, which asks for runs by sync.
func NewChangeMessages(journal Journal, state SyncState, outcomes ChangeOutcomes, sync *RequestSyncHandler, now func() time.Time) *ChangeMessagesHandler {
	return &ChangeMessagesHandler{journal, state, outcomes, sync, now}
}

// Handle records what is wanted and waits until a run has made it and seen it on the server. It returns the position of the last
// event of it; domain.ErrReadOnly; domain.ErrNotFound for an account or mailbox that is not there; a *ChangeError; or
// domain.ErrUnavailable if the server has not done it in time: it may do so later.
func (h *ChangeMessagesHandler) Handle(ctx context.Context, cmd ChangeMessages) (events.Position, error) {
	var to domain.Mailbox
	if cmd.MoveTo != "" {
		all, err := h.state.Mailboxes(ctx, cmd.Journal, cmd.Account)
		if err != nil {
			return 0, fmt.Errorf("mailboxes of account %d: %w", cmd.Account, err)
		}
		i := slices.IndexFunc(all, func(m domain.Mailbox) bool { return m.Name == cmd.MoveTo })
		if i < 0 {
			return 0, fmt.Errorf("mailbox %q of account %d: %w", cmd.MoveTo, cmd.Account, domain.ErrNotFound)
		}
		to = all[i]
	}
	changes, err := h.request(ctx, cmd, to)
	if err != nil {
		return 0, err
	}
	return h.await(ctx, cmd, changes)
}

// request records what is wanted, as several changes if there are many messages.
func (h *ChangeMessagesHandler) request(ctx context.Context, cmd ChangeMessages, to domain.Mailbox) ([]domain.ChangeID, error) {
	parts := slices.Collect(slices.Chunk(cmd.Messages, events.MaxChanged))
	ids, err := h.journal.NextIDs(ctx, domain.IDChange, len(parts))
	if err != nil {
		return nil, fmt.Errorf("draw change ids: %w", err)
	}
	var d Decision
	changes := make([]domain.ChangeID, len(parts))
	for i, part := range parts {
		changes[i] = domain.ChangeID(ids[i])
		d.Events = append(d.Events, events.ChangeRequested{
			Change: changes[i], Account: cmd.Account, Messages: part, Add: nonNil(cmd.Add), Remove: nonNil(cmd.Remove), MoveTo: to.ID, Folder: to.Name,
		})
	}
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Account: cmd.Account}
	_, err = h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if s.Account == nil {
			return Decision{}, domain.ErrNotFound
		}
		if !s.Account.Settings.AllowChanges {
			return Decision{}, domain.ErrReadOnly
		}
		return d, nil
	})
	if err != nil {
		return nil, fmt.Errorf("record changes of account %d: %w", cmd.Account, err)
	}
	return changes, nil
}

// await asks for runs until the changes have ended. A run that went on already may have looked for changes before these.
func (h *ChangeMessagesHandler) await(ctx context.Context, cmd ChangeMessages, changes []domain.ChangeID) (events.Position, error) {
	deadline := h.now().Add(cmd.Wait)
	for {
		run, err := h.sync.Handle(ctx, RequestSync{
			Journal: cmd.Journal, Meta: cmd.Meta, Account: cmd.Account, Cause: "request", Wait: max(deadline.Sub(h.now()), time.Millisecond),
		})
		if err != nil {
			return 0, fmt.Errorf("ask for changes of account %d: %w", cmd.Account, err)
		}
		ended, pos, err := h.outcomes.Ended(ctx, cmd.Journal, changes)
		if err != nil {
			return 0, fmt.Errorf("outcome of changes of account %d: %w", cmd.Account, err)
		}
		for _, e := range ended {
			if e.Error != nil {
				return pos, &ChangeError{e}
			}
		}
		if len(ended) == len(changes) {
			return pos, nil
		}
		if run.Status == "error" || !h.now().Before(deadline) {
			return 0, fmt.Errorf("changes of account %d are not made yet, run %d is %s: %w", cmd.Account, run.Sync, run.Status, domain.ErrUnavailable)
		}
	}
}
