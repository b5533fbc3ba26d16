package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Bearer gives a login access tokens instead of a password (RFC 6750). Its errors are *SourceError.
type Bearer interface {
	// Token returns a token that is good for some minutes, another one than refused, "" if none was.
	Token(ctx context.Context, refused string) (string, error)
	// Accepted notes the SASL mechanism by which the mail server took a token.
	Accepted(ctx context.Context, mechanism string)
	// Refused notes that it did not take a fresh one, and returns what to tell.
	Refused(ctx context.Context) error
}

// AccessTokens gives the accounts that sign in with OAuth 2.0 their tokens, and all others their passwords.
// It is Passwords over that of the passwords.
type AccessTokens struct {
	passwords Passwords
	grants    Grants
	writer    *GrantWriter
	oauth     OAuth
	now       func() time.Time
	log       *slog.Logger

	mu    sync.Mutex
	waits map[domain.AccountID]wait
}

// wait is how long a provider that could not be reached is left alone.
type wait struct {
	failures int
	until    time.Time
	err      *SourceError
}

// NewAccessTokens returns the tokens that grants keeps.
func NewAccessTokens(passwords Passwords, grants Grants, writer *GrantWriter, oauth OAuth, now func() time.Time, log *slog.Logger) *AccessTokens {
	return &AccessTokens{passwords: passwords, grants: grants, writer: writer, oauth: oauth, now: now, log: log, waits: map[domain.AccountID]wait{}}
}

// AccountLogin returns settings and login of an account. It returns domain.ErrNotFound.
func (t *AccessTokens) AccountLogin(ctx context.Context, journal events.JournalID, acc domain.AccountID) (events.AccountSettings, Login, error) {
	s, login, err := t.passwords.AccountLogin(ctx, journal, acc)
	if err == nil && s.AuthType == events.AuthOAuth2 {
		login.Bearer = accountBearer{t, journal, acc, s.OAuthProvider, s.Host}
	}
	return s, login, err
}

// accountBearer is the Bearer of one account. Two of one account under the same settings are equal, so that
// a connection is known to be of this login.
type accountBearer struct {
	*AccessTokens
	journal  events.JournalID
	account  domain.AccountID
	provider string
	host     string
}

const (
	refreshEarly = 5 * time.Minute // before a token expires (api.md 10.15)
	maxRefusals  = 2               // logins with a fresh token, until the grant counts as gone
	longestWait  = 5 * time.Minute
)

const reasonGone = "The provider no longer accepts the stored sign-in."

func (b accountBearer) scope() Scope {
	return Scope{
		Journal: b.journal, Append: NewAppendID(), Account: b.account,
		Meta: events.Meta{Actor: events.Actor{Kind: events.ActorSystem, Name: "sync"}},
	}
}

// Token implements Bearer. One refreshes, all others wait for what it gets: a provider that replaces refresh
// tokens takes each of them once.
func (b accountBearer) Token(ctx context.Context, refused string) (string, error) {
	unlock, err := b.grants.Lock(ctx, b.account)
	if err != nil {
		return "", fmt.Errorf("wait for the tokens of account %d: %w", b.account, err)
	}
	defer unlock()
	g, tokens, err := b.grants.Grant(ctx, b.journal, b.account)
	if err != nil && !errors.Is(err, domain.ErrNotFound) {
		return "", fmt.Errorf("tokens of account %d: %w", b.account, err)
	}
	switch {
	case g.Status != GrantActive:
		return "", signInAgain(providerNamed(b.oauth, b.provider), g.Status)
	case tokens.Access != "" && tokens.Access != refused && (tokens.Expires.IsZero() || tokens.Expires.Sub(b.now()) > refreshEarly):
		return tokens.Access, nil
	}
	return b.refresh(ctx, g, tokens)
}

// refresh gets a new token and keeps it before it is used.
func (b accountBearer) refresh(ctx context.Context, g Grant, old OAuthTokens) (string, error) {
	if err := b.waiting(); err != nil {
		return "", err
	}
	tokens, err := b.oauth.Refresh(ctx, b.provider, old.Refresh)
	var refused *GrantError
	if errors.As(err, &refused) && refused.Gone() {
		b.log.Warn("grant is gone", slog.Int64("account", int64(b.account)), slog.String("err", err.Error()))
		if err := b.writer.lost(ctx, b.scope(), g, reasonGone); err != nil {
			return "", err
		}
		return "", signInAgain(providerNamed(b.oauth, b.provider), GrantLost)
	}
	if err != nil {
		return "", b.unreached(ctx, g, err)
	}
	b.mu.Lock()
	delete(b.waits, b.account)
	b.mu.Unlock()
	if err := b.writer.refreshed(ctx, b.scope(), g, tokens); err != nil {
		return "", err
	}
	return tokens.Access, nil
}

// waiting returns the last error of a provider that is left alone.
func (b accountBearer) waiting() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.waits[b.account]; w.err != nil && b.now().Before(w.until) {
		return w.err
	}
	return nil
}

// unreached notes a failure that changes nothing, and has the next try wait longer.
func (b accountBearer) unreached(ctx context.Context, g Grant, cause error) error {
	told := &SourceError{Code: CodeConnectFailed, Message: "The provider cannot be reached.", Err: cause}
	b.mu.Lock()
	w := b.waits[b.account]
	w.failures, w.err = w.failures+1, told
	w.until = b.now().Add(min(longestWait, time.Second<<min(w.failures, 9)))
	b.waits[b.account] = w
	b.mu.Unlock()
	g.LastError = told.Message
	if err := b.writer.set(context.WithoutCancel(ctx), b.scope(), GrantRow{Account: b.account, Grant: g, Keep: true}); err != nil {
		b.log.Warn("note failed refresh", slog.Int64("account", int64(b.account)), slog.Any("err", err))
	}
	return told
}

// Accepted implements Bearer.
func (b accountBearer) Accepted(ctx context.Context, mechanism string) {
	g, _, err := b.grants.Grant(ctx, b.journal, b.account)
	if err == nil && (g.Mechanism != mechanism || g.Refusals > 0) {
		g.Mechanism, g.Refusals = mechanism, 0
		err = b.writer.set(ctx, b.scope(), GrantRow{Account: b.account, Grant: g, Keep: true})
	}
	if err != nil {
		b.log.Warn("note accepted login", slog.Int64("account", int64(b.account)), slog.Any("err", err))
	}
}

// Refused implements Bearer. The second time the grant counts as gone.
func (b accountBearer) Refused(ctx context.Context) error {
	refused := &SourceError{Code: CodeAuthFailed, Message: fmt.Sprintf("Login to %s was refused.", b.host)}
	g, _, err := b.grants.Grant(ctx, b.journal, b.account)
	if err != nil {
		return refused
	}
	if g.Refusals++; g.Refusals < maxRefusals {
		g.LastError = refused.Message
		if err := b.writer.set(ctx, b.scope(), GrantRow{Account: b.account, Grant: g, Keep: true}); err != nil {
			b.log.Warn("note refused login", slog.Int64("account", int64(b.account)), slog.Any("err", err))
		}
		return refused
	}
	if err := b.writer.lost(ctx, b.scope(), g, "The mail server no longer accepts the stored sign-in."); err != nil {
		return err
	}
	return signInAgain(providerNamed(b.oauth, b.provider), GrantLost)
}
