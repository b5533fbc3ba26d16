package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

const serverRequired = `{"name":["This field is required."],"host":["This field is required."],` +
	`"username":["This field is required."],"password":["This field is required."]}`

func TestBodies(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	for _, c := range []struct {
		name, body, kind string
		status           int
		want             string // a prefix, if it ends in *
	}{
		{"broken", "{", "", 400, `{"detail":"JSON parse error - *`},
		{"trailing data", `{"a":1} x`, "", 400, `{"detail":"JSON parse error - *`},
		{"byte order mark", "\xef\xbb\xbf{}", "", 400, `{"detail":"JSON parse error - *`},
		{"bad UTF-8", "{\"name\":\"\xff\"}", "", 400, `{"detail":"JSON parse error - *`},
		{"NaN", `{"port":NaN}`, "", 400, `{"detail":"JSON parse error - *`},
		{"list", "[]", "", 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}`},
		{"text", `"x"`, "", 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]}`},
		{"int", "5", "", 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got int."]}`},
		{"float", "5.5", "", 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got float."]}`},
		{"bool", "true", "", 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got bool."]}`},
		{"null", " null ", "", 400, `{"non_field_errors":["No data provided"]}`},
		{"empty", "", "text/plain", 400, serverRequired},
		{"other case", `{"NAME":"x","Host":"y"}`, "", 400, serverRequired},
		{"charset", `{}`, "application/json; charset=utf-8", 400, serverRequired},
		{"capitals", `{}`, "APPLICATION/JSON", 400, serverRequired},
		{"text/plain", "x", "text/plain; charset=utf-8", 415, `{"detail":"Unsupported media type \"text/plain; charset=utf-8\" in request."}`},
		{"form", "x=1", "application/x-www-form-urlencoded", 415, `{"detail":"Unsupported media type \"application/x-www-form-urlencoded\" in request."}`},
		{"no media type", "x", "-", 415, `{"detail":"Unsupported media type \"\" in request."}`},
		{"too large", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, "", 413, `{"detail":"Request body too large."}`},
		{"just fitting", `{"other":"` + strings.Repeat("x", 1<<20-12) + `"}`, "", 400, serverRequired},
		{"last duplicate", `{"name":"x","name":"","host":"h","username":"u","password":"p"}`, "", 400, `{"name":["This field may not be blank."]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := call{method: "POST", path: "/api/imap-servers/", token: "ann", body: c.body, header: map[string]string{}}
			switch c.kind {
			case "":
			case "-":
				req.header["Content-Type"] = ""
			default:
				req.header["Content-Type"] = c.kind
			}
			res := do(t, h, req)
			if prefix, ok := strings.CutSuffix(c.want, "*"); ok && res.StatusCode == c.status && strings.HasPrefix(res.body, prefix) {
				return
			}
			wants(t, res, c.status, c.want)
		})
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	accept := map[string]string{"Accept": "application/problem+json", "X-Request-Id": "r1"}
	res := do(t, h, call{method: "POST", path: "/api/tokens/", token: "ann", body: "{}", header: accept})
	wants(t, res, 400, `{"type":"urn:imap2api:error:validation","title":"Bad Request","status":400,"detail":"Invalid input.",`+
		`"code":"validation","request_id":"r1","errors":{"name":["This field is required."]}}`)
	wantHeader(t, res, "Content-Type", "application/problem+json")
	for _, c := range []struct {
		call call
		code string
	}{
		{call{method: "POST", path: "/api/tokens/", token: "ann", body: "{"}, "parse_error"},
		{call{method: "GET", path: "/api/me/"}, "not_authenticated"},
		{call{method: "GET", path: "/api/me/", token: "nope"}, "invalid_token"},
		{call{method: "GET", path: "/api/tokens/99/", token: "ann"}, "not_found"},
		{call{method: "GET", path: "/api/tokens/?page=9", token: "ann"}, "invalid_page"},
		{call{method: "DELETE", path: "/api/emails/", token: "ann"}, "method_not_allowed"},
	} {
		c.call.header = accept
		res := do(t, h, c.call)
		if got := object(t, res); got["code"] != c.code || got["request_id"] != "r1" || got["status"] != float64(res.StatusCode) {
			t.Errorf("got %v, want code %s", got, c.code)
		}
	}
}

func TestServerFaults(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	const rest = `"name":"n","host":"h","username":"u","password":"p"`
	for _, c := range []struct{ body, want string }{
		{
			`{"host":null,"username":"a","password":"b","port":"x","use_ssl":"maybe","sync_limit_type":"fortnights","sync_limit_value":0}`,
			`{"name":["This field is required."],"host":["This field may not be null."],"port":["A valid integer is required."],` +
				`"use_ssl":["Must be a valid boolean."],"sync_limit_type":["\"fortnights\" is not a valid choice."],` +
				`"sync_limit_value":["Ensure this value is greater than or equal to 1."]}`,
		},
		{`{` + rest + `,"sync_limit_type":"days"}`, `{"sync_limit_value":["Sync limit value is required for this sync type"]}`},
		{`{` + rest + `,"auth_type":"oauth2"}`, `{"auth_type":["\"oauth2\" is not a valid choice."]}`},
		{`{` + rest + `,"tls_certificate_sha256":"xyz"}`, `{"tls_certificate_sha256":["Enter 64 hexadecimal digits, or nothing."]}`},
		{`{"name":"n","host":"imap.example.org:993","username":"u","password":"p"}`, `{"host":["Enter a valid host name or IP address."]}`},
		{`{"name":"a\u0000b","host":"h","username":"u","password":"p"}`, `{"name":["Null characters are not allowed."]}`},
		{`{"name":"n","host":"h","username":["u"],"password":true}`, `{"username":["Not a valid string."],"password":["Not a valid string."]}`},
		{`{` + rest + `,"port":"` + strings.Repeat("1", 1001) + `"}`, `{"port":["String value too large."]}`},
		{`{` + rest + `,"port":65536}`, `{"port":["Ensure this value is less than or equal to 65535."]}`},
		{`{"name":"` + strings.Repeat("ü", 101) + `","host":"h","username":"u","password":"p"}`, `{"name":["Ensure this field has no more than 100 characters."]}`},
	} {
		wants(t, do(t, h, call{method: "POST", path: "/api/imap-servers/", token: "ann", body: c.body}), 400, c.want)
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	res := do(t, h, call{
		method: "POST", path: "/api/v1/imap-servers/", token: "ann",
		body: `{"name":" <Tom & Jérôme> ","host":"imap.example.org","username":"u","password":" p ","folders_to_sync":"INBOX, Sent,inbox","use_ssl":"no"}`,
	})
	wants(t, res, 201, `{"id":5,"name":"<Tom & Jérôme>","host":"imap.example.org","port":143,"username":"u","use_ssl":false,`+
		`"sync_limit_type":"all","sync_limit_value":null,"folders_to_sync":"INBOX,Sent","exclude_trash":true,"last_sync":null,`+
		`"sync_interval":15,"allow_changes":false,"sync_state":"idle","last_error":null,"auth_type":"password",`+
		`"oauth_provider":null,"oauth_status":null,"created_at":"2025-03-04T10:00:00Z","updated_at":"2025-03-04T10:00:00Z",`+
		`"tls_certificate_sha256":""}`)
	wantHeader(t, res, "Location", "http://mail.example.org/api/v1/imap-servers/5/")
	wantHeader(t, res, "X-Event-Position", "11")

	res = do(t, h, call{method: "GET", path: "/api/imap-servers/3/", token: "ann"})
	tag := res.Header.Get("ETag")
	if !strings.HasPrefix(tag, `"imap-server-3-v7`) || object(t, res)["updated_at"] != "2025-03-04T09:59:00.551207Z" {
		t.Errorf("tag %s, body %s", tag, res.body)
	}
	put := call{method: "PUT", path: "/api/imap-servers/3/", token: "ann", body: `{"name":"Archive","sync_limit_type":"months","sync_limit_value":"6"}`}
	put.header = map[string]string{"If-Match": tag}
	if got := object(t, do(t, h, put)); got["name"] != "Archive" || got["sync_limit_value"] != float64(6) || got["host"] != "imap.example.org" {
		t.Errorf("merged: %v", got)
	}
	wants(t, do(t, h, put), 412, `{"detail":"The resource has changed since it was read."}`)
	put.body = `{"port":"x"}`
	wants(t, do(t, h, put), 400, `{"port":["A valid integer is required."]}`)
	put.header = map[string]string{"If-Match": `W/"imap-server-3-v8"`}
	put.body = `{}`
	wants(t, do(t, h, put), 412, `{"detail":"The resource has changed since it was read."}`)

	again := `{"password":["Enter the password again to change the host or to turn off TLS."]}`
	patch := call{method: "PATCH", path: "/api/imap-servers/4/", token: "ann", body: `{"host":"evil.example"}`}
	wants(t, do(t, h, patch), 400, again)
	patch.body = `{"use_ssl":false}`
	wants(t, do(t, h, patch), 400, again)
	patch.body = `{"sync_limit_type":"days"}`
	wants(t, do(t, h, patch), 400, `{"sync_limit_value":["Sync limit value is required for this sync type"]}`)
	patch.body = `{"use_ssl":false,"password":"p"}`
	if got := object(t, do(t, h, patch)); got["port"] != float64(143) {
		t.Errorf("port did not follow: %v", got["port"])
	}
	res = do(t, h, call{method: "DELETE", path: "/api/imap-servers/4/", token: "ann"})
	wants(t, res, 204, "")
	wants(t, do(t, h, call{method: "DELETE", path: "/api/imap-servers/4/", token: "ann"}), 404, notFound)
	wants(t, do(t, h, call{method: "GET", path: "/api/imap-servers/5/", token: "limited"}), 404, notFound)
	if strings.Contains(w.log.String(), "ERROR") {
		t.Errorf("log: %s", w.log.String())
	}
}

func TestServerTagFollowsTheSyncs(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	get := call{method: "GET", path: "/api/imap-servers/3/", token: "ann"}
	tag := do(t, h, get).Header.Get("ETag")
	get.header = map[string]string{"If-None-Match": tag}
	if res := do(t, h, get); res.StatusCode != 304 || res.body != "" || res.Header.Get("ETag") != tag {
		t.Errorf("got %d %q", res.StatusCode, res.body)
	}
	w.accounts[3].State = "running"
	if res := do(t, h, get); res.StatusCode != 200 {
		t.Errorf("a new state is hidden by %d", res.StatusCode)
	}
	change := call{method: "PATCH", path: "/api/imap-servers/3/", token: "ann", body: `{"name":"x"}`, header: map[string]string{"If-Match": tag}}
	if res := do(t, h, change); res.StatusCode != 200 {
		t.Errorf("a sync made If-Match fail: %d %s", res.StatusCode, res.body)
	}
}

func TestFolderLists(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"INBOX, Sent": "INBOX,Sent", " INBOX ,INBOX,Sent": "INBOX,Sent", "": "", " , ,": "",
		`INBOX,"Clients, EU"`: `INBOX,"Clients, EU"`, `"a ""b"", c",Sent`: `"a ""b"", c",Sent`, `"Plain"`: "Plain",
		`"open`: "open", `a"b`: `"a""b"`, `""`: "", `"x"y,z`: "x,z", "inbox": "INBOX",
	} {
		if got := normalFolders(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
		if again := normalFolders(want); again != want {
			t.Errorf("%q is not stable: %q", want, again)
		}
	}
}

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

func TestDecoder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		want  any // an int, or the message
	}{
		{`7`, 7}, {`7.0`, 7}, {`"7"`, 7}, {`" 7 "`, 7}, {`"7.0"`, 7}, {`"+7"`, 7}, {`1e3`, 1000}, {`"7."`, 7},
		{`true`, msgInteger}, {`1.5`, msgInteger}, {`"x"`, msgInteger}, {`""`, msgInteger}, {`[]`, msgInteger}, {`{}`, msgInteger},
		{`"+-7"`, msgInteger}, {`"1.5"`, msgInteger}, {`1e400`, msgInteger}, {`null`, msgNull},
		{`99999999999999999999999`, "Ensure this value is less than or equal to 5000."},
		{`-99999999999999999999999`, "Ensure this value is greater than or equal to 1."},
	} {
		d, err := decodeObject([]byte(`{"f":` + c.value + `}`))
		if err != nil {
			t.Fatal(err)
		}
		n := d.integer("f", rule{min: 1, max: 5000})
		switch want := c.want.(type) {
		case int:
			if n == nil || *n != want || d.err() != nil {
				t.Errorf("%s: got %v, %v; want %d", c.value, n, d.faults.messages, want)
			}
		case string:
			if diff := cmp.Diff([]string{want}, d.faults.messages["f"]); n != nil || diff != "" {
				t.Errorf("%s: %s", c.value, diff)
			}
		}
	}
	for value, want := range map[string]string{`7`: "7", `7.5`: "7.5", `" a "`: "a", `"<"`: "<"} {
		d, _ := decodeObject([]byte(`{"f":` + value + `}`))
		if got := d.text("f", rule{}); got == nil || *got != want {
			t.Errorf("%s: got %v, want %s", value, got, want)
		}
	}
	for value, want := range map[string]string{
		`"2025-03-04T10:00Z"`: "2025-03-04T10:00:00Z", `"2025-03-04T10:00:00.5+02:00"`: "2025-03-04T08:00:00.500000Z",
		`"2025-03-04T10:00:00"`: "2025-03-04T10:00:00Z", `"2025-03-04"`: "", `5`: "", `""`: "", `"2025-13-04T10:00Z"`: "",
	} {
		d, _ := decodeObject([]byte(`{"f":` + value + `}`))
		got := d.moment("f", rule{})
		if want == "" && (got != nil || d.err() == nil) || want != "" && (got == nil || string(stamp(*got)) != want) {
			t.Errorf("%s: got %v, want %q", value, got, want)
		}
	}
}

func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":1e9,"port":"7"}`, `[]`, `{"port":[1]}`, "\xff", `{"name":"\ud800"}`, `{"scopes":["a",null]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := decodeObject(body)
		if err != nil {
			return
		}
		in := readServer(d, true)
		if d.err() == nil {
			s, err := in.settings()
			if err == nil && (s.Name == "" || s.Port < 1 || s.Port > 65535 || normalFolders(s.Folders) != s.Folders) {
				t.Errorf("%q gives %+v", body, s)
			}
		}
	})
}

func TestStamp(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 3, 4, 9, 30, 0, 0, time.FixedZone("", 3600))
	for nanos, want := range map[time.Duration]timestamp{
		0: "2025-03-04T08:30:00Z", 250 * time.Millisecond: "2025-03-04T08:30:00.250000Z", time.Microsecond: "2025-03-04T08:30:00.000001Z", 999: "2025-03-04T08:30:00Z",
	} {
		if got := stamp(at.Add(nanos)); got != want {
			t.Errorf("%d: got %s, want %s", nanos, got, want)
		}
	}
}

func TestFaultsOfOurs(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{fmt.Errorf("connect to 10.0.0.1: refused"), 500, `{"detail":"Internal server error."}`},
		{fmt.Errorf("pool: %w", domain.ErrUnavailable), 503, `{"detail":"Service temporarily unavailable."}`},
		{domain.ErrConflict, 409, `{"detail":"The present state does not allow this."}`},
	} {
		failing := w.App
		failing.ListTokens = nil
		failing.GetPositions = func(context.Context, queries.GetPositions) (queries.Positions, error) {
			return queries.Positions{}, c.err
		}
		h := NewHandler(failing, w.options(), slog.New(slog.NewTextHandler(&w.log, nil)))
		res := do(t, h, call{method: "GET", path: "/api/me/", token: "ann"})
		wants(t, res, c.status, c.body)
		if c.status == 503 && res.Header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		// A handler that panics (there is no ListTokens) is answered too.
		wants(t, do(t, h, call{method: "GET", path: "/api/tokens/", token: "ann"}), http.StatusInternalServerError, `{"detail":"Internal server error."}`)
	}
	if !strings.Contains(w.log.String(), "10.0.0.1") {
		t.Error("the cause is not in the log")
	}
}
