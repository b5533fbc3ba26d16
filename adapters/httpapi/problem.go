package httpapi

import (
	"net/http"
	"strconv"
	"strings"
)

type detailJSON struct {
	Detail string `json:"detail"`
}

// problemJSON is an error by RFC 9457 (api.md 5.4).
type problemJSON struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail"`
	Code      string       `json:"code"`
	RequestID string       `json:"request_id"`
	Errors    *fieldErrors `json:"errors,omitempty"`
}

// writeError answers with an error of known, in the shape that the client asked for.
func (a *api) writeError(r *request, err error) {
	h := r.w.Header()
	status, code, detail, body := http.StatusBadRequest, "validation", "Invalid input.", any(err)
	fields, _ := err.(*fieldErrors)
	if own, ok := err.(*apiError); ok {
		status, code, detail, body = own.status, own.code, own.detail, detailJSON{own.detail}
		if own.retryAfter > 0 {
			h.Set("Retry-After", strconv.Itoa(own.retryAfter))
		}
	}
	switch {
	case status != http.StatusUnauthorized:
	case strings.HasPrefix(r.URL.Path, "/api"):
		h.Set("WWW-Authenticate", "Token")
	default:
		h.Set("WWW-Authenticate", "Bearer")
	}
	for _, name := range []string{"ETag", "Content-Disposition", "Cache-Control", "Content-Encoding"} {
		h.Del(name)
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/problem+json") {
		a.writeJSON(r, status, body)
		return
	}
	h.Set("Content-Type", "application/problem+json")
	a.writeJSON(r, status, problemJSON{
		Type: "urn:imap2api:error:" + code, Title: http.StatusText(status), Status: status,
		Detail: detail, Code: code, RequestID: r.id, Errors: fields,
	})
}
