package commands

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// OAuthProvider is who gives access to mailboxes (RFC 6749).
type OAuthProvider struct {
	Key        string // google, microsoft, custom
	Name       string
	Configured bool
	Host       string // of IMAP; "" if any may belong to it
	Port       int
	Scopes     []string
}

// OAuthTokens are what a provider gave (RFC 6749 section 5.1).
type OAuthTokens struct {
	Access  string
	Refresh string
	Expires time.Time // of Access; zero: unknown
	Scopes  []string  // nil: those that were asked for
}

// LogValue keeps tokens out of logs.
func (OAuthTokens) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// OAuth speaks with providers. Its errors are *GrantError.
type OAuth interface {
	// Providers returns those that accounts may name.
	Providers() []OAuthProvider
	// AuthorizationURL returns the address to open in a browser (RFC 6749 section 4.1.1, with S256 of RFC 7636).
	AuthorizationURL(provider string, in Authorization, state, username string) string
	// Exchange redeems a code (RFC 6749 section 4.1.3).
	Exchange(ctx context.Context, provider string, in Authorization, code string) (OAuthTokens, error)
	// Refresh returns new tokens (RFC 6749 section 6); the refresh token is the old one if the provider gave none.
	Refresh(ctx context.Context, provider, refresh string) (OAuthTokens, error)
	// Revoke makes a refresh token void where the provider can (RFC 7009).
	Revoke(ctx context.Context, provider, refresh string) error
}

// GrantError is a provider's refusal, or that it could not be reached.
type GrantError struct {
	Code string // of RFC 6749 section 5.2, such as invalid_grant; "" if nothing was answered that can be read
	Err  error
}

// Error returns code and cause.
func (e *GrantError) Error() string { return fmt.Sprintf("provider %s: %v", e.Code, e.Err) }

// Unwrap returns the cause.
func (e *GrantError) Unwrap() error { return e.Err }

// Gone reports whether the grant is void for good.
func (e *GrantError) Gone() bool { return e.Code == "invalid_grant" }

// States of a grant.
const (
	GrantPending = "pending"
	GrantActive  = "active"
	GrantLost    = "needs_reauthorization"
)

// Grant is what is kept of the sign-in of an account, beside its tokens.
type Grant struct {
	Status       string
	Mechanism    string // of the last login that was accepted: OAUTHBEARER, XOAUTH2; "" before
	Scopes       []string
	AuthorizedAt *time.Time
	ExpiresAt    *time.Time // of the access token
	RefreshedAt  *time.Time
	LastError    string
	Refusals     int // logins with a fresh token that were refused since the last that was accepted
}

// Grants keeps grants.
type Grants interface {
	// Grant returns the grant of an account and its opened tokens. It returns
	// domain.ErrNotFound if the account has none.
	Grant(ctx context.Context, journal events.JournalID, acc domain.AccountID) (Grant, OAuthTokens, error)
	// SealTokens seals tokens; they can be opened for that account only.
	SealTokens(journal events.JournalID, acc domain.AccountID, tokens OAuthTokens) ([]byte, error)
	// Lock waits until nobody else, here or in another process, is about to refresh the tokens of an account.
	Lock(ctx context.Context, acc domain.AccountID) (unlock func(), err error)
}

// GrantRow sets the grant of an account.
type GrantRow struct {
	Account domain.AccountID
	Grant
	Sealed []byte // nil: no tokens
	Keep   bool   // the tokens stay; Sealed is nil
}

// GrantGoneRow removes the grant of an account.
type GrantGoneRow struct{ Account domain.AccountID }

func (GrantRow) row()     {}
func (GrantGoneRow) row() {}

// providerNamed returns a provider.
func providerNamed(oauth OAuth, key string) OAuthProvider {
	all := oauth.Providers()
	if i := slices.IndexFunc(all, func(p OAuthProvider) bool { return p.Key == key }); i >= 0 {
		return all[i]
	}
	return OAuthProvider{Key: key, Name: "the provider"}
}

// signInAgain is told of an account whose grant is gone (api.md 10.15).
func signInAgain(p OAuthProvider, status string) *SourceError {
	message := fmt.Sprintf("Sign in to %s again to go on reading this mailbox.", p.Name)
	if status == GrantPending {
		message = fmt.Sprintf("Sign in to %s to read this mailbox.", p.Name)
	}
	return &SourceError{Code: CodeNeedsReauthorization, Message: message}
}

// GrantWriter records what becomes of grants.
type GrantWriter struct {
	journal Journal
	grants  Grants
	now     func() time.Time
}

// NewGrantWriter returns a writer.
func NewGrantWriter(journal Journal, grants Grants, now func() time.Time) *GrantWriter {
	return &GrantWriter{journal, grants, now}
}

// signedIn records new tokens of somebody who signed in, and queues a sync.
func (w *GrantWriter) signedIn(ctx context.Context, scope Scope, tokens OAuthTokens, scopes []string) (events.Position, error) {
	ids, err := w.journal.NextIDs(ctx, domain.IDSync, 1)
	if err != nil {
		return 0, fmt.Errorf("draw sync id: %w", err)
	}
	sealed, err := w.grants.SealTokens(scope.Journal, scope.Account, tokens)
	if err != nil {
		return 0, fmt.Errorf("seal tokens of account %d: %w", scope.Account, err)
	}
	now := w.now()
	g := Grant{Status: GrantActive, Scopes: tokens.scopesOr(scopes), AuthorizedAt: &now, RefreshedAt: &now, ExpiresAt: tokens.expires()}
	pos, err := w.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if s.Account == nil || s.Account.Settings.AuthType != events.AuthOAuth2 {
			return Decision{}, domain.ErrNotFound
		}
		d := Decision{Rows: []Row{
			GrantRow{Account: scope.Account, Grant: g, Sealed: sealed},
			QueueRow{scope.Account, domain.SyncID(ids[0]), "request", now},
			ScheduleRow{scope.Account, nextSync(s.Account.Settings, now)},
		}}
		if s.Account.Grant != GrantActive {
			set := s.Account.Settings
			d.Events = []events.Event{events.GrantRestored{Account: scope.Account, Name: set.Name, Provider: set.OAuthProvider, Since: now}}
		}
		return d, nil
	})
	if err != nil {
		return 0, fmt.Errorf("record sign-in of account %d: %w", scope.Account, err)
	}
	return pos, nil
}

// refreshed keeps new tokens before they are used.
func (w *GrantWriter) refreshed(ctx context.Context, scope Scope, g Grant, tokens OAuthTokens) error {
	sealed, err := w.grants.SealTokens(scope.Journal, scope.Account, tokens)
	if err != nil {
		return fmt.Errorf("seal tokens of account %d: %w", scope.Account, err)
	}
	now := w.now()
	g.RefreshedAt, g.ExpiresAt, g.LastError, g.Scopes = &now, tokens.expires(), "", tokens.scopesOr(g.Scopes)
	return w.set(ctx, scope, GrantRow{Account: scope.Account, Grant: g, Sealed: sealed})
}

// set changes a grant that is active, without an event.
func (w *GrantWriter) set(ctx context.Context, scope Scope, row GrantRow) error {
	_, err := w.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if s.Account == nil || s.Account.Grant != GrantActive {
			return Decision{}, nil // another has signed out, or given it up
		}
		return Decision{Rows: []Row{row}}, nil
	})
	if err != nil {
		return fmt.Errorf("keep grant of account %d: %w", scope.Account, err)
	}
	return nil
}

// lost records that a grant is gone: once, and nothing is tried any more.
func (w *GrantWriter) lost(ctx context.Context, scope Scope, g Grant, reason string) error {
	now := w.now()
	g.Status, g.LastError, g.ExpiresAt = GrantLost, reason, nil
	_, err := w.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if s.Account == nil || s.Account.Grant != GrantActive {
			return Decision{}, nil
		}
		set := s.Account.Settings
		return Decision{
			Events: []events.Event{events.GrantLost{
				Account: scope.Account, Name: set.Name, Provider: set.OAuthProvider, Since: now,
				Error: events.SyncError{Code: CodeNeedsReauthorization, Message: reason},
			}},
			Rows: []Row{GrantRow{Account: scope.Account, Grant: g}, ScheduleRow{Account: scope.Account}},
		}, nil
	})
	if err != nil {
		return fmt.Errorf("record loss of the grant of account %d: %w", scope.Account, err)
	}
	return nil
}

func (t OAuthTokens) expires() *time.Time {
	if t.Expires.IsZero() {
		return nil
	}
	return &t.Expires
}

func (t OAuthTokens) scopesOr(asked []string) []string {
	if t.Scopes != nil {
		return t.Scopes
	}
	return asked
}

// nextSync returns when an account is synced by schedule after now; nil: on request only.
func nextSync(s events.AccountSettings, now time.Time) *time.Time {
	if s.IntervalMin == nil {
		return nil
	}
	at := now.Add(time.Duration(*s.IntervalMin) * time.Minute)
	return &at
}
