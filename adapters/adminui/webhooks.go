package adminui

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// webhooksPage is the webhooks of a user, and the form of a new one.
type webhooksPage struct {
	*form
	Webhooks []queries.Webhook
	Types    []string // that webhooks can get
	Accounts []queries.Account
	URL      string
	About    string
	Folders  string // one a line
}

// webhookPage is one webhook and what was sent to it.
type webhookPage struct {
	queries.Webhook
	Deliveries []queries.Delivery
	Detail     *queries.DeliveryDetail // nil: none is looked at
	Secret     string                  // of a new one, shown once
	Tested     *commands.Attempt       // nil: it was not tested just now
	Queued     int                     // events to send again; -1: none were asked for
	Since      string                  // from when on events are sent again, as the form has it
	Fault      string                  // of that moment
}

const deliveriesShown = 40

func (u *ui) webhookRoutes(get, post func(string, handler)) {
	get("/webhooks/", (*ui).listWebhooks)
	post("/webhooks/", (*ui).createWebhook)
	get("/webhooks/{id}/", (*ui).oneWebhook)
	post("/webhooks/{id}/", (*ui).actOnWebhook)
}

func (u *ui) listWebhooks(r *request) error {
	return u.showWebhooks(r, http.StatusOK, webhooksPage{form: &form{Faults: map[string]string{}}})
}

func (u *ui) showWebhooks(r *request, status int, p webhooksPage) error {
	list, err := u.app.ListWebhooks(r.Context(), queries.ListWebhooks{Journal: r.who.Journal, Paging: queries.Paging{Size: 100, Number: 1}})
	if err != nil {
		return err
	}
	p.Webhooks = list.Items
	accounts, err := u.app.ListAccounts(r.Context(), queries.ListAccounts{Journal: r.who.Journal, Paging: queries.Paging{Size: 100, Number: 1}})
	if err != nil {
		return err
	}
	p.Accounts = accounts.Items
	for _, t := range types() {
		if t.Deliverable {
			p.Types = append(p.Types, t.Type)
		}
	}
	u.write(r, status, "webhooks", page{Title: "Webhooks", Nav: "webhooks", Data: p})
	return nil
}

func (u *ui) createWebhook(r *request) error {
	f, err := readForm(r)
	if err != nil {
		return err
	}
	p := webhooksPage{form: f, URL: f.text("url", true, 2000), About: f.text("description", false, 200), Folders: f.raw("folders")}
	s := commands.WebhookSettings{URL: p.URL, Description: p.About, Backfill: f.checked("backfill"), Active: true}
	for _, name := range r.PostForm["type"] {
		if public.IsWebhookType(name) && !slices.Contains(s.Types, name) {
			s.Types = append(s.Types, name)
		}
	}
	s.Folders = f.folders("folders")
	for _, text := range r.PostForm["server"] {
		id, _ := strconv.ParseInt(text, 10, 64) // what is none is not the user's
		acc, err := u.app.GetAccount(r.Context(), queries.GetAccount{Journal: r.who.Journal, ID: domain.AccountID(id)})
		if err != nil {
			return err
		}
		s.Accounts = append(s.Accounts, acc.ID)
	}
	var field *domain.FieldError
	if err := u.app.CheckTarget(p.URL); f.ok() && errors.As(err, &field) {
		f.fault("url", field.Message)
	}
	if f.ok() {
		made, err := u.app.CreateWebhook(r.Context(), commands.CreateWebhook{Journal: r.who.Journal, Meta: r.meta(), Settings: s})
		if err == nil {
			return u.showWebhook(r, made.Webhook, webhookPage{Secret: made.Secret, Queued: -1})
		}
		if !errors.As(err, &field) {
			return err
		}
		f.fault("url", field.Message)
	}
	return u.showWebhooks(r, http.StatusUnprocessableEntity, p)
}

func (u *ui) oneWebhook(r *request) error {
	id, err := r.pathID("id")
	if err != nil {
		return err
	}
	return u.showWebhook(r, domain.WebhookID(id), webhookPage{Queued: -1})
}

// showWebhook shows a webhook; for htmx only what was sent to it.
func (u *ui) showWebhook(r *request, id domain.WebhookID, p webhookPage) error {
	ctx, j := r.Context(), r.who.Journal
	var err error
	if p.Webhook, err = u.app.GetWebhook(ctx, queries.GetWebhook{Journal: j, ID: id}); err != nil {
		return err
	}
	list, err := u.app.ListDeliveries(ctx, queries.ListDeliveries{Journal: j, Webhook: id, Paging: queries.Paging{Size: deliveriesShown, ByCursor: true}})
	if err != nil {
		return err
	}
	p.Deliveries = list.Items
	if p.Since == "" {
		p.Since = u.opts.Now().UTC().Add(-24 * time.Hour).Format(sinceForm)
	}
	var delivery int64
	if _, err := fmt.Sscan(r.URL.Query().Get("delivery"), &delivery); err == nil {
		d, err := u.app.GetDelivery(ctx, queries.GetDelivery{Journal: j, Webhook: id, ID: domain.DeliveryID(delivery)})
		if err != nil {
			return err
		}
		p.Detail = &d
	}
	if r.live() {
		return u.part(r, "webhook", "deliveries", p)
	}
	return u.show(r, "webhook", page{Title: "Webhook", Nav: "webhooks", Data: p})
}

// actOnWebhook does what a button says.
func (u *ui) actOnWebhook(r *request) error {
	n, err := r.pathID("id")
	if err != nil {
		return err
	}
	ctx, j, id := r.Context(), r.who.Journal, domain.WebhookID(n)
	p := webhookPage{Queued: -1}
	here := fmt.Sprintf("/webhooks/%d/?done=saved", id)
	switch do, which, _ := strings.Cut(r.PostFormValue("do"), " "); do {
	case "test":
		attempt, err := u.app.TestWebhook(ctx, commands.TestWebhook{Journal: j, Webhook: id, Type: public.TypeTest})
		if err != nil {
			return err
		}
		p.Tested = &attempt
	case "on", "off":
		_, err = u.app.ChangeWebhook(ctx, commands.ChangeWebhook{Journal: j, Meta: r.meta(), Webhook: id, Change: func(s commands.WebhookSettings) (commands.WebhookSettings, error) {
			s.Active = do == "on"
			return s, nil
		}})
		return u.after(r, err, here)
	case "rotate":
		rotated, err := u.app.RotateWebhookSecret(ctx, commands.RotateWebhookSecret{Journal: j, Meta: r.meta(), Webhook: id, Overlap: 24 * time.Hour})
		if err != nil {
			return err
		}
		p.Secret = rotated.Secret
	case "recover":
		if err := u.recoverWebhook(r, id, &p); err != nil {
			return err
		}
	case "again":
		var delivery domain.DeliveryID
		if _, err := fmt.Sscan(which, &delivery); err != nil {
			return errForm
		}
		_, err = u.app.Redeliver(ctx, commands.Redeliver{Journal: j, Webhook: id, Delivery: delivery})
		return u.after(r, err, here)
	case "delete":
		_, err = u.app.RemoveWebhook(ctx, commands.RemoveWebhook{Journal: j, Meta: r.meta(), Webhook: id})
		return u.after(r, err, "/webhooks/?done=removed")
	default:
		return errForm
	}
	return u.showWebhook(r, id, p)
}

// sinceForm is how a browser sends a day and a time; they are in UTC here.
const sinceForm = "2006-01-02T15:04"

func readSince(text string) (time.Time, bool) {
	since, err := time.Parse(sinceForm, text)
	return since, err == nil
}

// recoverWebhook queues what has happened from a moment on.
func (u *ui) recoverWebhook(r *request, id domain.WebhookID, p *webhookPage) error {
	p.Since = r.PostFormValue("since")
	since, ok := readSince(p.Since)
	if !ok {
		p.Fault = "Choose a day and a time."
		return nil
	}
	queued, err := u.app.RecoverWebhook(r.Context(), commands.RecoverWebhook{Journal: r.who.Journal, Webhook: id, Since: &since})
	if field, ok := errors.AsType[*domain.FieldError](err); ok {
		p.Fault = field.Message
		return nil
	}
	p.Queued = queued
	return err
}

// after goes to a page unless something has failed.
func (u *ui) after(r *request, err error, to string) error {
	if err != nil {
		return err
	}
	return u.redirect(r, to)
}
