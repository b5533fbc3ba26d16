package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// The failures of api.md 3.2.
var (
	errNoCredentials = unauthorized("not_authenticated", "Authentication credentials were not provided.")
	errNoToken       = unauthorized("invalid_token", "Invalid token header. No credentials provided.")
	errTokenSpaces   = unauthorized("invalid_token", "Invalid token header. Token string should not contain spaces.")
	errTokenBytes    = unauthorized("invalid_token", "Invalid token header. Token string should not contain invalid characters.")
	errBadToken      = unauthorized("invalid_token", "Invalid token.")
	errInactive      = unauthorized("invalid_token", "User inactive or deleted.")
)

func unauthorized(code, detail string) *apiError {
	return &apiError{status: http.StatusUnauthorized, code: code, detail: detail}
}

func isUnauthorized(err error) bool {
	var e *apiError
	return errors.As(err, &e) && e.status == http.StatusUnauthorized
}

// credentials returns the token of an Authorization header: Token or Bearer, in any case.
func credentials(header string) (string, error) {
	fields := strings.Fields(header)
	if len(fields) == 0 || !strings.EqualFold(fields[0], "Token") && !strings.EqualFold(fields[0], "Bearer") {
		return "", errNoCredentials
	}
	switch {
	case len(fields) == 1:
		return "", errNoToken
	case len(fields) > 2:
		return "", errTokenSpaces
	case !utf8.ValidString(fields[1]) || strings.ContainsRune(fields[1], 0):
		return "", errTokenBytes
	}
	return fields[1], nil
}

// authenticate finds out who asks. Its errors are those of api.md 3.2.
func (a *api) authenticate(r *request) error {
	token, err := credentials(r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	who, err := a.app.Authenticate(r.Context(), queries.Authenticate{Token: token})
	switch {
	case errors.Is(err, queries.ErrInactive):
		return errInactive
	case errors.Is(err, domain.ErrNotFound):
		return errBadToken
	case err != nil:
		return fmt.Errorf("authenticate: %w", err)
	}
	r.who = who
	return nil
}

// isAdmin reports whether the request may do what administrators may (api.md 3.3).
func (r *request) isAdmin() bool {
	return r.who.Admin && slices.Contains(r.who.Token.Scopes, queries.ScopeAdmin)
}

// permits reports whether the token has the scope that a method of the route needs.
func (rt *route) permits(r *request) bool {
	if rt.admin {
		return r.isAdmin()
	}
	scope := queries.ScopeWrite
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		scope = queries.ScopeRead
	}
	return slices.Contains(r.who.Token.Scopes, scope)
}
