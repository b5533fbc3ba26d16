package queries

import (
	"context"
	"fmt"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ListTokens asks for the tokens of a user, oldest first.
type ListTokens struct {
	Journal events.JournalID
	Paging
}

// GetToken asks for one token.
type GetToken struct {
	Journal events.JournalID
	ID      domain.TokenID
}

// TokenReader reads tokens.
type TokenReader interface {
	// Tokens returns the tokens of a user, by id.
	Tokens(ctx context.Context, journal events.JournalID) ([]Token, error)
}

// ListTokensHandler answers ListTokens.
type ListTokensHandler struct{ tokens TokenReader }

// NewListTokens returns the handler.
func NewListTokens(tokens TokenReader) *ListTokensHandler { return &ListTokensHandler{tokens} }

// Handle answers q. It returns ErrPage for a page past the end.
func (h *ListTokensHandler) Handle(ctx context.Context, q ListTokens) (Page[Token], error) {
	all, err := h.tokens.Tokens(ctx, q.Journal)
	if err != nil {
		return Page[Token]{}, fmt.Errorf("list tokens of journal %d: %w", q.Journal, err)
	}
	id := func(t Token) int64 { return int64(t.ID) }
	return pageOf(all, []Order{{Field: "id"}}, func(t Token, _ string) string { return idKey(id(t)) }, id, q.Paging)
}

// GetTokenHandler answers GetToken.
type GetTokenHandler struct{ tokens TokenReader }

// NewGetToken returns the handler.
func NewGetToken(tokens TokenReader) *GetTokenHandler { return &GetTokenHandler{tokens} }

// Handle answers q. It returns domain.ErrNotFound.
func (h *GetTokenHandler) Handle(ctx context.Context, q GetToken) (Token, error) {
	all, err := h.tokens.Tokens(ctx, q.Journal)
	if err != nil {
		return Token{}, fmt.Errorf("get token %d: %w", q.ID, err)
	}
	for _, t := range all {
		if t.ID == q.ID {
			return t, nil
		}
	}
	return Token{}, fmt.Errorf("token %d: %w", q.ID, domain.ErrNotFound)
}
