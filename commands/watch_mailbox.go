package commands

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// MailWatch is a mailbox of the Gmail surface of which a webhook is told when it changes.
type MailWatch struct {
	Journal  events.JournalID
	Mailbox  string             // its name, folded: a mailbox has one watch
	Accounts []domain.AccountID // that it is; nil: all of the journal
	Address  string             // by which receivers know it
	Webhook  domain.WebhookID
	Project  string   // of the topic that names the webhook
	Labels   []string // only messages with one of these; empty: all
	Excluded bool     // rather those with none of them
	Told     events.Position
	Expires  time.Time
	Tries    int // that failed since the last that did not
}

// MailWatches keeps watches.
type MailWatches interface {
	// Set sets the watch of a mailbox.
	Set(ctx context.Context, w MailWatch) error
	// Drop removes the watch of a mailbox, if there is one.
	Drop(ctx context.Context, journal events.JournalID, mailbox string) error
	// Claim returns watches whose journal has grown since they were told, and keeps them from others for a while.
	Claim(ctx context.Context) ([]MailWatch, error)
	// Told notes up to which position all was told, that so many tries have failed since, and when the next may be.
	Told(ctx context.Context, w MailWatch, next time.Time) error
}

// WatchMailbox asks for a webhook to be told when a mailbox changes, for WatchFor. What is before Told is not told.
type WatchMailbox struct{ MailWatch }

// WatchFor is how long a mailbox is watched (api.md 11.10).
const WatchFor = 7 * 24 * time.Hour

// WatchMailboxHandler carries out WatchMailbox and StopWatching.
type WatchMailboxHandler struct {
	watches MailWatches
	targets WebhookTargets
	now     func() time.Time
}

// NewWatchMailbox returns the handler.
func NewWatchMailbox(watches MailWatches, targets WebhookTargets, now func() time.Time) *WatchMailboxHandler {
	return &WatchMailboxHandler{watches, targets, now}
}

// Handle sets the watch and returns when it expires. It returns domain.ErrNotFound for a webhook that is not there.
func (h *WatchMailboxHandler) Handle(ctx context.Context, cmd WatchMailbox) (time.Time, error) {
	if _, err := h.targets.Target(ctx, cmd.Journal, cmd.Webhook); err != nil {
		return time.Time{}, fmt.Errorf("watch by webhook %d: %w", cmd.Webhook, err)
	}
	cmd.Expires = h.now().Add(WatchFor)
	if err := h.watches.Set(ctx, cmd.MailWatch); err != nil {
		return time.Time{}, fmt.Errorf("watch mailbox of journal %d: %w", cmd.Journal, err)
	}
	return cmd.Expires, nil
}

// StopWatching asks for the watch of a mailbox to end.
type StopWatching struct {
	Journal events.JournalID
	Mailbox string
}

// Stop removes the watch, if there is one.
func (h *WatchMailboxHandler) Stop(ctx context.Context, cmd StopWatching) (struct{}, error) {
	if err := h.watches.Drop(ctx, cmd.Journal, cmd.Mailbox); err != nil {
		return struct{}{}, fmt.Errorf("stop watching in journal %d: %w", cmd.Journal, err)
	}
	return struct{}{}, nil
}

// MailNews tells whether mailboxes have changed.
type MailNews interface {
	// News reports whether something has changed that a watch is about after w.Told, and up to which position it has looked.
	News(ctx context.Context, w MailWatch) (changed bool, until events.Position, err error)
	// MessageID returns the webhook-id of a message.
	MessageID(id [16]byte) string
}

// MailTeller tells webhooks of mailboxes that have changed, each at most once a second.
type MailTeller struct {
	watches MailWatches
	targets WebhookTargets
	sender  WebhookSender
	news    MailNews
	now     func() time.Time
	log     *slog.Logger
}

// NewMailTeller returns a teller.
func NewMailTeller(watches MailWatches, targets WebhookTargets, sender WebhookSender, news MailNews, now func() time.Time, log *slog.Logger) *MailTeller {
	return &MailTeller{watches, targets, sender, news, now, log}
}

const (
	tellEvery    = time.Second // at most, for a mailbox
	maxTellPause = 10 * time.Minute
	maxRounds    = 32            // at once: more than a receiver has seconds to answer
	tellType     = "gmail.watch" // in the header of a request
)

// Run tells until ctx ends. Receivers that hang hold up nobody else, unless there are very many.
func (t *MailTeller) Run(ctx context.Context) {
	var telling sync.WaitGroup
	defer telling.Wait()
	rounds := make(chan struct{}, maxRounds)
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case rounds <- struct{}{}:
		}
		telling.Go(func() {
			defer func() { <-rounds }()
			if err := t.Tell(ctx); err != nil && ctx.Err() == nil {
				t.log.Warn("tell of mailboxes", slog.Any("err", err))
			}
		})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Tell tells of what has changed since it was told. What a receiver does not take is told again, with what comes after it, later and
// later: the position in a message covers all before it. It returns when all claimed watches have answered.
func (t *MailTeller) Tell(ctx context.Context) error {
	claimed, err := t.watches.Claim(ctx)
	if err != nil {
		return fmt.Errorf("claim watches: %w", err)
	}
	var telling sync.WaitGroup
	faults := make([]error, len(claimed))
	for i, w := range claimed {
		telling.Go(func() { faults[i] = t.tellOf(ctx, w) })
	}
	telling.Wait()
	return errors.Join(faults...)
}

// tellOf tells of one mailbox, and notes it.
func (t *MailTeller) tellOf(ctx context.Context, w MailWatch) error {
	next, err := t.tell(ctx, &w)
	if errors.Is(err, domain.ErrNotFound) { // the webhook is gone
		err = t.watches.Drop(ctx, w.Journal, w.Mailbox)
	} else if err == nil {
		err = t.watches.Told(ctx, w, next)
	}
	if err != nil {
		return fmt.Errorf("tell of mailbox %q of journal %d: %w", w.Mailbox, w.Journal, err)
	}
	return nil
}

// tell tells a webhook of one mailbox, if it has changed, and returns when the next may be told.
func (t *MailTeller) tell(ctx context.Context, w *MailWatch) (time.Time, error) {
	changed, until, err := t.news.News(ctx, *w)
	if err != nil {
		return time.Time{}, err
	}
	if !changed {
		w.Told = until
		return t.now(), nil
	}
	target, err := t.targets.Target(ctx, w.Journal, w.Webhook)
	if err != nil {
		return time.Time{}, fmt.Errorf("target of webhook %d: %w", w.Webhook, err)
	}
	if !target.Active {
		return t.now().Add(time.Minute), nil
	}
	now := t.now()
	id := t.news.MessageID(newEventID(now))
	body, err := envelope(*w, until, id, now)
	if err != nil {
		return time.Time{}, err
	}
	answer := t.sender.Send(ctx, WebhookRequest{URL: target.URL, Secrets: target.Secrets, ID: id, Type: tellType, Attempt: w.Tries + 1, Body: body})
	if !answer.Succeeded() {
		w.Tries++
		return t.now().Add(max(answer.RetryAfter, min(tellEvery<<min(w.Tries, 20), maxTellPause))), nil
	}
	w.Told, w.Tries = until, 0
	return now.Add(tellEvery), nil
}

// envelope returns what Cloud Pub/Sub would push.
func envelope(w MailWatch, until events.Position, id string, at time.Time) ([]byte, error) {
	data, err := json.Marshal(struct {
		EmailAddress string          `json:"emailAddress"`
		HistoryID    events.Position `json:"historyId"`
	}{w.Address, until})
	if err != nil {
		return nil, fmt.Errorf("encode message of mailbox %q: %w", w.Mailbox, err)
	}
	type message struct {
		Data        string `json:"data"`
		MessageID   string `json:"messageId"`
		PublishTime string `json:"publishTime"`
	}
	body, err := json.Marshal(struct {
		Message      message `json:"message"`
		Subscription string  `json:"subscription"`
	}{
		message{base64.StdEncoding.EncodeToString(data), id, at.UTC().Format("2006-01-02T15:04:05.000000Z")},
		fmt.Sprintf("projects/%s/subscriptions/%d", w.Project, w.Webhook),
	})
	if err != nil {
		return nil, fmt.Errorf("encode message of mailbox %q: %w", w.Mailbox, err)
	}
	return body, nil
}
