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
	Type      string      `json:"type"`
	Title     string      `json:"title"`
	Status    int         `json:"status"`
	Detail    string      `json:"detail"`
	Code      string      `json:"code"`
	RequestID string      `json:"request_id"`
	Errors    *inputError `json:"errors,omitempty"`
}

// writeError answers with an error of known, in the shape that the client asked for.
func (a *api) writeError(r *request, e *apiError) {
	h := r.w.Header()
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	switch {
	case e.status != http.StatusUnauthorized:
	case strings.HasPrefix(r.URL.Path, "/api"):
		h.Set("WWW-Authenticate", "Token")
	default:
		h.Set("WWW-Authenticate", "Bearer")
	}
	for _, name := range []string{"ETag", "Content-Disposition", "Cache-Control", "Content-Encoding"} {
		h.Del(name)
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/problem+json") {
		var body any = detailJSON{e.detail}
		if e.fields != nil {
			body = e.fields
		}
		a.writeJSON(r, e.status, body)
		return
	}
	h.Set("Content-Type", "application/problem+json")
	a.writeJSON(r, e.status, problemJSON{
		Type: "urn:imap2api:error:" + e.code, Title: http.StatusText(e.status), Status: e.status,
		Detail: e.detail, Code: e.code, RequestID: r.id, Errors: e.fields,
	})
}
