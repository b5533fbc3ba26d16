package httpapi

import (
	"fmt"
	"testing"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	create := call{method: "POST", path: "/api/tokens/", token: "ann", body: `{"name":"CRM","scopes":["write","read"],"imap_servers":["3"],"expires_at":"2025-03-05T10:00:00+01:00"}`}
	res := do(t, h, create)
	wants(t, res, 201, `{"id":20,"name":"CRM","kind":"api","prefix":"i2a_abcd","scopes":["read","write"],"imap_servers":[3],`+
		`"created_at":"2025-03-04T10:00:00Z","expires_at":"2025-03-05T09:00:00Z","last_used_at":null,`+
		`"token":"i2a_abcdefghijklmnopqrstuvwxyz0123456789"}`)
	wantHeader(t, res, "Cache-Control", "no-store")
	for _, c := range []struct{ token, body, want string }{
		{"ann", `{"name":"x","scopes":"read"}`, `{"scopes":["Expected a list of items but got type \"str\"."]}`},
		{"ann", `{"name":"x","scopes":[]}`, `{"scopes":["This list may not be empty."]}`},
		{"ann", `{"name":"x","scopes":["fly"]}`, `{"scopes":["\"fly\" is not a valid choice."]}`},
		{"ann", `{"name":"x","scopes":["admin"]}`, `{"scopes":["You cannot grant more than your own token allows."]}`},
		{"limited", `{"name":"x"}`, `{"scopes":["You cannot grant more than your own token allows."]}`},
		{"limited", `{"name":"x","imap_servers":[4]}`, `{"imap_servers":["Invalid pk \"4\" - object does not exist."]}`},
		{"ann", `{"name":"x","imap_servers":["y",true,9]}`, `{"imap_servers":["Incorrect type. Expected pk value, received str.","Incorrect type. Expected pk value, received bool.","Invalid pk \"9\" - object does not exist."]}`},
		{"ann", `{"name":"x","expires_at":"2025-03-04T09:59:59Z"}`, `{"expires_at":["This date is in the past."]}`},
		{"ann", `{"name":"x","expires_at":"tomorrow"}`, `{"expires_at":["` + msgDatetime + `"]}`},
	} {
		wants(t, do(t, h, call{method: "POST", path: "/api/tokens/", token: c.token, body: c.body}), 400, c.want)
	}
	res = do(t, h, call{method: "PATCH", path: "/api/tokens/12/", token: "ann", body: `{"name":"New","scopes":["admin"]}`})
	if got := object(t, res); got["name"] != "New" || fmt.Sprint(got["scopes"]) != "[read]" {
		t.Errorf("changed: %v", got)
	}
	wants(t, do(t, h, call{method: "DELETE", path: "/api/tokens/12/", token: "ann"}), 204, "")
	wants(t, do(t, h, call{method: "DELETE", path: "/api/tokens/12/", token: "ann"}), 404, notFound)
	res = do(t, h, call{method: "GET", path: "/api/tokens/?page_size=2", token: "ann"})
	if got := object(t, res); got["next"] != "http://mail.example.org/api/tokens/?page=2&page_size=2" || got["count"] != float64(4) {
		t.Errorf("list: %s", res.body)
	}
	wants(t, do(t, h, call{method: "GET", path: "/api/me/", token: "limited"}), 200, `{"id":1,"username":"ann","email":"ann@example.org",`+
		`"is_admin":false,"token":{"id":14,"name":"Limited","kind":"api","scopes":["read","write"],"imap_servers":[3]},`+
		`"latest_position":13,"read_position":13}`)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	const token = `{"token":"8d1f0c5b7e2a49d6b3f4a1c0e9d8b7a6f5e4d3c2"}`
	form := "username=ann&password=correct+horse"
	multi := "--bb\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nann\r\n" +
		"--bb\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\ncorrect horse\r\n--bb--\r\n"
	for _, c := range []struct {
		body, kind string
		status     int
		want       string
	}{
		{`{"username":" ann ","password":"correct horse"}`, "application/json", 200, token},
		{form, "application/x-www-form-urlencoded", 200, token},
		{multi, "multipart/form-data; boundary=bb", 200, token},
		{`{"username":"ann","password":"correct horse "}`, "application/json", 400, `{"non_field_errors":["Unable to log in with provided credentials."]}`},
		{"", "", 400, `{"username":["This field is required."],"password":["This field is required."]}`},
		{`{"username":"a","password":""}`, "application/json", 400, `{"password":["This field may not be blank."]}`},
		{`{"username":["a"],"password":null}`, "application/json", 400, `{"username":["Not a valid string."],"password":["This field may not be null."]}`},
	} {
		for _, path := range []string{"/api-token-auth/", "/api/api-token-auth/", "/api/v1/api-token-auth/"} {
			res := do(t, h, call{method: "POST", path: path, token: "stale", body: c.body, header: map[string]string{"Content-Type": c.kind}})
			wants(t, res, c.status, c.want)
			if c.status == 200 {
				wantHeader(t, res, "Cache-Control", "no-store")
			}
		}
	}
}
