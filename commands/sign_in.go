package commands

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// SessionLife is how long somebody stays signed in on the pages.
const SessionLife = 14 * 24 * time.Hour

// SignIn asks for a session on the pages.
type SignIn struct {
	LogIn
	Agent string // of the browser, as it calls itself
}

// SignedIn is a new session; Secret is for the cookie and is stored nowhere.
type SignedIn struct {
	Secret  string
	Expires time.Time
}

// SignInHandler carries out SignIn.
type SignInHandler struct{ login *LogInHandler }

// NewSignIn returns the handler.
func NewSignIn(journal Journal, creds Credentials, now func() time.Time) *SignInHandler {
	return &SignInHandler{NewLogIn(journal, creds, now)}
}

// Handle begins a session. It returns ErrCredentials as LogInHandler.Handle does.
func (h *SignInHandler) Handle(ctx context.Context, cmd SignIn) (SignedIn, error) {
	user, err := h.login.check(ctx, cmd.LogIn)
	if err != nil {
		return SignedIn{}, err
	}
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	now := h.login.now()
	out := SignedIn{Secret: base64.RawURLEncoding.EncodeToString(b[:]), Expires: now.Add(SessionLife)}
	sum := sha256.Sum256([]byte(out.Secret))
	scope := Scope{Journal: events.JournalID(user.ID), Append: NewAppendID(), Meta: actorOf(cmd.Meta, user), User: user.ID}
	_, err = h.login.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if !user.is(s.User) {
			return Decision{}, ErrCredentials
		}
		return Decision{
			Events: []events.Event{events.LoggedIn{User: user.ID, Name: user.Name, Remote: cmd.Remote}},
			Rows: []Row{SessionRow{
				Hash: sum[:], Generation: s.User.LoginGeneration, CreatedAt: now, Expires: out.Expires, Remote: cmd.Remote, Agent: cutAgent(cmd.Agent),
			}},
		}, nil
	})
	if err != nil {
		return SignedIn{}, fmt.Errorf("record session of user %d: %w", user.ID, err)
	}
	return out, nil
}

// cutAgent keeps what a browser calls itself within reason.
func cutAgent(agent string) string {
	if r := []rune(agent); len(r) > 300 {
		return string(r[:300])
	}
	return agent
}

// SignOut asks for a session to end.
type SignOut struct {
	Journal events.JournalID
	Hash    []byte // SHA-256 of the session's secret
}

// SignOutHandler carries out SignOut.
type SignOutHandler struct{ journal Journal }

// NewSignOut returns the handler.
func NewSignOut(journal Journal) *SignOutHandler { return &SignOutHandler{journal} }

// Handle ends the session; one that is not there has ended.
func (h *SignOutHandler) Handle(ctx context.Context, cmd SignOut) (events.Position, error) {
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), User: domain.UserID(cmd.Journal)}
	pos, err := h.journal.Update(ctx, scope, func(State) (Decision, error) {
		return Decision{Rows: []Row{SessionGoneRow{cmd.Hash}}}, nil
	})
	if err != nil {
		return 0, fmt.Errorf("end session: %w", err)
	}
	return pos, nil
}
