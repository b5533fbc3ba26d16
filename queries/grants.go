package queries

import (
	"context"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Grant is what a user may see of the OAuth 2.0 grant of an account.
type Grant struct {
	Account      domain.AccountID
	Provider     string
	Status       string // pending, active, needs_reauthorization
	Mechanism    string // "" before the first login
	Scopes       []string
	AuthorizedAt *time.Time
	ExpiresAt    *time.Time // of the access token
	RefreshedAt  *time.Time
	LastError    string
}

// GrantReader reads grants.
type GrantReader interface {
	// GrantView returns the grant of an account, without Account and Provider. It returns domain.ErrNotFound.
	GrantView(ctx context.Context, journal events.JournalID, acc domain.AccountID) (Grant, error)
}

// GetGrant asks for the grant of an account.
type GetGrant struct {
	Journal events.JournalID
	Account domain.AccountID
}

// GetGrantHandler answers GetGrant.
type GetGrantHandler struct {
	accounts AccountReader
	grants   GrantReader
}

// NewGetGrant returns the handler.
func NewGetGrant(accounts AccountReader, grants GrantReader) *GetGrantHandler {
	return &GetGrantHandler{accounts, grants}
}

// Handle answers q. It returns domain.ErrNotFound, also if the account has a password.
func (h *GetGrantHandler) Handle(ctx context.Context, q GetGrant) (Grant, error) {
	found, err := h.accounts.Accounts(ctx, q.Journal, []domain.AccountID{q.Account})
	if err != nil {
		return Grant{}, fmt.Errorf("get account %d: %w", q.Account, err)
	}
	if len(found) == 0 || found[0].Settings.AuthType != events.AuthOAuth2 {
		return Grant{}, fmt.Errorf("grant of account %d: %w", q.Account, domain.ErrNotFound)
	}
	g, err := h.grants.GrantView(ctx, q.Journal, q.Account)
	g.Account, g.Provider = q.Account, found[0].Settings.OAuthProvider
	if err != nil {
		return g, fmt.Errorf("grant of account %d: %w", q.Account, err)
	}
	return g, nil
}
