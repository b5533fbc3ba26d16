package commands

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// secretPrefix is what a secret of a webhook begins with (Standard Webhooks 1.0.0).
const secretPrefix = "whsec_"

// newWebhookSecret returns a secret with a key of 32 octets.
func newWebhookSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// IsWebhookSecret reports whether text is a secret: whsec_ and base64 of 24 to 64 octets.
func IsWebhookSecret(text string) bool {
	rest, ok := strings.CutPrefix(text, secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(rest)
	return ok && err == nil && !strings.ContainsAny(rest, "\r\n") && len(key) >= 24 && len(key) <= 64
}

func sealWebhook(sealer WebhookSealer, journal events.JournalID, id domain.WebhookID, secret string, oldUntil time.Time) (WebhookSecretRow, error) {
	sealed, err := sealer.SealWebhookSecret(journal, id, secret)
	if err != nil {
		return WebhookSecretRow{}, fmt.Errorf("seal secret of webhook %d: %w", id, err)
	}
	return WebhookSecretRow{Webhook: id, Sealed: sealed, Hint: secret[len(secret)-4:], OldUntil: oldUntil}, nil
}

// RotateWebhookSecret asks for a new secret of a webhook; the present one signs too for Overlap.
type RotateWebhookSecret struct {
	Journal events.JournalID
	Meta    events.Meta
	Webhook domain.WebhookID
	Overlap time.Duration
}

// SecretRotated is a new secret, which is shown once.
type SecretRotated struct {
	Secret   string
	OldUntil time.Time
	Position events.Position
}

// RotateWebhookSecretHandler carries out RotateWebhookSecret.
type RotateWebhookSecretHandler struct {
	journal Journal
	sealer  WebhookSealer
	now     func() time.Time
}

// NewRotateWebhookSecret returns the handler.
func NewRotateWebhookSecret(journal Journal, sealer WebhookSealer, now func() time.Time) *RotateWebhookSecretHandler {
	return &RotateWebhookSecretHandler{journal, sealer, now}
}

// Handle makes and records a new secret. It returns domain.ErrNotFound.
func (h *RotateWebhookSecretHandler) Handle(ctx context.Context, cmd RotateWebhookSecret) (SecretRotated, error) {
	out := SecretRotated{Secret: newWebhookSecret(), OldUntil: h.now().Add(cmd.Overlap)}
	secret, err := sealWebhook(h.sealer, cmd.Journal, cmd.Webhook, out.Secret, out.OldUntil)
	if err != nil {
		return SecretRotated{}, err
	}
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Webhooks: true}
	out.Position, err = h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		w, err := webhookIn(s.Webhooks, cmd.Webhook)
		if err != nil {
			return Decision{}, err
		}
		w.Version++
		return Decision{
			Events: []events.Event{events.WebhookSecretRotated{Webhook: w.ID, OldUntil: out.OldUntil}},
			Rows:   []Row{WebhookRow{w}, secret},
		}, nil
	})
	if err != nil {
		return SecretRotated{}, fmt.Errorf("rotate secret of webhook %d: %w", cmd.Webhook, err)
	}
	return out, nil
}
