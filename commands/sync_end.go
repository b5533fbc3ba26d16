package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// recordEnd records how the run ended, and when the next is due.
func (r *accountRun) recordEnd(ctx context.Context, failed error) error {
	end := r.end()
	var event events.Event
	code, message := r.failure(ctx, failed)
	synced := slices.ContainsFunc(r.mailboxes, func(m *mailboxRun) bool { return m.result.Status == "success" })
	var next *time.Time
	if code != CodeNeedsReauthorization {
		next = nextSync(r.settings, end.FinishedAt)
	}
	switch {
	case code == "" || (synced && code != CodeCancelled):
		end.Status = "success"
		if code != "" || slices.ContainsFunc(r.mailboxes, func(m *mailboxRun) bool { return m.result.Error != nil }) {
			end.Status = "partial"
		}
		event = events.SyncCompleted{SyncEnd: end}
	default:
		end.Status = "error"
		failures := r.failures + 1
		if code == CodeCancelled {
			end.Status, failures = "cancelled", r.failures
		}
		event = events.SyncFailed{
			SyncEnd: end, Error: events.SyncError{Code: code, Message: message},
			ConsecutiveFailures: failures, NextAttemptAt: next,
		}
	}
	rows := []Row{DequeueRow{r.Account, r.Sync}, ScheduleRow{r.Account, next}}
	ctx = context.WithoutCancel(ctx) // a cancelled run is recorded too
	_, err := r.journal.Update(ctx, r.scope(), func(State) (Decision, error) {
		return Decision{Events: []events.Event{event}, Rows: rows}, nil
	})
	if err != nil {
		return fmt.Errorf("record end of sync %d: %w", r.Sync, err)
	}
	r.log.Info("account synced", slog.Int64("account", int64(r.Account)), slog.Int64("sync", int64(r.Sync)),
		slog.String("status", end.Status), slog.Int("received", end.Received), slog.Duration("took", end.FinishedAt.Sub(r.now)))
	return nil
}

const internalError = "The sync failed by an internal error."

// failure returns why the run failed, "" if it did not.
func (r *accountRun) failure(ctx context.Context, failed error) (code, message string) {
	if errors.Is(context.Cause(ctx), errCancelled) {
		return CodeCancelled, "The sync was cancelled."
	}
	var source *SourceError
	if errors.As(failed, &source) {
		return source.Code, source.Message
	}
	if failed != nil {
		r.log.Error("sync failed by a fault of ours", slog.Int64("account", int64(r.Account)), slog.Any("err", failed))
		return CodeInternal, internalError
	}
	ok := len(r.mailboxes) == 0
	for _, m := range r.mailboxes {
		ok = ok || m.result.Error == nil
	}
	if !ok {
		return r.mailboxes[0].result.Error.Code, r.mailboxes[0].result.Error.Message
	}
	return "", ""
}

// Bounds of the lists in the end of a run. The octets keep it within events.MaxPayload.
const (
	maxResults      = 200
	octetsResults   = 40 << 10
	octetsOfWarning = 12 << 10
)

// end sums up the run. Mailboxes with an error are named first if not all can be.
func (r *accountRun) end() events.SyncEnd {
	end := events.SyncEnd{SyncStarted: r.started, FinishedAt: r.opts.Now(), Total: len(r.mailboxes)}
	var results []events.MailboxResult
	for _, m := range r.mailboxes {
		if m.result.Status == "running" {
			m.result.Status = "pending"
		}
		end.Bytes += m.bytes
		results = append(results, m.result)
	}
	results = append(results, r.removed...)
	for _, m := range results {
		end.Received += m.Received
		end.FlagsChanged += m.FlagsChanged
		end.Moved += m.Moved
		end.Deleted += m.Deleted
	}
	if len(within(results, maxResults, octetsResults)) < len(results) {
		slices.SortStableFunc(results, func(a, b events.MailboxResult) int { return failedFirst(a) - failedFirst(b) })
	}
	end.Mailboxes = within(results, maxResults, octetsResults)
	end.Warnings = within(slices.Concat(r.missing, r.warnings), maxResults, octetsOfWarning)
	return end
}

func failedFirst(m events.MailboxResult) int {
	if m.Error != nil {
		return 0
	}
	return 1
}

// within returns as many of a list as may be, by their number and by their octets as JSON.
func within[T any](list []T, number, octets int) []T {
	out := []T{}
	for _, x := range list {
		b, err := json.Marshal(x)
		if octets -= len(b) + 1; err != nil || octets < 0 || len(out) == number {
			break
		}
		out = append(out, x)
	}
	return out
}

// Bounds of what is told of threads, so that they fit into events and decisions.
const (
	maxMergedTold = maxMerged // earlier ids of one
	tellBatch     = 250       // threads
)

// tellThreads records what the run did in each thread, a batch at a time.
func (r *accountRun) tellThreads(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	for after := domain.ThreadID(0); ; {
		threads, err := r.state.TouchedThreads(ctx, r.Journal, r.Account, after, tellBatch)
		if err != nil {
			return fmt.Errorf("touched threads of account %d: %w", r.Account, err)
		}
		if len(threads) == 0 {
			return nil
		}
		d := Decision{Events: make([]events.Event, len(threads))}
		told := ToldThreadsRow{Account: r.Account}
		for i, t := range threads {
			t.Merged = t.Merged[:min(len(t.Merged), maxMergedTold)]
			d.Events[i] = t
			told.Threads = append(told.Threads, t.Thread)
			after = max(after, t.Thread)
		}
		d.Rows = []Row{told}
		if _, err := r.journal.Update(ctx, r.scope(), func(State) (Decision, error) { return d, nil }); err != nil {
			return fmt.Errorf("record threads of account %d: %w", r.Account, err)
		}
	}
}
