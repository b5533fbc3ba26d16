package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

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
		{`{` + rest + `,"auth_type":"oauth3"}`, `{"auth_type":["\"oauth3\" is not a valid choice."]}`},
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
	if res := do(t, h, get); res.StatusCode != http.StatusNotModified || res.body != "" || res.Header.Get("ETag") != tag {
		t.Errorf("got %d %q", res.StatusCode, res.body)
	}
	w.accounts[3].State = "running"
	if res := do(t, h, get); res.StatusCode != http.StatusOK {
		t.Errorf("a new state is hidden by %d", res.StatusCode)
	}
	change := call{method: "PATCH", path: "/api/imap-servers/3/", token: "ann", body: `{"name":"x"}`, header: map[string]string{"If-Match": tag}}
	if res := do(t, h, change); res.StatusCode != http.StatusOK {
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
