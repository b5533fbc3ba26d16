package commands

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// MaxWebhooks is how many webhooks a user may have (webhooks.md 2.2).
const MaxWebhooks = 20

// WebhookSettings is all of a webhook that its user sets, but for the secret.
type WebhookSettings struct {
	URL         string
	Description string
	Types       []string             // public names and families; empty: all that are deliverable
	Accounts    []domain.AccountID   // empty: all
	Folders     []domain.MailboxName // of events of messages; empty: all
	Backfill    bool
	Active      bool
}

// filter is what the log says of settings.
func (s WebhookSettings) filter() events.WebhookFilter {
	f := events.WebhookFilter{Types: s.Types, Accounts: s.Accounts, Folders: s.Folders, Backfill: s.Backfill, Active: s.Active}
	if u, err := url.Parse(s.URL); err == nil {
		f.Host = u.Hostname()
	}
	return f
}

// Webhook is a webhook as decisions need it.
type Webhook struct {
	ID             domain.WebhookID
	Version        int64
	Settings       WebhookSettings
	DisabledReason string // manual, gone, failures; "" while it is active
}

// set gives a webhook other settings.
func (w *Webhook) set(s WebhookSettings) {
	switch {
	case !s.Active && w.DisabledReason == "":
		w.DisabledReason = events.DisabledByHand
	case s.Active && !w.Settings.Active:
		w.DisabledReason = ""
	}
	w.Settings = s
}

// WebhookSealer seals secrets of webhooks for the database.
type WebhookSealer interface {
	// SealWebhookSecret seals the secret of a webhook; it can be opened for that webhook only.
	SealWebhookSecret(journal events.JournalID, id domain.WebhookID, secret string) ([]byte, error)
}

// CreateWebhook asks for a new webhook of a user. Its settings are valid, and so is its secret.
type CreateWebhook struct {
	Journal  events.JournalID
	Meta     events.Meta
	Settings WebhookSettings
	Secret   string // "": a random one
}

// WebhookCreated is a new webhook; Secret is shown once.
type WebhookCreated struct {
	Webhook  domain.WebhookID
	Secret   string
	Position events.Position
}

// CreateWebhookHandler carries out CreateWebhook.
type CreateWebhookHandler struct {
	journal Journal
	sealer  WebhookSealer
	now     func() time.Time
}

// NewCreateWebhook returns the handler.
func NewCreateWebhook(journal Journal, sealer WebhookSealer, now func() time.Time) *CreateWebhookHandler {
	return &CreateWebhookHandler{journal, sealer, now}
}

// Handle records the webhook. It returns a *domain.FieldError if the user has MaxWebhooks.
func (h *CreateWebhookHandler) Handle(ctx context.Context, cmd CreateWebhook) (WebhookCreated, error) {
	ids, err := h.journal.NextIDs(ctx, domain.IDWebhook, 1)
	if err != nil {
		return WebhookCreated{}, fmt.Errorf("draw webhook id: %w", err)
	}
	out := WebhookCreated{Webhook: domain.WebhookID(ids[0]), Secret: cmd.Secret}
	if out.Secret == "" {
		out.Secret = newWebhookSecret()
	}
	secret, err := sealWebhook(h.sealer, cmd.Journal, out.Webhook, out.Secret, h.now())
	if err != nil {
		return WebhookCreated{}, err
	}
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Webhooks: true}
	out.Position, err = h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		if len(s.Webhooks) >= MaxWebhooks {
			return Decision{}, &domain.FieldError{
				Field: "non_field_errors", Message: fmt.Sprintf("You can have at most %d webhooks.", MaxWebhooks),
			}
		}
		w := Webhook{ID: out.Webhook, Version: 1}
		w.set(cmd.Settings)
		return Decision{
			Events: []events.Event{events.WebhookAdded{Webhook: w.ID, Filter: w.Settings.filter()}},
			Rows:   []Row{WebhookRow{w}, secret},
		}, nil
	})
	if err != nil {
		return WebhookCreated{}, fmt.Errorf("record webhook %d: %w", out.Webhook, err)
	}
	return out, nil
}

// ChangeWebhook asks for other settings of a webhook. Change gets the present settings and returns the
// new ones; it may refuse with an error, which is returned as it is. It computes only.
type ChangeWebhook struct {
	Journal   events.JournalID
	Meta      events.Meta
	Webhook   domain.WebhookID
	IfVersion int64 // 0: any
	Change    func(WebhookSettings) (WebhookSettings, error)
}

// ChangeWebhookHandler carries out ChangeWebhook.
type ChangeWebhookHandler struct {
	journal Journal
	wake    DeliveryWaker
}

// DeliveryWaker is told when there may be something to send.
type DeliveryWaker interface {
	// Wake has the webhooks of a user looked at, at once.
	Wake(journal events.JournalID)
}

// NewChangeWebhook returns the handler.
func NewChangeWebhook(journal Journal, wake DeliveryWaker) *ChangeWebhookHandler {
	return &ChangeWebhookHandler{journal, wake}
}

// Handle records what changed, if anything did. It returns domain.ErrStale if the webhook has another
// version, domain.ErrNotFound, or the error of cmd.Change.
func (h *ChangeWebhookHandler) Handle(ctx context.Context, cmd ChangeWebhook) (events.Position, error) {
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Webhooks: true}
	pos, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		w, err := webhookIn(s.Webhooks, cmd.Webhook)
		if err != nil {
			return Decision{}, err
		}
		after, err := cmd.Change(w.Settings)
		if err != nil {
			return Decision{}, err
		}
		if cmd.IfVersion != 0 && cmd.IfVersion != w.Version {
			return Decision{}, domain.ErrStale
		}
		var d Decision
		d.changeWebhook(w, after)
		return d, nil
	})
	if err != nil {
		return 0, fmt.Errorf("change webhook %d: %w", cmd.Webhook, err)
	}
	h.wake.Wake(cmd.Journal) // it may have been switched on
	return pos, nil
}

func webhookIn(webhooks []Webhook, id domain.WebhookID) (Webhook, error) {
	i := slices.IndexFunc(webhooks, func(w Webhook) bool { return w.ID == id })
	if i < 0 {
		return Webhook{}, domain.ErrNotFound
	}
	return webhooks[i], nil
}

// changeWebhook decides that a webhook has other settings, if they are others.
func (d *Decision) changeWebhook(w Webhook, after WebhookSettings) {
	changed := changedWebhook(w.Settings, after)
	if len(changed) == 0 {
		return
	}
	w.set(after)
	w.Version++
	d.Events = append(d.Events, events.WebhookChanged{Webhook: w.ID, Version: w.Version, Filter: after.filter(), Changed: changed})
	d.Rows = append(d.Rows, WebhookRow{w})
}

// changedWebhook names the settings that differ, as clients spell them.
func changedWebhook(a, b WebhookSettings) []string {
	var out []string
	for _, field := range []struct {
		name string
		same bool
	}{
		{"url", a.URL == b.URL},
		{"description", a.Description == b.Description},
		{"event_types", slices.Equal(a.Types, b.Types)},
		{"imap_servers", slices.Equal(a.Accounts, b.Accounts)},
		{"folders", slices.Equal(a.Folders, b.Folders)},
		{"include_backfill", a.Backfill == b.Backfill},
		{"is_active", a.Active == b.Active},
	} {
		if !field.same {
			out = append(out, field.name)
		}
	}
	return out
}

// forgetAccount takes an erased account out of the webhooks that name it (api.md 9.3). One that named no
// other is switched off: an empty list would mean all accounts.
func (d *Decision) forgetAccount(webhooks []Webhook, acc domain.AccountID) {
	for _, w := range webhooks {
		after := w.Settings
		after.Accounts = slices.DeleteFunc(slices.Clone(after.Accounts), func(a domain.AccountID) bool { return a == acc })
		if len(after.Accounts) == 0 && len(w.Settings.Accounts) > 0 {
			after.Active = false
		}
		d.changeWebhook(w, after)
	}
}

// RemoveWebhook asks for a webhook to go, with what is still to be sent to it.
type RemoveWebhook struct {
	Journal   events.JournalID
	Meta      events.Meta
	Webhook   domain.WebhookID
	IfVersion int64 // 0: any
}

// RemoveWebhookHandler carries out RemoveWebhook.
type RemoveWebhookHandler struct{ journal Journal }

// NewRemoveWebhook returns the handler.
func NewRemoveWebhook(journal Journal) *RemoveWebhookHandler { return &RemoveWebhookHandler{journal} }

// Handle removes the webhook at once. It returns domain.ErrNotFound or domain.ErrStale.
func (h *RemoveWebhookHandler) Handle(ctx context.Context, cmd RemoveWebhook) (events.Position, error) {
	scope := Scope{Journal: cmd.Journal, Append: NewAppendID(), Meta: cmd.Meta, Webhooks: true}
	pos, err := h.journal.Update(ctx, scope, func(s State) (Decision, error) {
		w, err := webhookIn(s.Webhooks, cmd.Webhook)
		if err != nil {
			return Decision{}, err
		}
		if cmd.IfVersion != 0 && cmd.IfVersion != w.Version {
			return Decision{}, domain.ErrStale
		}
		return Decision{Events: []events.Event{events.WebhookRemoved{Webhook: w.ID}}, Rows: []Row{WebhookGoneRow{w.ID}}}, nil
	})
	if err != nil {
		return 0, fmt.Errorf("remove webhook %d: %w", cmd.Webhook, err)
	}
	return pos, nil
}
