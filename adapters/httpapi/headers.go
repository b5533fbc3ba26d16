package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// corsPolicy says which origins may read answers (api.md 8.3).
type corsPolicy struct {
	all     bool
	origins []string
}

func newCORS(development bool, origins []string) corsPolicy {
	return corsPolicy{all: development || slices.Contains(origins, "*"), origins: origins}
}

const (
	exposedHeaders = "ETag, Location, Link, Retry-After, WWW-Authenticate, Content-Disposition, X-Request-Id, " +
		"X-Event-Position, X-As-Of-Position, X-Total-Count, X-RateLimit-Limit, X-RateLimit-Remaining, " +
		"X-RateLimit-Reset, RateLimit, RateLimit-Policy"
	allowedHeaders = "Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID, X-Request-Id"
	gmailHeaders   = ", X-Goog-Api-Client, X-HTTP-Method-Override"
	allowedMethods = "GET, POST, PUT, PATCH, DELETE, OPTIONS"

	jsonPolicy    = "default-src 'none'; frame-ancestors 'none'"
	contentPolicy = "sandbox; default-src 'none'"
)

// allow sets what lets a page of another origin read the answer, and reports whether anything does.
func (p corsPolicy) allow(h http.Header, origin string) bool {
	switch {
	case p.all:
		h.Set("Access-Control-Allow-Origin", "*")
	case len(p.origins) == 0:
		return false
	default:
		h.Add("Vary", "Origin")
		if origin == "" || !slices.Contains(p.origins, origin) {
			return false
		}
		h.Set("Access-Control-Allow-Origin", origin)
	}
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	return true
}

// commonHeaders sets what every answer has (api.md 4.5, 8.3, 8.4).
func (a *api) commonHeaders(r *request) {
	h := r.w.Header()
	h.Set("X-Request-Id", r.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", jsonPolicy)
	if r.https && !a.opts.Development {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	a.cors.allow(h, r.Header.Get("Origin"))
}

// preflight answers a CORS preflight: no token, not counted, also where a final slash is missing.
func (a *api) preflight(r *request) {
	h := r.w.Header()
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Del("Access-Control-Expose-Headers")
		h.Set("Access-Control-Allow-Methods", allowedMethods)
		names := allowedHeaders
		if isGmailPath(r.URL.Path) {
			names += gmailHeaders
		}
		h.Set("Access-Control-Allow-Headers", names)
		h.Set("Access-Control-Max-Age", "600")
	}
	r.w.WriteHeader(http.StatusNoContent)
}

// accepts reports whether a comma-separated header names a token.
func accepts(header, token string) bool {
	for item := range strings.SplitSeq(header, ",") {
		name, _, _ := strings.Cut(item, ";")
		if strings.EqualFold(strings.TrimSpace(name), token) {
			return true
		}
	}
	return false
}
