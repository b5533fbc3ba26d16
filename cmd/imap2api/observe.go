package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/imap2api/imap2api/adapters/tracing"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// metrics are what /metrics shows.
type metrics struct {
	registry *prometheus.Registry
	handlers *prometheus.HistogramVec
	catchUps *prometheus.HistogramVec
	answers  *prometheus.HistogramVec
	appends  prometheus.Histogram
	appended *prometheus.CounterVec
	lag      *prometheus.GaugeVec
	lagTime  *prometheus.GaugeVec
	building *prometheus.GaugeVec
	stopped  *prometheus.GaugeVec
	coverage coverageMetrics
	watches  watchMetrics
	webhooks *webhookMetrics
	lags     webhookLags
	models   func(context.Context, queries.ListModels) ([]queries.Model, error)
	tracer   *tracing.Tracer // nil: nobody wants traces
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
		answers: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "imap2api_http_seconds", Help: "Time of requests until the answer is written; streams and long polls last.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 10),
		}, []string{"route", "method", "status"}),
		appends: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "imap2api_append_seconds", Help: "Time of appends to the log.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}),
		appended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imap2api_appended_events_total", Help: "Events that this process appended to the log, by public type.",
		}, []string{"type"}),
		lagTime: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "imap2api_projection_lag_seconds", Help: "Age of the oldest event that is not applied.",
		}, []string{"projection"}),
		building: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "imap2api_projection_rebuild_percent", Help: "How far a rebuild is; 100 if none goes on.",
		}, []string{"projection"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "imap2api_projection_lag_events", Help: "Events between the checkpoints and the heads of all journals.",
		}, []string{"projection"}),
		stopped: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "imap2api_projection_stopped_journals", Help: "Journals with an event that cannot be applied.",
		}, []string{"projection"}),
	}
	m.coverage, m.watches = newCoverageMetrics(m.registry), newWatchMetrics(m.registry)
	m.webhooks = newWebhookMetrics(m.registry)
	m.registry.MustRegister(m.handlers, m.catchUps, m.answers, m.appends, m.appended, m.lag, m.lagTime, m.building, m.stopped,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// text returns the metrics as Prometheus text.
func (m *metrics) text(ctx context.Context) ([]byte, error) {
	if models, err := m.models(ctx, queries.ListModels{Coverage: true}); err == nil {
		for _, model := range models {
			m.lag.WithLabelValues(model.Name).Set(float64(model.EventsTotal - model.EventsApplied))
			m.lagTime.WithLabelValues(model.Name).Set(model.LagSeconds)
			percent := 100
			if model.Rebuild != nil {
				percent = model.Rebuild.Percent
			}
			m.building.WithLabelValues(model.Name).Set(float64(percent))
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

// answered notes an answer of the API.
func (m *metrics) answered(ctx context.Context, route, method string, status int, took time.Duration) {
	tracing.Answered(ctx, route, method, status)
	m.answers.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
}

// wasAppended notes a commit.
func (m *metrics) wasAppended(list []events.Event, took time.Duration) {
	m.appends.Observe(took.Seconds())
	for _, e := range list {
		typ, _ := e.EventType()
		m.appended.WithLabelValues(public.TypeOf(typ)).Inc()
	}
}

func outcome(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}

// observe adds the duration of each call, a span and a debug line. It does not log
// errors, since its caller does, nor what was asked.
func observe[In, Out any](m *metrics, log *slog.Logger, name string, handle func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		started := time.Now()
		ctx, end := m.tracer.Start(ctx, name)
		out, err := handle(ctx, in)
		end(err)
		took := time.Since(started)
		m.handlers.WithLabelValues(name, outcome(err)).Observe(took.Seconds())
		log.Debug("handled", slog.String("handler", name), slog.Duration("took", took), slog.Bool("ok", err == nil))
		return out, err
	}
}
