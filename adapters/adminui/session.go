package adminui

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

const (
	sessionCookie = "imap2api_session"
	themeCookie   = "imap2api_theme"
)

// setCookie sets a cookie for all pages; a zero end removes it. It is sent along when
// somebody follows a link from elsewhere, and never with a form of another site.
func (u *ui) setCookie(r *request, name, value string, end time.Time) {
	c := &http.Cookie{Name: name, Value: value, Path: u.opts.BasePath + "/", HttpOnly: true, Secure: r.https, SameSite: http.SameSiteLaxMode, Expires: end}
	if end.IsZero() {
		c.MaxAge = -1
	}
	http.SetCookie(r.w, c)
}

// recognise finds out who is signed in. It returns domain.ErrNotFound if nobody is.
func (u *ui) recognise(r *request) error {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return domain.ErrNotFound
	}
	r.secret = c.Value
	r.who, err = u.app.GetSession(r.Context(), queries.GetSession{Secret: c.Value})
	return err
}

// toSignIn sends to the sign-in page, and back to here afterwards. A part of a page cannot
// sign in: the whole page is sent there.
func (u *ui) toSignIn(r *request) {
	to := u.path("/sign-in/")
	r.wrote = true
	if r.live() {
		r.w.Header().Set("HX-Redirect", to)
		r.w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodGet && r.URL.Path != "/admin/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	r.w.Header().Set("Location", to)
	r.w.WriteHeader(http.StatusSeeOther)
}

// signInPage is what the sign-in page shows.
type signInPage struct{ Name, Next, Fault string }

func (u *ui) signInForm(r *request) error {
	if u.recognise(r) == nil {
		return u.redirect(r, "/")
	}
	return u.show(r, "sign_in", page{Title: "Sign in", Data: signInPage{Next: r.URL.Query().Get("next")}})
}

// signIn begins a session. Whoever is wrong reads the same, whatever was wrong.
func (u *ui) signIn(r *request) error {
	name, next := strings.TrimSpace(r.PostFormValue("username")), r.PostFormValue("next")
	again := func(status int, fault string) error {
		u.write(r, status, "sign_in", page{Title: "Sign in", Data: signInPage{name, next, fault}})
		return nil
	}
	forgive, wait := u.opts.CountLogin(name, r.client)
	if wait > 0 {
		r.w.Header().Set("Retry-After", fmt.Sprint(wait))
		return again(http.StatusTooManyRequests, fmt.Sprintf("Too many attempts. Try again in %s.", minutes(wait)))
	}
	in, err := u.app.SignIn(r.Context(), commands.SignIn{
		LogIn: commands.LogIn{Username: name, Password: r.PostFormValue("password"), Remote: r.client.String(), Meta: events.Meta{RequestID: r.id}},
		Agent: r.UserAgent(),
	})
	if errors.Is(err, commands.ErrCredentials) {
		var several interface{ Unwrap() []error } // and why the failure is not recorded
		if errors.As(err, &several) {
			u.log.Warn("failed login is not in the log", slog.String("request_id", r.id), slog.Any("err", err))
		}
		return again(http.StatusUnauthorized, "Unable to log in with provided credentials.")
	}
	forgive()
	if err != nil {
		return err
	}
	u.setCookie(r, sessionCookie, in.Secret, in.Expires)
	return u.redirect(r, nextPage(next))
}

// minutes says how long a number of seconds is.
func minutes(seconds int) string {
	if seconds <= 90 {
		return fmt.Sprintf("%d seconds", seconds)
	}
	return fmt.Sprintf("%d minutes", (seconds+59)/60)
}

// nextPage returns where to go after signing in: one of our own pages, below /admin.
func nextPage(next string) string {
	to, err := url.Parse(next)
	if err != nil || to.Host != "" || to.Scheme != "" || strings.Contains(next, `\`) || strings.Contains(next, "//") {
		return "/"
	}
	rest, ok := strings.CutPrefix(next, "/admin/")
	if !ok || strings.HasPrefix(rest, "sign-") {
		return "/"
	}
	return "/" + rest
}

func (u *ui) signOut(r *request) error {
	sum := sha256.Sum256([]byte(r.secret))
	if _, err := u.app.SignOut(r.Context(), commands.SignOut{Journal: r.who.Journal, Hash: sum[:]}); err != nil {
		return err
	}
	u.setCookie(r, sessionCookie, "", time.Time{})
	return u.redirect(r, "/sign-in/")
}

// setTheme keeps the choice of light or dark in a cookie, so that no page flashes.
func (u *ui) setTheme(r *request) error {
	end := time.Time{}
	theme := r.PostFormValue("theme")
	if theme == "light" || theme == "dark" {
		end = u.opts.Now().AddDate(1, 0, 0)
	}
	u.setCookie(r, themeCookie, theme, end)
	return u.redirect(r, nextPage(r.PostFormValue("next")))
}
