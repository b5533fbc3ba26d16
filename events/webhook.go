package events

import (
	"time"

	"github.com/imap2api/imap2api/domain"
)

// Stored names of the events of webhooks.
const (
	TypeWebhookAdded         Type = "webhook-added"
	TypeWebhookChanged       Type = "webhook-changed"
	TypeWebhookRemoved       Type = "webhook-removed"
	TypeWebhookSecretRotated Type = "webhook-secret-rotated"
	TypeWebhookDisabled      Type = "webhook-disabled"
)

// Why a webhook is switched off.
const (
	DisabledByHand     = "manual"
	DisabledByGone     = "gone"     // its receiver answered 410
	DisabledByFailures = "failures" // for days nothing got through
)

// WebhookFilter is which events a webhook gets, and where they go. Of its address only the host is
// told: the rest of a URL may hold a secret.
type WebhookFilter struct {
	Host     string               `json:"host"`
	Types    []string             `json:"types"`    // public names and families such as email.*; empty: all that are deliverable
	Accounts []domain.AccountID   `json:"accounts"` // empty: all
	Folders  []domain.MailboxName `json:"folders"`  // of events of messages; empty: all
	Backfill bool                 `json:"backfill"` // also of messages fetched by a first sync
	Active   bool                 `json:"active"`   // it gets events at all
}

// WebhookAdded says that a webhook exists. It gets events after this one.
type WebhookAdded struct {
	Webhook domain.WebhookID `json:"webhook"`
	Filter  WebhookFilter    `json:"filter"`
}

// WebhookChanged says that settings of a webhook are others. From here on it gets what the filter
// wants. Version counts from 1, which is WebhookAdded.
type WebhookChanged struct {
	Webhook domain.WebhookID `json:"webhook"`
	Version int64            `json:"version"`
	Filter  WebhookFilter    `json:"filter"`
	Changed []string         `json:"changed"` // names of what changed, as clients spell them
}

// WebhookRemoved says that a webhook is gone, with its deliveries.
type WebhookRemoved struct {
	Webhook domain.WebhookID `json:"webhook"`
}

// WebhookSecretRotated says that a webhook has a new secret. The old one signs too until OldUntil.
type WebhookSecretRotated struct {
	Webhook  domain.WebhookID `json:"webhook"`
	OldUntil time.Time        `json:"old_until"`
}

// WebhookDisabled says that a webhook was switched off automatically: it gets nothing until a change
// makes it active again.
type WebhookDisabled struct {
	Webhook      domain.WebhookID `json:"webhook"`
	Reason       string           `json:"reason"`        // gone, failures
	FailingSince *time.Time       `json:"failing_since"` // the first failure after the last success
}

// EventType returns the stored name and version.
func (WebhookAdded) EventType() (Type, int) { return TypeWebhookAdded, 1 }

// EventStream returns the webhook.
func (e WebhookAdded) EventStream() Stream { return Stream{StreamWebhook, int64(e.Webhook)} }

// EventAccount returns 0.
func (WebhookAdded) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (WebhookChanged) EventType() (Type, int) { return TypeWebhookChanged, 1 }

// EventStream returns the webhook.
func (e WebhookChanged) EventStream() Stream { return Stream{StreamWebhook, int64(e.Webhook)} }

// EventAccount returns 0.
func (WebhookChanged) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (WebhookRemoved) EventType() (Type, int) { return TypeWebhookRemoved, 1 }

// EventStream returns the webhook.
func (e WebhookRemoved) EventStream() Stream { return Stream{StreamWebhook, int64(e.Webhook)} }

// EventAccount returns 0.
func (WebhookRemoved) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (WebhookSecretRotated) EventType() (Type, int) { return TypeWebhookSecretRotated, 1 }

// EventStream returns the webhook.
func (e WebhookSecretRotated) EventStream() Stream { return Stream{StreamWebhook, int64(e.Webhook)} }

// EventAccount returns 0.
func (WebhookSecretRotated) EventAccount() domain.AccountID { return 0 }

// EventType returns the stored name and version.
func (WebhookDisabled) EventType() (Type, int) { return TypeWebhookDisabled, 1 }

// EventStream returns the webhook.
func (e WebhookDisabled) EventStream() Stream { return Stream{StreamWebhook, int64(e.Webhook)} }

// EventAccount returns 0.
func (WebhookDisabled) EventAccount() domain.AccountID { return 0 }
