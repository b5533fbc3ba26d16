package commands

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// WebhookRequest is one signed request to the receiver of a webhook.
type WebhookRequest struct {
	URL     string
	Secrets []string // that sign: the present one first
	ID      string   // webhook-id: the same for each attempt
	Type    string   // public type
	Attempt int      // from 1
	Body    []byte   // JSON
}

// WebhookAnswer is what came of a request.
type WebhookAnswer struct {
	StartedAt       time.Time
	Took            time.Duration
	RequestHeaders  map[string]string // without the signature
	Status          int               // 0: there was no answer
	ResponseHeaders map[string]string
	ResponseBody    string        // its first octets
	RetryAfter      time.Duration // that the receiver asks for; 0: it does not
	Error           *WebhookError // nil: there was a whole answer
}

// Succeeded reports whether the receiver took the event.
func (a WebhookAnswer) Succeeded() bool { return a.Error == nil && a.Status >= 200 && a.Status < 300 }

// WebhookError is why there is no answer.
type WebhookError struct {
	Code    string `json:"code"` // of webhooks.md 2.4
	Message string `json:"message"`
}

// WebhookSender sends requests to receivers. It is what everything that is sent goes through.
type WebhookSender interface {
	// Send signs and sends one request, and does not repeat it.
	Send(ctx context.Context, req WebhookRequest) WebhookAnswer
}

// WebhookTarget is where a webhook leads, and what signs.
type WebhookTarget struct {
	URL     string
	Secrets []string // that are valid now
	Active  bool
}

// WebhookTargets looks up where webhooks lead.
type WebhookTargets interface {
	// Target returns the target of a webhook. It returns domain.ErrNotFound.
	Target(ctx context.Context, journal events.JournalID, id domain.WebhookID) (WebhookTarget, error)
}

// Attempt is one request of a delivery.
type Attempt struct {
	Number  int
	Trigger string // automatic, manual, test
	WebhookAnswer
}

// The triggers of an attempt.
const (
	TriggerAutomatic = "automatic"
	TriggerManual    = "manual"
	TriggerTest      = "test"
)

// TestWebhook asks for a request with sample data of a public type.
type TestWebhook struct {
	Journal events.JournalID
	Webhook domain.WebhookID
	Type    string
}

// WebhookSamples has sample data.
type WebhookSamples interface {
	// Sample returns a body with sample data of a public type; false if there is none.
	Sample(name string, at time.Time) ([]byte, bool)
	// MessageID returns the webhook-id of an event.
	MessageID(event [16]byte) string
}

// WebhookTests keeps the tests of webhooks among their deliveries.
type WebhookTests interface {
	// RecordTest records a delivery with its only attempt.
	RecordTest(ctx context.Context, journal events.JournalID, d NewDelivery, a Attempt) error
}

// TestWebhookHandler carries out TestWebhook.
type TestWebhookHandler struct {
	targets WebhookTargets
	samples WebhookSamples
	sender  WebhookSender
	tests   WebhookTests
	now     func() time.Time
}

// NewTestWebhook returns the handler.
func NewTestWebhook(targets WebhookTargets, samples WebhookSamples, sender WebhookSender, tests WebhookTests, now func() time.Time) *TestWebhookHandler {
	return &TestWebhookHandler{targets, samples, sender, tests, now}
}

// Handle sends one request at once, also for a webhook that is switched off, and returns the attempt. It
// returns domain.ErrNotFound, or domain.ErrInvalid for a type of which there is no sample.
func (h *TestWebhookHandler) Handle(ctx context.Context, cmd TestWebhook) (Attempt, error) {
	target, err := h.targets.Target(ctx, cmd.Journal, cmd.Webhook)
	if err != nil {
		return Attempt{}, fmt.Errorf("test webhook %d: %w", cmd.Webhook, err)
	}
	now := h.now()
	body, ok := h.samples.Sample(cmd.Type, now)
	if !ok {
		return Attempt{}, fmt.Errorf("sample of %q: %w", cmd.Type, domain.ErrInvalid)
	}
	id := newEventID(now)
	a := Attempt{Number: 1, Trigger: TriggerTest}
	a.WebhookAnswer = h.sender.Send(ctx, WebhookRequest{
		URL: target.URL, Secrets: target.Secrets, ID: h.samples.MessageID(id), Type: cmd.Type, Attempt: 1, Body: body,
	})
	err = h.tests.RecordTest(ctx, cmd.Journal, NewDelivery{Webhook: cmd.Webhook, EventID: id, Type: cmd.Type, Body: body}, a)
	if err != nil {
		return Attempt{}, fmt.Errorf("record test of webhook %d: %w", cmd.Webhook, err)
	}
	return a, nil
}

// newEventID returns a ULID for what is no event of the log.
func newEventID(now time.Time) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(id[6:]) // never fails
	return id
}
