package queries

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// timeKey and idKey give texts that order as the values do.
func timeKey(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }
func idKey(id int64) string      { return fmt.Sprintf("%019s", strconv.FormatInt(id, 10)) }

// Handle answers q. It returns ErrPage for a page past the end.
func (h *ListSyncRunsHandler) Handle(ctx context.Context, q ListSyncRuns) (Page[SyncRun], error) {
	if q.ByCursor {
		return h.byCursor(ctx, q)
	}
	count, err := h.accounts.CountSyncRuns(ctx, q)
	if err != nil {
		return Page[SyncRun]{}, fmt.Errorf("count sync runs of account %d: %w", q.Account, err)
	}
	number, offset, err := Offset(count, q.Paging)
	if err != nil {
		return Page[SyncRun]{}, err
	}
	runs, err := h.accounts.SyncRuns(ctx, q, 0, 0, offset, q.Size)
	if err != nil {
		return Page[SyncRun]{}, fmt.Errorf("list sync runs of account %d: %w", q.Account, err)
	}
	return Page[SyncRun]{Items: runs, Count: count, Number: number}, nil
}

func (h *ListSyncRunsHandler) byCursor(ctx context.Context, q ListSyncRuns) (Page[SyncRun], error) {
	var before, after domain.SyncID
	backward := q.Cursor != nil && q.Cursor.Backward
	switch {
	case backward:
		after = domain.SyncID(q.Cursor.ID)
	case q.Cursor != nil:
		before = domain.SyncID(q.Cursor.ID)
	}
	runs, err := h.accounts.SyncRuns(ctx, q, before, after, 0, q.Size+1) // one more tells whether it goes on
	if err != nil {
		return Page[SyncRun]{}, fmt.Errorf("list sync runs of account %d: %w", q.Account, err)
	}
	return idPage(runs, q.Paging, func(r SyncRun) int64 { return int64(r.Sync) }), nil
}

// idPage makes a page by cursor of a list that is ordered by id, newest first, and has one item more than
// the page if it goes on.
func idPage[T any](items []T, p Paging, id func(T) int64) Page[T] {
	more := len(items) > p.Size
	backward := p.Cursor != nil && p.Cursor.Backward
	switch {
	case more && backward:
		items = items[1:]
	case more:
		items = items[:p.Size]
	}
	page := Page[T]{Items: slices.Clip(items)}
	if len(items) > 0 && (more || backward) {
		page.Next = &Cursor{ID: id(items[len(items)-1])}
	}
	if len(items) > 0 && p.Cursor != nil && (more || !backward) {
		page.Previous = &Cursor{ID: id(items[0]), Backward: true}
	}
	return page
}
