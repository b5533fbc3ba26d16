package postgres_test

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

func addUser(t testing.TB, pool *pgxpool.Pool, id domain.UserID, name string) {
	t.Helper()
	exec(t, pool, `INSERT INTO auth.users (user_id, name, email, is_admin, is_active, password_hash, created_at, updated_at)
		VALUES ($1, $2, $2 || '@example.org', false, true, 'hash', $3, $3)`, id, name, epoch)
}

func addToken(t testing.TB, pool *pgxpool.Pool, user domain.UserID, id domain.TokenID, secret string, expires *time.Time) {
	t.Helper()
	sum := sha256.Sum256([]byte(secret))
	exec(t, pool, `INSERT INTO auth.tokens (journal_id, token_id, kind, name, prefix, hash, scopes, accounts, created_at, expires_at)
		VALUES ($1, $2, 'api', 'phone', 'i2a_', $3, '{read}', '{3,4}', $4, $5)`, user, id, sum[:], epoch, expires)
}

func TestPrincipals(t *testing.T) {
	t.Parallel()
	pool := open(t)
	now := epoch.Add(30 * time.Second)
	principals := postgres.NewPrincipals(pool, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	addUser(t, pool, 7, "ann")
	addToken(t, pool, 7, 70, "good", nil)
	addToken(t, pool, 7, 71, "short-lived", ptr(epoch.Add(31*time.Second)))
	want := queries.Principal{User: 7, Journal: 7, Name: "ann", Email: "ann@example.org", Token: queries.Token{
		ID: 70, Kind: "api", Name: "phone", Prefix: "i2a_", Scopes: []string{"read"}, Accounts: []domain.AccountID{3, 4}, Version: 1, CreatedAt: epoch,
	}}
	got, err := principals.Principal(t.Context(), "good")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("error %v (-want +got):\n%s", err, diff)
	}
	answers := func(when, token string, want error) {
		t.Helper()
		if _, err := principals.Principal(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", when, err, want)
		}
	}
	answers("unknown", "bad", domain.ErrNotFound)
	answers("before it expires", "short-lived", nil)
	now = now.Add(time.Second)
	answers("expired, still remembered", "short-lived", domain.ErrNotFound)

	exec(t, pool, `UPDATE auth.users SET is_active = false`)
	answers("disabled elsewhere, within a second", "good", nil)
	now = now.Add(2 * time.Second)
	answers("disabled elsewhere, later", "good", queries.ErrInactive)
	exec(t, pool, `UPDATE auth.users SET is_active = true`)
	principals.TokensChanged()
	answers("active again", "good", nil)
	exec(t, pool, `DELETE FROM auth.tokens WHERE token_id = 70`)
	principals.TokensChanged()
	answers("revoked here", "good", domain.ErrNotFound)
	exec(t, pool, `UPDATE auth.tokens SET expires_at = NULL`)
	exec(t, pool, `UPDATE auth.users SET erased_by = 9`)
	principals.TokensChanged()
	answers("erased", "short-lived", domain.ErrNotFound)
}

func TestLastUse(t *testing.T) {
	t.Parallel()
	pool := open(t)
	now := epoch.Add(30 * time.Second)
	principals := postgres.NewPrincipals(pool, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	addUser(t, pool, 7, "ann")
	addToken(t, pool, 7, 70, "good", nil)
	use := func() *time.Time {
		t.Helper()
		if _, err := principals.Principal(t.Context(), "good"); err != nil {
			t.Fatal(err)
		}
		if err := principals.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := postgres.NewTokens(pool).Tokens(t.Context(), 7)
		if err != nil || len(list) != 1 {
			t.Fatalf("got %d tokens, error %v", len(list), err)
		}
		return list[0].LastUsed
	}
	if got := use(); got == nil || !got.Equal(epoch) {
		t.Errorf("first use: got %v, want %v", got, epoch)
	}
	exec(t, pool, `UPDATE auth.tokens SET last_used_at = NULL`)
	now = now.Add(20 * time.Second)
	if got := use(); got != nil {
		t.Errorf("in the same minute: written again, %v", got)
	}
	now = now.Add(time.Minute)
	if got := use(); got == nil || !got.Equal(epoch.Add(time.Minute)) {
		t.Errorf("a minute later: got %v, want %v", got, epoch.Add(time.Minute))
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	pool := open(t)
	users := postgres.NewUsers(pool, openKeys(t, filepath.Join(t.TempDir(), "secret.key")))
	addUser(t, pool, 2, "bob")
	addUser(t, pool, 1, "ann")
	addUser(t, pool, 3, "gone")
	exec(t, pool, `UPDATE auth.users SET erased_by = 5 WHERE user_id = 3`)
	list, err := users.Users(t.Context())
	want := []queries.User{
		{ID: 1, Name: "ann", Email: "ann@example.org", Active: true, CreatedAt: epoch},
		{ID: 2, Name: "bob", Email: "bob@example.org", Active: true, CreatedAt: epoch},
	}
	if diff := cmp.Diff(want, list); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	bob, err := users.UserNamed(t.Context(), "bob")
	if wantBob := (commands.User{ID: 2, Name: "bob", Active: true, PasswordHash: "hash", LoginGeneration: 1}); bob != wantBob || err != nil {
		t.Errorf("bob: got %+v, error %v", bob, err)
	}
	for _, name := range []string{"Bob", "gone", "a\x00b", "\xff"} {
		if _, err := users.UserNamed(t.Context(), name); !errors.Is(err, domain.ErrNotFound) {
			t.Errorf("%q: got %v, want ErrNotFound", name, err)
		}
	}
}
