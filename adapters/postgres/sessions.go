package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// Sessions reads who is signed in on the pages. It is the SessionReader of queries.
type Sessions struct {
	pool *pgxpool.Pool
	now  func() time.Time
}

// NewSessions returns the sessions.
func NewSessions(pool *pgxpool.Pool, now func() time.Time) *Sessions { return &Sessions{pool, now} }

const sessionOf = `
SELECT u.user_id, u.name, u.email, u.is_admin
FROM auth.sessions s
JOIN auth.users u ON u.user_id = s.journal_id
WHERE s.hash = $1 AND s.expires_at > $2 AND u.is_active AND u.erased_by IS NULL AND u.login_generation = s.generation`

// Session returns who has a session. It returns domain.ErrNotFound. Only hashes are
// compared, so the time it takes tells nothing of the secret.
func (s *Sessions) Session(ctx context.Context, secret string) (queries.Principal, error) {
	var p queries.Principal
	sum := sha256.Sum256([]byte(secret))
	err := s.pool.QueryRow(ctx, sessionOf, sum[:], s.now()).Scan(&p.User, &p.Name, &p.Email, &p.Admin)
	if err != nil {
		return p, fmt.Errorf("look up session: %w", translate(err))
	}
	p.Journal = events.JournalID(p.User)
	return p, nil
}

const listSessions = `
SELECT s.hash, s.created_at, s.expires_at, s.remote, s.agent
FROM auth.sessions s
JOIN auth.users u ON u.user_id = s.journal_id
WHERE s.journal_id = $1 AND s.expires_at > $2 AND u.login_generation = s.generation
ORDER BY s.created_at DESC, s.hash`

// Sessions returns where a user is signed in, the newest first.
func (s *Sessions) Sessions(ctx context.Context, journal events.JournalID) ([]queries.Session, error) {
	rows, err := s.pool.Query(ctx, listSessions, journal, s.now())
	if err != nil {
		return nil, fmt.Errorf("list sessions of journal %d: %w", journal, translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (queries.Session, error) {
		var x queries.Session
		err := row.Scan(&x.Hash, &x.CreatedAt, &x.Expires, &x.Remote, &x.Agent)
		return x, err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions of journal %d: %w", journal, translate(err))
	}
	return out, nil
}
