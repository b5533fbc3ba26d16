package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/imap2api/imap2api/queries"
)

// hookStatus is one webhook. Of its address only the host is shown: the rest may hold a secret.
type hookStatus struct {
	ID           int64      `json:"id"`
	User         string     `json:"user"`
	Host         string     `json:"host"`
	Status       string     `json:"status"`
	Reason       string     `json:"disabled_reason,omitempty"`
	Lag          int64      `json:"lag_events"`
	LagSeconds   float64    `json:"lag_seconds"`
	Pending      int        `json:"pending"`
	FailingSince *time.Time `json:"failing_since"`
	LastSuccess  *time.Time `json:"last_success_at"`
}

func (s *system) hookStatus(ctx context.Context, users map[int64]string) ([]hookStatus, error) {
	lags, err := queries.NewListWebhookLags(s.webhooks.reader).Handle(ctx, queries.ListWebhookLags{})
	if err != nil {
		return nil, err
	}
	out := make([]hookStatus, len(lags))
	for i, w := range lags {
		out[i] = hookStatus{
			ID: int64(w.ID), User: users[int64(w.Journal)], Status: w.Status(), Reason: w.DisabledReason, Lag: w.Behind,
			LagSeconds: w.Lag.Seconds(), Pending: w.Pending, FailingSince: w.FailingSince, LastSuccess: w.LastSuccess,
		}
		if u, err := url.Parse(w.URL); err == nil {
			out[i].Host = u.Hostname()
		}
	}
	return out, nil
}

func printHooks(w io.Writer, hooks []hookStatus) {
	if len(hooks) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, "\nWEBHOOK\tUSER\tHOST\tSTATUS\tLAG\tSECONDS\tPENDING\tLAST SUCCESS")
	for _, h := range hooks {
		status, last := h.Status, "never"
		if h.Reason != "" {
			status += " (" + h.Reason + ")"
		}
		if h.LastSuccess != nil {
			last = h.LastSuccess.Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%.1f\t%d\t%s\n", h.ID, h.User, h.Host, status, h.Lag, h.LagSeconds, h.Pending, last)
	}
}
