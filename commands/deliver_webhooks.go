package commands

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const (
	lookEvery     = 15 * time.Second       // for what nothing told: other processes, claims of dead ones
	paceRecovered = 100 * time.Millisecond // between two recovered events of a webhook
	claimLease    = time.Minute            // far beyond the longest attempt
	retryClaim    = time.Second            // when the database is away

	atOnceHealthy = 192 // requests in flight, over all webhooks
	atOnceFailing = 64  // of webhooks whose last attempt failed: they take nothing from the others
)

// ClaimDeliveries asks for deliveries that are due.
type ClaimDeliveries struct {
	Journals         []events.JournalID
	Now              time.Time
	Until            time.Time // of the claim
	Pace             time.Duration
	Healthy, Failing int // at most so many, of webhooks whose last attempt succeeded or did not
}

// ClaimedDelivery is a delivery that is being attempted.
type ClaimedDelivery struct {
	Journal   events.JournalID
	Webhook   domain.WebhookID
	Delivery  domain.DeliveryID
	Position  events.Position
	MessageID string
	Type      string
	Body      []byte
	Attempts  int  // before this one
	Step      int  // failed ones of the present schedule
	Recovered bool // the next one of its webhook comes at a pace
	Again     bool // somebody has asked for it: the schedule does not change
	Failing   bool // the last attempt of the webhook failed
	CreatedAt time.Time
	WebhookTarget
}

// WebhookHealth is how a webhook does after an attempt.
type WebhookHealth struct {
	FailingSince *time.Time
	Failed       int // different deliveries that failed since then; counted only when FailingSince is long ago
}

// DeliveryQueue is where deliveries wait.
type DeliveryQueue interface {
	// Claim claims deliveries of webhooks that are switched on: of each, up to four first attempts in the
	// order of positions, two repeats, one that was asked for; one in all while it is overloaded.
	Claim(ctx context.Context, q ClaimDeliveries) ([]ClaimedDelivery, error)
	// Due returns the journals with deliveries that became due after one moment and up to another and are
	// not claimed, and when the next one is due; nil: none.
	Due(ctx context.Context, after, until time.Time) (journals []events.JournalID, next *time.Time, err error)
	// Record ends a claim with what came of it. It is done if the delivery is gone meanwhile.
	Record(ctx context.Context, d ClaimedDelivery, a Attempt, v Verdict, longAgo time.Time) (WebhookHealth, error)
	// Postpone ends a claim without an attempt.
	Postpone(ctx context.Context, d ClaimedDelivery, until time.Time) error
}

// Readability knows what can be read.
type Readability interface {
	// WaitReadable blocks until everything readable contains a journal up to a position. It returns
	// domain.ErrUnavailable if that takes too long.
	WaitReadable(ctx context.Context, journal events.JournalID, pos events.Position) error
}

// DelivererOptions of a Deliverer; the zero value works but for Now.
type DelivererOptions struct {
	Now    func() time.Time
	Logger *slog.Logger
	// Observe, if set, is told of each attempt.
	Observe func(ClaimedDelivery, WebhookAnswer)
}

// Deliverer sends deliveries when they are due. No webhook waits for another: each has a few requests at a
// time, and those that fail share a part of all requests of their own.
type Deliverer struct {
	queue    DeliveryQueue
	sender   WebhookSender
	readable Readability
	disable  *DisableWebhookHandler
	opts     DelivererOptions

	wake chan struct{}

	mu      sync.Mutex
	woken   map[events.JournalID]bool
	next    time.Time // when the next delivery is due, as far as is known; zero: none
	running [2]int    // requests of webhooks that are healthy, failing
	read    map[events.JournalID]events.Position
}

// NewDeliverer returns the deliverer of a queue.
func NewDeliverer(queue DeliveryQueue, sender WebhookSender, readable Readability, journal Journal, opts DelivererOptions) *Deliverer {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Deliverer{
		queue: queue, sender: sender, readable: readable, disable: NewDisableWebhook(journal), opts: opts,
		wake: make(chan struct{}, 1), woken: map[events.JournalID]bool{}, read: map[events.JournalID]events.Position{},
	}
}

// Wake has the webhooks of a user looked at, at once.
func (d *Deliverer) Wake(journal events.JournalID) {
	d.mu.Lock()
	d.woken[journal] = true
	d.mu.Unlock()
	d.rouse()
}

func (d *Deliverer) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends; requests that have begun are finished.
func (d *Deliverer) Run(ctx context.Context) {
	var requests sync.WaitGroup
	defer requests.Wait()
	looked := time.Time{} // all that was due up to then is woken
	timer := time.NewTimer(0)
	defer timer.Stop()
	sweep := time.NewTicker(lookEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-timer.C:
			looked = d.look(ctx, looked)
		case <-sweep.C:
			d.look(ctx, time.Time{})
		}
		if err := d.claim(ctx, &requests); err != nil && ctx.Err() == nil {
			d.opts.Logger.Warn("claim deliveries", slog.Any("err", err))
			time.AfterFunc(retryClaim, d.rouse)
		}
		timer.Reset(d.untilNext())
	}
}

// look wakes the journals with what became due after a moment, and returns up to when it has looked.
func (d *Deliverer) look(ctx context.Context, after time.Time) time.Time {
	now := d.opts.Now()
	journals, next, err := d.queue.Due(ctx, after, now)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			d.opts.Logger.Warn("look for due deliveries", slog.Any("err", err))
		}
		d.next = now.Add(retryClaim)
		return after
	}
	for _, j := range journals {
		d.woken[j] = true
	}
	d.next = time.Time{}
	if next != nil {
		d.next = *next
	}
	return now
}

// due notes when a delivery is due.
func (d *Deliverer) due(at time.Time) {
	d.mu.Lock()
	sooner := d.next.IsZero() || at.Before(d.next)
	if sooner {
		d.next = at
	}
	d.mu.Unlock()
	if sooner {
		d.rouse() // the timer is set anew
	}
}

func (d *Deliverer) untilNext() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next.IsZero() {
		return lookEvery
	}
	return max(0, min(d.next.Sub(d.opts.Now()), lookEvery))
}

// claim claims what is due in the journals that were woken, and begins the requests.
func (d *Deliverer) claim(ctx context.Context, requests *sync.WaitGroup) error {
	d.mu.Lock()
	q := ClaimDeliveries{
		Now: d.opts.Now(), Pace: paceRecovered, Healthy: atOnceHealthy - d.running[0], Failing: atOnceFailing - d.running[1],
	}
	q.Until = q.Now.Add(claimLease)
	for j := range d.woken {
		q.Journals = append(q.Journals, j)
	}
	d.mu.Unlock()
	if len(q.Journals) == 0 || q.Healthy <= 0 && q.Failing <= 0 {
		return nil // the end of a request wakes
	}
	d.forget(q.Journals)
	claimed, err := d.queue.Claim(ctx, q)
	if err != nil {
		d.remember(q.Journals)
		return err
	}
	var taken [2]int
	for _, c := range claimed {
		taken[class(c)]++
		d.begin(ctx, requests, c)
	}
	if taken[0] == q.Healthy || taken[1] == q.Failing {
		d.remember(q.Journals) // there may be more, for which there was no room
	}
	return nil
}

func (d *Deliverer) forget(journals []events.JournalID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range journals {
		delete(d.woken, j)
	}
}

func (d *Deliverer) remember(journals []events.JournalID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range journals {
		d.woken[j] = true
	}
}

// class is 1 for a webhook whose last attempt failed.
func class(c ClaimedDelivery) int {
	if c.Failing {
		return 1
	}
	return 0
}

// begin attempts a delivery, beside.
func (d *Deliverer) begin(ctx context.Context, requests *sync.WaitGroup, c ClaimedDelivery) {
	d.mu.Lock()
	d.running[class(c)]++
	d.mu.Unlock()
	if c.Recovered {
		time.AfterFunc(paceRecovered, func() { d.Wake(c.Journal) })
	}
	requests.Go(func() {
		if err := d.attempt(context.WithoutCancel(ctx), c); err != nil {
			// The claim ends by itself, and then it is attempted again.
			d.opts.Logger.Warn("deliver to webhook", slog.Int64("journal", int64(c.Journal)), slog.Int64("webhook", int64(c.Webhook)),
				slog.Int64("position", int64(c.Position)), slog.Any("err", err))
		}
		d.mu.Lock()
		d.running[class(c)]--
		d.mu.Unlock()
		d.Wake(c.Journal)
	})
}
