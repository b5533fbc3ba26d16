package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/events"
)

// GetSession asks who is signed in by what a cookie says.
type GetSession struct{ Secret string }

// Session is where somebody is signed in.
type Session struct {
	Hash      []byte // SHA-256 of its secret
	CreatedAt time.Time
	Expires   time.Time
	Remote    string
	Agent     string
}

// ListSessions asks where a user is signed in, the newest first.
type ListSessions struct{ Journal events.JournalID }

// SessionReader reads sessions.
type SessionReader interface {
	// Session returns who has a session. It returns domain.ErrNotFound for one that is not
	// there, has expired, or is of a user who may not sign in or has another password since.
	Session(ctx context.Context, secret string) (Principal, error)
	// Sessions answers ListSessions; those that have ended are left out.
	Sessions(ctx context.Context, journal events.JournalID) ([]Session, error)
}

// GetSessionHandler answers GetSession.
type GetSessionHandler struct{ sessions SessionReader }

// NewGetSession returns the handler.
func NewGetSession(sessions SessionReader) *GetSessionHandler { return &GetSessionHandler{sessions} }

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetSessionHandler) Handle(ctx context.Context, q GetSession) (Principal, error) {
	who, err := h.sessions.Session(ctx, q.Secret)
	if err != nil {
		return who, fmt.Errorf("get session: %w", err)
	}
	return who, nil
}

// ListSessionsHandler answers ListSessions.
type ListSessionsHandler struct{ sessions SessionReader }

// NewListSessions returns the handler.
func NewListSessions(sessions SessionReader) *ListSessionsHandler {
	return &ListSessionsHandler{sessions}
}

// Handle answers q.
func (h *ListSessionsHandler) Handle(ctx context.Context, q ListSessions) ([]Session, error) {
	out, err := h.sessions.Sessions(ctx, q.Journal)
	if err != nil {
		return nil, fmt.Errorf("list sessions of journal %d: %w", q.Journal, err)
	}
	return out, nil
}
