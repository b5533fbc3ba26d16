// Package webhook sends signed HTTP requests to the receivers of webhooks, under a guard that keeps them
// out of the networks of the server (webhooks.md 4 to 6). It makes one attempt at a time; when, and what
// follows from the answer, is decided elsewhere.
package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/imap2api/imap2api/commands"
)

const (
	connectWithin = 5 * time.Second
	answerWithin  = 20 * time.Second // from the beginning to the last octet of the answer
	maxAnswer     = 64 << 10         // octets that are read
	maxKept       = 4096             // octets that are kept
	maxHeaders    = 8 << 10          // octets of answer headers that are kept
	userAgent     = "imap2api-webhooks/1.0"
)

// Options of a Sender; the zero value works.
type Options struct {
	Guard *Guard // nil: one that allows no network and no plain HTTP
	Now   func() time.Time
}

// Sender sends requests. It is the WebhookSender of commands.
type Sender struct {
	client *http.Client
	guard  *Guard
	now    func() time.Time
}

var _ commands.WebhookSender = (*Sender)(nil)

// New returns a sender.
func New(opts Options) *Sender {
	if opts.Guard == nil {
		opts.Guard = NewGuard(nil, false)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	dialer := &net.Dialer{Timeout: connectWithin, ControlContext: opts.Guard.control}
	transport := &http.Transport{
		// No proxy: its address would be the one that is looked at. A name is resolved, and the address looked
		// at, for each attempt: hence no connection is kept.
		Proxy: nil, DialContext: dialer.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: connectWithin,
		MaxResponseHeaderBytes: maxAnswer, DisableCompression: true,
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Sender{client, opts.Guard, opts.Now}
}

// Send signs and sends one request, and does not repeat it.
func (s *Sender) Send(ctx context.Context, req commands.WebhookRequest) commands.WebhookAnswer {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	started := s.now()
	clock := time.Now()
	a := commands.WebhookAnswer{StartedAt: started, RequestHeaders: map[string]string{}, ResponseHeaders: map[string]string{}}
	err := s.send(ctx, req, &a)
	a.Took = time.Since(clock)
	if err != nil {
		a.Error = explain(ctx, err)
	}
	return a
}

func (s *Sender) send(ctx context.Context, req commands.WebhookRequest, a *commands.WebhookAnswer) error {
	if err := s.guard.Check(req.URL); err != nil {
		return &blockedError{err.Error()}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, req.URL, bytes.NewReader(req.Body))
	if err != nil {
		return err
	}
	signature, err := sign(req, a.StartedAt)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"content-type": "application/json", "user-agent": userAgent, "x-imap2api-event": req.Type,
		"x-imap2api-attempt":                    strconv.Itoa(req.Attempt),
		standardwebhooks.HeaderWebhookID:        req.ID,
		standardwebhooks.HeaderWebhookTimestamp: strconv.FormatInt(a.StartedAt.Unix(), 10),
	} {
		r.Header.Set(name, value)
		a.RequestHeaders[name] = value
	}
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signature) // kept nowhere
	res, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read as far as is wanted
	a.Status, a.RetryAfter = res.StatusCode, retryAfter(res.Header.Get("Retry-After"), s.now())
	a.ResponseHeaders = keptHeaders(res.Header)
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	a.ResponseBody = strings.ToValidUTF8(string(body[:min(len(body), maxKept)]), "\ufffd")
	if err == nil && len(body) > maxAnswer {
		err = errTooLarge
	}
	return err
}

// sign returns a signature for each secret (webhooks.md 5).
func sign(req commands.WebhookRequest, at time.Time) (string, error) {
	var out []string
	for _, secret := range req.Secrets {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		signature, err := wh.Sign(req.ID, at, req.Body)
		if err != nil {
			return "", fmt.Errorf("sign: %w", err)
		}
		out = append(out, signature)
	}
	return strings.Join(out, " "), nil
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3); 0 for neither.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// keptHeaders are the headers of an answer as they are shown: without cookies, and not without end.
func keptHeaders(h http.Header) map[string]string {
	out := map[string]string{}
	octets := 0
	for name, values := range h {
		value := strings.Join(values, ", ")
		if octets += len(name) + len(value); name == "Set-Cookie" || octets > maxHeaders {
			continue
		}
		out[strings.ToLower(name)] = strings.ToValidUTF8(value, "\ufffd")
	}
	return out
}
