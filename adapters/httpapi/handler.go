package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// api is the handler: what NewHandler was given, and what it keeps of it.
type api struct {
	app     App
	opts    Options
	log     *slog.Logger
	mux     *chi.Mux          // decides which route a path is
	routes  map[string]*route // by pattern
	public  *url.URL          // of Options.PublicURL; nil: from the request
	proxies Proxies
	cors    corsPolicy
	limits  *Limits
	streams *streamCount
	running *progressFeed
	doc     *document
}

// The settings that Options leaves at zero.
const (
	defaultMaxBody    = 1 << 20
	defaultSyncWait   = 50 * time.Second
	defaultStallAfter = 10 * time.Minute
)

// NewHandler returns the API over app. What of opts cannot be read counts as not given;
// cmd validates settings before.
func NewHandler(app App, opts Options, log *slog.Logger) http.Handler {
	a := &api{app: app, opts: opts, log: log, proxies: opts.Proxies, streams: newStreamCount(), doc: openAPI()}
	if a.opts.MaxBody <= 0 {
		a.opts.MaxBody = defaultMaxBody
	}
	if a.opts.SyncWait <= 0 {
		a.opts.SyncWait = defaultSyncWait
	}
	if a.opts.StallAfter <= 0 {
		a.opts.StallAfter = defaultStallAfter
	}
	if a.opts.Now == nil {
		a.opts.Now = time.Now
	}
	if u, err := url.Parse(opts.PublicURL); err == nil && u.Host != "" {
		u.Path = strings.TrimRight(u.Path, "/")
		a.public = u
	}
	a.cors = newCORS(opts.Development, opts.CORSOrigins)
	if a.limits = opts.Limits; a.limits == nil {
		a.limits = NewLimits(a.opts.Now)
	}
	a.running = newProgressFeed(app.RunningSyncs, log)
	a.mount()
	return a
}

// mount enters the table of routes into chi.
func (a *api) mount() {
	a.mux, a.routes = chi.NewRouter(), map[string]*route{}
	for _, rt := range table() {
		if a.opts.ProbesOnly && !rt.probe {
			continue
		}
		for _, pattern := range rt.patterns() {
			a.routes[pattern] = rt
			a.mux.Get(pattern, func(http.ResponseWriter, *http.Request) {})
		}
	}
}

// match returns the route of a path and its parameters; nil if there is none.
func (a *api) match(path string) (*route, *chi.Context) {
	ctx := chi.NewRouteContext()
	return a.routes[a.mux.Find(ctx, http.MethodGet, path)], ctx
}

// answer answers in the order of checks of api.md 3.4. It returns the route of the path, nil if there is none.
func (a *api) answer(w http.ResponseWriter, hr *http.Request) (rt *route) {
	r := a.newRequest(w, hr)
	defer a.recovered(r)
	a.commonHeaders(r)
	rt, params := a.match(hr.URL.Path)
	if rt == nil {
		rt = a.gmailRouteOf(hr.URL.Path)
	}
	r.route = rt
	switch {
	case len(hr.RequestURI) > maxRequestLine:
		a.fail(r, errURITooLong)
		return rt
	case hr.Method == http.MethodOptions && hr.Header.Get("Access-Control-Request-Method") != "":
		a.preflight(r)
		return rt
	case rt == nil && a.slashed(hr.URL.Path):
		a.redirect(r)
		return rt
	case rt == nil || rt.docs && !a.opts.DocsEnabled:
		a.fail(r, errNotFound)
		return rt
	case a.opts.RequireHTTPS && !r.https && !rt.health:
		a.fail(r, errHTTPS)
		return rt
	}
	r.params = params
	a.serve(r, rt)
	return rt
}

// maxRequestLine is the longest request target, in octets (api.md 4.1).
const maxRequestLine = 16 << 10

// serve answers a request of a known path.
func (a *api) serve(r *request, rt *route) {
	if err := a.admit(r, rt); err != nil {
		a.fail(r, err)
		return
	}
	handle := rt.methods[r.Method]
	if r.Method == http.MethodHead {
		handle = rt.methods[http.MethodGet]
	}
	switch {
	case handle != nil:
	case r.Method == http.MethodOptions && !rt.gmail:
		handle = (*api).options
	case rt.gmail:
		handle = rt.methods["*"]
	default:
		r.w.Header().Set("Allow", rt.allow())
		a.fail(r, methodNotAllowed(r.Method))
		return
	}
	res, err := handle(a, r)
	if err != nil {
		a.fail(r, err)
		return
	}
	a.write(r, res)
}

// admit decides on authentication, scope and rate limit.
func (a *api) admit(r *request, rt *route) error {
	switch rt.access {
	case uncounted:
		return nil
	case open:
		return a.countAnonymous(r)
	}
	if err := a.authenticate(r); err != nil {
		if !isUnauthorized(err) {
			return err
		}
		if over := a.countAnonymous(r); over != nil {
			return over
		}
		return err
	}
	switch {
	case rt.access == byParts:
		return nil
	case !rt.permits(r):
		return errForbidden
	}
	return a.countUser(r, rt)
}

// slashed reports whether path with a final slash is a route of the API.
func (a *api) slashed(path string) bool {
	if strings.HasSuffix(path, "/") {
		return false
	}
	rt, _ := a.match(path + "/")
	return rt != nil
}

// redirect answers a path that lacks its final slash (api.md 2.2).
func (a *api) redirect(r *request) {
	to := r.URL.EscapedPath() + "/"
	if a.public != nil {
		to = a.public.Path + to
	}
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	status := http.StatusPermanentRedirect
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	r.w.Header().Set("Location", to)
	r.w.Header().Set("Content-Length", "0")
	r.w.WriteHeader(status)
}

// recovered answers for a handler that panicked; the request ends, the process goes on.
func (a *api) recovered(r *request) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	a.log.Error("handler panicked", slog.String("request_id", r.id), slog.Any("panic", v), slog.String("stack", stack()))
	if !r.wrote {
		a.fail(r, errServer)
	}
}

// settle waits until what was recorded can be read (api.md D12).
func (a *api) settle(r *request, pos position) {
	if pos > 0 && a.app.WaitFor != nil {
		a.app.WaitFor(r.Context(), r.who.Journal, pos)
	}
}
