package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// tellWorld is a watch of one mailbox, whose receiver fails so many times, and whose news are at a position.
type tellWorld struct {
	now    time.Time
	watch  *MailWatch
	next   time.Time
	gone   bool // the webhook
	fails  int
	pos    events.Position
	quiet  bool // nothing of the watch has changed
	bodies []string
}

func (w *tellWorld) Set(_ context.Context, watch MailWatch) error { w.watch = &watch; return nil }

func (w *tellWorld) Drop(context.Context, events.JournalID, string) error { w.watch = nil; return nil }

func (w *tellWorld) Claim(context.Context) ([]MailWatch, error) {
	if w.watch == nil || w.watch.Told >= w.pos || w.now.Before(w.next) {
		return nil, nil
	}
	return []MailWatch{*w.watch}, nil
}

func (w *tellWorld) Told(_ context.Context, watch MailWatch, next time.Time) error {
	*w.watch, w.next = watch, next
	return nil
}

func (w *tellWorld) Target(context.Context, events.JournalID, domain.WebhookID) (WebhookTarget, error) {
	if w.gone {
		return WebhookTarget{}, domain.ErrNotFound
	}
	return WebhookTarget{URL: "https://hooks.example", Active: true}, nil
}

func (w *tellWorld) News(context.Context, MailWatch) (bool, events.Position, error) {
	return !w.quiet, w.pos, nil
}

func (w *tellWorld) MessageID([16]byte) string { return "msg_1" }

func (w *tellWorld) Send(_ context.Context, req WebhookRequest) WebhookAnswer {
	var body struct {
		Message struct{ Data []byte }
	}
	_ = json.Unmarshal(req.Body, &body)
	w.bodies = append(w.bodies, fmt.Sprintf("%v try %d %s", w.now.Sub(modelStart), req.Attempt, body.Message.Data))
	if w.fails > 0 {
		w.fails--
		return WebhookAnswer{Status: 503}
	}
	return WebhookAnswer{Status: 204}
}

// TestMailTeller: a mailbox is told of at most once a second; what fails is told later, with what has come meanwhile; what does not
// concern the watch is passed over; a watch whose webhook is gone ends.
func TestMailTeller(t *testing.T) {
	t.Parallel()
	w := &tellWorld{now: modelStart, pos: 5}
	teller := NewMailTeller(w, w, w, w, func() time.Time { return w.now }, slog.New(slog.DiscardHandler))
	if _, err := NewWatchMailbox(w, w, func() time.Time { return w.now }).Handle(t.Context(), WatchMailbox{MailWatch{Mailbox: "me", Address: "a@b", Told: 5}}); err != nil {
		t.Fatal(err)
	}
	step := func(after time.Duration, pos events.Position) {
		t.Helper()
		w.now, w.pos = w.now.Add(after), pos
		if err := teller.Tell(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	step(0, 5)                  // nothing has changed
	step(0, 6)                  // told
	step(time.Second/2, 7)      // too soon
	step(time.Second/2, 8)      // told
	w.quiet = true              //
	step(2*time.Second, 9)      // nothing of the watch
	w.quiet, w.fails = false, 2 //
	step(0, 10)                 // fails
	step(time.Second, 11)       // too soon
	step(time.Second, 12)       // fails
	step(3*time.Second, 13)     // too soon
	step(time.Second, 13)       // told, with all that came
	step(time.Second, 13)       // nothing more
	w.gone = true               //
	step(10*time.Second, 14)    // the end
	step(10*time.Second, 15)    //
	var told []string
	for _, at := range []struct {
		after time.Duration
		try   int
		pos   int
	}{{0, 1, 6}, {time.Second, 1, 8}, {3 * time.Second, 1, 10}, {5 * time.Second, 2, 12}, {9 * time.Second, 3, 13}} {
		told = append(told, fmt.Sprintf(`%v try %d {"emailAddress":"a@b","historyId":%d}`, at.after, at.try, at.pos))
	}
	if !slices.Equal(told, w.bodies) || w.watch != nil {
		t.Errorf("watch %+v; told (-want +got):\n%s", w.watch, cmp.Diff(told, w.bodies))
	}
}

// manyWatches are two mailboxes that change all the time, and a receiver of the first that hangs.
type manyWatches struct {
	tellWorld
	mu   sync.Mutex
	free map[string]time.Time // when a mailbox may be claimed
	told map[string]int
}

func (w *manyWatches) Claim(context.Context) (out []MailWatch, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, name := range []string{"hangs", "well"} {
		if !time.Now().Before(w.free[name]) {
			w.free[name] = time.Now().Add(time.Minute)
			out = append(out, MailWatch{Mailbox: name, Webhook: domain.WebhookID(i)})
		}
	}
	return out, nil
}

func (w *manyWatches) Told(_ context.Context, watch MailWatch, next time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.free[watch.Mailbox] = next
	return nil
}

func (w *manyWatches) Target(_ context.Context, _ events.JournalID, id domain.WebhookID) (WebhookTarget, error) {
	return WebhookTarget{URL: []string{"hangs", "well"}[id], Active: true}, nil
}

func (w *manyWatches) Send(_ context.Context, req WebhookRequest) WebhookAnswer {
	if req.URL == "hangs" {
		time.Sleep(15 * time.Second)
		return WebhookAnswer{Status: 503}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told[req.URL]++
	return WebhookAnswer{Status: 204}
}

// TestMailTellerHangs: a receiver that hangs holds up no other.
func TestMailTellerHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &manyWatches{tellWorld: tellWorld{pos: 5}, free: map[string]time.Time{}, told: map[string]int{}}
		teller := NewMailTeller(w, w, w, w, time.Now, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second+tellEvery/2)
		defer stop()
		teller.Run(ctx)
		if n := w.told["well"]; n < 10 {
			t.Errorf("told %d times in ten seconds", n)
		}
	})
}
