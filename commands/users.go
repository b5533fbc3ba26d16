package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// AddUser asks for a new user.
type AddUser struct {
	Meta         events.Meta
	Name         string
	Email        string
	PasswordHash string
	Admin        bool
}

// AddUserHandler carries out AddUser.
type AddUserHandler struct {
	journal Journal
	users   UserNames
	now     func() time.Time
}

// UserNames looks up users by name.
type UserNames interface {
	// UserNamed returns a user. It returns domain.ErrNotFound.
	UserNamed(ctx context.Context, name string) (User, error)
}

// NewAddUser returns the handler.
func NewAddUser(journal Journal, users UserNames, now func() time.Time) *AddUserHandler {
	return &AddUserHandler{journal, users, now}
}

// Handle records the user, who gets a journal of their own. It returns
// domain.ErrConflict if the name is taken, a domain.FieldError if it is not fit.
func (h *AddUserHandler) Handle(ctx context.Context, cmd AddUser) (domain.UserID, error) {
	if err := checkName(cmd.Name); err != nil {
		return 0, err
	}
	if _, err := h.users.UserNamed(ctx, cmd.Name); err == nil {
		return 0, fmt.Errorf("user %q: %w: the name is taken", cmd.Name, domain.ErrConflict)
	}
	ids, err := h.journal.NextIDs(ctx, domain.IDUser, 1)
	if err != nil {
		return 0, fmt.Errorf("draw user id: %w", err)
	}
	user := User{
		ID: domain.UserID(ids[0]), Name: cmd.Name, Email: cmd.Email, Admin: cmd.Admin, Active: true,
		PasswordHash: cmd.PasswordHash, LoginGeneration: 1,
	}
	row := UserRow{User: user, At: h.now()}
	scope := Scope{Journal: events.System, Append: NewAppendID(), Meta: cmd.Meta}
	_, err = h.journal.Update(ctx, scope, func(State) (Decision, error) {
		added := events.UserAdded{User: user.ID, Name: user.Name, Admin: user.Admin}
		return Decision{Events: []events.Event{added}, Rows: []Row{row}}, nil
	})
	if err != nil {
		return 0, fmt.Errorf("record user %q: %w", cmd.Name, err)
	}
	return user.ID, nil
}

func checkName(name string) error {
	if name == "system" {
		return &domain.FieldError{Field: "name", Message: "The name system is reserved."}
	}
	if n := len([]rune(name)); n < 1 || n > 150 {
		return &domain.FieldError{Field: "name", Message: "A name has 1 to 150 characters."}
	}
	for _, r := range name {
		if r <= ' ' || r == 0x7f {
			return &domain.FieldError{Field: "name", Message: "A name has no white space."}
		}
	}
	return nil
}

// DisableUser asks for a user not to sign in any more.
type DisableUser struct {
	Meta events.Meta
	User domain.UserID
}

// DisableUserHandler carries out DisableUser.
type DisableUserHandler struct {
	journal Journal
	changes TokenChanges
	now     func() time.Time
}

// NewDisableUser returns the handler.
func NewDisableUser(journal Journal, changes TokenChanges, now func() time.Time) *DisableUserHandler {
	return &DisableUserHandler{journal, changes, now}
}

// Handle records that the user is disabled. It returns domain.ErrNotFound.
func (h *DisableUserHandler) Handle(ctx context.Context, cmd DisableUser) (events.Position, error) {
	now := h.now()
	scope := Scope{Journal: events.System, Append: NewAppendID(), Meta: cmd.Meta, User: cmd.User}
	pos, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if s.User == nil {
			return Decision{}, domain.ErrNotFound
		}
		if !s.User.Active {
			return Decision{}, nil
		}
		u := *s.User
		u.Active = false
		u.LoginGeneration++
		disabled := events.UserDisabled{User: u.ID, Name: u.Name}
		return Decision{Events: []events.Event{disabled}, Rows: []Row{UserRow{User: u, At: now}}}, nil
	})
	if err != nil {
		return 0, fmt.Errorf("disable user %d: %w", cmd.User, err)
	}
	h.changes.TokensChanged()
	return pos, nil
}

// EraseUser asks for all content of a user to be removed. It cannot be undone.
type EraseUser struct {
	Meta events.Meta
	User domain.UserID
}

// EraseUserHandler carries out EraseUser.
type EraseUserHandler struct {
	journal Journal
	changes TokenChanges
	eraser  Eraser
}

// NewEraseUser returns the handler.
func NewEraseUser(journal Journal, changes TokenChanges, eraser Eraser) *EraseUserHandler {
	return &EraseUserHandler{journal, changes, eraser}
}

// Handle records the erasure in the journal of the installation and in the user's, after which
// nothing is appended there, and has the content removed. Broken off between the two it can be
// repeated. It returns domain.ErrNotFound.
func (h *EraseUserHandler) Handle(ctx context.Context, cmd EraseUser) error {
	decide := func(State) (Decision, error) {
		return Decision{Events: []events.Event{events.UserErased{User: cmd.User}}}, nil
	}
	for _, journal := range []events.JournalID{events.System, events.JournalID(cmd.User)} {
		scope := Scope{Journal: journal, Append: NewAppendID(), Meta: cmd.Meta, User: cmd.User}
		if _, err := h.journal.Update(ctx, scope, decide); err != nil {
			return fmt.Errorf("erase user %d: %w", cmd.User, err)
		}
	}
	h.changes.TokensChanged()
	h.eraser.EraseSoon()
	return nil
}
