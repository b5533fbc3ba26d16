package httpapi

import (
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/oklog/ulid/v2"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

type position = events.Position

// request is one request and what was found out about it.
type request struct {
	*http.Request
	w      http.ResponseWriter
	id     string // X-Request-Id
	https  bool   // the client came by TLS, here or at a trusted proxy
	client netip.Addr
	origin string // scheme, host and path prefix of absolute links
	route  *route
	params *chi.Context
	who    queries.Principal
	query  url.Values // nil until asked for
	// overridden: it is a GET that came as a POST.
	overridden bool
	wrote      bool // the status line is out
}

// newRequest finds out who the peer speaks for.
func (a *api) newRequest(w http.ResponseWriter, hr *http.Request) *request {
	r := &request{Request: hr, w: w, id: hr.Header.Get("X-Request-Id"), overridden: overridden(hr)}
	if r.overridden {
		get := *hr
		get.Method = http.MethodGet
		r.Request = &get
	}
	if !fitRequestID(r.id) {
		r.id = ulid.Make().String()
	}
	via := a.proxies.forwarded(hr)
	r.client, r.https = via.client, via.https
	r.origin = a.originOf(via)
	return r
}

func fitRequestID(id string) bool {
	for i := range len(id) {
		c := id[i]
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= 64
}

// base returns the absolute address of the API root that the request used, with a final slash.
func (r *request) base() string {
	if strings.HasPrefix(r.URL.Path, "/api/v1/") {
		return r.origin + "/api/v1/"
	}
	return r.origin + "/api/"
}

// link returns an absolute address below the API root.
func (r *request) link(parts ...any) string {
	var b strings.Builder
	b.WriteString(r.base())
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b.WriteString(p)
		case int64:
			b.WriteString(strconv.FormatInt(p, 10))
		}
	}
	return b.String()
}

// meta is what the log keeps of who asked.
func (r *request) meta() events.Meta {
	return events.Meta{
		Actor:     events.Actor{Kind: events.ActorUser, Name: r.who.Name, Token: r.who.Token.ID},
		RequestID: r.id,
	}
}

// get returns the last value of a query parameter without leading and trailing
// white space and with U+FFFD for what is not UTF-8; "" if it is not given.
func (r *request) get(name string) string {
	text, _ := r.lookup(name)
	return strings.TrimSpace(text)
}

// lookup returns the last value of a query parameter as given, and whether it is given.
func (r *request) lookup(name string) (string, bool) {
	values := r.values()[name]
	if len(values) == 0 {
		return "", false
	}
	return strings.ToValidUTF8(values[len(values)-1], "\ufffd"), true
}

func (r *request) values() url.Values {
	if r.query == nil {
		r.query = r.URL.Query()
	}
	return r.query
}

// pathID returns a number of the path: 1 to 19 digits (api.md 4.2). It returns errNotFound.
func (r *request) pathID(name string) (int64, error) {
	id, ok := parseID(r.params.URLParam(name))
	if !ok {
		return 0, errNotFound
	}
	return id, nil
}

func parseID(text string) (int64, bool) {
	if len(text) < 1 || len(text) > 19 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0
}

// accounts returns the accounts that the token of the request may see; nil for all.
func (r *request) accounts() []domain.AccountID {
	if len(r.who.Token.Accounts) == 0 {
		return nil
	}
	return r.who.Token.Accounts
}

func stack() string { return string(debug.Stack()) }
