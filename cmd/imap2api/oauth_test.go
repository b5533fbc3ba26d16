package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// mailbox is one at a provider, read by the program.
type mailbox struct {
	t        *testing.T
	provider *provider
	api      *client
	program  *program
	env      []string
	dir      string
	server   int64
}

// newMailbox starts a provider, a Dovecot that asks it about tokens, and the program.
func newMailbox(t *testing.T, mechanisms string) *mailbox {
	t.Helper()
	m := &mailbox{t: t, dir: openTempDir(t), provider: newProvider(t)}
	file := filepath.Join(m.dir, "oauth2.conf")
	conf := "introspection_mode = post\nintrospection_url = " + m.provider.URL + "/introspect\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n"
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	dovecot := dovecottest.Start(t, dovecottest.Options{Settings: []string{
		"auth_mechanisms = plain " + mechanisms,
		"passdb {\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = " + file + "\n}",
	}})
	user := dovecot.NewUser(t)
	m.provider.user = user.Name
	user.Append(t, "INBOX", []byte("Subject: hello\r\nMessage-ID: <a@b>\r\n\r\nText.\r\n"), time.Now())
	secret := filepath.Join(m.dir, "client")
	if err := os.WriteFile(secret, []byte(clientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := settings(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	m.env = append(append(ownEnvironment(), own...), "IMAP2API_IMAP_CA_FILE="+dovecot.AuthorityFile,
		"IMAP2API_OAUTH_CUSTOM_CLIENT_ID="+clientID, "IMAP2API_OAUTH_CUSTOM_CLIENT_SECRET_FILE="+secret, "IMAP2API_OAUTH_CUSTOM_NAME=Example",
		"IMAP2API_OAUTH_CUSTOM_AUTH_URL="+m.provider.URL+"/auth", "IMAP2API_OAUTH_CUSTOM_TOKEN_URL="+m.provider.URL+"/token",
		"IMAP2API_OAUTH_CUSTOM_SCOPES=imap", "IMAP2API_OAUTH_RETURN_URLS=https://app.example")
	if m.program, err = startProgram("", m.env); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.program.kill)
	for _, pair := range own {
		if listen, ok := strings.CutPrefix(pair, "IMAP2API_LISTEN="); ok {
			m.api = &client{base: "http://" + listen}
		}
	}
	if err := m.api.login("admin", adminPassword); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(dovecot.TLSAddr())
	number, _ := strconv.Atoi(port)
	var made struct {
		ID          int64
		OAuthStatus string `json:"oauth_status"`
	}
	m.call(201, "POST", "/api/imap-servers/", map[string]any{
		"name": "Private", "host": host, "port": number, "username": user.Name, "auth_type": "oauth2", "oauth_provider": "custom", "sync_interval": nil,
	}, &made)
	if m.server = made.ID; made.OAuthStatus != "pending" {
		t.Fatalf("made %+v", made)
	}
	return m
}

func (m *mailbox) call(status int, method, path string, in, into any) {
	m.t.Helper()
	if err := m.api.call(status, method, path, in, into); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mailbox) path(rest string) string {
	return fmt.Sprintf("/api/imap-servers/%d/%s", m.server, rest)
}

// browser follows no redirects by itself.
var browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// open opens an address and returns status, Location and body.
func (m *mailbox) open(address string, form url.Values) (int, string, string) {
	m.t.Helper()
	res, err := browser.Get(address)
	if form != nil {
		res, err = browser.PostForm(address, form)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to the end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Location"), string(body)
}

var hidden = regexp.MustCompile(`name="(state|code)" value="([^"]*)"`)

// signIn signs in as a user with a browser does, and returns where it ended and the form that did it.
func (m *mailbox) signIn() (string, url.Values) {
	m.t.Helper()
	var begun struct {
		URL string `json:"authorization_url"`
	}
	m.call(201, "POST", m.path("oauth/authorize/"), map[string]string{"return_url": "https://app.example/mail"}, &begun)
	_, callback, _ := m.open(begun.URL, nil)
	status, _, page := m.open(callback, nil)
	if status != 200 || !strings.Contains(page, m.provider.user) || !strings.Contains(page, "admin") {
		m.t.Fatalf("callback page: %d %s", status, page)
	}
	form := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(field[1], field[2])
	}
	_, back, _ := m.open(m.api.base+"/oauth/callback", form)
	return back, form
}

// grant returns the state of the sign-in.
func (m *mailbox) grant() (status, mechanism string) {
	m.t.Helper()
	var g struct{ Status, Mechanism string }
	m.call(200, "GET", m.path("oauth/"), nil, &g)
	return g.Status, g.Mechanism
}

// types returns how many events of a type there are.
func (m *mailbox) events(typ string) int {
	m.t.Helper()
	var page struct{ Results []json.RawMessage }
	m.call(200, "GET", "/api/events/?type="+typ, nil, &page)
	return len(page.Results)
}

func (m *mailbox) wants(what string, got, want any) {
	m.t.Helper()
	if got != want {
		m.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// failedSync wants a sync to be answered with 502 and a sentence.
func (m *mailbox) failedSync(want string) {
	m.t.Helper()
	var out struct{ Message string }
	m.call(502, "POST", m.path("sync/"), nil, &out)
	m.wants("sync", out.Message, want)
}

const again = "Sign in to Example again to go on reading this mailbox."

// TestSignIn signs in with a browser, reads mail, loses the grant and gets it back.
func TestSignIn(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, "xoauth2 oauthbearer")
	m.failedSync("Sign in to Example to read this mailbox.")
	back, form := m.signIn()
	m.wants("return", back, fmt.Sprintf("https://app.example/mail?imap_server=%d&status=connected", m.server))
	status, _, page := m.open(m.api.base+"/oauth/callback", form)
	if status != 400 || !strings.Contains(page, "This sign-in link is not valid any more.") {
		t.Errorf("a state used twice: %d %s", status, page)
	}
	m.call(200, "POST", m.path("sync/"), nil, nil)
	m.wants("emails", count(m, "/api/emails/"), 1)
	state, mechanism := m.grant()
	m.wants("grant", state+" "+mechanism, "active OAUTHBEARER")
	m.wants("reauthorized", m.events("imap_server.reauthorized"), 1)
	m.wants("refreshes", m.provider.count("refresh_token"), 0)

	// The mail server refuses the token: it is refreshed, and the new one is taken.
	m.provider.set(func() { clear(m.provider.access) })
	m.call(200, "POST", m.path("sync/"), nil, nil)
	m.wants("refreshes", m.provider.count("refresh_token"), 1)
	// Short-lived tokens are refreshed before each use, each time with the refresh token that came last.
	m.provider.set(func() { m.provider.lifetime = 60; clear(m.provider.access) })
	for range 3 {
		m.call(200, "POST", m.path("sync/"), nil, nil)
	}
	if n := m.provider.count("refresh_token"); n < 4 {
		t.Errorf("%d refreshes", n)
	}
	// A provider that is away changes nothing.
	m.provider.set(func() { m.provider.down = true })
	m.failedSync("The provider cannot be reached.")
	m.wants("needs_reauthorization", m.events("imap_server.needs_reauthorization"), 0)
	m.loseGrant()
	m.keepsSecrets()
	m.verifies()
}

// loseGrant has the provider forget everything, and signs in again by a refresh token.
func (m *mailbox) loseGrant() {
	m.t.Helper()
	m.provider.set(func() { clear(m.provider.refresh); m.provider.down = false })
	m.call(200, "PATCH", m.path(""), map[string]any{"sync_interval": 10000}, nil)
	if err := m.api.call(400, "PUT", m.path("oauth/"), map[string]string{"refresh_token": "nonsense"}, nil); err != nil {
		m.t.Error(err)
	}
	m.restart() // it waits no longer for the provider that was away
	for range 2 {
		m.failedSync(again)
	}
	var server struct {
		State string `json:"sync_state"`
		OAuth string `json:"oauth_status"`
	}
	m.call(200, "GET", m.path(""), nil, &server)
	m.wants("server", server.State+" "+server.OAuth, "needs_reauthorization needs_reauthorization")
	m.wants("needs_reauthorization", m.events("imap_server.needs_reauthorization"), 1)
	var probe struct{ Code string }
	m.call(200, "POST", m.path("test-connection/"), nil, &probe)
	m.wants("connection test", probe.Code, "needs_reauthorization")

	var fresh string
	m.provider.set(func() { fresh = m.provider.issue()["refresh_token"].(string); m.provider.lifetime = 3600 })
	m.call(200, "PUT", m.path("oauth/"), map[string]string{"refresh_token": fresh}, nil)
	m.wants("reauthorized", m.events("imap_server.reauthorized"), 2)
	m.call(200, "POST", m.path("sync/"), nil, nil)
	state, _ := m.grant()
	m.wants("grant", state, "active")
}

// restart ends the program and starts it again on the same data.
func (m *mailbox) restart() {
	m.t.Helper()
	if code, err := m.program.stop(); err != nil || code != exitDone {
		m.t.Fatalf("serve ended with %d, %v", code, err)
	}
	var err error
	if m.program, err = startProgram("", m.env); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(m.program.kill)
}

// keepsSecrets wants no token in answers, events, the log or the output of commands.
func (m *mailbox) keepsSecrets() {
	m.t.Helper()
	texts := [][]byte{[]byte(m.program.log.String())}
	for _, path := range []string{"/api/imap-servers/", m.path("oauth/"), "/api/events/?page_size=1000"} {
		a, err := m.api.do("GET", path, nil)
		if err != nil {
			m.t.Fatal(err)
		}
		texts = append(texts, a.body)
	}
	cmd := exec.CommandContext(m.t.Context(), "imap2api", "status", "-json")
	cmd.Env = m.env
	status, err := cmd.Output()
	if err != nil {
		m.t.Fatal(err)
	}
	if !bytes.Contains(status, []byte(`"oauth_status": "active"`)) {
		m.t.Errorf("status does not tell of the sign-in: %s", status)
	}
	for _, text := range append(texts, status) {
		if at := bytes.Index(text, []byte("-secret")); at >= 0 {
			m.t.Errorf("a secret is told: %s", text[max(0, at-100):min(len(text), at+20)])
		}
	}
}

// verifies compares the mailbox with its server, which needs the tokens in another process.
func (m *mailbox) verifies() {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), "imap2api", "verify", "-remote", "-content")
	cmd.Env = m.env
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("complete: 1 servers")) || !bytes.Contains(out, []byte("1 stored, 0 excluded, 0 in quarantine, 0 missing")) ||
		!bytes.Contains(out, []byte("1 equal in every octet")) {
		m.t.Errorf("verify -remote: %v\n%s", err, out)
	}
}

// TestSignInByXOAUTH2 reads mail of a server that knows no OAUTHBEARER. A mail server that refuses fresh tokens
// twice has lost the grant; and another user name has no tokens.
func TestSignInByXOAUTH2(t *testing.T) {
	t.Parallel()
	m := newMailbox(t, "xoauth2")
	m.signIn()
	m.call(200, "POST", m.path("sync/"), nil, nil)
	state, mechanism := m.grant()
	m.wants("grant", state+" "+mechanism, "active XOAUTH2")
	m.provider.set(func() { m.provider.refused = true })
	m.failedSync("Login to 127.0.0.1 was refused.")
	m.failedSync(again)
	m.wants("needs_reauthorization", m.events("imap_server.needs_reauthorization"), 1)
	m.provider.set(func() { m.provider.refused = false })
	m.signIn()
	m.call(200, "POST", m.path("sync/"), nil, nil)
	m.call(200, "PATCH", m.path(""), map[string]string{"username": "other@example.org"}, nil)
	state, _ = m.grant()
	m.wants("grant of another user name", state, "pending")
	m.call(200, "PATCH", m.path(""), map[string]string{"username": m.provider.user}, nil)
	m.signIn()
	m.call(204, "DELETE", m.path("oauth/"), nil, nil)
	state, _ = m.grant()
	m.wants("grant that was given up", state, "pending")
}

// count returns the length of a list.
func count(m *mailbox, path string) int {
	m.t.Helper()
	var page struct{ Count int }
	m.call(200, "GET", path, nil, &page)
	return page.Count
}
