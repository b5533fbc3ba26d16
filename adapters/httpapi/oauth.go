package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// callbackPath is where providers send browsers back to.
const callbackPath = "/oauth/callback"

const (
	msgReturn      = "This address is not allowed."
	msgRefused     = "The provider refused this token."
	msgUnreachable = "The provider cannot be reached."
)

// providerJSON is a provider (api.md 10.15).
type providerJSON struct {
	Provider    string   `json:"provider"`
	Name        string   `json:"name"`
	Configured  bool     `json:"configured"`
	Host        *string  `json:"host"` // null: any
	Port        int      `json:"port"`
	Scopes      []string `json:"scopes"`
	RedirectURI string   `json:"redirect_uri"`
}

// grantJSON is the OAuth 2.0 sign-in of an IMAP server.
type grantJSON struct {
	IMAPServer           domain.AccountID  `json:"imap_server"`
	Provider             string            `json:"provider"`
	Status               string            `json:"status"`
	Mechanism            *string           `json:"mechanism"` // null before the first login
	Scopes               []string          `json:"scopes"`
	AuthorizedAt         *public.Timestamp `json:"authorized_at"`
	AccessTokenExpiresAt *public.Timestamp `json:"access_token_expires_at"`
	LastRefreshAt        *public.Timestamp `json:"last_refresh_at"`
	LastError            *string           `json:"last_error"`
}

// signInJSON is where a sign-in begins.
type signInJSON struct {
	AuthorizationURL string           `json:"authorization_url"`
	ExpiresAt        public.Timestamp `json:"expires_at"`
}

func (a *api) listProviders(r *request) (response, error) {
	out := []providerJSON{}
	for _, p := range a.app.OAuthProviders() {
		out = append(out, providerJSON{p.Key, p.Name, p.Configured, textOrNil(p.Host), p.Port, orEmpty(p.Scopes), r.origin + callbackPath})
	}
	return response{body: out}, nil
}

func (a *api) getGrant(r *request) (response, error) {
	acc, err := a.grantOfPath(r)
	if err != nil {
		return response{}, err
	}
	return a.grantOf(r, acc.ID, 0)
}

// grantOf answers with the sign-in of an account.
func (a *api) grantOf(r *request, acc domain.AccountID, pos position) (response, error) {
	g, err := a.app.GetGrant(r.Context(), queries.GetGrant{Journal: r.who.Journal, Account: acc})
	if err != nil {
		return response{}, err
	}
	return response{position: pos, body: grantJSON{
		g.Account, g.Provider, g.Status, textOrNil(g.Mechanism), orEmpty(g.Scopes), public.StampOrNil(g.AuthorizedAt),
		public.StampOrNil(g.ExpiresAt), public.StampOrNil(g.RefreshedAt), textOrNil(g.LastError),
	}}, nil
}

// grantOfPath returns the account that the path names; one with a password has no sign-in.
func (a *api) grantOfPath(r *request) (queries.Account, error) {
	acc, err := a.serverOfPath(r)
	if err == nil && acc.OAuthStatus == "" {
		err = errNotFound
	}
	return acc, err
}

func (a *api) beginSignIn(r *request) (response, error) {
	acc, err := a.grantOfPath(r)
	if err != nil {
		return response{}, err
	}
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	back := d.text("return_url", rule{blank: true, nullable: true, max: 2000})
	if back != nil && *back != "" && !a.mayReturn(*back) {
		d.fault("return_url", msgReturn)
	}
	if err := d.err(); err != nil {
		return response{}, err
	}
	cmd := commands.BeginAuthorization{Journal: r.who.Journal, Account: acc.ID, RedirectURI: r.origin + callbackPath}
	set(&cmd.ReturnURL, back)
	begun, err := a.app.BeginAuthorization(r.Context(), cmd)
	if err != nil {
		return response{}, err
	}
	return response{status: http.StatusCreated, secret: true, body: signInJSON{begun.URL, public.Stamp(begun.Expires)}}, nil
}

// mayReturn reports whether a browser may go to an address after a sign-in: its origin is one of the operator's.
func (a *api) mayReturn(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && u.User == nil && slices.Contains(a.opts.OAuthReturns, u.Scheme+"://"+u.Host)
}

func (a *api) putGrant(r *request) (response, error) {
	acc, err := a.grantOfPath(r)
	if err != nil {
		return response{}, err
	}
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	token := d.text("refresh_token", rule{required: true, max: 10000})
	if err := d.err(); err != nil {
		return response{}, err
	}
	pos, err := a.app.PutGrant(r.Context(), commands.PutGrant{
		Journal: r.who.Journal, Meta: r.meta(), Account: acc.ID, Refresh: *token,
	})
	var refused *commands.GrantError
	switch {
	case errors.As(err, &refused) && refused.Code != "":
		return response{}, invalid("refresh_token", msgRefused)
	case refused != nil:
		return response{}, &apiError{status: http.StatusBadGateway, code: "provider_unreachable", detail: msgUnreachable}
	case err != nil:
		return response{}, err
	}
	a.settle(r, pos)
	return a.grantOf(r, acc.ID, pos)
}

func (a *api) dropGrant(r *request) (response, error) {
	acc, err := a.grantOfPath(r)
	if err != nil {
		return response{}, err
	}
	pos, err := a.app.DropGrant(r.Context(), commands.DropGrant{Journal: r.who.Journal, Meta: r.meta(), Account: acc.ID})
	if err != nil {
		return response{}, err
	}
	a.settle(r, pos)
	return response{status: http.StatusNoContent, position: pos}, nil
}
