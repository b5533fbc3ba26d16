package commands

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ChangeUser asks for other data of a user; nil stays as it is.
type ChangeUser struct {
	Meta         events.Meta
	User         domain.UserID
	Email        *string
	PasswordHash *string
	Admin        *bool
	Active       *bool
}

// ChangeUserHandler carries out ChangeUser.
type ChangeUserHandler struct {
	journal Journal
	changes TokenChanges
	now     func() time.Time
}

// NewChangeUser returns the handler.
func NewChangeUser(journal Journal, changes TokenChanges, now func() time.Time) *ChangeUserHandler {
	return &ChangeUserHandler{journal, changes, now}
}

// Handle records what changed, if anything did. A new password, and being let in again, make
// the login token void and end all sessions. It returns domain.ErrNotFound.
func (h *ChangeUserHandler) Handle(ctx context.Context, cmd ChangeUser) (events.Position, error) {
	if cmd.PasswordHash != nil || cmd.Active != nil {
		if err := h.revokeLogin(ctx, cmd); err != nil {
			return 0, err
		}
	}
	now := h.now()
	scope := Scope{Journal: events.System, Append: NewAppendID(), Meta: cmd.Meta, User: cmd.User}
	pos, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if s.User == nil {
			return Decision{}, domain.ErrNotFound
		}
		return decideUser(cmd, *s.User, now), nil
	})
	if err != nil {
		return 0, fmt.Errorf("change user %d: %w", cmd.User, err)
	}
	h.changes.TokensChanged()
	return pos, nil
}

func decideUser(cmd ChangeUser, u User, now time.Time) Decision {
	changed := events.UserChanged{User: u.ID, Name: u.Name}
	if cmd.Email != nil && *cmd.Email != u.Email {
		u.Email, changed.Changed = *cmd.Email, append(changed.Changed, "email")
	}
	if cmd.PasswordHash != nil {
		u.PasswordHash, changed.Changed = *cmd.PasswordHash, append(changed.Changed, "password")
		u.LoginGeneration++
	}
	if cmd.Admin != nil && *cmd.Admin != u.Admin {
		u.Admin, changed.Changed = *cmd.Admin, append(changed.Changed, "is_admin")
	}
	if cmd.Active != nil && *cmd.Active != u.Active {
		u.Active, changed.Changed = *cmd.Active, append(changed.Changed, "is_active")
		u.LoginGeneration++
	}
	if len(changed.Changed) == 0 {
		return Decision{}
	}
	return Decision{Events: []events.Event{changed}, Rows: []Row{UserRow{User: u, At: now}}}
}

// revokeLogin makes the login token void, which is in the user's own journal. It comes first:
// broken off after it, nothing is open that was to be closed.
func (h *ChangeUserHandler) revokeLogin(ctx context.Context, cmd ChangeUser) error {
	journal := events.JournalID(cmd.User)
	scope := Scope{Journal: journal, Append: NewAppendID(), Meta: cmd.Meta, Tokens: true, User: cmd.User}
	_, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		i := slices.IndexFunc(s.Tokens, func(t Token) bool { return t.Kind == "login" })
		if s.User == nil || i < 0 {
			return Decision{}, nil
		}
		return tokensRevoked(s, s.Tokens[i]), nil
	})
	if err != nil {
		return fmt.Errorf("revoke login token of user %d: %w", cmd.User, err)
	}
	return nil
}
