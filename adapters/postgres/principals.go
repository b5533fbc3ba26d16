package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

const (
	principalTTL  = time.Second // how long a change in another process may go unseen
	maxPrincipals = 10_000      // remembered at once
	usedEvery     = time.Minute // how fine the last use of a token is
	flushUsed     = 5 * time.Second
)

// Principals looks up who a token belongs to. It is the PrincipalReader of
// queries and the TokenChanges of commands.
type Principals struct {
	pool *pgxpool.Pool
	now  func() time.Time
	log  *slog.Logger

	mu    sync.Mutex
	known map[[32]byte]knownPrincipal
	epoch int // counts the calls of TokensChanged
	used  map[domain.TokenID]use
}

// knownPrincipal is what is remembered of a token, by its SHA-256.
type knownPrincipal struct {
	queries.Principal
	active bool
	until  time.Time
}

// use is the last use of a token.
type use struct {
	journal events.JournalID
	at      time.Time // to the minute
	written bool
}

// NewPrincipals returns the principals. What they note of the use of tokens is written by Run.
func NewPrincipals(pool *pgxpool.Pool, now func() time.Time, log *slog.Logger) *Principals {
	return &Principals{
		pool: pool, now: now, log: log, known: map[[32]byte]knownPrincipal{}, used: map[domain.TokenID]use{},
	}
}

// TokensChanged forgets what is remembered: what is asked from now on is looked up.
func (p *Principals) TokensChanged() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epoch++
	clear(p.known)
}

// Principal returns the owner of a token. It returns domain.ErrNotFound for a token that is
// unknown, revoked or expired, queries.ErrInactive if the user was disabled. The time it takes
// tells nothing of the token, since only its hash is compared.
func (p *Principals) Principal(ctx context.Context, token string) (queries.Principal, error) {
	hash := sha256.Sum256([]byte(token))
	now := p.now()
	p.mu.Lock()
	k, ok := p.known[hash]
	epoch := p.epoch
	p.mu.Unlock()
	if !ok || now.After(k.until) {
		var err error
		if k, err = p.lookUp(ctx, hash); err != nil {
			return queries.Principal{}, err
		}
		k.until = now.Add(principalTTL)
		p.remember(hash, k, epoch)
	}
	if k.Token.ExpiresAt != nil && !now.Before(*k.Token.ExpiresAt) {
		return queries.Principal{}, fmt.Errorf("token %d has expired: %w", k.Token.ID, domain.ErrNotFound)
	}
	if !k.active {
		return queries.Principal{}, queries.ErrInactive
	}
	p.note(k, now)
	return k.Principal, nil
}

// remember keeps a principal unless tokens have changed since epoch.
func (p *Principals) remember(hash [32]byte, k knownPrincipal, epoch int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if epoch != p.epoch {
		return
	}
	if len(p.known) >= maxPrincipals {
		clear(p.known)
	}
	p.known[hash] = k
}

const principalOf = `
SELECT u.user_id, u.name, u.email, u.is_admin, u.is_active,
	t.token_id, t.kind, t.name, t.prefix, t.scopes, t.accounts, t.version, t.created_at, t.expires_at, t.last_used_at
FROM auth.tokens t
JOIN auth.users u ON u.user_id = t.journal_id
WHERE t.hash = $1 AND u.erased_by IS NULL`

func (p *Principals) lookUp(ctx context.Context, hash [32]byte) (knownPrincipal, error) {
	var k knownPrincipal
	t := &k.Token
	err := p.pool.QueryRow(ctx, principalOf, hash[:]).Scan(&k.User, &k.Name, &k.Email, &k.Admin, &k.active,
		&t.ID, &t.Kind, &t.Name, &t.Prefix, &t.Scopes, &t.Accounts, &t.Version, &t.CreatedAt, &t.ExpiresAt, &t.LastUsed)
	if err != nil {
		return k, fmt.Errorf("look up token: %w", translate(err))
	}
	k.Journal = events.JournalID(k.User)
	return k, nil
}

// note notes the use of a token, at most once a minute.
func (p *Principals) note(k knownPrincipal, now time.Time) {
	minute := now.UTC().Truncate(usedEvery)
	if k.Token.LastUsed != nil && !k.Token.LastUsed.Before(minute) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last, ok := p.used[k.Token.ID]; !ok || last.at.Before(minute) {
		p.used[k.Token.ID] = use{journal: k.Journal, at: minute}
	}
}

// Run writes the last uses of tokens until ctx ends, and then once more.
func (p *Principals) Run(ctx context.Context) {
	tick := time.NewTicker(flushUsed)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushUsed)
			defer cancel()
			p.flush(last)
			return
		}
	}
}

func (p *Principals) flush(ctx context.Context) {
	if err := p.Flush(ctx); err != nil {
		p.log.Warn("write last use of tokens", slog.Any("err", err))
	}
}

const saveUses = `
UPDATE auth.tokens t SET last_used_at = x.at
FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS x (journal_id, token_id, at)
WHERE t.journal_id = x.journal_id AND t.token_id = x.token_id AND (t.last_used_at IS NULL OR t.last_used_at < x.at)`

// Flush writes the last uses that are not written yet; what fails is tried again the next time.
func (p *Principals) Flush(ctx context.Context) error {
	minute := p.now().UTC().Truncate(usedEvery)
	var journals, tokens []int64
	var at []time.Time
	p.mu.Lock()
	for id, u := range p.used {
		if u.written && u.at.Before(minute) {
			delete(p.used, id)
		}
		if !u.written {
			journals, tokens, at = append(journals, int64(u.journal)), append(tokens, int64(id)), append(at, u.at)
		}
	}
	p.mu.Unlock()
	if len(tokens) == 0 {
		return nil
	}
	if _, err := p.pool.Exec(ctx, saveUses, journals, tokens, at); err != nil {
		return fmt.Errorf("save uses of %d tokens: %w", len(tokens), translate(err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, id := range tokens {
		if u := p.used[domain.TokenID(id)]; u.at.Equal(at[i]) {
			u.written = true
			p.used[domain.TokenID(id)] = u
		}
	}
	return nil
}
