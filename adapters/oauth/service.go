package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/imap2api/imap2api/commands"
)

var errNotConfigured = errors.New("provider is not configured")

// AuthorizationURL returns the address to open in a browser (RFC 6749 section 4.1.1).
func (s *Service) AuthorizationURL(key string, in commands.Authorization, state, username string) string {
	p, err := s.named(key)
	if err != nil {
		return ""
	}
	opts := append([]oauth2.AuthCodeOption{oauth2.S256ChallengeOption(in.Verifier)}, p.extra...)
	if username != "" {
		opts = append(opts, oauth2.SetAuthURLParam("login_hint", username))
	}
	return p.config(in.RedirectURI).AuthCodeURL(state, opts...)
}

// Exchange redeems a code (RFC 6749 section 4.1.3).
func (s *Service) Exchange(ctx context.Context, key string, in commands.Authorization, code string) (commands.OAuthTokens, error) {
	p, err := s.named(key)
	if err != nil {
		return commands.OAuthTokens{}, err
	}
	token, err := p.config(in.RedirectURI).Exchange(s.context(ctx), code, oauth2.VerifierOption(in.Verifier))
	if err != nil {
		return commands.OAuthTokens{}, grantError(err)
	}
	return tokensOf(token), nil
}

// Refresh returns new tokens (RFC 6749 section 6).
func (s *Service) Refresh(ctx context.Context, key, refresh string) (commands.OAuthTokens, error) {
	p, err := s.named(key)
	if err != nil {
		return commands.OAuthTokens{}, err
	}
	token, err := p.config("").TokenSource(s.context(ctx), &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return commands.OAuthTokens{}, grantError(err)
	}
	return tokensOf(token), nil
}

// Revoke makes a refresh token void where the provider can (RFC 7009 section 2.1).
func (s *Service) Revoke(ctx context.Context, key, refresh string) error {
	p, err := s.named(key)
	if err != nil || p.revoke == "" {
		return err
	}
	form := url.Values{"token": {refresh}, "token_type_hint": {"refresh_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.revoke, strings.NewReader(form.Encode()))
	if err != nil {
		return &commands.GrantError{Err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := s.http.Do(req)
	if err != nil {
		return &commands.GrantError{Err: err}
	}
	defer res.Body.Close() //nolint:errcheck // nothing of it is read
	if res.StatusCode != http.StatusOK {
		return &commands.GrantError{Err: fmt.Errorf("revocation answered with status %d", res.StatusCode)}
	}
	return nil
}

func (s *Service) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, s.http)
}

func tokensOf(t *oauth2.Token) commands.OAuthTokens {
	out := commands.OAuthTokens{Access: t.AccessToken, Refresh: t.RefreshToken, Expires: t.Expiry.UTC()}
	if t.Expiry.IsZero() {
		out.Expires = t.Expiry
	}
	if scope, ok := t.Extra("scope").(string); ok && scope != "" {
		out.Scopes = strings.Fields(scope)
	}
	return out
}

// grantError says what a provider answered, without its body: that may hold tokens.
func grantError(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return &commands.GrantError{Err: err}
	}
	code := refused.ErrorCode
	if strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" || len(code) > 50 {
		code = ""
	}
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	return &commands.GrantError{Code: code, Err: fmt.Errorf("answered with status %d", status)}
}
