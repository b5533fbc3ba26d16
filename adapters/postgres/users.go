package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// Users reads users. It is the Credentials and the UserNames of commands, and
// the UserReader of queries.
type Users struct {
	pool *pgxpool.Pool
	*Secrets
}

// NewUsers returns the users; secrets make their login tokens.
func NewUsers(pool *pgxpool.Pool, secrets *Secrets) *Users { return &Users{pool, secrets} }

const userNamed = `
SELECT user_id, name, is_admin, is_active, password_hash, login_generation
FROM auth.users
WHERE name = $1 AND erased_by IS NULL`

// UserNamed returns a user. It returns domain.ErrNotFound.
func (u *Users) UserNamed(ctx context.Context, name string) (commands.User, error) {
	var out commands.User
	if !storable(name) {
		return out, fmt.Errorf("user: %w", domain.ErrNotFound)
	}
	err := u.pool.QueryRow(ctx, userNamed, name).
		Scan(&out.ID, &out.Name, &out.Admin, &out.Active, &out.PasswordHash, &out.LoginGeneration)
	if err != nil {
		return commands.User{}, fmt.Errorf("user %q: %w", name, translate(err))
	}
	return out, nil
}

// CheckPassword compares a password with a hash; with an empty hash it takes as long and fails.
func (u *Users) CheckPassword(password, hash string) bool { return CheckPassword(password, hash) }

const listUsers = `
SELECT user_id, name, email, is_admin, is_active, created_at
FROM auth.users
WHERE erased_by IS NULL
ORDER BY name COLLATE "C"`

// Users returns all users that are not erased, by name.
func (u *Users) Users(ctx context.Context) ([]queries.User, error) {
	rows, err := u.pool.Query(ctx, listUsers)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (queries.User, error) {
		var x queries.User
		err := row.Scan(&x.ID, &x.Name, &x.Email, &x.Admin, &x.Active, &x.CreatedAt)
		return x, err
	})
	if err != nil {
		return nil, fmt.Errorf("list users: %w", translate(err))
	}
	return out, nil
}

// Tokens reads the tokens of users. It is the TokenReader of queries.
type Tokens struct{ pool *pgxpool.Pool }

// NewTokens returns the tokens.
func NewTokens(pool *pgxpool.Pool) *Tokens { return &Tokens{pool} }

const listTokens = `
SELECT token_id, kind, name, prefix, scopes, accounts, version, created_at, expires_at, last_used_at
FROM auth.tokens
WHERE journal_id = $1
ORDER BY token_id`

// Tokens returns the tokens of a user, by id.
func (k *Tokens) Tokens(ctx context.Context, journal events.JournalID) ([]queries.Token, error) {
	rows, err := k.pool.Query(ctx, listTokens, journal)
	if err != nil {
		return nil, fmt.Errorf("list tokens of journal %d: %w", journal, translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (queries.Token, error) {
		var t queries.Token
		err := row.Scan(&t.ID, &t.Kind, &t.Name, &t.Prefix, &t.Scopes, &t.Accounts, &t.Version, &t.CreatedAt, &t.ExpiresAt, &t.LastUsed)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("list tokens of journal %d: %w", journal, translate(err))
	}
	return out, nil
}
