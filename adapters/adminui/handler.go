package adminui

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/oklog/ulid/v2"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// ui is the handler: what NewHandler was given, and what it keeps of it.
type ui struct {
	app   App
	opts  Options
	log   *slog.Logger
	pages pages
	files assets
}

// NewHandler returns the pages, all below /admin/.
func NewHandler(app App, opts Options, log *slog.Logger) http.Handler {
	u := &ui{app: app, opts: opts, log: log, files: loadAssets()}
	u.pages = loadPages(u)
	mux := chi.NewRouter()
	if opts.Observe != nil {
		mux.Use(u.observed)
	}
	mux.Get("/admin", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, u.path("/"), http.StatusMovedPermanently)
	})
	mux.Get("/admin/assets/{name}", u.files.serve)
	u.routes(mux)
	mux.NotFound(u.known(func(*ui, *request) error { return domain.ErrNotFound }))
	// Forms of other sites are refused by what browsers say of where a request comes from.
	return u.secure(http.NewCrossOriginProtection().Handler(mux))
}

// handler answers one method of a page.
type handler func(*ui, *request) error

func (u *ui) routes(mux *chi.Mux) {
	get := func(path string, h handler) { mux.Get("/admin"+path, u.known(h)) }
	post := func(path string, h handler) { mux.Post("/admin"+path, u.known(h)) }
	mux.Get("/admin/sign-in/", u.anybody((*ui).signInForm))
	mux.Post("/admin/sign-in/", u.anybody((*ui).signIn))
	post("/sign-out/", (*ui).signOut)
	post("/theme/", (*ui).setTheme)
	get("/", (*ui).dashboard)
	u.serverRoutes(get, post)
	u.mailRoutes(get)
	u.peopleRoutes(get, post)
	u.webhookRoutes(get, post)
	get("/events/", (*ui).listEvents)
	get("/events/newer/", (*ui).newerEvents)
	get("/events/moment/", (*ui).oneMoment)
	get("/events/{position}/", (*ui).oneEvent)
	get("/models/", admins((*ui).listModels))
	post("/models/{name}/rebuild/", admins((*ui).rebuildModel))
	post("/models/{name}/rollback/", admins((*ui).rollBackModel))
}

func (u *ui) mailRoutes(get func(string, handler)) {
	get("/mail/", (*ui).listMail)
	get("/mail/news/", (*ui).mailNews)
	get("/mail/{id}/", (*ui).oneMessage)
	get("/mail/{id}/frame/", (*ui).frame)
	get("/mail/{id}/raw/", (*ui).rawMessage)
	get("/mail/{id}/attachments/{section}/", (*ui).attachment)
}

func (u *ui) peopleRoutes(get, post func(string, handler)) {
	get("/users/", admins((*ui).listUsers))
	post("/users/", admins((*ui).addUser))
	post("/users/{id}/", admins((*ui).changeUser))
	get("/tokens/", (*ui).listTokens)
	post("/tokens/", (*ui).createToken)
	post("/tokens/{id}/revoke/", (*ui).revokeToken)
	get("/profile/", (*ui).profile)
	post("/profile/", (*ui).saveProfile)
	post("/profile/password/", (*ui).changePassword)
	post("/profile/sessions/", (*ui).endSessions)
}

// policy is the Content-Security-Policy of every page; the frame of a message has its own.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// observed tells of each answer, when its route is known.
func (u *ui) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(answer, r)
		method := r.Method
		if method != http.MethodGet && method != http.MethodPost {
			method = "other" // what clients invent
		}
		route := cmp.Or(chi.RouteContext(r.Context()).RoutePattern(), "none")
		u.opts.Observe(r.Context(), route, method, cmp.Or(answer.Status(), http.StatusOK))
	})
}

// secure sets the headers of all answers (api.md 8.4) and refuses plain HTTP where that is set.
func (u *ui) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		_, https := u.opts.Origin(r)
		if u.opts.RequireHTTPS && !https {
			http.Error(w, "HTTPS is required.", http.StatusForbidden)
			return
		}
		if https && u.opts.RequireHTTPS {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20) // octets; no form is larger
		next.ServeHTTP(w, r)
	})
}

// request is one request and who has sent it.
type request struct {
	*http.Request
	w      http.ResponseWriter
	id     string
	client netip.Addr
	https  bool
	who    queries.Principal
	secret string // of the session
	wrote  bool
}

func (u *ui) newRequest(w http.ResponseWriter, hr *http.Request) *request {
	r := &request{Request: hr, w: w, id: ulid.Make().String()}
	r.client, r.https = u.opts.Origin(hr)
	w.Header().Set("X-Request-Id", r.id)
	return r
}

// anybody serves pages that need no session.
func (u *ui) anybody(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) { u.serve(u.newRequest(w, hr), h) }
}

// known serves pages to those who are signed in, and sends all others to sign in.
func (u *ui) known(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		r := u.newRequest(w, hr)
		u.serve(r, func(u *ui, r *request) error { //nolint:contextcheck // r has the context: it embeds the request
			err := u.recognise(r)
			if errors.Is(err, domain.ErrNotFound) {
				u.toSignIn(r)
				return nil
			}
			if err != nil {
				return err
			}
			return h(u, r)
		})
	}
}

// admins serves a page to administrators only; for others it is not there.
func admins(h handler) handler {
	return func(u *ui, r *request) error {
		if !r.who.Admin {
			return domain.ErrNotFound
		}
		return h(u, r)
	}
}

func (u *ui) serve(r *request, h handler) {
	err := h(u, r)
	if err == nil || r.wrote {
		return
	}
	status, title, text := http.StatusInternalServerError, "Something went wrong", "It is in the log under "+r.id+"."
	switch {
	case errors.Is(err, domain.ErrNotFound):
		status, title, text = http.StatusNotFound, "Not found", "There is nothing here, or it is not yours."
	case errors.Is(err, domain.ErrStale), errors.Is(err, domain.ErrConflict):
		status, title, text = http.StatusConflict, "Not possible now", "The state has changed meanwhile. Go back, and look again."
	case errors.Is(err, errForm):
		status, title, text = http.StatusBadRequest, "That form cannot be read", "Go back, and send it again."
	case errors.Is(err, domain.ErrUnavailable), r.Context().Err() != nil:
		status, title, text = http.StatusServiceUnavailable, "A moment, please", "What this page reads is being made. It answers as soon as it is there."
		r.w.Header().Set("Retry-After", "5")
	default:
		u.log.Error("page failed", slog.String("request_id", r.id), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("err", err))
	}
	u.write(r, status, "error", page{Title: title, Data: text})
}

// errForm is a form that is not one.
var errForm = errors.New("bad form")

// path returns a path below /admin as links have it.
func (u *ui) path(rest string) string { return u.opts.BasePath + "/admin" + rest }

// redirect answers a form that has done its work: the next page is fetched with GET.
func (u *ui) redirect(r *request, rest string) error {
	r.wrote = true
	r.w.Header().Set("Location", u.path(rest))
	r.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// pathID reads a number of the path.
func (r *request) pathID(name string) (int64, error) {
	text := chi.URLParam(r.Request, name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || strings.Trim(text, "0123456789") != "" {
		return 0, domain.ErrNotFound
	}
	return n, nil
}

// meta says who acts, for the log.
func (r *request) meta() events.Meta {
	return events.Meta{Actor: events.Actor{Kind: events.ActorUser, Name: r.who.Name}, RequestID: r.id}
}

// settle waits until what was recorded can be read.
func (u *ui) settle(ctx context.Context, journal events.JournalID, pos events.Position) {
	if pos > 0 {
		u.app.WaitFor(ctx, journal, pos)
	}
}

// live reports whether htmx asks for a part of a page.
func (r *request) live() bool { return r.Header.Get("HX-Request") == "true" }
