package httpapi

import (
	"crypto/subtle"
	"net/http"
	"strings"
)

// healthJSON tells that the process lives (api.md 10.11).
type healthJSON struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}

func (a *api) healthz(*request) (response, error) {
	return response{body: healthJSON{"ok", a.opts.Version}, plain: true}, nil
}

// readyJSON tells whether requests can be answered.
type readyJSON struct {
	Status string     `json:"status"`
	Checks checksJSON `json:"checks"`
}

type checksJSON struct {
	EventStore  string `json:"event_store"`
	Projections string `json:"projections"`
	Migrations  string `json:"migrations"`
}

func (a *api) readyz(r *request) (response, error) {
	found := a.app.Ready(r.Context())
	status := "ok"
	of := func(name string) string {
		word, told := found[name]
		if !told {
			word = "failed"
		}
		if word != "ok" {
			status = "unavailable"
		}
		return word
	}
	checks := checksJSON{of("event_store"), of("projections"), of("migrations")}
	res := response{body: readyJSON{status, checks}, plain: true}
	if status != "ok" {
		res.status = http.StatusServiceUnavailable
		r.w.Header().Set("Retry-After", "5")
	}
	return res, nil
}

// metrics answers in Prometheus' text format, to whoever has the token, or to this machine.
func (a *api) metrics(r *request) (response, error) {
	if a.app.Metrics == nil {
		return response{}, errNotFound
	}
	if want := a.opts.MetricsToken; want != "" {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1 {
			return response{}, errNoCredentials
		}
	} else if !r.client.IsLoopback() {
		return response{}, errForbidden
	}
	text, err := a.app.Metrics(r.Context())
	if err != nil {
		return response{}, err
	}
	r.w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	return response{raw: text, plain: true}, nil
}
