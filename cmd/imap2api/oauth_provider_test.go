package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// provider is an authorization server (RFC 6749) with introspection (RFC 7662): refresh tokens are good
// for one use, as the strictest have it, and codes want their verifier.
type provider struct {
	*httptest.Server
	t    testing.TB
	user string // whose mailbox it is

	mu       sync.Mutex
	serial   int
	codes    map[string]url.Values // of the request for authorization
	access   map[string]bool       // that are good
	refresh  map[string]bool
	lifetime int // of access tokens, in seconds
	refused  bool
	down     bool
	asked    map[string]int // by grant type, and introspections
}

const clientID, clientSecret = "client-1", "client-secret-1"

func newProvider(t testing.TB) *provider {
	p := &provider{
		t: t, lifetime: 3600, codes: map[string]url.Values{}, access: map[string]bool{}, refresh: map[string]bool{}, asked: map[string]int{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("POST /introspect", p.introspect)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// authorize agrees at once and sends the browser back.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != clientID || q.Get("code_challenge_method") != "S256" || q.Get("login_hint") != p.user {
		p.t.Errorf("asked for authorization with %v", q)
	}
	p.serial++
	code := fmt.Sprintf("code-%d", p.serial)
	p.codes[code] = q
	back := q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, back, http.StatusFound)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kind := r.PostFormValue("grant_type")
	p.asked[kind]++
	w.Header().Set("Content-Type", "application/json")
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	good := false
	switch kind {
	case "authorization_code":
		asked, ok := p.codes[r.PostFormValue("code")]
		delete(p.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		good = ok && base64.RawURLEncoding.EncodeToString(sum[:]) == asked.Get("code_challenge") && r.PostFormValue("redirect_uri") == asked.Get("redirect_uri")
	case "refresh_token":
		good = p.refresh[r.PostFormValue("refresh_token")]
		delete(p.refresh, r.PostFormValue("refresh_token"))
	}
	switch {
	case p.down:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case id != clientID || secret != clientSecret || !good:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
		return
	}
	_ = json.NewEncoder(w).Encode(p.issue())
}

// issue makes tokens.
func (p *provider) issue() map[string]any {
	p.serial++
	access, refresh := fmt.Sprintf("access-%d-secret", p.serial), fmt.Sprintf("refresh-%d-secret", p.serial)
	p.access[access], p.refresh[refresh] = true, true
	return map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": p.lifetime, "scope": "imap"}
}

// introspect answers the mail server.
func (p *provider) introspect(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked["introspect"]++
	active := p.access[r.PostFormValue("token")] && !p.refused
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"active": active, "username": p.user, "scope": "imap"})
}

// set changes how the provider behaves.
func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *provider) count(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[what]
}
