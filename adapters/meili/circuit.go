package meili

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"github.com/imap2api/imap2api/domain"
)

// circuit lets nobody wait for a server that is away: after a request without an answer there
// are none for a pause, and those that want one fail at once.
type circuit struct {
	pause time.Duration
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	until   time.Time // no request before
	cause   error     // nil: the last request was answered
	trouble error     // why the last writes cannot be found; nil: they can
}

// wrote takes what became of the tasks of writes.
func (c *circuit) wrote(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble = err; err != nil {
		c.log.Warn("meilisearch did not write", slog.Any("err", err))
	}
}

// open returns why there is no request now, nil if there may be one.
func (c *circuit) open() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil || !c.now().Before(c.until) {
		return nil
	}
	return c.cause
}

// enter is open for who sends a request then: after a pause one goes ahead, and the others wait
// for what becomes of it.
func (c *circuit) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		return nil
	}
	if now := c.now(); !now.Before(c.until) {
		c.until = now.Add(c.pause)
		return nil
	}
	return c.cause
}

// note takes what became of a request: nil if it was answered.
func (c *circuit) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil && c.cause == nil:
		c.log.Warn("meilisearch is away", slog.Any("err", err))
	case err == nil && c.cause != nil:
		c.log.Info("meilisearch is back")
	}
	if c.cause = err; err != nil {
		c.until = c.now().Add(c.pause)
	}
}

// Available reports whether the server answered the last request, or may be asked again.
func (e *Engine) Available() bool { return e.circuit.open() == nil }

// do sends one request, or a few that belong together, within a timeout. It returns
// domain.ErrUnavailable if there is no answer and domain.ErrNotFound if the index, document
// or task is not there.
func (e *Engine) do(ctx context.Context, timeout time.Duration, what string, send func(context.Context) error) error {
	if err := e.circuit.enter(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := e.try(ctx, timeout, send)
	if ctx.Err() != nil { // the caller gave up, which says nothing of the server
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if errors.Is(err, domain.ErrUnavailable) {
		e.circuit.note(err)
	} else {
		e.circuit.note(nil)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// try sends whatever the circuit says.
func (e *Engine) try(ctx context.Context, timeout time.Duration, send func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return translate(send(ctx))
}

// serverError is an answer of Meilisearch that is an error, or the error of a task: its code,
// without the message, which may hold parts of documents, unless it is about the server.
type serverError struct {
	Status        int
	Code, Message string
}

// Error tells the code, and the message if there is one.
func (e *serverError) Error() string {
	out := "meilisearch says "
	if e.Status != 0 { // of a task
		out += strconv.Itoa(e.Status) + " "
	}
	if out += e.Code; e.Message != "" {
		out += ": " + e.Message
	}
	return out
}

// cutOff tells an answer that ended early, which the client does not mark, from what was said by
// others.
func cutOff(err error) error {
	var network net.Error
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) {
		return fmt.Errorf("%w: %w", domain.ErrUnavailable, err)
	}
	return err
}

// translate gives an error of the client the kind that callers act on. Its texts hold requests
// and answers, so only what is known to hold none is kept.
func translate(err error) error {
	var e *meilisearch.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return cutOff(err)
	case e.StatusCode == 0 && e.OriginError != nil:
		return fmt.Errorf("%w: %w", domain.ErrUnavailable, e.OriginError)
	case e.MeilisearchApiError.Code == "": // not Meilisearch, but something before it
		return fmt.Errorf("%w: answer with status %d is not of meilisearch", domain.ErrUnavailable, e.StatusCode)
	}
	api := e.MeilisearchApiError
	out := &serverError{Status: e.StatusCode, Code: api.Code}
	if api.Type != "invalid_request" {
		out.Message = api.Message
	}
	switch {
	case out.Code == "index_not_found" || out.Code == "document_not_found" || out.Code == "task_not_found":
		return fmt.Errorf("%w: %w", domain.ErrNotFound, out)
	case api.Type == "auth", e.StatusCode == http.StatusRequestTimeout, e.StatusCode == http.StatusTooManyRequests, e.StatusCode >= 500:
		return fmt.Errorf("%w: %w", domain.ErrUnavailable, out)
	}
	return out
}
