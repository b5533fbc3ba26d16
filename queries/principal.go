package queries

import (
	"context"
	"errors"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ErrInactive is returned for a valid token of a user who may not sign in any more.
var ErrInactive = errors.New("user inactive")

// The scopes of a token.
const (
	ScopeRead  = "read"
	ScopeWrite = "write"
	ScopeAdmin = "admin"
)

// Token is an API token as its owner sees it.
type Token struct {
	ID        domain.TokenID
	Kind      string // login, api
	Name      string
	Prefix    string
	Scopes    []string
	Accounts  []domain.AccountID // empty: all
	Version   int64
	CreatedAt time.Time
	ExpiresAt *time.Time
	LastUsed  *time.Time // to the minute
}

// Principal is who asks.
type Principal struct {
	User    domain.UserID
	Journal events.JournalID
	Name    string
	Email   string
	Admin   bool
	Token   Token
}

// Authenticate asks who a token belongs to.
type Authenticate struct{ Token string }

// PrincipalReader looks up tokens.
type PrincipalReader interface {
	// Principal returns the owner of a token. It returns domain.ErrNotFound for a token that is
	// unknown, revoked or expired, ErrInactive if the user was disabled.
	Principal(ctx context.Context, token string) (Principal, error)
}

// AuthenticateHandler answers Authenticate.
type AuthenticateHandler struct{ principals PrincipalReader }

// NewAuthenticate returns the handler.
func NewAuthenticate(principals PrincipalReader) *AuthenticateHandler {
	return &AuthenticateHandler{principals}
}

// Handle returns who the token belongs to. It returns domain.ErrNotFound or ErrInactive.
func (h *AuthenticateHandler) Handle(ctx context.Context, q Authenticate) (Principal, error) {
	return h.principals.Principal(ctx, q.Token)
}
