package httpapi

import (
	"net/http"
	"strconv"
	"strings"
)

// isGmailPath reports whether errors below a path have Gmail's shape (api.md 11.15).
func isGmailPath(path string) bool {
	for _, root := range []string{"/gmail", "/batch", "/$discovery", "/discovery"} {
		if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// gmailErrorJSON is an error of the Gmail surface.
type gmailErrorJSON struct {
	Error struct {
		Code    int                  `json:"code"`
		Message string               `json:"message"`
		Errors  []gmailErrorItemJSON `json:"errors"`
		Status  string               `json:"status"`
	} `json:"error"`
}

type gmailErrorItemJSON struct {
	Message      string `json:"message"`
	Domain       string `json:"domain"`
	Reason       string `json:"reason"`
	Location     string `json:"location,omitempty"`
	LocationType string `json:"locationType,omitempty"`
}

// gmailKind is one line of the table of api.md 11.15.
type gmailKind struct{ status, domain, reason, message string }

var gmailKinds = map[int]gmailKind{
	http.StatusBadRequest:            {"INVALID_ARGUMENT", "global", "invalidArgument", "Invalid argument."},
	http.StatusUnauthorized:          {"UNAUTHENTICATED", "global", "authError", "Invalid Credentials"},
	http.StatusForbidden:             {"PERMISSION_DENIED", "global", "insufficientPermissions", "Request had insufficient authentication scopes."},
	http.StatusNotFound:              {"NOT_FOUND", "global", "notFound", "Requested entity was not found."},
	http.StatusRequestEntityTooLarge: {"INVALID_ARGUMENT", "global", "uploadTooLarge", "Request body too large."},
	http.StatusRequestURITooLong:     {"INVALID_ARGUMENT", "global", "uploadTooLarge", "Request URI too long."},
	http.StatusTooManyRequests:       {"RESOURCE_EXHAUSTED", "usageLimits", "rateLimitExceeded", "Too many requests."},
	http.StatusInternalServerError:   {"INTERNAL", "global", "backendError", "Internal error encountered."},
	http.StatusServiceUnavailable:    {"UNAVAILABLE", "global", "backendError", "The service is currently unavailable."},
}

// failGmail answers an error in Gmail's shape.
func (a *api) failGmail(r *request, own *apiError) {
	kind, ok := gmailKinds[own.status]
	if !ok {
		kind = gmailKinds[http.StatusInternalServerError]
	}
	if own == errHTTPS {
		kind.reason, kind.message = "forbidden", own.detail
	}
	item := gmailErrorItemJSON{Message: kind.message, Domain: kind.domain, Reason: kind.reason}
	h := r.w.Header()
	if own.status == http.StatusUnauthorized {
		challenge := `Bearer realm="imap2api"`
		if own == errNoCredentials {
			item.Reason, item.Message = "required", "Login Required."
		} else {
			challenge += `, error="invalid_token"`
		}
		item.Location, item.LocationType = "Authorization", "header"
		h.Set("WWW-Authenticate", challenge)
	}
	if own.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(own.retryAfter))
	}
	var body gmailErrorJSON
	body.Error.Code, body.Error.Message, body.Error.Status = own.status, item.Message, kind.status
	body.Error.Errors = []gmailErrorItemJSON{item}
	h.Set("Content-Type", "application/json; charset=UTF-8")
	a.writeJSON(r, own.status, body)
}

// gmailUnknown answers every path of the Gmail surface.
func (a *api) gmailUnknown(*request) (response, error) { return response{}, errNotFound }
