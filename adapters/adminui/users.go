package adminui

import (
	"errors"
	"net/http"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// usersPage is all users, and the form of a new one.
type usersPage struct {
	*form
	Users []queries.User
	Me    domain.UserID
	Name  string
	Email string
}

// shortestPassword is how many characters a password has at least.
const shortestPassword = 10

func (u *ui) listUsers(r *request) error {
	return u.showUsers(r, http.StatusOK, usersPage{form: &form{Faults: map[string]string{}}})
}

func (u *ui) showUsers(r *request, status int, p usersPage) error {
	var err error
	if p.Users, err = u.app.ListUsers(r.Context(), queries.ListUsers{}); err != nil {
		return err
	}
	p.Me = r.who.User
	u.write(r, status, "users", page{Title: "Users", Nav: "users", Data: p})
	return nil
}

func (u *ui) addUser(r *request) error {
	f, err := readForm(r)
	if err != nil {
		return err
	}
	p := usersPage{form: f, Name: f.text("username", true, 150), Email: f.text("email", false, 254)}
	password := f.newPassword("password")
	if f.ok() {
		_, err := u.app.AddUser(r.Context(), commands.AddUser{
			Meta: r.adminMeta(), Name: p.Name, Email: p.Email, PasswordHash: u.app.HashPassword(password), Admin: f.checked("admin"),
		})
		var field *domain.FieldError
		switch {
		case errors.As(err, &field):
			f.fault("username", field.Message)
		case errors.Is(err, domain.ErrConflict):
			f.fault("username", "The name is taken.")
		case err != nil:
			return err
		default:
			return u.redirect(r, "/users/?done=added")
		}
	}
	return u.showUsers(r, http.StatusUnprocessableEntity, p)
}

// newPassword reads a password that somebody chooses.
func (f *form) newPassword(field string) string {
	password := f.raw(field)
	if n := len([]rune(password)); n < shortestPassword || n > 1024 {
		f.fault(field, "At least 10 characters.")
	}
	return password
}

// adminMeta says that an administrator acts on others.
func (r *request) adminMeta() events.Meta {
	m := r.meta()
	m.Actor.Kind = events.ActorAdmin
	return m
}

// changeUser does what a button of the list says. Nobody can lock themselves out.
func (u *ui) changeUser(r *request) error {
	id, err := r.pathID("id")
	if err != nil {
		return err
	}
	user := domain.UserID(id)
	if user == r.who.User {
		return domain.ErrConflict
	}
	yes, no := true, false
	cmd, told := commands.ChangeUser{Meta: r.adminMeta(), User: user}, "saved"
	switch r.PostFormValue("do") {
	case "disable":
		_, err := u.app.DisableUser(r.Context(), commands.DisableUser{Meta: cmd.Meta, User: user})
		if err != nil {
			return err
		}
		return u.redirect(r, "/users/?done=disabled")
	case "enable":
		cmd.Active, told = &yes, "enabled"
	case "admin":
		cmd.Admin = &yes
	case "no-admin":
		cmd.Admin = &no
	default:
		return errForm
	}
	if _, err := u.app.ChangeUser(r.Context(), cmd); err != nil {
		return err
	}
	return u.redirect(r, "/users/?done="+told)
}
