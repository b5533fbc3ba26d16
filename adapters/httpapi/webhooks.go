package httpapi

import (
	"errors"
	"hash/fnv"
	"net/http"
	"strconv"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// webhookJSON is a webhook (webhooks.md 2.1). Secret is only in the answer that creates it.
type webhookJSON struct {
	ID              domain.WebhookID     `json:"id"`
	URL             string               `json:"url"`
	Description     string               `json:"description"`
	EventTypes      []string             `json:"event_types"`
	IMAPServers     []domain.AccountID   `json:"imap_servers"`
	Folders         []domain.MailboxName `json:"folders"`
	IncludeBackfill bool                 `json:"include_backfill"`
	IsActive        bool                 `json:"is_active"`
	Status          string               `json:"status"`
	DisabledReason  *string              `json:"disabled_reason"`
	FailingSince    *public.Timestamp    `json:"failing_since"`
	LastSuccessAt   *public.Timestamp    `json:"last_success_at"`
	LastFailureAt   *public.Timestamp    `json:"last_failure_at"`
	SecretHint      string               `json:"secret_hint"`
	CreatedAt       public.Timestamp     `json:"created_at"`
	UpdatedAt       public.Timestamp     `json:"updated_at"`
	Secret          string               `json:"secret,omitempty"`
}

func webhookOf(w queries.Webhook) webhookJSON {
	return webhookJSON{
		ID: w.ID, URL: w.URL, Description: w.Description, EventTypes: orEmpty(w.Types), IMAPServers: orEmpty(w.Accounts),
		Folders: orEmpty(w.Folders), IncludeBackfill: w.Backfill, IsActive: w.Active, Status: w.Status(),
		DisabledReason: textOrNil(w.DisabledReason), FailingSince: public.StampOrNil(w.FailingSince),
		LastSuccessAt: public.StampOrNil(w.LastSuccess), LastFailureAt: public.StampOrNil(w.LastFailure), SecretHint: w.SecretHint,
		CreatedAt: public.Stamp(w.CreatedAt), UpdatedAt: public.Stamp(w.UpdatedAt),
	}
}

// webhookTag names the settings by id and version, and after them how the requests went, which is no
// change of the webhook.
func webhookTag(w queries.Webhook) string {
	h := fnv.New64a()
	for _, at := range []*time.Time{w.FailingSince, w.LastSuccess, w.LastFailure} {
		if at != nil {
			h.Write([]byte(public.Stamp(*at)))
		}
		h.Write([]byte{0})
	}
	return versionTag("webhook", int64(w.ID), w.Version, strconv.FormatUint(h.Sum64(), 36))
}

func (a *api) listWebhooks(r *request) (response, error) {
	f := filters{r: r}
	q := queries.ListWebhooks{
		Journal: r.who.Journal, Accounts: r.accounts(), Active: f.boolean("is_active"),
		Status: f.choice("status", "active", "failing", "disabled"), Order: f.ordering(queries.WebhookOrders),
	}
	if err := f.faults.err(); err != nil {
		return response{}, err
	}
	list := r.binding("webhooks")
	var err error
	if q.Paging, err = r.paging(list); err != nil {
		return response{}, err
	}
	page, err := a.app.ListWebhooks(r.Context(), q)
	if err != nil {
		return response{}, err
	}
	return listOfPage(r, q.Paging, list, page, webhookOf), nil
}

// webhookOfPath returns the webhook that the path names. It returns domain.ErrNotFound.
func (a *api) webhookOfPath(r *request) (queries.Webhook, error) {
	id, err := r.pathID("id")
	if err != nil {
		return queries.Webhook{}, err
	}
	return a.app.GetWebhook(r.Context(), queries.GetWebhook{Journal: r.who.Journal, Accounts: r.accounts(), ID: domain.WebhookID(id)})
}

func (a *api) getWebhook(r *request) (response, error) {
	w, err := a.webhookOfPath(r)
	if err != nil {
		return response{}, err
	}
	return response{body: webhookOf(w), tag: webhookTag(w)}, nil
}

func (a *api) createWebhook(r *request) (response, error) {
	in, err := a.readWebhook(r, true)
	if err != nil {
		return response{}, err
	}
	made, err := a.app.CreateWebhook(r.Context(), commands.CreateWebhook{
		Journal: r.who.Journal, Meta: r.meta(), Settings: in.merged(commands.WebhookSettings{Active: true}), Secret: in.secret,
	})
	if err != nil {
		return response{}, err
	}
	a.settle(r, made.Position)
	w, err := a.app.GetWebhook(r.Context(), queries.GetWebhook{Journal: r.who.Journal, ID: made.Webhook})
	if err != nil {
		return response{}, err
	}
	body := webhookOf(w)
	body.Secret = made.Secret
	return response{
		status: http.StatusCreated, body: body, secret: true, position: made.Position, location: r.link("webhooks/", int64(w.ID), "/"),
	}, nil
}

// changeWebhook merges what is given into the settings, as with IMAP servers (webhooks.md 2.2).
func (a *api) changeWebhook(r *request) (response, error) {
	w, err := a.webhookOfPath(r)
	if err != nil {
		return response{}, err
	}
	in, err := a.readWebhook(r, false)
	if err != nil {
		return response{}, err
	}
	pos, err := a.app.ChangeWebhook(r.Context(), commands.ChangeWebhook{
		Journal: r.who.Journal, Meta: r.meta(), Webhook: w.ID, IfVersion: ifVersion(r, "webhook", int64(w.ID), w.Version),
		Change: func(before commands.WebhookSettings) (commands.WebhookSettings, error) { return in.merged(before), nil },
	})
	if err != nil {
		return response{}, err
	}
	a.settle(r, pos)
	if w, err = a.webhookOfPath(r); err != nil {
		return response{}, err
	}
	return response{body: webhookOf(w), tag: webhookTag(w), position: pos}, nil
}

func (a *api) deleteWebhook(r *request) (response, error) {
	w, err := a.webhookOfPath(r)
	if err != nil {
		return response{}, err
	}
	pos, err := a.app.RemoveWebhook(r.Context(), commands.RemoveWebhook{
		Journal: r.who.Journal, Meta: r.meta(), Webhook: w.ID, IfVersion: ifVersion(r, "webhook", int64(w.ID), w.Version),
	})
	if err != nil {
		return response{}, err
	}
	a.settle(r, pos)
	return response{status: http.StatusNoContent, position: pos}, nil
}

// rotatedJSON is a new secret of a webhook.
type rotatedJSON struct {
	Secret              string           `json:"secret"`
	OldSecretValidUntil public.Timestamp `json:"old_secret_valid_until"`
}

// Hours that the old secret of a webhook stays valid (webhooks.md 2.3).
const defaultOverlap, maxOverlap = 24, 168

func (a *api) rotateSecret(r *request) (response, error) {
	w, err := a.webhookOfPath(r)
	if err != nil {
		return response{}, err
	}
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	hours := defaultOverlap
	set(&hours, d.integer("overlap_hours", rule{max: maxOverlap}))
	if err := d.err(); err != nil {
		return response{}, err
	}
	made, err := a.app.RotateWebhookSecret(r.Context(), commands.RotateWebhookSecret{
		Journal: r.who.Journal, Meta: r.meta(), Webhook: w.ID, Overlap: time.Duration(hours) * time.Hour,
	})
	if err != nil {
		return response{}, err
	}
	a.settle(r, made.Position)
	return response{body: rotatedJSON{made.Secret, public.Stamp(made.OldUntil)}, secret: true, position: made.Position}, nil
}

func (a *api) testWebhook(r *request) (response, error) {
	w, err := a.webhookOfPath(r)
	if err != nil {
		return response{}, err
	}
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	name := public.TypeTest
	set(&name, d.text("event_type", rule{}))
	if err := d.err(); err != nil {
		return response{}, err
	}
	attempt, err := a.app.TestWebhook(r.Context(), commands.TestWebhook{Journal: r.who.Journal, Webhook: w.ID, Type: name})
	if errors.Is(err, domain.ErrInvalid) {
		return response{}, invalid("event_type", notAChoice(name))
	}
	if err != nil {
		return response{}, err
	}
	return response{body: attemptOf(attempt)}, nil
}

// requeuedJSON says how many events are sent again.
type requeuedJSON struct {
	Requeued int `json:"requeued"`
}

func (a *api) recoverWebhook(r *request) (response, error) {
	w, err := a.webhookOfPath(r)
	if err != nil {
		return response{}, err
	}
	d, err := a.decodeBody(r, false)
	if err != nil {
		return response{}, err
	}
	cmd := commands.RecoverWebhook{Journal: r.who.Journal, Webhook: w.ID}
	after := d.given("after_position")
	cmd.Since = d.moment("since", rule{required: !after})
	if pos := d.integer("after_position", rule{max: 1 << 62}); pos != nil {
		cmd.After = position(*pos)
	}
	cmd.Types = readEventTypes(d)
	if err := d.err(); err != nil {
		return response{}, err
	}
	n, err := a.app.RecoverWebhook(r.Context(), cmd)
	if err != nil {
		return response{}, err
	}
	return response{status: http.StatusAccepted, body: requeuedJSON{n}}, nil
}
