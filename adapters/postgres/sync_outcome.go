package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

const cancelRun = `
UPDATE state.sync_queue SET cancelled = true
WHERE journal_id = $1 AND account_id = $2 AND sync_id = $3`

// Cancel asks for a run to be given up. It returns domain.ErrConflict if it has
// ended, domain.ErrNotFound if there was none.
func (q *Queue) Cancel(ctx context.Context, journal events.JournalID, acc domain.AccountID, id domain.SyncID) error {
	tag, err := q.pool.Exec(ctx, cancelRun, journal, acc, id)
	if err != nil {
		return fmt.Errorf("cancel sync %d: %w", id, translate(err))
	}
	if tag.RowsAffected() > 0 {
		q.Notify()
		return nil
	}
	if _, err := q.Outcome(ctx, journal, acc, id); err != nil {
		return fmt.Errorf("cancel sync %d: %w", id, err)
	}
	return fmt.Errorf("sync %d has ended: %w", id, domain.ErrConflict)
}

const isQueued = `
SELECT EXISTS (SELECT FROM state.sync_queue WHERE journal_id = $1 AND account_id = $2 AND sync_id = $3)`

// lastOfRun finds the last event of a run; 5 is events.StreamSync. The log is
// asked, not the read model, so nobody who waits for the end has to wait for a fold.
const lastOfRun = `
SELECT type, schema_version, encoding, payload
FROM log.events
WHERE journal_id = $1 AND stream_kind = 5 AND stream_id = $3 AND account_id = $2
ORDER BY position DESC
LIMIT 1`

// Outcome returns how a run stands. It returns domain.ErrNotFound for a run that
// neither waits nor has ever begun, or whose account is erased.
func (q *Queue) Outcome(ctx context.Context, journal events.JournalID, acc domain.AccountID, id domain.SyncID) (commands.SyncOutcome, error) {
	out := commands.SyncOutcome{Sync: id, Status: "running"}
	var queued bool
	last := storedEvent{}
	found := false
	// One batch is one moment only in a snapshot: else a run could end between the two.
	err := pgx.BeginTxFunc(ctx, q.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(isQueued, journal, acc, id).QueryRow(func(row pgx.Row) error { return row.Scan(&queued) })
		b.Queue(lastOfRun, journal, acc, id).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				found = true
				if err := rows.Scan(&last.kind, &last.version, &last.encoding, &last.payload); err != nil {
					return fmt.Errorf("scan event: %w", err)
				}
			}
			return rows.Err()
		})
		return tx.SendBatch(ctx, &b).Close()
	})
	switch {
	case err != nil:
		return out, fmt.Errorf("outcome of sync %d: %w", id, translate(err))
	case queued:
		return out, nil
	case !found || last.payload == nil:
		return out, fmt.Errorf("sync %d: %w", id, domain.ErrNotFound)
	}
	event, err := last.decode()
	if err != nil {
		return out, fmt.Errorf("outcome of sync %d: %w", id, err)
	}
	switch e := event.(type) {
	case events.SyncCompleted:
		out.Status = e.Status
	case events.SyncFailed:
		out.Status, out.Error = e.Status, &e.Error
	default: // it began and does not go on
		out.Status = "interrupted"
	}
	return out, nil
}

// storedEvent is an event as the log has it.
type storedEvent struct {
	kind              string
	version, encoding int16
	payload           []byte
}

// decode returns the event. Encoding 1 is zstd.
func (s storedEvent) decode() (events.Event, error) {
	payload := s.payload
	if s.encoding == codecZstd {
		var err error
		if payload, err = unpacker.DecodeAll(payload, nil); err != nil {
			return nil, fmt.Errorf("unpack payload: %w", err)
		}
	}
	return events.Decode(events.Type(s.kind), int(s.version), payload)
}
