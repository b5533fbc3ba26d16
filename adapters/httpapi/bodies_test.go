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
	"github.com/imap2api/imap2api/events/public"
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

func TestDecoder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		want  any // an int, or the message
	}{
		{`7`, 7},
		{`7.0`, 7},
		{`"7"`, 7},
		{`" 7 "`, 7},
		{`"7.0"`, 7},
		{`"+7"`, 7},
		{`1e3`, 1000},
		{`"7."`, 7},
		{`true`, msgInteger},
		{`1.5`, msgInteger},
		{`"x"`, msgInteger},
		{`""`, msgInteger},
		{`[]`, msgInteger},
		{`{}`, msgInteger},
		{`"+-7"`, msgInteger},
		{`"1.5"`, msgInteger},
		{`1e400`, msgInteger},
		{`null`, msgNull},
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
		if want == "" && (got != nil || d.err() == nil) || want != "" && (got == nil || string(public.Stamp(*got)) != want) {
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
		in := readServer(d, true, nil)
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
	for nanos, want := range map[time.Duration]public.Timestamp{
		0: "2025-03-04T08:30:00Z", 250 * time.Millisecond: "2025-03-04T08:30:00.250000Z", time.Microsecond: "2025-03-04T08:30:00.000001Z", 999: "2025-03-04T08:30:00Z",
	} {
		if got := public.Stamp(at.Add(nanos)); got != want {
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
