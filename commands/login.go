package commands

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// ErrCredentials is returned for a wrong password, and for a user who is unknown or disabled.
var ErrCredentials = errors.New("wrong credentials")

// Credentials checks passwords.
type Credentials interface {
	// UserNamed returns a user. It returns domain.ErrNotFound.
	UserNamed(ctx context.Context, name string) (User, error)
	// CheckPassword compares a password with a hash; with an empty hash it takes as long and fails.
	CheckPassword(password, hash string) bool
	// LoginToken returns the login token of a user, the same each time for a generation.
	LoginToken(user domain.UserID, generation int) string
}

// LogIn asks for the login token of a user.
type LogIn struct {
	Username, Password string
	Meta               events.Meta
	Remote             string // address of the client
}

// LogInHandler carries out LogIn.
type LogInHandler struct {
	journal Journal
	creds   Credentials
	now     func() time.Time
}

// NewLogIn returns the handler.
func NewLogIn(journal Journal, creds Credentials, now func() time.Time) *LogInHandler {
	return &LogInHandler{journal, creds, now}
}

// Handle returns the token (api.md D20: the same until it is revoked). It returns
// ErrCredentials; a failure is recorded in the user's journal, or that of the installation.
func (h *LogInHandler) Handle(ctx context.Context, cmd LogIn) (string, error) {
	user, err := h.check(ctx, cmd)
	if err != nil {
		return "", err
	}
	ids, err := h.journal.NextIDs(ctx, domain.IDToken, 1)
	if err != nil {
		return "", fmt.Errorf("draw token id: %w", err)
	}
	scope := Scope{
		Journal: events.JournalID(user.ID), Append: NewAppendID(), Meta: actorOf(cmd.Meta, user),
		User: user.ID, Tokens: true,
	}
	now := h.now()
	var token string
	_, err = h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if !user.is(s.User) {
			return Decision{}, ErrCredentials
		}
		token = h.creds.LoginToken(user.ID, s.User.LoginGeneration)
		return decideLogin(s, domain.TokenID(ids[0]), token, cmd.Remote, now), nil
	})
	if err != nil {
		return "", fmt.Errorf("record login of user %d: %w", user.ID, err)
	}
	return token, nil
}

// check returns the user whom name and password are of, or records that they are nobody's.
func (h *LogInHandler) check(ctx context.Context, cmd LogIn) (User, error) {
	user, err := h.creds.UserNamed(ctx, cmd.Username)
	if err != nil && !errors.Is(err, domain.ErrNotFound) {
		return user, fmt.Errorf("look up user: %w", err)
	}
	if !h.creds.CheckPassword(cmd.Password, user.PasswordHash) || !user.Active {
		return user, h.refuse(ctx, cmd, user)
	}
	return user, nil
}

// is reports whether a user is still the one whose password was checked.
func (u User) is(present *User) bool {
	return present != nil && present.Active && present.PasswordHash == u.PasswordHash
}

func actorOf(meta events.Meta, user User) events.Meta {
	meta.Actor = events.Actor{Kind: events.ActorUser, Name: user.Name}
	return meta
}

func decideLogin(s State, id domain.TokenID, token, remote string, now time.Time) Decision {
	login := events.LoggedIn{User: s.User.ID, Name: s.User.Name, Remote: remote}
	sum := sha256.Sum256([]byte(token))
	for _, t := range s.Tokens {
		if t.Kind == "login" {
			return Decision{Events: []events.Event{login}}
		}
	}
	scopes := []string{"read", "write"}
	if s.User.Admin {
		scopes = append(scopes, "admin")
	}
	d := tokenAdded(Token{
		ID: id, Kind: "login", Name: "Login", Prefix: token[:4], Hash: sum[:], Scopes: scopes, Version: 1,
		CreatedAt: now.UTC().Truncate(time.Microsecond),
	})
	d.Events = append(d.Events, login)
	return d
}

func (h *LogInHandler) refuse(ctx context.Context, cmd LogIn, user User) error {
	name := cmd.Username
	if user.ID != 0 {
		name = user.Name
	}
	failed := events.LoginFailed{User: user.ID, Name: cutName(name), Remote: cmd.Remote}
	cmd.Meta.Actor = events.Actor{Kind: events.ActorSystem, Name: "auth"}
	scope := Scope{Journal: events.JournalID(user.ID), Append: NewAppendID(), Meta: cmd.Meta}
	_, err := h.journal.Update(ctx, scope, func(State) (Decision, error) {
		return Decision{Events: []events.Event{failed}}, nil
	})
	if err != nil && !errors.Is(err, domain.ErrNotFound) {
		return errors.Join(ErrCredentials, fmt.Errorf("record failed login: %w", err))
	}
	return ErrCredentials
}

// cutName keeps a name that someone typed within the size of a name.
func cutName(name string) string {
	if r := []rune(name); len(r) > 150 {
		return string(r[:150])
	}
	return name
}
