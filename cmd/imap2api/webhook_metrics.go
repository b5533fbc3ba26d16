package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/queries"
)

// webhookMetrics are those of webhooks. None names a webhook: there may be thousands.
type webhookMetrics struct {
	attempts *prometheus.HistogramVec
	delay    prometheus.Histogram
	hooks    *prometheus.GaugeVec
	waiting  prometheus.Gauge
	oldest   prometheus.Gauge
}

func newWebhookMetrics(r *prometheus.Registry) *webhookMetrics {
	m := &webhookMetrics{
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "imap2api_webhook_attempt_seconds", Help: "Time of requests to receivers; outcome is ok, refused or why there was no answer.",
			Buckets: prometheus.ExponentialBuckets(0.002, 4, 8),
		}, []string{"outcome"}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "imap2api_webhook_delay_seconds", Help: "Time from an event to the end of its first request, if that succeeded.",
			Buckets: prometheus.ExponentialBuckets(0.005, 3, 10),
		}),
		hooks: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "imap2api_webhooks", Help: "Webhooks by status.",
		}, []string{"status"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "imap2api_webhook_deliveries_pending", Help: "Deliveries that are still to be made, those that wait for a repeat among them.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "imap2api_webhook_lag_seconds", Help: "Age of the oldest event that no request was made for.",
		}),
	}
	r.MustRegister(m.attempts, m.delay, m.hooks, m.waiting, m.oldest)
	return m
}

// attempted notes a request.
func (m *webhookMetrics) attempted(d commands.ClaimedDelivery, a commands.WebhookAnswer) {
	outcome := "ok"
	switch {
	case a.Error != nil:
		outcome = a.Error.Code
	case !a.Succeeded():
		outcome = "refused"
	}
	m.attempts.WithLabelValues(outcome).Observe(a.Took.Seconds())
	if a.Succeeded() && d.Attempts == 0 {
		m.delay.Observe(a.StartedAt.Add(a.Took).Sub(d.CreatedAt).Seconds())
	}
}

// show sets what is read from the database.
func (m *webhookMetrics) show(list []queries.WebhookLag) {
	count, waiting, oldest := map[string]int{"active": 0, "failing": 0, "disabled": 0}, 0, time.Duration(0)
	for _, w := range list {
		count[w.Status()]++
		waiting += w.Pending
		oldest = max(oldest, w.Lag)
	}
	for status, n := range count {
		m.hooks.WithLabelValues(status).Set(float64(n))
	}
	m.waiting.Set(float64(waiting))
	m.oldest.Set(oldest.Seconds())
}

// webhookLags asks for the lag of all webhooks.
type webhookLags func(context.Context, queries.ListWebhookLags) ([]queries.WebhookLag, error)
