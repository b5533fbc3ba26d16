package eventlog

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const (
	// mergedThreads are those of some threads that became part of others, ever.
	mergedThreads = `
SELECT thread_id FROM state.thread_merges WHERE journal_id = $1 AND thread_id = ANY ($2)`

	// mergeEvents are messages that joined threads, in order, and those of which only the
	// payload tells: what JSON leaves out when it is empty need not be decoded.
	mergeEvents = `
SELECT stream_id, schema_version, encoding, payload FROM log.events
WHERE journal_id = $1 AND stream_kind = $2 AND type = $3 AND position <= $4 AND payload IS NOT NULL
	AND (encoding <> 0 OR position('"merged"'::bytea IN payload) > 0) ORDER BY position`
)

// mergers returns the messages that joined the threads, in which some messages were fetched, to
// those in which these messages are now. Where a row stands follows from their events too. Once
// merged, a thread never comes back, so one walk in order finds all.
func (r *repair[S]) mergers(ctx context.Context, ids []int64) ([]int64, error) {
	moved, err := r.moved(ctx, ids)
	if err != nil || len(moved) == 0 {
		return nil, err
	}
	rows, err := r.tx.Query(ctx, mergeEvents, int64(r.attempt.journal), int16(events.StreamMessage),
		string(events.TypeMessageFetched), int64(r.position))
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	var (
		out               []int64
		id                int64
		version, encoding int16
		payload           pgtype.DriverBytes // of the row only
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &version, &encoding, &payload}, func() error {
		event, err := storedEvent(string(events.TypeMessageFetched), version, encoding, payload)
		if err != nil {
			return err
		}
		e, ok := event.(events.MessageFetched)
		if ok && slices.ContainsFunc(e.Merged, func(t domain.ThreadID) bool { return moved[t] }) {
			moved[e.Thread] = true
			out = append(out, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	out = slices.DeleteFunc(out, func(id int64) bool { return slices.Contains(ids, id) })
	return out, nil
}

// moved returns the threads in which messages were fetched and are no longer.
func (r *repair[S]) moved(ctx context.Context, ids []int64) (map[domain.ThreadID]bool, error) {
	var threads []int64
	for after := events.Position(0); ; {
		recs, err := r.read(ctx, ids, after, []string{string(events.TypeMessageFetched)})
		if err != nil {
			return nil, err
		}
		for _, rec := range recs {
			if e, ok := rec.Event.(events.MessageFetched); ok {
				threads = append(threads, int64(e.Thread))
			}
		}
		if len(recs) < maxBatch {
			break
		}
		after = recs[len(recs)-1].Position
	}
	merged, err := readColumn[int64](ctx, r.tx, mergedThreads, int64(r.attempt.journal), threads)
	if err != nil {
		return nil, fmt.Errorf("read merges: %w", err)
	}
	out := make(map[domain.ThreadID]bool, len(merged))
	for _, t := range merged {
		out[domain.ThreadID(t)] = true
	}
	return out, nil
}
