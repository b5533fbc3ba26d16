package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

func TestSignInFaults(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.accounts[4].Settings.AuthType, w.accounts[4].Settings.OAuthProvider, w.accounts[4].OAuthStatus = events.AuthOAuth2, "custom", "active"
	h := w.handler(w.options())
	const server = "/api/imap-servers/"
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", server, `{"auth_type":"oauth2"}`, `{"name":["This field is required."],"username":["This field is required."],"oauth_provider":["This field is required."]}`},
		{"POST", server, `{"name":"n","username":"u","auth_type":"oauth2","oauth_provider":"yahoo"}`, `{"oauth_provider":["\"yahoo\" is not a valid choice."]}`},
		{"POST", server, `{"name":"n","username":"u","auth_type":"oauth2","oauth_provider":"microsoft"}`, `{"oauth_provider":["This provider is not configured."]}`},
		{"POST", server, `{"name":"n","username":"u","auth_type":"oauth2","oauth_provider":"google","password":"p"}`, `{"password":["Leave this empty when signing in with OAuth 2.0."]}`},
		{"POST", server, `{"name":"n","username":"u","auth_type":"oauth2","oauth_provider":"google","host":"evil.example"}`, `{"host":["This host does not belong to the provider."]}`},
		{"POST", server, `{"name":"n","username":"u","auth_type":"oauth2","oauth_provider":"custom"}`, `{"host":["This field is required."]}`},
		{"PATCH", server + "3/", `{"auth_type":"oauth2"}`, `{"oauth_provider":["This field is required."]}`},
		{"PATCH", server + "3/", `{"auth_type":"oauth2","oauth_provider":"microsoft"}`, `{"oauth_provider":["This provider is not configured."]}`},
		{"PATCH", server + "3/", `{"auth_type":"oauth2","oauth_provider":"google","host":"evil.example"}`, `{"host":["This host does not belong to the provider."]}`},
		{"PATCH", server + "4/", `{"auth_type":"password"}`, `{"password":["This field is required."]}`},
		{"PATCH", server + "4/", `{"password":"p"}`, `{"password":["Leave this empty when signing in with OAuth 2.0."]}`},
		{"POST", server + "4/test-connection/", `{"host":"evil.example"}`, `{"host":["This host does not belong to the provider."]}`},
		{"PUT", server + "4/oauth/", `{}`, `{"refresh_token":["This field is required."]}`},
		{"POST", server + "4/oauth/authorize/", `{"return_url":"https://evil.example/"}`, `{"return_url":["This address is not allowed."]}`},
		{"POST", server + "4/oauth/authorize/", `{"return_url":"https://app.example@evil.example/"}`, `{"return_url":["This address is not allowed."]}`},
		{"POST", server + "4/oauth/authorize/", `{"return_url":"http://app.example/"}`, `{"return_url":["This address is not allowed."]}`},
	} {
		wants(t, do(t, h, call{method: c.method, path: c.path, token: "ann", body: c.body}), 400, c.want)
	}
	for _, path := range []string{"oauth/", "oauth/authorize/"} { // of a server with a password
		method := map[string]string{"oauth/": "GET", "oauth/authorize/": "POST"}[path]
		wants(t, do(t, h, call{method: method, path: server + "3/" + path, token: "ann"}), 404, notFound)
	}
}

func TestServersWithOAuth(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	made := object(t, do(t, h, call{
		method: "POST", path: "/api/imap-servers/", token: "ann",
		body: `{"name":"Private","username":"ann@gmail.com","auth_type":"oauth2","oauth_provider":"google"}`,
	}))
	if made["host"] != "imap.gmail.com" || made["port"] != float64(993) || made["use_ssl"] != true || made["oauth_provider"] != "google" {
		t.Errorf("made %v", made)
	}
	made = object(t, do(t, h, call{method: "POST", path: "/api/imap-servers/", token: "ann", body: `{"name":"n","host":"h","username":"u","password":"p","oauth_provider":"google"}`}))
	if made["oauth_provider"] != nil || made["auth_type"] != "password" {
		t.Errorf("a provider beside a password: %v", made)
	}
	patched := object(t, do(t, h, call{method: "PATCH", path: "/api/imap-servers/3/", token: "ann", body: `{"auth_type":"oauth2","oauth_provider":"google"}`}))
	if patched["host"] != "imap.gmail.com" || patched["auth_type"] != "oauth2" {
		t.Errorf("changed %v", patched)
	}
	wants(t, do(t, h, call{method: "GET", path: "/api/oauth/providers/", token: "ann"}), 200,
		`[{"provider":"google","name":"Google","configured":true,"host":"imap.gmail.com","port":993,"scopes":["https://mail.google.com/"],"redirect_uri":"http://mail.example.org/oauth/callback"},`+
			`{"provider":"microsoft","name":"Microsoft","configured":false,"host":"outlook.office365.com","port":993,"scopes":[],"redirect_uri":"http://mail.example.org/oauth/callback"},`+
			`{"provider":"custom","name":"Example","configured":true,"host":null,"port":993,"scopes":["imap"],"redirect_uri":"http://mail.example.org/oauth/callback"}]`)
}

func TestPutGrant(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.accounts[3].OAuthStatus = "pending"
	at := time.Date(2025, 3, 4, 10, 11, 30, 210551000, time.UTC)
	w.GetGrant = func(_ context.Context, q queries.GetGrant) (queries.Grant, error) {
		return queries.Grant{Account: q.Account, Provider: "google", Status: "active", Mechanism: "OAUTHBEARER", Scopes: []string{"https://mail.google.com/"}, AuthorizedAt: &at}, nil
	}
	var answer error
	w.PutGrant = func(_ context.Context, c commands.PutGrant) (events.Position, error) {
		if c.Refresh != "1//0gX" {
			t.Errorf("asked %+v", c)
		}
		return 12, answer
	}
	h := w.handler(w.options())
	put := call{method: "PUT", path: "/api/imap-servers/3/oauth/", token: "ann", body: `{"refresh_token":"1//0gX"}`}
	wants(t, do(t, h, put), 200, `{"imap_server":3,"provider":"google","status":"active","mechanism":"OAUTHBEARER","scopes":["https://mail.google.com/"],`+
		`"authorized_at":"2025-03-04T10:11:30.210551Z","access_token_expires_at":null,"last_refresh_at":null,"last_error":null}`)
	answer = fmt.Errorf("try: %w", &commands.GrantError{Code: "invalid_grant", Err: errors.New("400")})
	wants(t, do(t, h, put), 400, `{"refresh_token":["The provider refused this token."]}`)
	answer = fmt.Errorf("try: %w", &commands.GrantError{Err: errors.New("dial")})
	wants(t, do(t, h, put), 502, `{"detail":"The provider cannot be reached."}`)
}

func TestCallback(t *testing.T) {
	t.Parallel()
	w := newWorld()
	back := "https://app.example/mail?x=1"
	w.LookAuthorization = func(_ context.Context, state string) (commands.AuthorizationAsked, error) {
		if state != "good" {
			return commands.AuthorizationAsked{}, fmt.Errorf("sign-in: %w", domain.ErrNotFound)
		}
		return commands.AuthorizationAsked{User: "ann", Mailbox: "<ann@gmail.com>", Provider: "Google", Account: 3, ReturnURL: back}, nil
	}
	w.FinishAuthorization = func(ctx context.Context, c commands.FinishAuthorization) (commands.AuthorizationEnded, error) {
		asked, err := w.LookAuthorization(ctx, c.State)
		return commands.AuthorizationEnded{AuthorizationAsked: asked, Error: c.Error}, err
	}
	h := w.handler(w.options())
	res := do(t, h, call{method: "GET", path: "/oauth/callback?state=good&code=c%22%3Cb%3E"})
	for _, part := range []string{"ann", "&lt;ann@gmail.com&gt;", `value="c&#34;&lt;b&gt;"`, "Connect"} {
		if res.StatusCode != http.StatusOK || !strings.Contains(res.body, part) {
			t.Errorf("%d, without %s: %s", res.StatusCode, part, res.body)
		}
	}
	if policy := res.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' https://app.example") {
		t.Errorf("policy %s", policy)
	}
	const stale = "This sign-in link is not valid any more."
	for _, c := range []call{
		{method: "GET", path: "/oauth/callback?state=bad&code=c"},
		{method: "GET", path: "/oauth/callback?state=bad&error=access_denied"},
		{method: "GET", path: "/oauth/callback"},
		{method: "POST", path: "/oauth/callback"},
		{method: "POST", path: "/oauth/callback", body: `{"state":"bad","code":"c"}`},
	} {
		if res := do(t, h, c); res.StatusCode != http.StatusBadRequest || !strings.Contains(res.body, stale) {
			t.Errorf("%s %s: %d %s", c.method, c.path, res.StatusCode, res.body)
		}
	}
	res = do(t, h, call{method: "POST", path: "/oauth/callback", body: `{"state":"good","code":"c"}`})
	wants(t, res, 303, "")
	wantHeader(t, res, "Location", "https://app.example/mail?imap_server=3&status=connected&x=1")
	res = do(t, h, call{method: "GET", path: "/oauth/callback?state=good&error=access_denied"})
	wantHeader(t, res, "Location", "https://app.example/mail?error=access_denied&imap_server=3&status=failed&x=1")
	res = do(t, h, call{method: "GET", path: "/oauth/callback?state=good&error=" + url.QueryEscape("<script>")})
	wantHeader(t, res, "Location", "https://app.example/mail?error=server_error&imap_server=3&status=failed&x=1")
	back = ""
	if res := do(t, h, call{method: "POST", path: "/oauth/callback", body: `{"state":"good","code":"c"}`}); res.StatusCode != http.StatusOK || !strings.Contains(res.body, "is connected") {
		t.Errorf("%d %s", res.StatusCode, res.body)
	}
}
