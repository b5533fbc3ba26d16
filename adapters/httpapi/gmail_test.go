package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// stubGmail is a surface with a method at /gmail/v1/users/me/labels that tells what it was asked, a batch
// that sends each line of its body as a path, and an open document.
func stubGmail() Gmail {
	say := func(status int, v any) GmailAnswer {
		body, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return GmailAnswer{Status: status, ContentType: "application/json; charset=UTF-8", Body: body}
	}
	return Gmail{
		Route: func(path string) (known, open, batch bool) {
			return path == "/gmail/v1/users/me/labels" || path == "/batch" || path == "/$discovery/rest", path == "/$discovery/rest", path == "/batch"
		},
		Fail: func(f GmailFailure) GmailAnswer {
			answer := say(f.Status, f)
			if f.RetrySeconds > 0 {
				answer.Header = http.Header{"Retry-After": {strconv.Itoa(f.RetrySeconds)}}
			}
			return answer
		},
		Serve: func(_ context.Context, r GmailRequest) (GmailAnswer, error) {
			if r.Query.Get("lost") != "" {
				return GmailAnswer{}, fmt.Errorf("label: %w", domain.ErrNotFound)
			}
			if r.Path != "/batch" {
				return say(http.StatusOK, map[string]any{"method": r.Method, "q": r.Query["q"], "who": r.Who.Name}), nil
			}
			body, err := r.Body()
			return GmailAnswer{Status: http.StatusOK, ContentType: "multipart/mixed", Stream: func(w io.Writer) error {
				for line := range strings.Lines(string(body)) {
					part, err := http.NewRequest(http.MethodGet, strings.TrimSpace(line), nil)
					if err != nil {
						return err
					}
					res := r.Part(part)
					text, _ := io.ReadAll(res.Body)
					_ = res.Body.Close()
					if _, err := fmt.Fprintf(w, "%d %s %s\n", res.StatusCode, res.Header.Get("Content-Type"), text); err != nil {
						return err
					}
				}
				return nil
			}}, err
		},
	}
}

const gmailLabels = "/gmail/v1/users/me/labels"

func TestGmailIsLetIn(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	const asked = `{"method":"GET","q":null,"who":"ann"}`
	res := do(t, h, call{method: "GET", path: gmailLabels, token: "ann"})
	wants(t, res, 200, asked)
	wantHeader(t, res, "Content-Type", "application/json; charset=UTF-8")
	if tag := res.Header.Get("ETag"); tag == "" {
		t.Error("no entity tag")
	} else {
		again := do(t, h, call{method: "GET", path: gmailLabels, token: "ann", header: map[string]string{"If-None-Match": tag}})
		wants(t, again, 304, "")
	}
	wants(t, do(t, h, call{method: "GET", path: gmailLabels + "?lost=1", token: "ann"}), 404,
		`{"Status":404,"Anonymous":false,"NeedsHTTPS":false,"RetrySeconds":0}`)
	wants(t, do(t, h, call{method: "GET", path: gmailLabels}), 401, `{"Status":401,"Anonymous":true,"NeedsHTTPS":false,"RetrySeconds":0}`)
	wants(t, do(t, h, call{method: "GET", path: gmailLabels, token: "nope"}), 401, `{"Status":401,"Anonymous":false,"NeedsHTTPS":false,"RetrySeconds":0}`)
	wants(t, do(t, h, call{method: "POST", path: gmailLabels, token: "reader"}), 403, `{"Status":403,"Anonymous":false,"NeedsHTTPS":false,"RetrySeconds":0}`)
	for _, path := range []string{"/gmail", gmailLabels + "/", "/upload/gmail/v1/x", "/batch/x"} {
		wants(t, do(t, h, call{method: "GET", path: path}), 404, `{"Status":404,"Anonymous":false,"NeedsHTTPS":false,"RetrySeconds":0}`)
	}
	wants(t, do(t, h, call{method: "GET", path: "/$discovery/rest"}), 200, `{"method":"GET","q":null,"who":""}`)
}

func TestGmailOverride(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.handler(w.options())
	form := map[string]string{"X-HTTP-Method-Override": "GET", "Content-Type": "application/x-www-form-urlencoded"}
	res := do(t, h, call{method: "POST", path: gmailLabels + "?q=c", token: "reader", body: "q=a&q=b", header: form})
	wants(t, res, 200, `{"method":"GET","q":["a","b"],"who":"ann"}`)
	wants(t, do(t, h, call{method: "POST", path: "/api/emails/", token: "ann", body: "q=a", header: form}), 405, `{"detail":"Method \"POST\" not allowed."}`)
}

func TestGmailBatchCountsParts(t *testing.T) {
	t.Parallel()
	w := newWorld()
	opts := w.options()
	opts.LimitGmail = Limit{Requests: 2, Window: time.Minute}
	h := w.handler(opts)
	res := do(t, h, call{method: "POST", path: "/batch", token: "ann", body: strings.Repeat(gmailLabels+"\n", 3)})
	const ok = "200 application/json; charset=UTF-8 {\"method\":\"GET\",\"q\":null,\"who\":\"ann\"}\n"
	wants(t, res, 200, ok+ok+`429 application/json; charset=UTF-8 {"Status":429,"Anonymous":false,"NeedsHTTPS":false,"RetrySeconds":60}`+"\n")
	wantHeader(t, res, "X-RateLimit-Limit", "")
	wants(t, do(t, h, call{method: "POST", path: "/batch", body: gmailLabels}), 401, `{"Status":401,"Anonymous":true,"NeedsHTTPS":false,"RetrySeconds":0}`)
}
