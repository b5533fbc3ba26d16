package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/adapters/webhook"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
)

// hookRig is webhooks over a database, with a clock that can be put forward.
type hookRig struct {
	*webhooks
	t       *testing.T
	pool    *pgxpool.Pool
	secrets *postgres.Secrets
	log     *eventlog.Log
	journal *eventlog.Journal
	ahead   atomic.Int64 // of the clock
	version int64
}

func (r *hookRig) now() time.Time { return now().Add(time.Duration(r.ahead.Load())) }

// newHookRig has user 1 with account 3, and a reaction and a deliverer that run to the end of the test.
func newHookRig(t *testing.T) *hookRig {
	t.Helper()
	r := &hookRig{t: t, pool: pgtest.Pool(t), version: 1}
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	var err error
	if r.secrets, err = postgres.OpenKeyset(filepath.Join(t.TempDir(), "key"), logger); err != nil {
		t.Fatal(err)
	}
	r.log = eventlog.New(r.pool, eventlog.Options{Logger: logger})
	r.journal = r.log.Journal()
	networks, err := parseNetworks("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	w := &webhooks{guard: webhook.NewGuard(networks, true), queue: postgres.NewDeliveryQueue(r.pool, r.secrets, r.now), reader: postgres.NewWebhookReader(r.pool), public: publicEvents{"http://mail.example/api/"}}
	w.sender = webhook.New(webhook.Options{Guard: w.guard, Now: r.now})
	w.deliverer = commands.NewDeliverer(w.queue, w.sender, readable{r.log}, r.journal, commands.DelivererOptions{Now: r.now, Logger: logger})
	r.webhooks = w
	r.append(events.System, nil, commands.UserRow{User: commands.User{ID: 1, Name: "ann", Active: true, PasswordHash: "x", LoginGeneration: 1}, At: now()})
	r.append(1, []events.Event{events.AccountAdded{Account: 3, Settings: events.AccountSettings{Name: "Office"}}})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	consumer := eventlog.NewConsumer(r.log, nil, eventlog.ConsumerOptions{Shards: 1, Reactions: []eventlog.Reaction{w.reaction(r.log)}})
	running.Go(func() {
		if err := consumer.Run(ctx); err != nil {
			t.Errorf("consumer: %v", err)
		}
	})
	running.Go(func() { w.deliverer.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return r
}

func (r *hookRig) append(j events.JournalID, list []events.Event, rows ...commands.Row) events.Position {
	r.t.Helper()
	pos, err := r.journal.Update(r.t.Context(), commands.Scope{Journal: j, Append: commands.NewAppendID()}, func(commands.State) (commands.Decision, error) {
		return commands.Decision{Events: list, Rows: rows}, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return pos
}

// poke appends an event that webhooks get.
func (r *hookRig) poke() events.Position {
	r.t.Helper()
	r.version++
	return r.append(1, []events.Event{events.AccountChanged{
		Account: 3, Version: r.version, Settings: events.AccountSettings{Name: fmt.Sprintf("Office %d", r.version)}, Changed: []string{"name"},
	}})
}

func (r *hookRig) create(url string) commands.WebhookCreated {
	r.t.Helper()
	made, err := commands.NewCreateWebhook(r.journal, r.secrets, r.now).Handle(r.t.Context(), commands.CreateWebhook{
		Journal: 1, Settings: commands.WebhookSettings{URL: url, Types: []string{"imap_server.updated"}, Active: true},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

// count returns how many deliveries of a webhook have a status.
func (r *hookRig) count(id domain.WebhookID, status string) (n int) {
	r.t.Helper()
	err := r.pool.QueryRow(r.t.Context(), `SELECT count(*) FROM hooks.deliveries WHERE webhook_id = $1 AND status = $2`, id, status).Scan(&n)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// until polls for a condition; step, if given, is called between.
func (r *hookRig) until(what string, done func() bool, step func()) {
	r.t.Helper()
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			r.t.Fatalf("%s: not within %v", what, patience)
		}
		if step != nil {
			step()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.t.Context().Done():
		}
	}
}

// taken is a request that a receiver got.
type taken struct {
	id, attempt string
	body        []byte
	position    events.Position
	at          time.Time
	ok          bool
}

// receiver keeps what it gets, and verifies it.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []taken
}

// newReceiver answers as answer says; nil: 204.
func newReceiver(t *testing.T, secret func() string, answer func(w http.ResponseWriter, r *http.Request, pos events.Position) bool) *receiver {
	t.Helper()
	rec := &receiver{}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		wh, fault := standardwebhooks.NewWebhook(secret())
		if err != nil || fault != nil || wh.VerifyIgnoringTimestamp(body, r.Header) != nil {
			t.Errorf("request %s does not verify", r.Header.Get("webhook-id"))
		}
		var event struct{ Position events.Position }
		if err := json.Unmarshal(body, &event); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		one := taken{id: r.Header.Get("webhook-id"), attempt: r.Header.Get("x-imap2api-attempt"), body: body, position: event.Position, at: time.Now(), ok: true}
		defer func() {
			rec.mu.Lock()
			rec.got = append(rec.got, one)
			rec.mu.Unlock()
		}()
		if answer != nil {
			one.ok = false // should it panic
			one.ok = answer(w, r, event.Position)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(rec.Close)
	return rec
}

func (r *receiver) all() []taken {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// down has connections to the receiver refused until up is called.
func (r *receiver) down(t *testing.T) (up func()) {
	t.Helper()
	address := r.Listener.Addr().String()
	if err := r.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	r.CloseClientConnections()
	return func() {
		t.Helper()
		again, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = again.Close() })
		go func() { _ = r.Config.Serve(again) }() // until the listener is closed
	}
}

// TestWebhooksInAdversity: a receiver refuses half of all, closes, dawdles and is down for a while, another
// hangs; each event arrives at the first, its repeats are the same to the octet, and a healthy one is told at
// once. With IMAP2API_TEST_WEBHOOK_EVENTS=10000 it is the large test.
func TestWebhooksInAdversity(t *testing.T) {
	t.Parallel()
	total := 60
	if n, err := strconv.Atoi(os.Getenv("IMAP2API_TEST_WEBHOOK_EVENTS")); err == nil {
		total = n
	}
	r := newHookRig(t)
	var roughSecret, wellSecret, hungSecret string
	rough := newReceiver(t, func() string { return roughSecret }, roughly)
	well := newReceiver(t, func() string { return wellSecret }, nil)
	release := make(chan struct{})
	hung := newReceiver(t, func() string { return hungSecret }, func(_ http.ResponseWriter, q *http.Request, _ events.Position) bool {
		select {
		case <-release:
		case <-q.Context().Done():
		}
		panic(http.ErrAbortHandler)
	})
	defer close(release)
	a, b, c := r.create(rough.URL), r.create(well.URL), r.create(hung.URL)
	roughSecret, wellSecret, hungSecret = a.Secret, b.Secret, c.Secret

	sent := map[events.Position]time.Time{}
	for range total / 2 {
		sent[r.poke()] = time.Now()
	}
	up := rough.down(t)
	for range total - total/2 {
		sent[r.poke()] = time.Now()
	}
	r.until("it is seen that the receiver is down", func() bool { return r.refused(a.Webhook) > 0 }, nil)
	up()
	r.until("the healthy receiver gets all", func() bool { return r.count(b.Webhook, "succeeded") == total }, nil)
	r.until("the rough receiver gets all", func() bool { return r.count(a.Webhook, "succeeded") == total }, func() {
		if r.rests(a.Webhook) {
			r.ahead.Add(int64(27 * time.Hour)) // longer than any wait
			r.deliverer.Wake(1)
		}
	})
	bodies, arrived, repeats := map[string]string{}, map[events.Position]bool{}, 0
	for _, one := range rough.all() {
		if before, seen := bodies[one.id]; seen && before != string(one.body) {
			t.Errorf("%s: attempt %s differs:\n%s\n%s", one.id, one.attempt, before, one.body)
		} else if seen {
			repeats++
		}
		bodies[one.id] = string(one.body)
		arrived[one.position] = arrived[one.position] || one.ok
	}
	var delays []time.Duration
	for _, one := range well.all() {
		delays = append(delays, one.at.Sub(sent[one.position]))
	}
	slices.Sort(delays)
	for pos := range sent {
		if !arrived[pos] {
			t.Errorf("position %d did not arrive", pos)
		}
	}
	if repeats == 0 || len(well.all()) != total {
		t.Errorf("%d repeats; the healthy receiver got %d of %d", repeats, len(well.all()), total)
	}
	r.sameAsFeed(well.all()[0])
	t.Logf("%d events, %d requests refused while the receiver was down, %d repeats; append to receipt p50 %v, p99 %v", total, r.refused(a.Webhook), repeats, delays[len(delays)/2], delays[len(delays)*99/100])
}

// refused returns how many requests of a webhook met nobody.
func (r *hookRig) refused(id domain.WebhookID) (n int) {
	r.t.Helper()
	err := r.pool.QueryRow(r.t.Context(), `SELECT count(*) FROM hooks.attempts WHERE webhook_id = $1 AND error_code = 'connect_failed'`, id).Scan(&n)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// rests reports whether all that is pending of a webhook waits for a later time.
func (r *hookRig) rests(id domain.WebhookID) (rests bool) {
	r.t.Helper()
	err := r.pool.QueryRow(r.t.Context(), `SELECT NOT EXISTS (SELECT FROM hooks.deliveries
		WHERE webhook_id = $1 AND status = 'pending' AND (claimed_until IS NOT NULL OR next_attempt_at <= $2))`, id, r.now()).Scan(&rests)
	if err != nil {
		r.t.Fatal(err)
	}
	return rests
}

// roughly fails the first attempts of an event, up to three by its position, each in another way.
func roughly(w http.ResponseWriter, r *http.Request, pos events.Position) bool {
	attempt, _ := strconv.Atoi(r.Header.Get("x-imap2api-attempt"))
	if attempt > int(pos)%4 {
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	switch (int(pos) + attempt) % 3 {
	case 0:
		panic(http.ErrAbortHandler) // it closes
	case 1:
		select { // it dawdles, and then refuses
		case <-time.After(5 * time.Millisecond):
		case <-r.Context().Done():
		}
	}
	w.WriteHeader(http.StatusInternalServerError)
	return false
}

// sameAsFeed compares a body with the event of the log.
func (r *hookRig) sameAsFeed(one taken) {
	r.t.Helper()
	rec, err := r.log.Event(r.t.Context(), 1, one.position)
	if err != nil {
		r.t.Fatal(err)
	}
	if want := string(public.Body(rec, "http://mail.example/api/")); string(one.body) != want || one.id != public.MessageID(rec.ID) {
		r.t.Errorf("got  %s\nwant %s", one.body, want)
	}
}

// TestWebhookIsSwitchedOff: 410 at once, failures after days; what is pending is cancelled, the others are told.
func TestWebhookIsSwitchedOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		reason string
	}{"gone": {410, events.DisabledByGone}, "failures": {500, events.DisabledByFailures}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			var secret string
			bad := newReceiver(t, func() string { return secret }, func(w http.ResponseWriter, _ *http.Request, _ events.Position) bool {
				w.WriteHeader(c.status)
				return false
			})
			made := r.create(bad.URL)
			secret = made.Secret
			for range 4 {
				r.poke()
			}
			r.until("it is off", func() bool {
				all, err := r.reader.Webhooks(t.Context(), 1)
				return err == nil && all[0].DisabledReason == c.reason && !all[0].Active
			}, func() {
				if c.reason == events.DisabledByFailures && len(bad.all()) >= 4 {
					r.ahead.Add(int64(27 * time.Hour))
					r.deliverer.Wake(1)
				}
			})
			if n := r.count(made.Webhook, "pending"); n > 0 {
				t.Errorf("%d deliveries are pending", n)
			}
			head, err := r.log.Head(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := r.log.Event(t.Context(), 1, head)
			if e, ok := rec.Event.(events.WebhookDisabled); err != nil || !ok || e.Reason != c.reason || e.FailingSince == nil {
				t.Errorf("the last event is %+v, %v", rec.Event, err)
			}
		})
	}
}

// TestRecoverWebhook: what was missed is queued once, without what had arrived, and comes in order.
func TestRecoverWebhook(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	missed := []events.Position{r.poke(), r.poke(), r.poke()}
	var secret string
	rec := newReceiver(t, func() string { return secret }, nil)
	made := r.create(rec.URL)
	secret = made.Secret
	r.poke()
	r.until("what came after it is sent", func() bool { return r.count(made.Webhook, "succeeded") == 1 }, nil)
	again := commands.NewRecoverWebhook(eventRange{r.log}, r.queue, r.public, r.deliverer)
	n, err := again.Handle(t.Context(), commands.RecoverWebhook{Journal: 1, Webhook: made.Webhook})
	if err != nil || n != len(missed) {
		t.Fatalf("got %d, %v", n, err)
	}
	r.until("what was missed is sent", func() bool { return r.count(made.Webhook, "succeeded") == 4 }, nil)
	var order []events.Position
	for _, one := range rec.all()[1:] {
		order = append(order, one.position)
	}
	if !slices.Equal(order, missed) {
		t.Errorf("got %v, want %v", order, missed)
	}
	if n, err := again.Handle(t.Context(), commands.RecoverWebhook{Journal: 1, Webhook: made.Webhook}); err != nil || n != 0 {
		t.Errorf("again: got %d, %v", n, err)
	}
}

// TestDisabledUserIsToldNothing: webhooks of a user who may not sign in rest, and go on when they may.
func TestDisabledUserIsToldNothing(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	var secret string
	rec := newReceiver(t, func() string { return secret }, nil)
	made := r.create(rec.URL)
	secret = made.Secret
	user := commands.User{ID: 1, Name: "ann", PasswordHash: "x", LoginGeneration: 1}
	r.append(events.System, nil, commands.UserRow{User: user, At: now()})
	r.poke()
	r.until("it is queued", func() bool { return r.count(made.Webhook, "pending") == 1 }, nil)
	claimed, err := r.queue.Claim(t.Context(), commands.ClaimDeliveries{
		Journals: []events.JournalID{1}, Now: r.now(), Until: r.now().Add(time.Minute), Healthy: 9, Failing: 9,
	})
	if err != nil || len(claimed) > 0 || len(rec.all()) > 0 {
		t.Errorf("got %d claims, %d requests, %v", len(claimed), len(rec.all()), err)
	}
	user.Active = true
	r.append(events.System, nil, commands.UserRow{User: user, At: now()})
	r.deliverer.Wake(1)
	r.until("it is sent", func() bool { return len(rec.all()) == 1 }, nil)
}

// TestErasedAccountIsNotDelivered: erasing an account takes its deliveries, but for the last event, and
// pauses the webhook that named no other.
func TestErasedAccountIsNotDelivered(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	made, err := commands.NewCreateWebhook(r.journal, r.secrets, r.now).Handle(t.Context(), commands.CreateWebhook{
		Journal: 1, Settings: commands.WebhookSettings{URL: "http://127.0.0.1:1/", Accounts: []domain.AccountID{3}, Active: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.poke()
	r.until("it fails", func() bool { return r.count(made.Webhook, "pending") == 1 }, nil)
	if _, err := commands.NewEraseAccount(r.journal, newEraser(r.log.Erase, slog.New(slog.DiscardHandler))).Handle(t.Context(), commands.EraseAccount{Journal: 1, Account: 3}); err != nil {
		t.Fatal(err)
	}
	var types []string
	r.until("the last event is queued alone", func() bool {
		rows, err := r.pool.Query(t.Context(), `SELECT event_type FROM hooks.deliveries`)
		if err != nil {
			t.Fatal(err)
		}
		types = nil
		for rows.Next() {
			var one string
			if err := rows.Scan(&one); err != nil {
				t.Fatal(err)
			}
			types = append(types, one)
		}
		return slices.Equal(types, []string{"imap_server.deleted"})
	}, nil)
	all, err := r.reader.Webhooks(t.Context(), 1)
	if err != nil || all[0].Active || len(all[0].Accounts) != 0 || all[0].DisabledReason != events.DisabledByHand {
		t.Errorf("got %+v, %v", all, err)
	}
}
