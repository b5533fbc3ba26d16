package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// Grants reads the OAuth 2.0 grants of accounts and opens their tokens, and keeps sign-ins that
// wait for a browser. It is the Grants and the Authorizations of commands.
type Grants struct {
	pool    *pgxpool.Pool
	secrets *Secrets
}

// NewGrants returns the grants sealed by secrets.
func NewGrants(pool *pgxpool.Pool, secrets *Secrets) *Grants { return &Grants{pool, secrets} }

// sealedTokens are tokens as they are sealed.
type sealedTokens struct {
	Access  string    `json:"access"`
	Refresh string    `json:"refresh"`
	Expires time.Time `json:"expires"`
}

// grantAAD binds tokens to the row they are in.
func grantAAD(journal events.JournalID, acc domain.AccountID) []byte {
	return fmt.Appendf(nil, "grant/%d/%d", journal, acc)
}

// SealTokens seals tokens; they can be opened for that account only.
func (g *Grants) SealTokens(journal events.JournalID, acc domain.AccountID, t commands.OAuthTokens) ([]byte, error) {
	plain, err := json.Marshal(sealedTokens{t.Access, t.Refresh, t.Expires})
	if err != nil {
		return nil, fmt.Errorf("encode tokens: %w", err)
	}
	return g.secrets.Seal(plain, grantAAD(journal, acc))
}

const getGrant = `
SELECT g.status, g.sealed, g.mechanism, g.scopes, g.authorized_at, g.expires_at, g.refreshed_at, g.last_error, g.refusals
FROM state.grants g
JOIN state.accounts a ON a.journal_id = g.journal_id AND a.account_id = g.account_id AND a.erased_by IS NULL
WHERE g.journal_id = $1 AND g.account_id = $2`

// Grant returns the grant of an account and its opened tokens. It returns domain.ErrNotFound.
func (g *Grants) Grant(ctx context.Context, journal events.JournalID, acc domain.AccountID) (commands.Grant, commands.OAuthTokens, error) {
	out, sealed, err := g.grant(ctx, journal, acc)
	if err != nil || sealed == nil {
		return out, commands.OAuthTokens{}, err
	}
	plain, err := g.secrets.Unseal(sealed, grantAAD(journal, acc))
	if err != nil {
		return out, commands.OAuthTokens{}, fmt.Errorf("tokens of account %d: %w", acc, err)
	}
	var t sealedTokens
	if err := json.Unmarshal(plain, &t); err != nil {
		return out, commands.OAuthTokens{}, fmt.Errorf("tokens of account %d cannot be read", acc) // the cause would show them
	}
	return out, commands.OAuthTokens{Access: t.Access, Refresh: t.Refresh, Expires: t.Expires, Scopes: out.Scopes}, nil
}

func (g *Grants) grant(ctx context.Context, journal events.JournalID, acc domain.AccountID) (commands.Grant, []byte, error) {
	var out commands.Grant
	var sealed []byte
	err := g.pool.QueryRow(ctx, getGrant, journal, acc).Scan(&out.Status, &sealed, &out.Mechanism, &out.Scopes,
		&out.AuthorizedAt, &out.ExpiresAt, &out.RefreshedAt, &out.LastError, &out.Refusals)
	if err != nil {
		return out, nil, fmt.Errorf("grant of account %d: %w", acc, translate(err))
	}
	for _, at := range []*time.Time{out.AuthorizedAt, out.ExpiresAt, out.RefreshedAt} {
		if at != nil {
			*at = at.UTC()
		}
	}
	return out, sealed, nil
}

// GrantView returns what a user may see of the grant of an account. It returns domain.ErrNotFound.
func (g *Grants) GrantView(ctx context.Context, journal events.JournalID, acc domain.AccountID) (queries.Grant, error) {
	v, _, err := g.grant(ctx, journal, acc)
	return queries.Grant{
		Status: v.Status, Mechanism: v.Mechanism, Scopes: v.Scopes, AuthorizedAt: v.AuthorizedAt, ExpiresAt: v.ExpiresAt,
		RefreshedAt: v.RefreshedAt, LastError: v.LastError,
	}, err
}

const (
	lockGrant   = `SELECT pg_advisory_lock(hashtextextended('imap2api grant ' || $1::bigint, 0))`
	unlockGrant = `SELECT pg_advisory_unlock(hashtextextended('imap2api grant ' || $1::bigint, 0))`
)

// Lock waits until nobody else is about to refresh the tokens of an account. The lock is of the session, so no
// transaction is open while the provider is asked.
func (g *Grants) Lock(ctx context.Context, acc domain.AccountID) (func(), error) {
	conn, err := g.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock grant of account %d: %w", acc, translate(err))
	}
	if _, err := conn.Exec(ctx, lockGrant, acc); err != nil {
		_ = conn.Conn().Close(context.WithoutCancel(ctx)) // the lock may have been got
		conn.Release()
		return nil, fmt.Errorf("lock grant of account %d: %w", acc, translate(err))
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if _, err := conn.Exec(ctx, unlockGrant, acc); err != nil {
			_ = conn.Conn().Close(ctx)
		}
		conn.Release()
	}, nil
}

const dropSignIns = `DELETE FROM state.sign_ins WHERE expires_at < clock_timestamp()`

const saveSignIn = `
INSERT INTO state.sign_ins (state_hash, journal_id, account_id, sealed, redirect_uri, return_url, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)`

// signInAAD binds a code verifier to the row it is in.
func signInAAD(state [32]byte) []byte { return append([]byte("sign-in/"), state[:]...) }

// Begin keeps a sign-in, and forgets those that have expired.
func (g *Grants) Begin(ctx context.Context, state [32]byte, in commands.Authorization) error {
	sealed, err := g.secrets.Seal([]byte(in.Verifier), signInAAD(state))
	if err != nil {
		return err
	}
	var b pgx.Batch
	b.Queue(dropSignIns)
	b.Queue(saveSignIn, state[:], in.Journal, in.Account, sealed, in.RedirectURI, in.ReturnURL, in.Expires)
	if err := g.pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("keep sign-in: %w", translate(err))
	}
	return nil
}

const lookSignIn = `
SELECT s.journal_id, s.account_id, s.sealed, s.redirect_uri, s.return_url, s.expires_at, u.name
FROM state.sign_ins s
JOIN auth.users u ON u.user_id = s.journal_id AND u.is_active AND u.erased_by IS NULL
WHERE s.state_hash = $1 AND s.expires_at >= clock_timestamp()`

// Look returns a sign-in that has not expired. It returns domain.ErrNotFound.
func (g *Grants) Look(ctx context.Context, state [32]byte) (commands.Authorization, error) {
	return g.signIn(ctx, lookSignIn, state)
}

const takeSignIn = `
DELETE FROM state.sign_ins s
USING auth.users u
WHERE s.state_hash = $1 AND s.expires_at >= clock_timestamp() AND u.user_id = s.journal_id AND u.is_active AND u.erased_by IS NULL
RETURNING s.journal_id, s.account_id, s.sealed, s.redirect_uri, s.return_url, s.expires_at, u.name`

// Take returns a sign-in and forgets it. It returns domain.ErrNotFound.
func (g *Grants) Take(ctx context.Context, state [32]byte) (commands.Authorization, error) {
	return g.signIn(ctx, takeSignIn, state)
}

func (g *Grants) signIn(ctx context.Context, sql string, state [32]byte) (commands.Authorization, error) {
	var in commands.Authorization
	var sealed []byte
	err := g.pool.QueryRow(ctx, sql, state[:]).Scan(&in.Journal, &in.Account, &sealed, &in.RedirectURI, &in.ReturnURL, &in.Expires, &in.User)
	if err != nil {
		return in, fmt.Errorf("sign-in: %w", translate(err))
	}
	verifier, err := g.secrets.Unseal(sealed, signInAAD(state))
	in.Verifier, in.Expires = string(verifier), in.Expires.UTC()
	return in, err
}
