package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/imap2api/imap2api/adapters/tracing"
	"github.com/imap2api/imap2api/adapters/webhook"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// openTracer returns nil unless a variable of the OpenTelemetry specification names a collector. That is no
// setting of ours: whoever runs a collector sets it for all programs.
func openTracer(ctx context.Context, log *slog.Logger) (*tracing.Tracer, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" || os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, nil
	}
	t, err := tracing.Open(ctx, version(), log)
	if err != nil {
		return nil, usageError{fmt.Errorf("traces: %w", err)}
	}
	return t, nil
}

// closeTracer sends the last spans. A collector that is away is no failure of the program.
func closeTracer(ctx context.Context, t *tracing.Tracer, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTraces)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		log.Warn("send the last traces", slog.Any("err", err))
	}
}

// tracedTasks are the read models with a span for each batch.
func (s *system) tracedTasks() []projections.Task {
	tracer := s.metrics.tracer
	if tracer == nil {
		return s.tasks
	}
	out := make([]projections.Task, len(s.tasks))
	for i, task := range s.tasks {
		catchUp := task.CatchUp
		task.CatchUp = func(ctx context.Context, gen projections.Generation, journal events.JournalID) (bool, error) {
			ctx, end := tracer.Start(ctx, "project "+task.Name, slog.String("projection", task.Name),
				slog.Int("generation", gen.Number), slog.Int64("journal", int64(journal)))
			more, err := catchUp(ctx, gen, journal)
			end(err)
			return more, err
		}
		out[i] = task
	}
	return out
}

// tracedSync begins a span for each sync run; nil: nobody wants traces.
func (s *system) tracedSync() func(context.Context, commands.Run) (context.Context, func(error)) {
	tracer := s.metrics.tracer
	if tracer == nil {
		return nil
	}
	return func(ctx context.Context, run commands.Run) (context.Context, func(error)) {
		return tracer.Start(ctx, "sync", slog.Int64("journal", int64(run.Journal)), slog.Int64("account", int64(run.Account)),
			slog.Int64("sync", int64(run.Sync)), slog.String("trigger", run.Cause))
	}
}

// observedPages names the spans of pages; nil: nobody wants traces.
func (s *system) observedPages() func(ctx context.Context, route, method string, status int) {
	if s.metrics.tracer == nil {
		return nil
	}
	return tracing.Answered
}

// tracedSender is a sender with a span for each attempt.
type tracedSender struct {
	*webhook.Sender
	metrics *metrics
}

// Send signs and sends one request, and does not repeat it.
func (s tracedSender) Send(ctx context.Context, req commands.WebhookRequest) commands.WebhookAnswer {
	if s.metrics.tracer == nil {
		return s.Sender.Send(ctx, req)
	}
	ctx, end := s.metrics.tracer.Start(ctx, "deliver to webhook", slog.String("event", req.Type), slog.Int("attempt", req.Attempt))
	a := s.Sender.Send(ctx, req)
	var err error
	if a.Error != nil {
		tracing.Note(ctx, slog.String("error.type", a.Error.Code)) //nolint:sloglint // a name of OpenTelemetry
		err = errFailed
	} else {
		tracing.Note(ctx, slog.Int("http.response.status_code", a.Status)) //nolint:sloglint // as above
	}
	end(err)
	return a
}
