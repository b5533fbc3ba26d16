package queries

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Webhook is a webhook as its owner sees it.
type Webhook struct {
	ID             domain.WebhookID
	Version        int64
	URL            string
	Description    string
	Types          []string             // public names and families; empty: all
	Accounts       []domain.AccountID   // empty: all
	Folders        []domain.MailboxName // empty: all
	Backfill       bool
	Active         bool
	DisabledReason string     // manual, gone, failures; "" while it is active
	FailingSince   *time.Time // nil: the last attempt succeeded
	LastSuccess    *time.Time
	LastFailure    *time.Time
	SecretHint     string
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Status returns active, failing or disabled.
func (w Webhook) Status() string {
	switch {
	case !w.Active:
		return "disabled"
	case w.FailingSince != nil:
		return "failing"
	}
	return "active"
}

// WebhookOrders are the orders of a list of webhooks.
var WebhookOrders = []string{"id", "created_at"}

// ListWebhooks asks for the webhooks of a user.
type ListWebhooks struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // only webhooks that are limited to some of these; nil: all
	Active   *bool
	Status   string // "": any
	Order    []Order
	Paging
}

// GetWebhook asks for one webhook.
type GetWebhook struct {
	Journal  events.JournalID
	Accounts []domain.AccountID // as of ListWebhooks
	ID       domain.WebhookID
}

// WebhookReader reads webhooks.
type WebhookReader interface {
	// Webhooks returns the webhooks of a user, by id.
	Webhooks(ctx context.Context, journal events.JournalID) ([]Webhook, error)
}

// ListWebhooksHandler answers ListWebhooks and GetWebhook.
type ListWebhooksHandler struct{ webhooks WebhookReader }

// NewListWebhooks returns the handler.
func NewListWebhooks(webhooks WebhookReader) *ListWebhooksHandler {
	return &ListWebhooksHandler{webhooks}
}

// Handle answers q. It returns ErrPage for a page past the end.
func (h *ListWebhooksHandler) Handle(ctx context.Context, q ListWebhooks) (Page[Webhook], error) {
	all, err := h.webhooks.Webhooks(ctx, q.Journal)
	if err != nil {
		return Page[Webhook]{}, fmt.Errorf("list webhooks of journal %d: %w", q.Journal, err)
	}
	all = slices.DeleteFunc(all, func(w Webhook) bool {
		return !within(q.Accounts, w.Accounts) || q.Active != nil && *q.Active != w.Active || q.Status != "" && q.Status != w.Status()
	})
	if len(q.Order) == 0 {
		q.Order = []Order{{Field: "id"}}
	}
	id := func(w Webhook) int64 { return int64(w.ID) }
	key := func(w Webhook, field string) string {
		if field == "created_at" {
			return timeKey(w.CreatedAt)
		}
		return idKey(id(w))
	}
	return pageOf(all, q.Order, key, id, q.Paging)
}

// Get answers q. It returns domain.ErrNotFound.
func (h *ListWebhooksHandler) Get(ctx context.Context, q GetWebhook) (Webhook, error) {
	all, err := h.webhooks.Webhooks(ctx, q.Journal)
	if err != nil {
		return Webhook{}, fmt.Errorf("get webhook %d: %w", q.ID, err)
	}
	i := slices.IndexFunc(all, func(w Webhook) bool { return w.ID == q.ID && within(q.Accounts, w.Accounts) })
	if i < 0 {
		return Webhook{}, fmt.Errorf("webhook %d: %w", q.ID, domain.ErrNotFound)
	}
	return all[i], nil
}

// within reports whether accounts are some of those that may be seen; none are all. nil: all may be seen.
func within(seen, accounts []domain.AccountID) bool {
	if seen == nil {
		return true
	}
	return len(accounts) > 0 && !slices.ContainsFunc(accounts, func(a domain.AccountID) bool { return !slices.Contains(seen, a) })
}

// Delivery is one event, or test, for one webhook.
type Delivery struct {
	ID         domain.DeliveryID
	Webhook    domain.WebhookID
	MessageID  string
	Type       string          // public
	Position   events.Position // 0: a test
	Status     string          // pending, succeeded, failed, cancelled
	Attempts   int
	NextAt     *time.Time
	CreatedAt  time.Time
	FinishedAt *time.Time
}

// DeliveryDetail is a delivery with what was sent and what came back.
type DeliveryDetail struct {
	Delivery
	Body    []byte
	History []DeliveryAttempt
}

// DeliveryAttempt is one request.
type DeliveryAttempt struct {
	Number          int
	Trigger         string // automatic, manual, test
	StartedAt       time.Time
	Took            time.Duration
	RequestHeaders  map[string]string
	StatusCode      *int
	ResponseHeaders map[string]string
	ResponseBody    string
	ErrorCode       string // "": none
	ErrorMessage    string
}

// ListDeliveries asks for the deliveries of a webhook, newest first.
type ListDeliveries struct {
	Journal      events.JournalID
	Webhook      domain.WebhookID
	Status       string     // "": any
	Types        []string   // public names and families; empty: all
	Since, Until *time.Time // of their making, inclusive
	Paging
}

// GetDelivery asks for one delivery.
type GetDelivery struct {
	Journal events.JournalID
	Webhook domain.WebhookID
	ID      domain.DeliveryID
}

// DeliveryReader reads deliveries.
type DeliveryReader interface {
	// CountDeliveries returns how many there are.
	CountDeliveries(ctx context.Context, q ListDeliveries) (int, error)
	// Deliveries returns up to limit deliveries, newest first: those before an id, or those next after one;
	// 0: not given.
	Deliveries(ctx context.Context, q ListDeliveries, before, after domain.DeliveryID, offset, limit int) ([]Delivery, error)
	// Delivery returns one. It returns domain.ErrNotFound.
	Delivery(ctx context.Context, q GetDelivery) (DeliveryDetail, error)
}

// ListDeliveriesHandler answers ListDeliveries and GetDelivery.
type ListDeliveriesHandler struct{ deliveries DeliveryReader }

// NewListDeliveries returns the handler.
func NewListDeliveries(deliveries DeliveryReader) *ListDeliveriesHandler {
	return &ListDeliveriesHandler{deliveries}
}

// Handle answers q. It returns ErrPage for a page past the end.
func (h *ListDeliveriesHandler) Handle(ctx context.Context, q ListDeliveries) (Page[Delivery], error) {
	if q.ByCursor {
		return h.byCursor(ctx, q)
	}
	count, err := h.deliveries.CountDeliveries(ctx, q)
	if err != nil {
		return Page[Delivery]{}, fmt.Errorf("count deliveries of webhook %d: %w", q.Webhook, err)
	}
	number, offset, err := Offset(count, q.Paging)
	if err != nil {
		return Page[Delivery]{}, err
	}
	items, err := h.deliveries.Deliveries(ctx, q, 0, 0, offset, q.Size)
	if err != nil {
		return Page[Delivery]{}, fmt.Errorf("list deliveries of webhook %d: %w", q.Webhook, err)
	}
	return Page[Delivery]{Items: items, Count: count, Number: number}, nil
}

func (h *ListDeliveriesHandler) byCursor(ctx context.Context, q ListDeliveries) (Page[Delivery], error) {
	var before, after domain.DeliveryID
	backward := q.Cursor != nil && q.Cursor.Backward
	switch {
	case backward:
		after = domain.DeliveryID(q.Cursor.ID)
	case q.Cursor != nil:
		before = domain.DeliveryID(q.Cursor.ID)
	}
	items, err := h.deliveries.Deliveries(ctx, q, before, after, 0, q.Size+1) // one more tells whether it goes on
	if err != nil {
		return Page[Delivery]{}, fmt.Errorf("list deliveries of webhook %d: %w", q.Webhook, err)
	}
	return idPage(items, q.Paging, func(d Delivery) int64 { return int64(d.ID) }), nil
}

// Get answers q. It returns domain.ErrNotFound.
func (h *ListDeliveriesHandler) Get(ctx context.Context, q GetDelivery) (DeliveryDetail, error) {
	d, err := h.deliveries.Delivery(ctx, q)
	if err != nil {
		return d, fmt.Errorf("get delivery %d: %w", q.ID, err)
	}
	return d, nil
}

// TypePatterns are types for LIKE, whose family sign is %.
func (q ListDeliveries) TypePatterns() []string {
	out := make([]string, len(q.Types))
	for i, t := range q.Types {
		out[i] = strings.ReplaceAll(strings.ReplaceAll(t, "_", `\_`), "*", "%")
	}
	return out
}
