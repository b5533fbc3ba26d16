package httpapi

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

//go:embed oauth.html
var oauthSource string

var oauthTemplate = template.Must(template.New("oauth").Parse(oauthSource))

// callbackData is what the page of a sign-in shows.
type callbackData struct {
	Title, Text string
	Ask         bool // with a button that redeems the code
	Action      string
	State, Code string
	commands.AuthorizationAsked
}

const msgStaleLink = "This sign-in link is not valid any more."

// askSignIn names the user and the mailbox, and redeems nothing yet (api.md D55). What the provider
// refused ends the sign-in at once.
func (a *api) askSignIn(r *request) (response, error) {
	state, code, refusal := r.get("state"), r.get("code"), r.get("error")
	if refusal != "" || code == "" {
		if refusal == "" {
			return a.callbackPage(r, http.StatusBadRequest, callbackData{Title: msgStaleLink})
		}
		return a.endSignIn(r, commands.FinishAuthorization{State: state, Error: fitError(refusal)})
	}
	asked, err := a.app.LookAuthorization(r.Context(), state)
	if errors.Is(err, domain.ErrNotFound) {
		return a.callbackPage(r, http.StatusBadRequest, callbackData{Title: msgStaleLink})
	}
	if err != nil {
		return response{}, err
	}
	return a.callbackPage(r, http.StatusOK, callbackData{
		Title: "Connect this mailbox?", Ask: true, Action: r.origin + callbackPath, State: state, Code: code, AuthorizationAsked: asked,
	})
}

// finishSignIn redeems the code when the button is pressed.
func (a *api) finishSignIn(r *request) (response, error) {
	d, err := a.decodeBody(r, true)
	if err != nil {
		return response{}, err
	}
	state, code := d.text("state", rule{max: 1000}), d.text("code", rule{max: 8000})
	if d.err() != nil || state == nil || code == nil {
		return a.callbackPage(r, http.StatusBadRequest, callbackData{Title: msgStaleLink})
	}
	return a.endSignIn(r, commands.FinishAuthorization{State: *state, Code: *code})
}

// fitError returns a provider's error code, or a general one for what is none (RFC 6749 section 4.1.2.1).
func fitError(code string) string {
	if len(code) > 50 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "server_error"
	}
	return code
}

// endSignIn uses up the state and sends the browser on.
func (a *api) endSignIn(r *request, cmd commands.FinishAuthorization) (response, error) {
	ended, err := a.app.FinishAuthorization(r.Context(), cmd)
	if errors.Is(err, domain.ErrNotFound) {
		return a.callbackPage(r, http.StatusBadRequest, callbackData{Title: msgStaleLink})
	}
	if err != nil {
		return response{}, err
	}
	if to, err := url.Parse(ended.ReturnURL); err == nil && ended.ReturnURL != "" {
		q := to.Query()
		q.Set("imap_server", strconv.FormatInt(int64(ended.Account), 10))
		q.Set("status", "connected")
		if ended.Error != "" {
			q.Set("status", "failed")
			q.Set("error", ended.Error)
		}
		to.RawQuery = q.Encode()
		return response{status: http.StatusSeeOther, location: to.String()}, nil
	}
	if ended.Error != "" {
		return a.callbackPage(r, http.StatusOK, callbackData{
			Title: "The mailbox is not connected.", Text: fmt.Sprintf("%s said: %s.", ended.Provider, ended.Error), AuthorizationAsked: ended.AuthorizationAsked,
		})
	}
	return a.callbackPage(r, http.StatusOK, callbackData{
		Title: "The mailbox is connected.", Text: "You can close this page.", AuthorizationAsked: ended.AuthorizationAsked,
	})
}

// callbackPage writes a page. Its form may lead on to the address that the sign-in was begun with.
func (a *api) callbackPage(r *request, status int, data callbackData) (response, error) {
	var b bytes.Buffer
	if err := oauthTemplate.Execute(&b, data); err != nil {
		return response{}, fmt.Errorf("sign-in page: %w", err)
	}
	form := "'self'"
	if u, err := url.Parse(data.ReturnURL); err == nil && u.Host != "" {
		form += " " + u.Scheme + "://" + u.Host
	}
	h := r.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action "+form)
	h.Set("Cache-Control", "no-store")
	a.send(r, status, b.Bytes())
	return response{done: true}, nil
}
