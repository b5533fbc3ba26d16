package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// User is a user as administrators see it.
type User struct {
	ID        domain.UserID
	Name      string
	Email     string
	Admin     bool
	Active    bool
	CreatedAt time.Time
}

// ListUsers asks for all users, by name; erased ones are left out.
type ListUsers struct{}

// UserReader reads users.
type UserReader interface {
	// Users returns all users that are not erased, by name.
	Users(ctx context.Context) ([]User, error)
}

// ListUsersHandler answers ListUsers.
type ListUsersHandler struct{ users UserReader }

// NewListUsers returns the handler.
func NewListUsers(users UserReader) *ListUsersHandler { return &ListUsersHandler{users} }

// Handle answers q.
func (h *ListUsersHandler) Handle(ctx context.Context, _ ListUsers) ([]User, error) {
	out, err := h.users.Users(ctx)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return out, nil
}
