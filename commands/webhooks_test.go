package commands

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// The waits of webhooks.md 7, with the least and the most variation.
func TestRetryAt(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 3, 4, 10, 0, 0, 0, time.UTC)
	total := time.Duration(0)
	for step, want := range retryWaits {
		mid, least, most := retryAt(step, now, 0, 0.5), retryAt(step, now, 0, 0), retryAt(step, now, 0, 1)
		if mid.Sub(now) != want || least.Sub(now) != want*9/10 || most.Sub(now) != want*11/10 {
			t.Errorf("after failure %d: %v to %v, want %v", step+1, least.Sub(now), most.Sub(now), want)
		}
		total += mid.Sub(now)
	}
	if hours := total.Round(time.Minute).String(); hours != "75h35m0s" {
		t.Errorf("all attempts take %s", hours)
	}
	if at := retryAt(9, now, time.Hour, 0.5); at != nil {
		t.Errorf("there is an eleventh attempt at %v", at)
	}
	for _, c := range []struct{ step, hours, want int }{{0, 1, 1}, {8, 1, 24}, {2, 48, 24}} {
		if at := retryAt(c.step, now, time.Duration(c.hours)*time.Hour, 0.5); at.Sub(now) != time.Duration(c.want)*time.Hour {
			t.Errorf("step %d, Retry-After %d h: %v", c.step, c.hours, at.Sub(now))
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]Verdict{
		200: {Succeeded: true}, 204: {Succeeded: true}, 301: {}, 410: {Gone: true}, 429: {Overload: true}, 500: {}, 502: {Overload: true}, 504: {Overload: true}, 0: {},
	} {
		got := judge(2, WebhookAnswer{Status: status})
		if !got.Succeeded && got.NextAt == nil {
			t.Errorf("%d: no further attempt", status)
		}
		if got.NextAt = nil; got != want {
			t.Errorf("%d: got %+v, want %+v", status, got, want)
		}
	}
	if got := judge(0, WebhookAnswer{Status: 200, Error: &WebhookError{Code: "response_too_large"}}); got.Succeeded {
		t.Error("an answer without an end is a success")
	}
}

func TestIsWebhookSecret(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		newWebhookSecret(): true, "whsec_aW1hcDJhcGktZXhhbXBsZS1zZWNyZXQh": true, "whsec_": false, "": false,
		"aW1hcDJhcGktZXhhbXBsZS1zZWNyZXQh": false, "whsec_aW1hcDJhcGktZXhhbXBsZS1zZWNyZXQ": false, "whsec_aW1hcDJhcGktZXhhbXBsZS1zZWNy\nZXQh": false,
	} {
		if got := IsWebhookSecret(text); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	mail := func(folder string) events.Message {
		return events.Message{Account: 3, Place: events.Place{Folder: domain.MailboxName(folder)}}
	}
	fetched := events.MessageFetched{Message: mail("INBOX")}
	backfill := events.MessageFetched{Message: mail("INBOX"), Backfill: true}
	moved := events.MessageMoved{Message: mail("Done"), From: events.Place{Folder: "Work"}}
	all := events.WebhookFilter{Active: true}
	with := func(change func(*events.WebhookFilter)) events.WebhookFilter { f := all; change(&f); return f }
	for name, c := range map[string]struct {
		filter events.WebhookFilter
		public string
		event  events.Event
		want   bool
	}{
		"all":              {all, "email.received", fetched, true},
		"paused":           {events.WebhookFilter{}, "email.received", fetched, false},
		"type":             {with(func(f *events.WebhookFilter) { f.Types = []string{"email.received"} }), "email.received", fetched, true},
		"other type":       {with(func(f *events.WebhookFilter) { f.Types = []string{"sync.*"} }), "email.received", fetched, false},
		"family":           {with(func(f *events.WebhookFilter) { f.Types = []string{"email.*"} }), "email.moved", moved, true},
		"account":          {with(func(f *events.WebhookFilter) { f.Accounts = []domain.AccountID{3} }), "email.received", fetched, true},
		"other account":    {with(func(f *events.WebhookFilter) { f.Accounts = []domain.AccountID{4} }), "email.received", fetched, false},
		"no account":       {with(func(f *events.WebhookFilter) { f.Accounts = []domain.AccountID{3} }), "webhook.disabled", events.WebhookDisabled{Webhook: 9}, false},
		"inbox":            {with(func(f *events.WebhookFilter) { f.Folders = []domain.MailboxName{"inbox"} }), "email.received", fetched, true},
		"other folder":     {with(func(f *events.WebhookFilter) { f.Folders = []domain.MailboxName{"Work"} }), "email.received", fetched, false},
		"left the folder":  {with(func(f *events.WebhookFilter) { f.Folders = []domain.MailboxName{"Work"} }), "email.moved", moved, true},
		"folder of others": {with(func(f *events.WebhookFilter) { f.Folders = []domain.MailboxName{"Work"} }), "sync.started", events.SyncStarted{Account: 3}, true},
		"backfill":         {all, "email.received", backfill, false},
		"with backfill":    {with(func(f *events.WebhookFilter) { f.Backfill = true }), "email.received", backfill, true},
		"thread":           {all, "thread.updated", events.ThreadUpdated{Account: 3, Backfill: true}, false},
		"its own end":      {all, "webhook.disabled", events.WebhookDisabled{Webhook: 5}, false},
		"another's end":    {all, "webhook.disabled", events.WebhookDisabled{Webhook: 6}, true},
	} {
		rec := events.Recorded{Account: c.event.EventAccount(), Event: c.event}
		if got := Wants(5, c.filter, c.public, rec); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// An erased account leaves the webhooks that name it; one that named no other is switched off.
func TestForgetAccount(t *testing.T) {
	t.Parallel()
	hook := func(id domain.WebhookID, accounts ...domain.AccountID) Webhook {
		return Webhook{ID: id, Version: 1, Settings: WebhookSettings{URL: "https://a.example/t0ken", Accounts: accounts, Active: true}}
	}
	var d Decision
	d.forgetAccount([]Webhook{hook(1), hook(2, 3), hook(3, 3, 4), hook(4, 4)}, 3)
	want := []events.Event{
		events.WebhookChanged{Webhook: 2, Version: 2, Changed: []string{"imap_servers", "is_active"}, Filter: events.WebhookFilter{Host: "a.example", Accounts: []domain.AccountID{}}},
		events.WebhookChanged{Webhook: 3, Version: 2, Changed: []string{"imap_servers"}, Filter: events.WebhookFilter{Host: "a.example", Accounts: []domain.AccountID{4}, Active: true}},
	}
	if diff := cmp.Diff(want, d.Events); diff != "" {
		t.Error(diff)
	}
	if w := d.Rows[0].(WebhookRow); w.DisabledReason != events.DisabledByHand || w.Settings.Active {
		t.Errorf("got %+v", w)
	}
}
