package httpapi

import (
	"errors"
	"log/slog"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
)

// loginJSON is the answer of the token endpoint, exactly (api.md D1).
type loginJSON struct {
	Token string `json:"token"`
}

func (a *api) createLoginToken(r *request) (response, error) {
	d, err := a.decodeBody(r, true)
	if err != nil {
		return response{}, err
	}
	name := d.text("username", rule{required: true})
	password := d.text("password", rule{required: true, keep: true})
	if err := d.err(); err != nil {
		return response{}, err
	}
	forgive, err := a.countLogin(r, *name)
	if err != nil {
		return response{}, err
	}
	token, err := a.app.LogIn(r.Context(), commands.LogIn{
		Username: *name, Password: *password, Remote: r.client.String(), Meta: events.Meta{RequestID: r.id},
	})
	if errors.Is(err, commands.ErrCredentials) {
		var several interface{ Unwrap() []error } // and why the failure is not recorded
		if errors.As(err, &several) {
			a.log.Warn("failed login is not in the log", slog.String("request_id", r.id), slog.Any("err", err))
		}
		return response{}, invalid("non_field_errors", "Unable to log in with provided credentials.")
	}
	forgive()
	if err != nil {
		return response{}, err
	}
	return response{body: loginJSON{token}, secret: true}, nil
}
