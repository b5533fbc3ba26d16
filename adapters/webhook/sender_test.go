package webhook

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/imap2api/imap2api/commands"
)

const vectorSecret = "whsec_aW1hcDJhcGktZXhhbXBsZS1zZWNyZXQh"

// The vector of webhooks.md 5.
func TestSignatureVector(t *testing.T) {
	t.Parallel()
	req := commands.WebhookRequest{
		Secrets: []string{vectorSecret, vectorSecret}, ID: "msg_01JNF3TB3RM3S9Q1V6W2Z8Y4KD",
		Body: []byte(`{"type":"email.received","timestamp":"2025-03-04T09:31:12.004518Z","position":4790,"data":{"id":42}}`),
	}
	const want = "v1,1lnd7qoLdzCDTE//naw9Ge4XEU3stnnjmJtYxwvNJHg="
	got, err := sign(req, time.Unix(1741080673, 999))
	if err != nil || got != want+" "+want {
		t.Errorf("got %s, %v", got, err)
	}
}

func loopback() *Sender {
	return New(Options{Guard: NewGuard(prefixes("127.0.0.0/8", "::1/128"), true)})
}

func request(url string) commands.WebhookRequest {
	return commands.WebhookRequest{
		URL: url, Secrets: []string{vectorSecret}, ID: "msg_01JNF3TB3RM3S9Q1V6W2Z8Y4KD", Type: "email.received", Attempt: 3, Body: []byte(`{"a":1}`),
	}
}

// What a receiver gets verifies by the library, and what it answers is kept.
func TestSend(t *testing.T) {
	t.Parallel()
	var header http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "120")
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, strings.Repeat("é", 4000))
	}))
	defer server.Close()
	a := loopback().Send(t.Context(), request(server.URL))
	wh, err := standardwebhooks.NewWebhook(vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify(body, header); err != nil || string(body) != `{"a":1}` {
		t.Errorf("%v: %s", err, body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "imap2api-webhooks/1.0", "X-Imap2api-Event": "email.received", "X-Imap2api-Attempt": "3",
	} {
		if got := header.Get(name); got != want || a.RequestHeaders[strings.ToLower(name)] != want {
			t.Errorf("%s: got %q, kept %q", name, got, a.RequestHeaders[strings.ToLower(name)])
		}
	}
	if kept, _ := json.Marshal(a); strings.Contains(string(kept), "v1,") || strings.Contains(string(kept), "a=b") {
		t.Errorf("a secret is kept: %s", kept)
	}
	if a.Succeeded() || a.Status != 503 || a.Error != nil || a.RetryAfter != 2*time.Minute || len(a.ResponseBody) > maxKept+3 {
		t.Errorf("got %d, %v, %v, %d octets", a.Status, a.Error, a.RetryAfter, len(a.ResponseBody))
	}
}

// A redirect is a failure, and nobody follows it.
func TestRedirect(t *testing.T) {
	t.Parallel()
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer target.Close()
	server := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	if a := loopback().Send(t.Context(), request(server.URL)); a.Status != 307 || a.Succeeded() {
		t.Errorf("got %d", a.Status)
	}
}

// TestErrors: why there is no answer.
func TestErrors(t *testing.T) {
	t.Parallel()
	large := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", maxAnswer+1))
	}))
	defer large.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer broken.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("an unknown authority is trusted") }))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	hangs := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	defer slow.Close()
	defer close(hangs)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for url, want := range map[string]string{
		large.URL: "response_too_large", broken.URL: "protocol_error", secure.URL: "tls_failed", slow.URL: "timeout",
		"http://" + closed.Addr().String(): "connect_failed", "http://10.255.255.1/": "blocked_address", "http://nowhere.invalid/": "dns_failed",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if url == slow.URL {
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		}
		a := loopback().Send(ctx, request(url))
		cancel()
		if a.Error == nil || a.Error.Code != want || a.Succeeded() {
			t.Errorf("%s: got %v, want %s", url, a.Error, want)
		}
		if a.Error != nil && strings.Contains(a.Error.Message, url) {
			t.Errorf("the URL is in %q", a.Error.Message)
		}
	}
}

// A name is judged by the address that it leads to when it is called: localhost here.
func TestNameToBlockedAddress(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the guard let it through") }))
	defer server.Close()
	port := netip.MustParseAddrPort(server.Listener.Addr().String()).Port()
	s := New(Options{Guard: NewGuard(nil, true)})
	url := "http://localhost:" + netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()[len("0.0.0.0:"):]
	if a := s.Send(t.Context(), request(url)); a.Error == nil || a.Error.Code != "blocked_address" {
		t.Errorf("got %v", a.Error)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 3, 4, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-1": 0, "soon": 0, "Tue, 04 Mar 2025 10:01:00 GMT": time.Minute,
		"Tue, 04 Mar 2025 09:01:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
