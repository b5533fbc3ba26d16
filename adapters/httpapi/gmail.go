package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// Gmail is the Gmail surface, which another adapter answers (api.md 11). Who may ask, how often, entity tags,
// compression and CORS are decided here.
type Gmail struct {
	// Route says what is at a path: nothing, something that needs no token, or a batch, whose parts are
	// let in one by one.
	Route func(path string) (known, open, batch bool)
	Serve func(context.Context, GmailRequest) (GmailAnswer, error)
	Fail  func(GmailFailure) GmailAnswer
}

// GmailRequest is a request that was let in.
type GmailRequest struct {
	Method string     // GET also for one that came as a POST (X-HTTP-Method-Override)
	Path   string     // percent-decoded once
	Query  url.Values // of a GET that came as a POST its body
	Header http.Header
	Body   func() ([]byte, error) // its error is to be returned
	Who    queries.Principal      // the zero Principal where no token is needed
	Meta   events.Meta            // what commits say of themselves
	Origin string                 // scheme, host and path prefix of absolute links, without a final slash
	// Part answers a request that is a part of this one, as if it had come alone.
	Part func(*http.Request) *http.Response
}

// GmailAnswer is what is sent.
type GmailAnswer struct {
	Status      int
	ContentType string
	Header      http.Header // further ones; nil: none
	Body        []byte
	Stream      func(io.Writer) error // writes the body, in place of Body; nil: Body
}

// GmailFailure is an error that was found before the surface was asked, or that it has returned.
type GmailFailure struct {
	Status       int
	Anonymous    bool // of a 401: there were no credentials
	NeedsHTTPS   bool // of a 403: the connection is the reason
	RetrySeconds int  // 0: not said
}

// isGmailPath reports whether errors below a path have Gmail's shape (api.md 11.15).
func isGmailPath(path string) bool {
	for _, root := range []string{"/gmail", "/batch", "/upload/gmail", "/$discovery", "/discovery"} {
		if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// gmailRouteOf returns the route of a path of the Gmail surface, nil if there is none.
func (a *api) gmailRouteOf(path string) *route {
	if a.app.Gmail.Route == nil {
		return nil
	}
	known, isOpen, isBatch := a.app.Gmail.Route(path)
	if !known {
		return nil
	}
	rt := &route{name: "Gmail", gmail: true, methods: map[string]handler{"*": (*api).serveGmail}}
	switch {
	case isOpen:
		rt.access = open
	case isBatch:
		rt.access = byParts
	}
	return rt
}

// overridden reports whether a POST is a GET whose query is its body (api.md 11.2): clients
// do so where the address would be too long.
func overridden(hr *http.Request) bool {
	return hr.Method == http.MethodPost && strings.EqualFold(hr.Header.Get("X-HTTP-Method-Override"), http.MethodGet) && isGmailPath(hr.URL.Path)
}

func (a *api) serveGmail(r *request) (response, error) {
	if r.overridden {
		body, err := a.readBody(r)
		if err != nil {
			return response{}, err
		}
		if r.query, err = url.ParseQuery(string(body)); err != nil {
			return response{}, &apiError{status: http.StatusBadRequest, code: "parse_error", detail: "The form cannot be read."}
		}
	}
	answer, err := a.app.Gmail.Serve(r.Context(), GmailRequest{
		Method: r.Method, Path: r.URL.Path, Query: r.values(), Header: r.Header, Who: r.who, Meta: r.meta(), Origin: r.origin,
		Body: func() ([]byte, error) { return a.readBody(r) },
		Part: func(part *http.Request) *http.Response { return a.part(r, part) },
	})
	if err != nil {
		return response{}, err
	}
	a.writeGmail(r, answer)
	return response{done: true}, nil
}

// writeGmail sends an answer of the Gmail surface.
func (a *api) writeGmail(r *request, answer GmailAnswer) {
	h := r.w.Header()
	for name, values := range answer.Header {
		h[name] = values
	}
	if answer.ContentType != "" {
		h.Set("Content-Type", answer.ContentType)
	}
	if answer.Stream == nil {
		a.write(r, response{status: answer.Status, raw: answer.Body})
		return
	}
	r.wrote = true
	r.w.WriteHeader(answer.Status)
	if err := answer.Stream(r.w); err != nil {
		a.log.Debug("answer broken off", slog.String("request_id", r.id), slog.Any("err", err))
	}
}

// failGmail answers an error in Gmail's shape.
func (a *api) failGmail(r *request, own *apiError) {
	a.writeGmail(r, a.app.Gmail.Fail(GmailFailure{
		Status: own.status, Anonymous: errors.Is(own, errNoCredentials), NeedsHTTPS: errors.Is(own, errHTTPS), RetrySeconds: own.retryAfter,
	}))
}

// part answers a request of a batch as if it had come alone, from the same client and, unless it
// says otherwise, with the same token.
func (a *api) part(outer *request, inner *http.Request) *http.Response {
	inner = inner.WithContext(outer.Context())
	inner.RemoteAddr, inner.TLS, inner.Host = outer.RemoteAddr, outer.TLS, outer.Host
	inner.RequestURI = inner.URL.RequestURI()
	inner.Header.Del("Accept-Encoding") // the batch is one body
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id"} {
		inner.Header[name] = outer.Header[name]
	}
	if inner.Header.Get("Authorization") == "" {
		inner.Header["Authorization"] = outer.Header["Authorization"]
	}
	kept := &keptAnswer{Response: http.Response{StatusCode: http.StatusOK, Header: http.Header{}}}
	a.ServeHTTP(kept, inner)
	kept.Body = io.NopCloser(&kept.body)
	return &kept.Response
}

// keptAnswer is a ResponseWriter that keeps what is written.
type keptAnswer struct {
	http.Response
	body bytes.Buffer
}

// Header returns the header of the answer.
func (k *keptAnswer) Header() http.Header { return k.Response.Header }

// WriteHeader keeps the status.
func (k *keptAnswer) WriteHeader(status int) { k.StatusCode = status }

// Write keeps a part of the body.
func (k *keptAnswer) Write(b []byte) (int, error) { return k.body.Write(b) }
