package commands

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Authorization is a sign-in at a provider that has begun in a browser and waits for it to come back.
type Authorization struct {
	Journal     events.JournalID
	Account     domain.AccountID
	Verifier    string // code verifier (RFC 7636 section 4.1)
	RedirectURI string
	ReturnURL   string // where the browser goes in the end; "": a page of ours
	Expires     time.Time
	User        string // name of the user; filled in by Look and Take
}

// Authorizations keeps sign-ins by the hash of their state parameter (RFC 6749 section 10.12).
type Authorizations interface {
	// Begin keeps a sign-in, and forgets those that have expired.
	Begin(ctx context.Context, state [32]byte, in Authorization) error
	// Look returns a sign-in that has not expired. It returns domain.ErrNotFound.
	Look(ctx context.Context, state [32]byte) (Authorization, error)
	// Take returns it and forgets it: a state is good for one use. It returns domain.ErrNotFound.
	Take(ctx context.Context, state [32]byte) (Authorization, error)
}

// AuthorizationHandler carries out the commands of a sign-in.
type AuthorizationHandler struct {
	writer    *GrantWriter
	signIns   Authorizations
	passwords Passwords
	oauth     OAuth
	now       func() time.Time
}

// NewAuthorization returns the handler. passwords gives it the settings of accounts.
func NewAuthorization(writer *GrantWriter, signIns Authorizations, passwords Passwords, oauth OAuth, now func() time.Time) *AuthorizationHandler {
	return &AuthorizationHandler{writer, signIns, passwords, oauth, now}
}

// BeginAuthorization asks for the address of a provider where a user lets us read a mailbox.
type BeginAuthorization struct {
	Journal                events.JournalID
	Account                domain.AccountID
	RedirectURI, ReturnURL string
}

// AuthorizationBegun is where to go, and until when.
type AuthorizationBegun struct {
	URL     string
	Expires time.Time
}

const signInTime = 10 * time.Minute // api.md 10.15

// Begin returns the address. It returns domain.ErrNotFound if the account has a password.
func (h *AuthorizationHandler) Begin(ctx context.Context, cmd BeginAuthorization) (AuthorizationBegun, error) {
	s, err := h.settings(ctx, cmd.Journal, cmd.Account)
	if err != nil {
		return AuthorizationBegun{}, err
	}
	in := Authorization{
		Journal: cmd.Journal, Account: cmd.Account, Verifier: randomText(), RedirectURI: cmd.RedirectURI, ReturnURL: cmd.ReturnURL,
		Expires: h.now().Add(signInTime),
	}
	state := randomText()
	if err := h.signIns.Begin(ctx, sha256.Sum256([]byte(state)), in); err != nil {
		return AuthorizationBegun{}, fmt.Errorf("begin sign-in of account %d: %w", cmd.Account, err)
	}
	return AuthorizationBegun{h.oauth.AuthorizationURL(s.OAuthProvider, in, state, s.Username), in.Expires}, nil
}

// settings returns those of an account that signs in with OAuth 2.0. It returns domain.ErrNotFound.
func (h *AuthorizationHandler) settings(ctx context.Context, journal events.JournalID, acc domain.AccountID) (events.AccountSettings, error) {
	s, _, err := h.passwords.AccountLogin(ctx, journal, acc)
	if err == nil && s.AuthType != events.AuthOAuth2 {
		err = domain.ErrNotFound
	}
	if err != nil {
		return s, fmt.Errorf("sign-in of account %d: %w", acc, err)
	}
	return s, nil
}

// randomText returns 32 random octets as base64url, 43 characters: a state, or a code verifier.
func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// AuthorizationAsked is what a user is asked before a code is redeemed (api.md D55).
type AuthorizationAsked struct {
	User      string
	Mailbox   string // the user name there
	Provider  string
	Account   domain.AccountID
	ReturnURL string
}

// Look says whose mailbox a state is about. It returns domain.ErrNotFound for one that is bad, used or expired.
func (h *AuthorizationHandler) Look(ctx context.Context, state string) (AuthorizationAsked, error) {
	in, err := h.signIns.Look(ctx, sha256.Sum256([]byte(state)))
	if err != nil {
		return AuthorizationAsked{}, fmt.Errorf("look at sign-in: %w", err)
	}
	return h.asked(ctx, in)
}

func (h *AuthorizationHandler) asked(ctx context.Context, in Authorization) (AuthorizationAsked, error) {
	s, err := h.settings(ctx, in.Journal, in.Account)
	return AuthorizationAsked{in.User, s.Username, providerNamed(h.oauth, s.OAuthProvider).Name, in.Account, in.ReturnURL}, err
}

// FinishAuthorization redeems the code that a browser brought back, or gives up for the error that it brought.
type FinishAuthorization struct {
	State, Code string
	Error       string // the provider's, such as access_denied; "" with a code
}

// AuthorizationEnded is how a sign-in ended.
type AuthorizationEnded struct {
	AuthorizationAsked
	Error    string // code of RFC 6749 why it failed; "": connected
	Position events.Position
}

// Finish uses up the state. It returns domain.ErrNotFound for one that is bad, used or expired; what the
// provider refuses is in the result.
func (h *AuthorizationHandler) Finish(ctx context.Context, cmd FinishAuthorization) (AuthorizationEnded, error) {
	in, err := h.signIns.Take(ctx, sha256.Sum256([]byte(cmd.State)))
	if err != nil {
		return AuthorizationEnded{}, fmt.Errorf("take sign-in: %w", err)
	}
	var out AuthorizationEnded
	if out.AuthorizationAsked, err = h.asked(ctx, in); err != nil {
		return out, err
	}
	if out.Error = cmd.Error; out.Error != "" {
		return out, nil
	}
	s, err := h.settings(ctx, in.Journal, in.Account)
	if err != nil {
		return out, err
	}
	tokens, err := h.oauth.Exchange(ctx, s.OAuthProvider, in, cmd.Code)
	var refused *GrantError
	switch {
	case errors.As(err, &refused):
		if out.Error = refused.Code; out.Error == "" {
			out.Error = "temporarily_unavailable"
		}
		return out, nil
	case err != nil:
		return out, fmt.Errorf("redeem code of account %d: %w", in.Account, err)
	case tokens.Refresh == "":
		out.Error = "no_refresh_token"
		return out, nil
	}
	scope := Scope{
		Journal: in.Journal, Account: in.Account, Append: NewAppendID(),
		Meta: events.Meta{Actor: events.Actor{Kind: events.ActorUser, Name: in.User}},
	}
	out.Position, err = h.writer.signedIn(ctx, scope, tokens, providerNamed(h.oauth, s.OAuthProvider).Scopes)
	return out, err
}

// PutGrant gives an account a refresh token that was got elsewhere.
type PutGrant struct {
	Journal events.JournalID
	Meta    events.Meta
	Account domain.AccountID
	Refresh string
}

// Put tries the token at once and keeps what comes. It returns domain.ErrNotFound if the account has a
// password, or the provider's *GrantError.
func (h *AuthorizationHandler) Put(ctx context.Context, cmd PutGrant) (events.Position, error) {
	s, err := h.settings(ctx, cmd.Journal, cmd.Account)
	if err != nil {
		return 0, err
	}
	tokens, err := h.oauth.Refresh(ctx, s.OAuthProvider, cmd.Refresh)
	if err != nil {
		return 0, fmt.Errorf("try refresh token of account %d: %w", cmd.Account, err)
	}
	scope := Scope{Journal: cmd.Journal, Account: cmd.Account, Append: NewAppendID(), Meta: cmd.Meta}
	return h.writer.signedIn(ctx, scope, tokens, providerNamed(h.oauth, s.OAuthProvider).Scopes)
}

// DropGrant makes an account forget its tokens.
type DropGrant struct {
	Journal events.JournalID
	Meta    events.Meta
	Account domain.AccountID
}

// Drop revokes the tokens at the provider, if it can and can be reached, and forgets them. It returns
// domain.ErrNotFound if the account has a password.
func (h *AuthorizationHandler) Drop(ctx context.Context, cmd DropGrant) (events.Position, error) {
	s, err := h.settings(ctx, cmd.Journal, cmd.Account)
	if err != nil {
		return 0, err
	}
	_, tokens, err := h.writer.grants.Grant(ctx, cmd.Journal, cmd.Account)
	if err != nil && !errors.Is(err, domain.ErrNotFound) {
		return 0, fmt.Errorf("tokens of account %d: %w", cmd.Account, err)
	}
	scope := Scope{Journal: cmd.Journal, Account: cmd.Account, Append: NewAppendID(), Meta: cmd.Meta}
	pos, err := h.writer.journal.Update(ctx, scope, func(s State) (Decision, error) {
		switch {
		case s.Account == nil:
			return Decision{}, domain.ErrNotFound
		case s.Account.Grant == GrantPending:
			return Decision{}, nil
		}
		return Decision{
			Events: []events.Event{events.AccountChanged{
				Account: cmd.Account, Version: s.Account.Version + 1, Settings: s.Account.Settings, Changed: []string{"oauth_status"},
			}},
			Rows: []Row{GrantRow{Account: cmd.Account, Grant: Grant{Status: GrantPending}}, ScheduleRow{Account: cmd.Account}},
		}, nil
	})
	if err != nil {
		return 0, fmt.Errorf("forget tokens of account %d: %w", cmd.Account, err)
	}
	if tokens.Refresh != "" {
		_ = h.oauth.Revoke(ctx, s.OAuthProvider, tokens.Refresh) // where it can
	}
	return pos, nil
}
