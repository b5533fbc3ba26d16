package imapsource

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/emersion/go-sasl"
)

var (
	errNoBearer = errors.New("no mechanism for a bearer token is offered")
	// errBearerInClear: RFC 7628 section 4 wants TLS.
	errBearerInClear = errors.New("a bearer token does not go out in plain text")
)

// Mechanisms for bearer tokens, as they are noted.
const (
	oauthBearer = "OAUTHBEARER" // RFC 7628
	xoauth2     = "XOAUTH2"     // Google's own, and Microsoft's only one
)

// authBearer logs in with an access token: by OAUTHBEARER, else XOAUTH2, as offered. A token that is refused
// may have been made void before its time, so the login is tried once more with a fresh one.
func (o *opening) authBearer(ctx context.Context) error {
	if o.state.Version == 0 {
		return errBearerInClear
	}
	mechanism := oauthBearer
	if !o.caps.has("AUTH=" + oauthBearer) {
		if mechanism = xoauth2; !o.caps.has("AUTH=" + xoauth2) {
			return errNoBearer
		}
	}
	token := o.token
	for fresh := false; ; fresh = true {
		err := o.sendBearer(mechanism, token)
		if err == nil {
			o.login.Bearer.Accepted(ctx, mechanism)
			return nil
		}
		e, ok := errors.AsType[*refusedError](err)
		if !ok {
			return err
		}
		e.login, e.text = true, strings.ReplaceAll(e.text, token, "***")
		if throttled(e.text) {
			return e
		}
		if fresh {
			return o.login.Bearer.Refused(ctx)
		}
		token, err = o.login.Bearer.Token(ctx, token)
		if err != nil {
			return err
		}
	}
}

// sendBearer sends one AUTHENTICATE. To the error challenge, which says why, the answer that ends the
// exchange is due: %x01 (RFC 7628 section 3.2.3), or an empty line for XOAUTH2.
func (o *opening) sendBearer(mechanism, token string) error {
	response, ending := bearerResponse(o, mechanism, token)
	command := "AUTHENTICATE " + mechanism
	sent := o.caps.has("SASL-IR") // RFC 4959
	if sent {
		command += " " + response
	}
	_, err := o.command(command, func(string) (string, error) {
		if !sent {
			sent = true
			return response, nil
		}
		return ending, nil
	})
	return err
}

// bearerResponse returns the initial response and what ends a failed exchange, both in base64.
func bearerResponse(o *opening, mechanism, token string) (response, ending string) {
	if mechanism == xoauth2 {
		text := "user=" + o.login.Username + "\x01auth=Bearer " + token + "\x01\x01"
		return base64.StdEncoding.EncodeToString([]byte(text)), ""
	}
	client := sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{
		Username: o.login.Username, Token: token, Host: o.login.Host, Port: o.login.Port,
	})
	_, first, _ := client.Start() // never fails
	return base64.StdEncoding.EncodeToString(first), base64.StdEncoding.EncodeToString([]byte{1})
}
