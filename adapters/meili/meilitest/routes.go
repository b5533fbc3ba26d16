package meilitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// handler answers with a status and a body, or a failure. The server is locked.
type handler func(r *http.Request, body []byte) (status int, answer any, f *failure)

// routes are those that the adapter uses.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /health":  s.health,
		"GET /version": s.version,

		"GET /indexes":          s.listIndexes,
		"POST /indexes":         s.createIndex,
		"GET /indexes/{uid}":    s.getIndex,
		"DELETE /indexes/{uid}": s.deleteIndex,
		"POST /swap-indexes":    s.swapIndexes,

		"GET /indexes/{uid}/stats":                 s.stats,
		"GET /indexes/{uid}/settings":              s.getSettings,
		"PATCH /indexes/{uid}/settings":            s.updateSettings,
		"PUT /indexes/{uid}/settings/facet-search": s.updateFacetSearch,

		"POST /indexes/{uid}/documents":              s.addDocuments,
		"PUT /indexes/{uid}/documents":               s.updateDocuments,
		"GET /indexes/{uid}/documents/{id}":          s.getDocument,
		"POST /indexes/{uid}/documents/fetch":        s.fetchDocuments,
		"POST /indexes/{uid}/documents/delete":       s.deleteByFilter,
		"POST /indexes/{uid}/documents/delete-batch": s.deleteBatch,

		"POST /indexes/{uid}/search": s.search,

		"GET /tasks":       s.listTasks,
		"GET /tasks/{uid}": s.getTask,
	} {
		mux.HandleFunc(pattern, s.wrap(pattern, h))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.unknown("%s %s", r.Method, r.URL.Path)
		w.WriteHeader(http.StatusNotFound)
	})
	return mux
}

// wrap does what is the same for all routes.
func (s *Server) wrap(pattern string, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		answer := s.answer
		s.mu.Unlock()
		if answer != nil {
			if status := answer(r); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		status, text := s.handle(w, r, pattern, h)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.WriteHeader(status)
		_, _ = w.Write(text) // whoever asked is gone
		if status == http.StatusAccepted {
			s.set(func() {})
		}
	}
}

// handle returns status and text of the answer.
func (s *Server) handle(w http.ResponseWriter, r *http.Request, pattern string, h handler) (int, []byte) {
	var body []byte
	f := s.authorize(r, pattern)
	if f == nil {
		body, f = s.body(w, r, strings.HasSuffix(pattern, "/documents"))
	}
	s.mu.Lock()
	defer s.mu.Unlock() // tasks change what answers are made of
	var (
		status int
		answer any
	)
	if f == nil {
		status, answer, f = h(r, body)
	}
	if f != nil {
		status, answer = f.status, f.json()
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err) // types of this package
	}
	return status, text
}

func (s *Server) authorize(r *http.Request, pattern string) *failure {
	if s.opts.Key == "" || pattern == "GET /health" {
		return nil
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok:
		return noAuthorization
	case given != s.opts.Key:
		return wrongKey
	}
	return nil
}

// body reads what was sent: JSON in every route, up to the limit.
func (s *Server) body(w http.ResponseWriter, r *http.Request, documents bool) ([]byte, *failure) {
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		return nil, nil
	}
	if kind := r.Header.Get("Content-Type"); kind != "application/json" {
		return nil, invalid(http.StatusUnsupportedMediaType, "invalid_content_type",
			"The Content-Type `%s` is invalid. Accepted values for the Content-Type header are: `application/json`, `application/x-ndjson`, `text/csv`", kind)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.PayloadLimit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, tooLarge(s.opts.PayloadLimit, documents)
	}
	if err != nil {
		return nil, invalid(http.StatusBadRequest, "bad_request", "%v", err)
	}
	return body, nil
}

// decode reads a body strictly: what is not known is refused, as by the real server.
func (s *Server) decode(body []byte, into any) *failure {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return s.unknown("request %.200s: %v", body, err)
	}
	return nil
}

func (s *Server) health(*http.Request, []byte) (int, any, *failure) {
	return http.StatusOK, map[string]string{"status": "available"}, nil
}

func (s *Server) version(*http.Request, []byte) (int, any, *failure) {
	return http.StatusOK, map[string]string{"commitSha": "unknown", "commitDate": "unknown", "pkgVersion": "1.50.0"}, nil
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
