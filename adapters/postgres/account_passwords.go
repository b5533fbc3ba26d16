package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// AccountPasswords opens the sealed passwords of accounts. It is the Passwords of commands.
type AccountPasswords struct {
	pool    *pgxpool.Pool
	secrets *Secrets
}

// NewAccountPasswords returns the passwords sealed by secrets.
func NewAccountPasswords(pool *pgxpool.Pool, secrets *Secrets) *AccountPasswords {
	return &AccountPasswords{pool, secrets}
}

const accountLogin = `
SELECT settings, sealed
FROM state.accounts
WHERE journal_id = $1 AND account_id = $2 AND erased_by IS NULL`

// AccountLogin returns settings and password of an account; the password is "" if none
// was ever set. It returns domain.ErrNotFound.
func (p *AccountPasswords) AccountLogin(ctx context.Context, journal events.JournalID, acc domain.AccountID) (events.AccountSettings, commands.Login, error) {
	var s events.AccountSettings
	var sealed []byte
	if err := p.pool.QueryRow(ctx, accountLogin, journal, acc).Scan(&s, &sealed); err != nil {
		return s, commands.Login{}, fmt.Errorf("account %d: %w", acc, translate(err))
	}
	login := commands.Login{Host: s.Host, Port: s.Port, Username: s.Username, UseTLS: s.UseTLS, CertSHA256: s.CertSHA256}
	if sealed == nil {
		return s, login, nil
	}
	password, err := p.secrets.Unseal(sealed, accountAAD(journal, acc))
	if err != nil {
		return s, commands.Login{}, fmt.Errorf("password of account %d: %w", acc, err)
	}
	login.Password = string(password)
	return s, login, nil
}
