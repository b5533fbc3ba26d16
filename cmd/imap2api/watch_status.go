package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// watchStatus is how somebody waits for changes on a server.
type watchStatus struct {
	State   string     `json:"state"`  // live, connecting, waiting, refused
	Reason  string     `json:"reason"` // dns, tcp, tls, auth, limit, throttled, bye, protocol, internal; "" if nothing is wrong
	Message string     `json:"message"`
	Since   time.Time  `json:"since"`
	NextAt  *time.Time `json:"next_attempt_at"`
}

// String is a cell of the table.
func (w *watchStatus) String() string {
	switch {
	case w == nil:
		return "no"
	case w.State == commands.WatchLive:
		return "yes"
	case w.Reason == "":
		return w.State
	}
	return w.State + " (" + w.Reason + ")"
}

// watchStatus returns how accounts are watched, those that are.
func (s *system) watchStatus(ctx context.Context) (map[domain.AccountID]*watchStatus, error) {
	all, err := s.watches.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("watches: %w", err)
	}
	out := make(map[domain.AccountID]*watchStatus, len(all))
	for _, w := range all {
		out[w.Account] = &watchStatus{State: w.State, Reason: w.Reason, Message: w.Message, Since: w.Since.UTC(), NextAt: w.NextAt}
	}
	return out, nil
}

// watchMetrics are what /metrics shows of the watches.
type watchMetrics struct {
	accounts *prometheus.GaugeVec
	all      func(context.Context) ([]postgres.WatchReport, error)
}

func newWatchMetrics(r *prometheus.Registry) watchMetrics {
	m := watchMetrics{accounts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "imap2api_watched_servers", Help: "IMAP servers that are watched for changes, by state and by what is wrong.",
	}, []string{"state", "reason"})}
	r.MustRegister(m.accounts)
	return m
}

// show counts the watches of all processes.
func (m watchMetrics) show(ctx context.Context) {
	all, err := m.all(ctx)
	if err != nil {
		return
	}
	m.accounts.Reset()
	m.accounts.WithLabelValues(commands.WatchLive, "") // from 0 on
	for _, w := range all {
		m.accounts.WithLabelValues(w.State, w.Reason).Inc()
	}
}
