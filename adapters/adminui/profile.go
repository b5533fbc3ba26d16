package adminui

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/queries"
)

// profilePage is what a user can change of themselves.
type profilePage struct {
	*form
	Email    string
	Sessions []sessionRow
}

// sessionRow is where the user is signed in.
type sessionRow struct {
	queries.Session
	Present bool // it is the one that asks
}

func (u *ui) profile(r *request) error {
	return u.showProfile(r, http.StatusOK, profilePage{form: &form{Faults: map[string]string{}}, Email: r.who.Email})
}

func (u *ui) showProfile(r *request, status int, p profilePage) error {
	list, err := u.app.ListSessions(r.Context(), queries.ListSessions{Journal: r.who.Journal})
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(r.secret))
	for _, s := range list {
		p.Sessions = append(p.Sessions, sessionRow{s, bytes.Equal(s.Hash, sum[:])})
	}
	u.write(r, status, "profile", page{Title: "You", Nav: "profile", Data: p})
	return nil
}

func (u *ui) saveProfile(r *request) error {
	f, err := readForm(r)
	if err != nil {
		return err
	}
	p := profilePage{form: f, Email: f.text("email", false, 254)}
	if !f.ok() {
		return u.showProfile(r, http.StatusUnprocessableEntity, p)
	}
	if _, err := u.app.ChangeUser(r.Context(), commands.ChangeUser{Meta: r.meta(), User: r.who.User, Email: &p.Email}); err != nil {
		return err
	}
	return u.redirect(r, "/profile/?done=saved")
}

// changePassword ends all sessions and begins a new one here.
func (u *ui) changePassword(r *request) error {
	f, err := readForm(r)
	if err != nil {
		return err
	}
	p := profilePage{form: f, Email: r.who.Email}
	password := f.newPassword("new")
	if password != f.raw("again") {
		f.fault("again", "The two differ.")
	}
	forgive, wait := u.opts.CountLogin(r.who.Name, r.client)
	if wait > 0 {
		f.fault("old", "Too many attempts. Try again in "+minutes(wait)+".")
	}
	if !f.ok() {
		return u.showProfile(r, http.StatusUnprocessableEntity, p)
	}
	signIn := commands.SignIn{
		LogIn: commands.LogIn{Username: r.who.Name, Password: f.raw("old"), Remote: r.client.String(), Meta: r.meta()}, Agent: r.UserAgent(),
	}
	_, err = u.app.SignIn(r.Context(), signIn)
	if errors.Is(err, commands.ErrCredentials) {
		f.fault("old", "This is not the present password.")
		return u.showProfile(r, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	forgive()
	hash := u.app.HashPassword(password)
	if _, err := u.app.ChangeUser(r.Context(), commands.ChangeUser{Meta: r.meta(), User: r.who.User, PasswordHash: &hash}); err != nil {
		return err
	}
	signIn.Password = password
	in, err := u.app.SignIn(r.Context(), signIn)
	if err != nil {
		return err
	}
	u.setCookie(r, sessionCookie, in.Secret, in.Expires)
	return u.redirect(r, "/profile/?done=password")
}

// endSessions ends all other sessions.
func (u *ui) endSessions(r *request) error {
	list, err := u.app.ListSessions(r.Context(), queries.ListSessions{Journal: r.who.Journal})
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(r.secret))
	for _, s := range list {
		if bytes.Equal(s.Hash, sum[:]) {
			continue
		}
		if _, err := u.app.SignOut(r.Context(), commands.SignOut{Journal: r.who.Journal, Hash: s.Hash}); err != nil {
			return err
		}
	}
	return u.redirect(r, "/profile/?done=ended")
}
