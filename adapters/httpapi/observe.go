package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first final status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status < http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ServeHTTP answers a request, and tells how long that took.
func (a *api) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	begun := time.Now()
	observed := &statusWriter{ResponseWriter: w}
	rt := a.answer(observed, hr) //nolint:contextcheck // what it passes on embeds the request, and has the context
	if a.opts.Observe == nil {
		return
	}
	a.opts.Observe(hr.Context(), rt.label(), methodLabel(hr.Method), max(observed.status, http.StatusOK), time.Since(begun))
}

// label names a route for metrics: its pattern, "none" for an unknown path.
func (rt *route) label() string {
	switch {
	case rt == nil:
		return "none"
	case strings.HasPrefix(rt.path, "/"):
		return rt.path
	}
	return "/api/" + rt.path
}

// methodLabel keeps what clients invent out of the metrics.
func methodLabel(method string) string {
	if method == http.MethodHead || method == http.MethodOptions || slices.Contains(methodOrder, method) {
		return method
	}
	return "other"
}
