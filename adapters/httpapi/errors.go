package httpapi

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// apiError is an error with an answer of its own: {"detail": ...} (api.md 5.2), or
// the faults of the input.
type apiError struct {
	status     int
	code       string // of problem details
	detail     string
	retryAfter int         // seconds; 0: none
	fields     *inputError // faults of input; else nil
}

// Error returns what clients read.
func (e *apiError) Error() string { return e.detail }

// The fixed answers of api.md 5.2.
var (
	errNotFound    = &apiError{status: http.StatusNotFound, code: "not_found", detail: "Not found."}
	errPage        = &apiError{status: http.StatusNotFound, code: "invalid_page", detail: "Invalid page."}
	errCursor      = &apiError{status: http.StatusNotFound, code: "invalid_page", detail: "Invalid cursor"}
	errForbidden   = &apiError{status: http.StatusForbidden, code: "permission_denied", detail: "You do not have permission to perform this action."}
	errHTTPS       = &apiError{status: http.StatusForbidden, code: "permission_denied", detail: "HTTPS is required."}
	errConflict    = &apiError{status: http.StatusConflict, code: "conflict", detail: "The present state does not allow this."}
	errStale       = &apiError{status: http.StatusPreconditionFailed, code: "precondition_failed", detail: "The resource has changed since it was read."}
	errTooLarge    = &apiError{status: http.StatusRequestEntityTooLarge, code: "too_large", detail: "Request body too large."}
	errURITooLong  = &apiError{status: http.StatusRequestURITooLong, code: "too_large", detail: "Request URI too long."}
	errServer      = &apiError{status: http.StatusInternalServerError, code: "server_error", detail: "Internal server error."}
	errUnavailable = &apiError{status: http.StatusServiceUnavailable, code: "unavailable", detail: "Service temporarily unavailable.", retryAfter: 5}
)

func methodNotAllowed(method string) error {
	return &apiError{status: http.StatusMethodNotAllowed, code: "method_not_allowed", detail: `Method "` + method + `" not allowed.`}
}

func conflict(detail string) error {
	return &apiError{status: http.StatusConflict, code: "conflict", detail: detail}
}

// inputError is the faults of input, in the order of the fields (api.md 5.1).
type inputError struct {
	names    []string
	messages map[string][]string
}

// Error names the fields; values are never in it.
func (e *inputError) Error() string { return "invalid: " + strings.Join(e.names, ", ") }

// Is reports whether target is domain.ErrInvalid.
func (e *inputError) Is(target error) bool { return target == domain.ErrInvalid }

func (e *inputError) add(name string, messages ...string) {
	if e.messages == nil {
		e.messages = map[string][]string{}
	}
	if _, there := e.messages[name]; !there {
		e.names = append(e.names, name)
	}
	e.messages[name] = append(e.messages[name], messages...)
}

// err returns e, or nil if nothing was added.
func (e *inputError) err() error {
	if len(e.names) == 0 {
		return nil
	}
	return e
}

func invalid(name, message string) *inputError {
	e := &inputError{}
	e.add(name, message)
	return e
}

// validation is the answer to faults of input (api.md 5.1).
func validation(e *inputError) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "validation", detail: "Invalid input.", fields: e}
}

// MarshalJSON keeps the order of the fields.
func (e *inputError) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range e.names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(mustJSON(name))
		b.WriteByte(':')
		b.Write(mustJSON(e.messages[name]))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// known returns the error with an answer of its own that err stands for.
func known(err error) *apiError {
	var fields *inputError
	var field *domain.FieldError
	var own *apiError
	switch {
	case errors.As(err, &fields):
		return validation(fields)
	case errors.As(err, &own):
		return own
	case errors.As(err, &field):
		return validation(invalid(field.Field, field.Message))
	case errors.Is(err, queries.ErrPage):
		return errPage
	case errors.Is(err, queries.ErrCursor):
		return errCursor
	case errors.Is(err, domain.ErrNotFound):
		return errNotFound
	case errors.Is(err, domain.ErrStale):
		return errStale
	case errors.Is(err, domain.ErrConflict):
		return errConflict
	case errors.Is(err, domain.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errUnavailable
	}
	return errServer
}

// fail answers with an error. What is no fault of the client is logged here, and nowhere else.
func (a *api) fail(r *request, err error) {
	answer := known(err)
	switch {
	case answer.status == http.StatusInternalServerError:
		a.log.Error("request failed", slog.String("request_id", r.id), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Any("err", err))
	case answer.status == http.StatusServiceUnavailable && r.Context().Err() == nil:
		a.log.Warn("request refused", slog.String("request_id", r.id), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Any("err", err))
	}
	if isGmailPath(r.URL.Path) {
		a.failGmail(r, answer)
		return
	}
	a.writeError(r, answer)
}
