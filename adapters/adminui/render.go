package adminui

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates: one for each page, with the layout and the parts that several use.
type pages map[string]*template.Template

func loadPages(u *ui) pages {
	shared := template.Must(template.New("").Funcs(u.funcs()).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil { // the pattern is a constant
		panic(err)
	}
	out := pages{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name != "layout" && name != "parts" {
			out[name] = template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, file))
		}
	}
	return out
}

// page is what a template shows: what the handler gives, and what every page has.
type page struct {
	Title string
	Nav   string // the entry of the navigation that is the present one
	Data  any
	Wide  bool

	Who     string // "": nobody is signed in
	Admin   bool
	Theme   string // "", light or dark
	Here    string // the address of this page, to come back to
	Done    string // what the form before this page has done
	Version string
}

// done are the things that forms have done, as the next page tells them.
var done = map[string]string{
	"added": "Added.", "saved": "Saved.", "deleted": "Deleted. Its mail is being removed.", "sync": "A sync is on its way.", "cancelled": "The sync is being given up.",
	"rebuild": "It is being made anew, beside the one that answers.", "rolled-back": "The earlier one answers again.", "check": "It is being checked.",
	"removed": "Deleted.", "revoked": "Revoked. It is void from now on.", "disabled": "Disabled. This user is signed out everywhere.", "enabled": "Enabled.",
	"password": "The password is changed. All other sessions have ended.", "ended": "All other sessions have ended.",
}

// show answers with a page.
func (u *ui) show(r *request, name string, p page) error {
	u.write(r, http.StatusOK, name, p)
	return nil
}

func (u *ui) write(r *request, status int, name string, p page) {
	p.Who, p.Admin, p.Version, p.Done = r.who.Name, r.who.Admin, u.opts.Version, done[r.URL.Query().Get("done")]
	if r.Method == http.MethodGet {
		p.Here = r.URL.RequestURI()
	}
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		p.Theme = c.Value
	}
	u.execute(r, status, name, "layout", p)
}

// part answers with a part of a page, for htmx.
func (u *ui) part(r *request, name, part string, data any) error {
	u.execute(r, http.StatusOK, name, part, data)
	return nil
}

// minCompressed is the size over which a page is compressed, in octets.
const minCompressed = 1 << 10

func (u *ui) execute(r *request, status int, name, part string, data any) {
	var b bytes.Buffer
	if err := u.pages[name].ExecuteTemplate(&b, part, data); err != nil {
		u.log.Error("template failed", slog.String("request_id", r.id), slog.String("page", name), slog.String("part", part), slog.Any("err", err))
		http.Error(r.w, "Something went wrong. It is in the log under "+r.id+".", http.StatusInternalServerError)
		return
	}
	r.wrote = true
	h := r.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Vary", "Accept-Encoding, HX-Request")
	if b.Len() < minCompressed || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		r.w.WriteHeader(status)
		_, _ = r.w.Write(b.Bytes()) // the client has gone
		return
	}
	h.Set("Content-Encoding", "gzip")
	r.w.WriteHeader(status)
	w := gzip.NewWriter(r.w)
	_, _ = w.Write(b.Bytes()) // the client has gone
	_ = w.Close()
}
