package imapsource

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
)

// errNoLogin says that no way to log in is offered.
var errNoLogin = errors.New("no mechanism for a password is offered")

// authenticate logs in: by SASL PLAIN (RFC 4616), else SASL LOGIN, else the
// LOGIN command, as offered. A mechanism that the server does not know after
// all (BAD) is passed over; a refusal (NO) is final, since accounts are locked
// after a few. Who has a bearer token logs in with that.
func (o *opening) authenticate(ctx context.Context) error {
	if o.login.Bearer != nil {
		return o.authBearer(ctx)
	}
	disabled := o.caps.has("LOGINDISABLED")
	if disabled && o.state.Version == 0 {
		return errNoLogin // no password goes out in plain text against the server's will
	}
	err := errNoLogin
	for _, try := range []struct {
		offered bool
		run     func() error
	}{
		{o.caps.has("AUTH=PLAIN"), o.authPlain},
		{o.caps.has("AUTH=LOGIN"), o.authLogin},
		{!disabled, o.authCommand},
	} {
		if !try.offered {
			continue
		}
		if err = try.run(); err == nil {
			return nil
		}
		e, ok := errors.AsType[*refusedError](err)
		if !ok {
			return err
		}
		e.login = true
		if !strings.HasPrefix(strings.ToUpper(e.text), "BAD") || throttled(e.text) {
			return e
		}
	}
	return err
}

func (o *opening) authPlain() error {
	response := base64.StdEncoding.EncodeToString([]byte("\x00" + o.login.Username + "\x00" + o.login.Password))
	if o.caps.has("SASL-IR") { // RFC 4959
		_, err := o.command("AUTHENTICATE PLAIN "+response, func(string) (string, error) { return "*", nil })
		return err
	}
	sent := false
	_, err := o.command("AUTHENTICATE PLAIN", func(string) (string, error) {
		if sent {
			return "*", nil
		}
		sent = true
		return response, nil
	})
	return err
}

func (o *opening) authLogin() error {
	answers := []string{o.login.Username, o.login.Password}
	_, err := o.command("AUTHENTICATE LOGIN", func(string) (string, error) {
		if len(answers) == 0 {
			return "*", nil
		}
		a := answers[0]
		answers = answers[1:]
		return base64.StdEncoding.EncodeToString([]byte(a)), nil
	})
	return err
}

// authCommand sends LOGIN.
func (o *opening) authCommand() error {
	return o.run(command{"LOGIN"}.arg(o.login.Username).arg(o.login.Password), nil)
}
