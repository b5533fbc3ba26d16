package gmailapi

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// fault is an error with Gmail's shape (api.md 11.15).
type fault struct {
	code                            int
	status, domain, reason, message string
	location                        string // the header that is at fault; "": none
	header                          http.Header
}

// Error returns what clients read.
func (f *fault) Error() string { return f.message }

func invalidArgument(message string) *fault {
	return &fault{code: http.StatusBadRequest, status: "INVALID_ARGUMENT", reason: "invalidArgument", message: message}
}

func invalidParameter(name string) *fault { return invalidArgument("Invalid value for " + name) }

func parseError() *fault {
	return &fault{code: http.StatusBadRequest, status: "INVALID_ARGUMENT", reason: "parseError", message: "Parse Error"}
}

func failedPrecondition(message string) *fault {
	return &fault{code: http.StatusBadRequest, status: "FAILED_PRECONDITION", reason: "failedPrecondition", message: message}
}

func forbidden(message string) *fault {
	return &fault{code: http.StatusForbidden, status: "PERMISSION_DENIED", reason: "forbidden", message: message}
}

func notFound() *fault {
	return &fault{code: http.StatusNotFound, status: "NOT_FOUND", reason: "notFound", message: "Requested entity was not found."}
}

// common are the errors that every surface has, by their status.
var common = map[int]fault{
	http.StatusBadRequest:            {status: "INVALID_ARGUMENT", reason: "invalidArgument", message: "Invalid argument."},
	http.StatusUnauthorized:          {status: "UNAUTHENTICATED", reason: "authError", message: "Invalid Credentials"},
	http.StatusForbidden:             {status: "PERMISSION_DENIED", reason: "insufficientPermissions", message: "Request had insufficient authentication scopes."},
	http.StatusNotFound:              {status: "NOT_FOUND", reason: "notFound", message: "Requested entity was not found."},
	http.StatusConflict:              {status: "FAILED_PRECONDITION", reason: "failedPrecondition", message: "The present state does not allow this."},
	http.StatusRequestEntityTooLarge: {status: "INVALID_ARGUMENT", reason: "uploadTooLarge", message: "Request body too large."},
	http.StatusRequestURITooLong:     {status: "INVALID_ARGUMENT", reason: "uploadTooLarge", message: "Request URI too long."},
	http.StatusTooManyRequests:       {status: "RESOURCE_EXHAUSTED", domain: "usageLimits", reason: "rateLimitExceeded", message: "Too many requests."},
	http.StatusInternalServerError:   {status: "INTERNAL", reason: "backendError", message: "Internal error encountered."},
	http.StatusServiceUnavailable:    {status: "UNAVAILABLE", reason: "backendError", message: "The service is currently unavailable."},
}

// Failure is an error that was found before Serve, or that Serve has returned.
type Failure struct {
	Status       int
	Anonymous    bool // of a 401: there were no credentials
	NeedsHTTPS   bool // of a 403: the connection is the reason
	RetrySeconds int  // 0: not said
}

// Fail returns the answer to a failure.
func (h *Handler) Fail(of Failure) Answer {
	f, known := common[of.Status]
	if !known {
		of.Status = http.StatusInternalServerError
		f = common[of.Status]
	}
	f.code, f.header = of.Status, http.Header{}
	if of.NeedsHTTPS {
		f.reason, f.message = "forbidden", "HTTPS is required."
	}
	if of.Status == http.StatusUnauthorized {
		challenge := `Bearer realm="imap2api"`
		if of.Anonymous {
			f.reason, f.message = "required", "Login Required."
		} else {
			challenge += `, error="invalid_token"`
		}
		f.location = "Authorization"
		f.header.Set("WWW-Authenticate", challenge)
	}
	if of.RetrySeconds > 0 {
		f.header.Set("Retry-After", strconv.Itoa(of.RetrySeconds))
	}
	return f.answer()
}

type errorJSON struct {
	Error struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Errors  []errorItemJSON `json:"errors"`
		Status  string          `json:"status"`
	} `json:"error"`
}

type errorItemJSON struct {
	Message      string `json:"message"`
	Domain       string `json:"domain"`
	Reason       string `json:"reason"`
	Location     string `json:"location,omitempty"`
	LocationType string `json:"locationType,omitempty"`
}

func (f *fault) answer() Answer {
	item := errorItemJSON{Message: f.message, Domain: f.domain, Reason: f.reason, Location: f.location}
	if item.Domain == "" {
		item.Domain = "global"
	}
	if f.location != "" {
		item.LocationType = "header"
	}
	var out errorJSON
	out.Error.Code, out.Error.Message, out.Error.Status = f.code, f.message, f.status
	out.Error.Errors = []errorItemJSON{item}
	body, err := json.Marshal(out)
	if err != nil { // text and numbers only
		panic(err)
	}
	return Answer{Status: f.code, ContentType: jsonType, Header: f.header, Body: body}
}
