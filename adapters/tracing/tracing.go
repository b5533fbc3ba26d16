// Package tracing tells an OpenTelemetry collector what the program does: spans of requests, commands and
// queries, syncs, batches of read models and deliveries, by OTLP over HTTP. It knows none of these: its
// callers give names and attributes, which are numbers, types and patterns of routes, never a secret, an
// address or what mail says.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"github.com/imap2api/imap2api/domain"
)

// Tracer makes spans. A nil Tracer makes none, and costs nothing.
type Tracer struct {
	provider *trace.TracerProvider
	tracer   api.Tracer
}

// Open returns a tracer that sends spans where the variables of the OpenTelemetry specification say
// (OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER …), which the library
// reads. A collector that is away is told in the log, and spans are lost.
func Open(ctx context.Context, version string, log *slog.Logger) (*Tracer, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("open exporter of traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "imap2api"), attribute.String("service.version", version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("describe the program: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("send traces", slog.Any("err", err)) }))
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
	return &Tracer{provider, provider.Tracer("github.com/imap2api/imap2api")}, nil
}

// Close sends what is not sent yet.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("close tracer: %w", err)
	}
	return nil
}

// Start begins a span. The context carries it to those within; end is called once, with what went wrong.
func (t *Tracer) Start(ctx context.Context, name string, about ...slog.Attr) (inner context.Context, end func(err error)) {
	if t == nil {
		return ctx, noEnd
	}
	ctx, span := t.tracer.Start(ctx, name, api.WithAttributes(attributes(about)...))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, kindOf(err))
		}
		span.End()
	}
}

func noEnd(error) {}

// Note adds attributes to the span that a context carries.
func Note(ctx context.Context, about ...slog.Attr) {
	if span := api.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attributes(about)...)
	}
}

// kindOf says of an error only what cannot tell of anybody.
func kindOf(err error) string {
	for _, kind := range []error{
		domain.ErrNotFound, domain.ErrInvalid, domain.ErrConflict, domain.ErrUnavailable, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "error"
}

func attributes(about []slog.Attr) []attribute.KeyValue {
	out := make([]attribute.KeyValue, len(about))
	for i, a := range about {
		switch a.Value.Kind() {
		case slog.KindInt64:
			out[i] = attribute.Int64(a.Key, a.Value.Int64())
		case slog.KindBool:
			out[i] = attribute.Bool(a.Key, a.Value.Bool())
		default:
			out[i] = attribute.String(a.Key, a.Value.String())
		}
	}
	return out
}

// Requests begins a span for each request, within that of the client if it sends one (W3C Trace Context).
// Whoever answers names it by Answered.
func (t *Tracer) Requests(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	var format propagation.TraceContext
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := format.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, "HTTP", api.WithSpanKind(api.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Answered names the span of a request by method and pattern of its route.
func Answered(ctx context.Context, route, method string, status int) {
	span := api.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetName(method + " " + route)
	span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
}
