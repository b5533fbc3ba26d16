package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/chi/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

var testNow = time.Date(2025, 3, 4, 10, 0, 0, 0, time.UTC)

// world is an App of closures over one user's things.
type world struct {
	App
	now      time.Time
	accounts map[domain.AccountID]*queries.Account
	tokens   map[domain.TokenID]*queries.Token
	secrets  map[string]queries.Principal
	position events.Position
	grown    chan struct{}
	log      bytes.Buffer
}

// newWorld has the tokens ann (read, write), reader, writer, root (admin) and limited (to account 3),
// and the accounts 3 and 4.
func newWorld() *world {
	w := &world{
		now: testNow, position: 10, grown: make(chan struct{}),
		accounts: map[domain.AccountID]*queries.Account{},
		tokens:   map[domain.TokenID]*queries.Token{},
		secrets:  map[string]queries.Principal{},
	}
	ann := queries.Principal{User: 1, Journal: 1, Name: "ann", Email: "ann@example.org"}
	root := queries.Principal{User: 2, Journal: 2, Name: "root", Admin: true}
	w.addToken("ann", ann, queries.Token{ID: 11, Kind: "login", Name: "Login", Prefix: "8d1f", Scopes: []string{"read", "write"}})
	w.addToken("reader", ann, queries.Token{ID: 12, Kind: "api", Name: "Reader", Prefix: "i2a_9fK2", Scopes: []string{"read"}})
	w.addToken("writer", ann, queries.Token{ID: 13, Kind: "api", Name: "Writer", Prefix: "i2a_aaaa", Scopes: []string{"write"}})
	w.addToken("limited", ann, queries.Token{ID: 14, Kind: "api", Name: "Limited", Prefix: "i2a_bbbb", Scopes: []string{"read", "write"}, Accounts: []domain.AccountID{3}})
	w.addToken("root", root, queries.Token{ID: 15, Kind: "login", Name: "Login", Prefix: "aaaa", Scopes: []string{"read", "write", "admin"}})
	w.addAccount(3, "Office")
	w.addAccount(4, "Private")
	w.wire()
	w.wireTokens()
	w.wireAccounts()
	return w
}

func (w *world) addToken(secret string, p queries.Principal, t queries.Token) {
	t.Version, t.CreatedAt = 1, testNow.Add(-time.Hour)
	w.tokens[t.ID] = &t
	p.Token = t
	w.secrets[secret] = p
}

func (w *world) addAccount(id domain.AccountID, name string) {
	interval := 15
	w.accounts[id] = &queries.Account{
		ID: id, Version: 7, State: "idle", CreatedAt: testNow.Add(-time.Hour), UpdatedAt: testNow.Add(-time.Minute + 551207*time.Microsecond),
		Settings: events.AccountSettings{
			Name: name, Host: "imap.example.org", Port: 993, Username: "ann@example.org", UseTLS: true,
			LimitType: events.LimitAll, ExcludeTrash: true, IntervalMin: &interval, AuthType: "password",
		},
	}
}

// record is what a change does to the journal.
func (w *world) record() events.Position {
	w.position++
	close(w.grown)
	w.grown = make(chan struct{})
	return w.position
}

func (w *world) wire() {
	w.Authenticate = func(_ context.Context, q queries.Authenticate) (queries.Principal, error) {
		p, ok := w.secrets[q.Token]
		switch {
		case q.Token == "gone":
			return p, queries.ErrInactive
		case !ok:
			return p, domain.ErrNotFound
		}
		return p, nil
	}
	w.LogIn = func(_ context.Context, c commands.LogIn) (string, error) {
		if c.Username != "ann" || c.Password != "correct horse" {
			return "", commands.ErrCredentials
		}
		return "8d1f0c5b7e2a49d6b3f4a1c0e9d8b7a6f5e4d3c2", nil
	}
	w.GetPositions = func(context.Context, queries.GetPositions) (queries.Positions, error) {
		return queries.Positions{Latest: w.position, Read: w.position}, nil
	}
	w.ListUsers = func(context.Context, queries.ListUsers) ([]queries.User, error) {
		return []queries.User{{ID: 1, Name: "ann"}, {ID: 2, Name: "root"}}, nil
	}
	w.Ready = func(context.Context) map[string]string {
		return map[string]string{"event_store": "ok", "projections": "ok", "migrations": "ok"}
	}
	w.OAuthProviders = func() []commands.OAuthProvider {
		return []commands.OAuthProvider{
			{Key: "google", Name: "Google", Configured: true, Host: "imap.gmail.com", Port: 993, Scopes: []string{"https://mail.google.com/"}},
			{Key: "microsoft", Name: "Microsoft", Host: "outlook.office365.com", Port: 993},
			{Key: "custom", Name: "Example", Configured: true, Port: 993, Scopes: []string{"imap"}},
		}
	}
	w.Grown = func(events.JournalID) <-chan struct{} { return w.grown }
	w.Sanitize = func(html string) string { return strings.ReplaceAll(html, "<script>", "") }
	w.Gmail = stubGmail()
	w.Metrics = func(context.Context) ([]byte, error) { return []byte("# TYPE up gauge\nup 1\n"), nil }
}

func (w *world) wireTokens() {
	w.ListTokens = func(_ context.Context, q queries.ListTokens) (queries.Page[queries.Token], error) {
		var out []queries.Token
		for _, t := range w.tokens {
			out = append(out, *t)
		}
		slices.SortFunc(out, func(a, b queries.Token) int { return int(a.ID - b.ID) })
		return queries.NumberPage(out, len(out), q.Paging)
	}
	w.GetToken = func(_ context.Context, q queries.GetToken) (queries.Token, error) {
		if t := w.tokens[q.ID]; t != nil {
			return *t, nil
		}
		return queries.Token{}, fmt.Errorf("token %d: %w", q.ID, domain.ErrNotFound)
	}
	w.CreateToken = func(_ context.Context, c commands.CreateToken) (commands.TokenCreated, error) {
		return commands.TokenCreated{
			Token: commands.Token{
				ID: 20, Kind: "api", Name: c.Name, Prefix: "i2a_abcd", Scopes: c.Scopes, Accounts: c.Accounts, Version: 1,
				CreatedAt: w.now, Expires: c.Expires,
			},
			Secret: "i2a_abcdefghijklmnopqrstuvwxyz0123456789", Position: w.record(),
		}, nil
	}
	w.ChangeToken = func(_ context.Context, c commands.ChangeToken) (events.Position, error) {
		t := w.tokens[c.Token]
		if c.IfVersion != 0 && c.IfVersion != t.Version {
			return 0, domain.ErrStale
		}
		if c.Name != nil {
			t.Name = *c.Name
		}
		t.Version++
		return w.record(), nil
	}
	w.RevokeToken = func(_ context.Context, c commands.RevokeToken) (events.Position, error) {
		delete(w.tokens, c.Token)
		return w.record(), nil
	}
}

func (w *world) wireAccounts() {
	w.GetAccount = func(_ context.Context, q queries.GetAccount) (queries.Account, error) {
		a := w.accounts[q.ID]
		if a == nil || q.Accounts != nil && !slices.Contains(q.Accounts, q.ID) || q.Journal != 1 {
			return queries.Account{}, fmt.Errorf("account %d: %w", q.ID, domain.ErrNotFound)
		}
		return *a, nil
	}
	w.ListAccounts = func(_ context.Context, q queries.ListAccounts) (queries.Page[queries.Account], error) {
		var out []queries.Account
		for _, a := range w.accounts {
			if q.Accounts == nil || slices.Contains(q.Accounts, a.ID) {
				out = append(out, *a)
			}
		}
		slices.SortFunc(out, func(a, b queries.Account) int { return int(a.ID - b.ID) })
		return queries.NumberPage(out, len(out), q.Paging)
	}
	w.AddAccount = func(_ context.Context, c commands.AddAccount) (commands.AccountRecorded, error) {
		w.accounts[5] = &queries.Account{ID: 5, Version: 1, Settings: c.Settings, State: "idle", CreatedAt: w.now, UpdatedAt: w.now}
		return commands.AccountRecorded{Account: 5, Position: w.record()}, nil
	}
	w.ChangeAccount = func(_ context.Context, c commands.ChangeAccount) (events.Position, error) {
		a := w.accounts[c.Account]
		after, err := c.Change(a.Settings)
		if err != nil {
			return 0, fmt.Errorf("change account %d: %w", c.Account, err)
		}
		if c.IfVersion != 0 && c.IfVersion != a.Version {
			return 0, fmt.Errorf("change account %d: %w", c.Account, domain.ErrStale)
		}
		a.Settings = after
		a.Version++
		return w.record(), nil
	}
	w.EraseAccount = func(_ context.Context, c commands.EraseAccount) (events.Position, error) {
		if c.IfVersion != 0 && c.IfVersion != w.accounts[c.Account].Version {
			return 0, domain.ErrStale
		}
		delete(w.accounts, c.Account)
		return w.record(), nil
	}
}

// options are those of most tests: development, documentation on, no limits.
func (w *world) options() Options {
	return Options{Version: "1.0.0", Development: true, DocsEnabled: true, Now: func() time.Time { return w.now }}
}

func (w *world) handler(opts Options) http.Handler {
	return NewHandler(w.App, opts, slog.New(slog.NewTextHandler(&w.log, nil)))
}

// call is one request. Token "" sends no Authorization.
type call struct {
	method, path string
	token        string
	body         string
	header       map[string]string
	remote       string
}

// answer is one response.
type answer struct {
	*http.Response
	body string
}

// do sends a request, and checks the answer against the OpenAPI document.
func do(t *testing.T, h http.Handler, c call) answer {
	t.Helper()
	r := httptest.NewRequest(c.method, "http://mail.example.org"+c.path, strings.NewReader(c.body))
	if c.token != "" {
		r.Header.Set("Authorization", "Token "+c.token)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	if host := c.header["Host"]; host != "" {
		r.Host = host
	}
	if c.remote != "" {
		r.RemoteAddr = c.remote
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := answer{w.Result(), w.Body.String()}
	checkHeaders(t, c, res)
	checkDocument(t, r, res)
	return res
}

// checkHeaders looks at what every answer has.
func checkHeaders(t *testing.T, c call, res answer) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s %s: header %s: got %q, want %q", c.method, c.path, name, got, want)
		}
	}
	if !fitRequestID(res.Header.Get("X-Request-Id")) {
		t.Errorf("%s %s: X-Request-Id %q", c.method, c.path, res.Header.Get("X-Request-Id"))
	}
	if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s: 429 without Retry-After", c.method, c.path)
	}
}

var testDocument = func() *openapi3.T {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(openAPI().json)
	if err != nil {
		panic(err)
	}
	return doc
}()

// checkDocument validates an answer against the operation of its route.
func checkDocument(t *testing.T, r *http.Request, res answer) {
	t.Helper()
	a := NewHandler(App{}, Options{DocsEnabled: true}, slog.New(slog.DiscardHandler)).(*api)
	rt, _ := a.match(r.URL.Path)
	if rt == nil || res.StatusCode == http.StatusNoContent && r.Method == http.MethodOptions {
		return
	}
	path := strings.Replace(a.mux.Find(chi.NewRouteContext(), http.MethodGet, r.URL.Path), "/api/v1/", "/api/", 1)
	item := testDocument.Paths.Value(path)
	if item == nil {
		t.Errorf("%s is not in the document", path)
		return
	}
	op := item.GetOperation(r.Method)
	if op == nil {
		return
	}
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: r, Route: &routers.Route{Spec: testDocument, Path: path, PathItem: item, Method: r.Method, Operation: op},
			QueryParams: url.Values{},
		},
		Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(strings.NewReader(decoded(t, res))),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: res.Header.Get("Content-Encoding") != "" || strings.HasPrefix(res.Header.Get("Content-Type"), "text/html")},
	})
	if err != nil {
		t.Errorf("%s %s -> %d: the document does not allow this answer: %v\n%s", r.Method, path, res.StatusCode, err, res.body)
	}
}

func decoded(_ *testing.T, res answer) string { return res.body }

// wants compares status and body.
func wants(t *testing.T, res answer, status int, body string) {
	t.Helper()
	if res.StatusCode != status || res.body != body {
		t.Errorf("got  %d %s\nwant %d %s", res.StatusCode, res.body, status, body)
	}
}

func wantHeader(t *testing.T, res answer, name, want string) {
	t.Helper()
	if got := strings.Join(res.Header.Values(name), ", "); got != want {
		t.Errorf("header %s: got %q, want %q", name, got, want)
	}
}

func object(t *testing.T, res answer) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(res.body), &out); err != nil {
		t.Fatalf("%v: %s", err, res.body)
	}
	return out
}

// discard is a ResponseWriter that keeps nothing.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// bench sends one request.
func bench(b *testing.B, h http.Handler, path, coding string) {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Token ann")
	if coding != "" {
		r.Header.Set("Accept-Encoding", coding)
	}
	w := &discard{header: http.Header{}}
	if h.ServeHTTP(w, r); w.status != 200 {
		b.Fatalf("status %d", w.status)
	}
}
