package commands

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// TokenChanges is told when what a token may do has changed, so that nobody
// goes on with what is remembered of it.
type TokenChanges interface {
	// TokensChanged is called after the change is recorded.
	TokensChanged()
}

// CreateToken asks for a new API token of a user.
type CreateToken struct {
	Journal  events.JournalID
	Meta     events.Meta
	Name     string
	Scopes   []string
	Accounts []domain.AccountID // empty: all
	Expires  *time.Time
}

// TokenCreated is a new token; Secret is shown once and is stored nowhere.
type TokenCreated struct {
	Token    Token
	Secret   string
	Position events.Position
}

// CreateTokenHandler carries out CreateToken.
type CreateTokenHandler struct {
	journal Journal
	now     func() time.Time
}

// NewCreateToken returns the handler.
func NewCreateToken(journal Journal, now func() time.Time) *CreateTokenHandler {
	return &CreateTokenHandler{journal, now}
}

// Handle makes and records a token.
func (h *CreateTokenHandler) Handle(ctx context.Context, cmd CreateToken) (TokenCreated, error) {
	ids, err := h.journal.NextIDs(ctx, domain.IDToken, 1)
	if err != nil {
		return TokenCreated{}, fmt.Errorf("draw token id: %w", err)
	}
	secret := newSecret()
	sum := sha256.Sum256([]byte(secret))
	t := Token{
		ID: domain.TokenID(ids[0]), Kind: "api", Name: cmd.Name, Prefix: secret[:8], Hash: sum[:], Scopes: cmd.Scopes,
		Accounts: cmd.Accounts, Version: 1, CreatedAt: h.now().UTC().Truncate(time.Microsecond), Expires: cmd.Expires,
	}
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta}
	pos, err := h.journal.Update(ctx, scope, func(State) (Decision, error) { return tokenAdded(t), nil })
	if err != nil {
		return TokenCreated{}, fmt.Errorf("record token %d: %w", t.ID, err)
	}
	return TokenCreated{t, secret, pos}, nil
}

func tokenAdded(t Token) Decision {
	return Decision{
		Events: []events.Event{events.TokenCreated{
			Token: t.ID, Kind: t.Kind, Name: t.Name, Scopes: t.Scopes, Accounts: t.Accounts, Expires: t.Expires,
		}},
		Rows: []Row{TokenRow{t}},
	}
}

// newSecret returns an API token: i2a_ and 36 letters and digits.
func newSecret() string {
	var b [48]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		text := strings.NewReplacer("-", "", "_", "").Replace(base64.RawURLEncoding.EncodeToString(b[:]))
		if len(text) >= 36 {
			return "i2a_" + text[:36]
		}
	}
}

// ChangeToken asks for another name or expiry of a token.
type ChangeToken struct {
	Journal   events.JournalID
	Meta      events.Meta
	Token     domain.TokenID
	IfVersion int64 // 0: any
	Name      *string
	// Expires is set if SetExpires; nil: never.
	Expires    *time.Time
	SetExpires bool
}

// ChangeTokenHandler carries out ChangeToken.
type ChangeTokenHandler struct {
	journal Journal
	changes TokenChanges
}

// NewChangeToken returns the handler.
func NewChangeToken(journal Journal, changes TokenChanges) *ChangeTokenHandler {
	return &ChangeTokenHandler{journal, changes}
}

// Handle records what changed, if anything did. It returns domain.ErrNotFound or domain.ErrStale.
func (h *ChangeTokenHandler) Handle(ctx context.Context, cmd ChangeToken) (events.Position, error) {
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Tokens: true}
	pos, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		t, err := tokenIn(s, cmd.Token, cmd.IfVersion)
		if err != nil {
			return Decision{}, err
		}
		return tokenChanged(t, cmd), nil
	})
	if err != nil {
		return 0, fmt.Errorf("change token %d: %w", cmd.Token, err)
	}
	h.changes.TokensChanged()
	return pos, nil
}

// tokenChanged decides what a token is after a change.
func tokenChanged(t Token, cmd ChangeToken) Decision {
	changed := []string{}
	if cmd.Name != nil && *cmd.Name != t.Name {
		t.Name, changed = *cmd.Name, append(changed, "name")
	}
	same := cmd.Expires == t.Expires || cmd.Expires != nil && t.Expires != nil && cmd.Expires.Equal(*t.Expires)
	if cmd.SetExpires && !same {
		t.Expires, changed = cmd.Expires, append(changed, "expires_at")
	}
	if len(changed) == 0 {
		return Decision{}
	}
	t.Version++
	return Decision{
		Events: []events.Event{events.TokenChanged{Token: t.ID, Kind: t.Kind, Name: t.Name, Expires: t.Expires, Changed: changed}},
		Rows:   []Row{TokenRow{t}},
	}
}

func tokenIn(s State, id domain.TokenID, version int64) (Token, error) {
	i := slices.IndexFunc(s.Tokens, func(t Token) bool { return t.ID == id })
	if i < 0 {
		return Token{}, domain.ErrNotFound
	}
	if version != 0 && version != s.Tokens[i].Version {
		return Token{}, domain.ErrStale
	}
	return s.Tokens[i], nil
}

// RevokeToken asks for a token to become void.
type RevokeToken struct {
	Journal   events.JournalID
	Meta      events.Meta
	Token     domain.TokenID
	IfVersion int64 // 0: any
}

// RevokeTokenHandler carries out RevokeToken.
type RevokeTokenHandler struct {
	journal Journal
	changes TokenChanges
}

// NewRevokeToken returns the handler.
func NewRevokeToken(journal Journal, changes TokenChanges) *RevokeTokenHandler {
	return &RevokeTokenHandler{journal, changes}
}

// Handle removes the token at once. After a login token the next login gives another one.
// It returns domain.ErrNotFound or domain.ErrStale.
func (h *RevokeTokenHandler) Handle(ctx context.Context, cmd RevokeToken) (events.Position, error) {
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Tokens: true, User: domain.UserID(cmd.Journal)}
	pos, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		t, err := tokenIn(s, cmd.Token, cmd.IfVersion)
		if err != nil {
			return Decision{}, err
		}
		return tokensRevoked(s, t), nil
	})
	if err != nil {
		return 0, fmt.Errorf("revoke token %d: %w", cmd.Token, err)
	}
	h.changes.TokensChanged()
	return pos, nil
}

// tokensRevoked decides that tokens are void.
func tokensRevoked(s State, tokens ...Token) Decision {
	var d Decision
	for _, t := range tokens {
		d.Events = append(d.Events, events.TokenRevoked{Token: t.ID, Kind: t.Kind, Name: t.Name})
		d.Rows = append(d.Rows, TokenGoneRow{t.ID})
		if t.Kind == "login" && s.User != nil {
			u := *s.User
			u.LoginGeneration++
			d.Rows = append(d.Rows, UserRow{User: u})
		}
	}
	return d
}
