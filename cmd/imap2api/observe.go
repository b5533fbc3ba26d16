package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/imap2api/imap2api/queries"
)

// metrics are what /metrics shows.
type metrics struct {
	registry *prometheus.Registry
	handlers *prometheus.HistogramVec
	catchUps *prometheus.HistogramVec
	lag      *prometheus.GaugeVec
	stopped  *prometheus.GaugeVec
	coverage coverageMetrics
	watches  watchMetrics
	webhooks *webhookMetrics
	lags     webhookLags
	models   func(context.Context, queries.ListModels) ([]queries.Model, error)
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		handlers: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "imap2api_handler_seconds", Help: "Time of commands and queries.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}, []string{"handler", "outcome"}),
		catchUps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "imap2api_projection_catch_up_seconds", Help: "Time to bring a journal up to date.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"projection", "outcome"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "imap2api_projection_lag_events", Help: "Events between the checkpoints and the heads of all journals.",
		}, []string{"projection"}),
		stopped: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "imap2api_projection_stopped_journals", Help: "Journals with an event that cannot be applied.",
		}, []string{"projection"}),
	}
	m.coverage, m.watches = newCoverageMetrics(m.registry), newWatchMetrics(m.registry)
	m.webhooks = newWebhookMetrics(m.registry)
	m.registry.MustRegister(m.handlers, m.catchUps, m.lag, m.stopped,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// text returns the metrics as Prometheus text.
func (m *metrics) text(ctx context.Context) ([]byte, error) {
	if models, err := m.models(ctx, queries.ListModels{Coverage: true}); err == nil {
		for _, model := range models {
			m.lag.WithLabelValues(model.Name).Set(float64(model.EventsTotal - model.EventsApplied))
			m.stopped.WithLabelValues(model.Name).Set(float64(model.JournalsFailed))
			m.coverage.show(model)
		}
	}
	m.watches.show(ctx)
	if lags, err := m.lags(ctx, queries.ListWebhookLags{}); err == nil {
		m.webhooks.show(lags)
	}
	families, err := m.registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather metrics: %w", err)
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			return nil, fmt.Errorf("write metrics: %w", err)
		}
	}
	return b.Bytes(), nil
}

// caughtUp notes how long a journal took.
func (m *metrics) caughtUp(projection string, took time.Duration, err error) {
	m.catchUps.WithLabelValues(projection, outcome(err)).Observe(took.Seconds())
}

func outcome(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}

// observe adds the duration of each call, and a debug line. It does not log
// errors, since its caller does, nor what was asked.
func observe[In, Out any](m *metrics, log *slog.Logger, name string, handle func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		started := time.Now()
		out, err := handle(ctx, in)
		took := time.Since(started)
		m.handlers.WithLabelValues(name, outcome(err)).Observe(took.Seconds())
		log.Debug("handled", slog.String("handler", name), slog.Duration("took", took), slog.Bool("ok", err == nil))
		return out, err
	}
}
