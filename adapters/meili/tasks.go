package meili

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"github.com/imap2api/imap2api/domain"
)

// Waiting for a task begins with short pauses: most are done at once.
const (
	firstLook = 5 * time.Millisecond
	lastLook  = 250 * time.Millisecond
)

// tasks are what was asked for and is not done yet, in order.
type tasks struct {
	engine *Engine
	uids   []int64
}

// add sends a request that makes a task.
func (t *tasks) add(ctx context.Context, what string, send func(context.Context) (*meilisearch.TaskInfo, error)) error {
	return t.engine.do(ctx, t.engine.opts.RequestTimeout, what, func(ctx context.Context) error {
		info, err := send(ctx)
		if err == nil {
			t.uids = append(t.uids, info.TaskUID)
		}
		return err
	})
}

// taskError is a task that did not succeed.
type taskError struct {
	UID    int64
	Type   meilisearch.TaskType
	Status meilisearch.TaskStatus
	*serverError
}

// Error says which task it is and why.
func (e *taskError) Error() string {
	return fmt.Sprintf("task %d, %s, %s: %v", e.UID, e.Type, e.Status, e.serverError)
}

// await blocks until all tasks are done. It returns domain.ErrUnavailable if they are not
// within the time they have, and a *taskError for the first one that did not succeed, except
// those with one of the accepted codes. What is not done will be, in the same order: whoever
// gives up writes the same again.
func (t *tasks) await(ctx context.Context, accepted ...string) error {
	err := t.wait(ctx, accepted)
	if ctx.Err() == nil {
		t.engine.circuit.wrote(err)
	}
	return err
}

func (t *tasks) wait(ctx context.Context, accepted []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, t.engine.opts.TaskTimeout,
		fmt.Errorf("%d tasks are not done after %v: %w", len(t.uids), t.engine.opts.TaskTimeout, domain.ErrUnavailable))
	defer cancel()
	for pause := firstLook; len(t.uids) > 0; pause = min(2*pause, lastLook) {
		done, err := t.look(ctx)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		for _, task := range done {
			if err := failure(task, accepted); err != nil {
				return err
			}
			t.uids = slices.DeleteFunc(t.uids, func(uid int64) bool { return uid == task.UID })
		}
		if len(t.uids) == 0 {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
	return nil
}

// look returns the tasks that are done, in the order in which they were asked for. It asks for
// the first ones only, since they are done in order.
func (t *tasks) look(ctx context.Context) (done []meilisearch.Task, err error) {
	some := t.uids[:min(len(t.uids), 100)]
	err = t.engine.do(ctx, t.engine.opts.RequestTimeout, "read tasks", func(ctx context.Context) error {
		found, err := t.engine.service.GetTasksWithContext(ctx, &meilisearch.TasksQuery{UIDS: some, Limit: int64(len(some))})
		if err != nil {
			return err
		}
		if len(found.Results) < len(some) { // a server that was put back knows nothing of them
			return fmt.Errorf("%d of %d tasks are not known: %w", len(some)-len(found.Results), len(some), domain.ErrUnavailable)
		}
		for _, task := range found.Results {
			if task.Status != meilisearch.TaskStatusEnqueued && task.Status != meilisearch.TaskStatusProcessing {
				done = append(done, task)
			}
		}
		slices.SortFunc(done, func(a, b meilisearch.Task) int { return int(a.UID - b.UID) })
		return nil
	})
	return done, err
}

// failure returns why a task did not succeed. Tasks that fail because of the server are tried
// again as if it were away: its disk may be full.
func failure(task meilisearch.Task, accepted []string) error {
	if task.Status == meilisearch.TaskStatusSucceeded || slices.Contains(accepted, task.Error.Code) {
		return nil
	}
	reason := &serverError{Code: task.Error.Code}
	if task.Error.Type != "invalid_request" {
		reason.Message = task.Error.Message
	}
	err := &taskError{task.UID, task.Type, task.Status, reason}
	switch {
	case task.Error.Code == "index_not_found":
		return fmt.Errorf("%w: %w", domain.ErrNotFound, err)
	case task.Error.Type == "internal", task.Error.Type == "system", task.Status == meilisearch.TaskStatusCanceled:
		return fmt.Errorf("%w: %w", domain.ErrUnavailable, err)
	}
	return err
}

// isNotFound reports whether an index or document is not there.
func isNotFound(err error) bool { return errors.Is(err, domain.ErrNotFound) }
