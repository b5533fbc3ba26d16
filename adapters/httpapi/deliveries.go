package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// deliveryJSON is a delivery in a list (webhooks.md 2.4).
type deliveryJSON struct {
	ID            domain.DeliveryID `json:"id"`
	Webhook       domain.WebhookID  `json:"webhook"`
	MessageID     string            `json:"message_id"`
	EventType     string            `json:"event_type"`
	EventPosition events.Position   `json:"event_position"`
	Status        string            `json:"status"`
	AttemptCount  int               `json:"attempt_count"`
	NextAttemptAt *public.Timestamp `json:"next_attempt_at"`
	CreatedAt     public.Timestamp  `json:"created_at"`
	FinishedAt    *public.Timestamp `json:"finished_at"`
}

// deliveryDetailJSON is a single delivery.
type deliveryDetailJSON struct {
	deliveryJSON
	Payload  json.RawMessage `json:"payload"`
	Attempts []attemptJSON   `json:"attempts"`
}

// attemptJSON is one request of a delivery.
type attemptJSON struct {
	Number          int                    `json:"number"`
	Trigger         string                 `json:"trigger"`
	StartedAt       public.Timestamp       `json:"started_at"`
	DurationMS      int64                  `json:"duration_ms"`
	RequestHeaders  map[string]string      `json:"request_headers"`
	StatusCode      *int                   `json:"status_code"`
	ResponseHeaders map[string]string      `json:"response_headers"`
	ResponseBody    string                 `json:"response_body"`
	Error           *commands.WebhookError `json:"error"`
}

func deliveryOf(d queries.Delivery) deliveryJSON {
	return deliveryJSON{
		ID: d.ID, Webhook: d.Webhook, MessageID: d.MessageID, EventType: d.Type, EventPosition: d.Position, Status: d.Status,
		AttemptCount: d.Attempts, NextAttemptAt: public.StampOrNil(d.NextAt), CreatedAt: public.Stamp(d.CreatedAt),
		FinishedAt: public.StampOrNil(d.FinishedAt),
	}
}

func deliveryDetailOf(d queries.DeliveryDetail) deliveryDetailJSON {
	out := deliveryDetailJSON{deliveryJSON: deliveryOf(d.Delivery), Payload: d.Body, Attempts: make([]attemptJSON, len(d.History))}
	for i, a := range d.History {
		out.Attempts[i] = attemptJSON{
			Number: a.Number, Trigger: a.Trigger, StartedAt: public.Stamp(a.StartedAt), DurationMS: a.Took.Milliseconds(),
			RequestHeaders: a.RequestHeaders, StatusCode: a.StatusCode, ResponseHeaders: a.ResponseHeaders, ResponseBody: a.ResponseBody,
		}
		if a.ErrorCode != "" {
			out.Attempts[i].Error = &commands.WebhookError{Code: a.ErrorCode, Message: a.ErrorMessage}
		}
	}
	return out
}

// attemptOf is an attempt that was just made.
func attemptOf(a commands.Attempt) attemptJSON {
	out := attemptJSON{
		Number: a.Number, Trigger: a.Trigger, StartedAt: public.Stamp(a.StartedAt), DurationMS: a.Took.Milliseconds(),
		RequestHeaders: a.RequestHeaders, ResponseHeaders: a.ResponseHeaders, ResponseBody: a.ResponseBody, Error: a.Error,
	}
	if a.Status != 0 {
		out.StatusCode = &a.Status
	}
	return out
}

func (a *api) listDeliveries(r *request) (response, error) {
	w, err := a.webhookOfPath(r)
	if err != nil {
		return response{}, err
	}
	f := filters{r: r}
	q := queries.ListDeliveries{
		Journal: r.who.Journal, Webhook: w.ID, Status: f.choice("status", "pending", "succeeded", "failed", "cancelled"),
		Since: f.moment("since"), Until: f.moment("until"),
	}
	if text := f.text("event_type"); text != "" {
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != public.TypeTest && !public.IsWebhookType(name) {
				f.faults.add("event_type", notAChoice(name))
			}
			q.Types = append(q.Types, name)
		}
	}
	if err := f.faults.err(); err != nil {
		return response{}, err
	}
	list := r.binding("deliveries of " + r.params.URLParam("id"))
	if q.Paging, err = r.paging(list); err != nil {
		return response{}, err
	}
	page, err := a.app.ListDeliveries(r.Context(), q)
	if err != nil {
		return response{}, err
	}
	return listOfPage(r, q.Paging, list, page, deliveryOf), nil
}

// deliveryOfPath returns the delivery that the path names. It returns domain.ErrNotFound.
func (a *api) deliveryOfPath(r *request) (queries.DeliveryDetail, error) {
	w, err := a.webhookOfPath(r)
	if err != nil {
		return queries.DeliveryDetail{}, err
	}
	id, err := r.pathID("delivery_id")
	if err != nil {
		return queries.DeliveryDetail{}, err
	}
	return a.app.GetDelivery(r.Context(), queries.GetDelivery{Journal: r.who.Journal, Webhook: w.ID, ID: domain.DeliveryID(id)})
}

func (a *api) getDelivery(r *request) (response, error) {
	d, err := a.deliveryOfPath(r)
	if err != nil {
		return response{}, err
	}
	return response{body: deliveryDetailOf(d)}, nil
}

func (a *api) redeliver(r *request) (response, error) {
	d, err := a.deliveryOfPath(r)
	if err != nil {
		return response{}, err
	}
	_, err = a.app.Redeliver(r.Context(), commands.Redeliver{Journal: r.who.Journal, Webhook: d.Webhook, Delivery: d.ID})
	if errors.Is(err, domain.ErrConflict) {
		return response{}, conflict("The webhook is disabled.")
	}
	if err != nil {
		return response{}, err
	}
	return response{status: http.StatusAccepted, body: deliveryDetailOf(d)}, nil
}
