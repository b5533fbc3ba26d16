package events

import (
	"time"

	"github.com/imap2api/imap2api/domain"
)

// Stored names of the events of users, tokens and the installation.
const (
	TypeTokenCreated    Type = "token-created"
	TypeTokenChanged    Type = "token-changed"
	TypeTokenRevoked    Type = "token-revoked"
	TypeLoggedIn        Type = "logged-in"
	TypeLoginFailed     Type = "login-failed"
	TypeUserAdded       Type = "user-added"
	TypeUserChanged     Type = "user-changed"
	TypeUserDisabled    Type = "user-disabled"
	TypeUserErased      Type = "user-erased"
	TypeModelRebuilt    Type = "model-rebuilt"
	TypeModelRolledBack Type = "model-rolled-back"
)

// TokenCreated says that a token exists. The token itself is in no event.
type TokenCreated struct {
	Token    domain.TokenID     `json:"token"`
	Kind     string             `json:"kind"` // login, api
	Name     string             `json:"name"`
	Scopes   []string           `json:"scopes"`
	Accounts []domain.AccountID `json:"accounts"`
	Expires  *time.Time         `json:"expires_at"`
}

// TokenChanged says that a token has another name or expiry.
type TokenChanged struct {
	Token   domain.TokenID `json:"token"`
	Kind    string         `json:"kind"`
	Name    string         `json:"name"`
	Expires *time.Time     `json:"expires_at"`
	Changed []string       `json:"changed"` // name, expires_at
}

// TokenRevoked says that a token is void.
type TokenRevoked struct {
	Token domain.TokenID `json:"token"`
	Kind  string         `json:"kind"`
	Name  string         `json:"name"`
}

// LoggedIn says that a user exchanged name and password for a token.
type LoggedIn struct {
	User   domain.UserID `json:"user"`
	Name   string        `json:"name"`
	Remote string        `json:"remote"` // address of the client
}

// LoginFailed says that a password was wrong, or the name unknown (then in the
// journal System with User 0).
type LoginFailed struct {
	User   domain.UserID `json:"user"`
	Name   string        `json:"name"`
	Remote string        `json:"remote"`
}

// UserAdded says that a user exists.
type UserAdded struct {
	User  domain.UserID `json:"user"`
	Name  string        `json:"name"`
	Admin bool          `json:"admin"`
}

// UserChanged says that a user's data changed; a new password is "password".
type UserChanged struct {
	User    domain.UserID `json:"user"`
	Name    string        `json:"name"`
	Changed []string      `json:"changed"`
}

// UserDisabled says that a user may not sign in any more.
type UserDisabled struct {
	User domain.UserID `json:"user"`
	Name string        `json:"name"`
}

// UserErased says that all content of a user was removed. It is the last event of
// the journal, and one of System.
type UserErased struct {
	User domain.UserID `json:"user"`
}

// ModelRebuilt says that a read model was built anew and made live.
type ModelRebuilt struct {
	Model      string `json:"model"`
	Generation int    `json:"generation"`
	Version    int    `json:"version"`
	Events     int64  `json:"events"`
}

// ModelRolledBack says that the kept generation of a read model is live again.
type ModelRolledBack struct {
	Model      string `json:"model"`
	Generation int    `json:"generation"`
}

// EventType returns the stored name and version.
func (TokenCreated) EventType() (Type, int) { return TypeTokenCreated, 1 }

// EventStream returns the token.
func (e TokenCreated) EventStream() Stream { return Stream{StreamToken, int64(e.Token)} }

// EventAccount returns 0.
func (TokenCreated) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (TokenChanged) EventType() (Type, int) { return TypeTokenChanged, 1 }

// EventStream returns the token.
func (e TokenChanged) EventStream() Stream { return Stream{StreamToken, int64(e.Token)} }

// EventAccount returns 0.
func (TokenChanged) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (TokenRevoked) EventType() (Type, int) { return TypeTokenRevoked, 1 }

// EventStream returns the token.
func (e TokenRevoked) EventStream() Stream { return Stream{StreamToken, int64(e.Token)} }

// EventAccount returns 0.
func (TokenRevoked) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (LoggedIn) EventType() (Type, int) { return TypeLoggedIn, 1 }

// EventStream returns the user.
func (e LoggedIn) EventStream() Stream { return Stream{StreamUser, int64(e.User)} }

// EventAccount returns 0.
func (LoggedIn) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (LoginFailed) EventType() (Type, int) { return TypeLoginFailed, 1 }

// EventStream returns the user.
func (e LoginFailed) EventStream() Stream { return Stream{StreamUser, int64(e.User)} }

// EventAccount returns 0.
func (LoginFailed) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (UserAdded) EventType() (Type, int) { return TypeUserAdded, 1 }

// EventStream returns the user.
func (e UserAdded) EventStream() Stream { return Stream{StreamUser, int64(e.User)} }

// EventAccount returns 0.
func (UserAdded) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (UserChanged) EventType() (Type, int) { return TypeUserChanged, 1 }

// EventStream returns the user.
func (e UserChanged) EventStream() Stream { return Stream{StreamUser, int64(e.User)} }

// EventAccount returns 0.
func (UserChanged) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (UserDisabled) EventType() (Type, int) { return TypeUserDisabled, 1 }

// EventStream returns the user.
func (e UserDisabled) EventStream() Stream { return Stream{StreamUser, int64(e.User)} }

// EventAccount returns 0.
func (UserDisabled) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (UserErased) EventType() (Type, int) { return TypeUserErased, 1 }

// EventStream returns the user.
func (e UserErased) EventStream() Stream { return Stream{StreamUser, int64(e.User)} }

// EventAccount returns 0.
func (UserErased) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (ModelRebuilt) EventType() (Type, int) { return TypeModelRebuilt, 1 }

// EventStream returns the generation.
func (e ModelRebuilt) EventStream() Stream { return Stream{StreamModel, int64(e.Generation)} }

// EventAccount returns 0.
func (ModelRebuilt) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (ModelRolledBack) EventType() (Type, int) { return TypeModelRolledBack, 1 }

// EventStream returns the generation.
func (e ModelRolledBack) EventStream() Stream { return Stream{StreamModel, int64(e.Generation)} }

// EventAccount returns 0.
func (ModelRolledBack) EventAccount() domain.AccountID { return 0 }
