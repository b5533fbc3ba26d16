package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/imap2api/imap2api/domain"
)

// Without a collector nothing is allocated, and handlers stay as they are.
func TestNoCollectorCostsNothing(t *testing.T) {
	var none *Tracer
	ctx, fault := t.Context(), errors.New("x")
	allocated := testing.AllocsPerRun(100, func() {
		inner, end := none.Start(ctx, "list_messages")
		Answered(inner, "/api/emails/", "GET", 200)
		end(fault)
	})
	if allocated > 0 {
		t.Errorf("a span that nobody wants allocates %v times", allocated)
	}
	mux := http.NewServeMux()
	if none.Requests(mux) != http.Handler(mux) || none.Close(ctx) != nil {
		t.Error("the handler was wrapped")
	}
}

func TestErrorsTellNothing(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		fmt.Errorf("mailbox of ann@example.org: %w", domain.ErrNotFound): domain.ErrNotFound.Error(),
		context.DeadlineExceeded:                      context.DeadlineExceeded.Error(),
		errors.New("login of ann@example.org failed"): "error",
	} {
		if got := kindOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
