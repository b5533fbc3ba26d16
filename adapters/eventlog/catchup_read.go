package eventlog

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// batch is what one transaction read: the events after a checkpoint.
type batch struct {
	known      bool // there is a checkpoint
	checkpoint events.Position
	attempts   int             // failed ones at the event after the checkpoint
	head       events.Position // of the journal; what was read may go beyond it
	journal    events.JournalID
	read       int   // events, of all types
	octets     int64 // of payload
	full       bool
	parts      []part
	position   events.Position // of the checkpoint after the commit, 0 before
}

// part is a run of events, and whose rows are deleted after it.
type part struct {
	recs     []events.Recorded
	erased   []domain.AccountID
	eraseAll events.Position // not 0: rows of all accounts before it
}

func (b *batch) last() events.Position { return b.checkpoint + events.Position(b.read) }

// afterCheckpoint reads the events after the checkpoint, payloads only of the
// types that are handled, and stops at 4 MiB of them. Positions have no gaps, so it
// reads a range of them: with a LIMIT instead, a generic plan reads and sorts the
// whole rest of a journal for each batch.
func afterCheckpoint(limit int) string {
	const checkpoint = `(SELECT c.position FROM log.checkpoints c WHERE c.journal_id = $1 AND c.projection = $2 AND c.generation = $3)`
	return `
SELECT position, type, schema_version, encoding, stream_kind, stream_id, account_id, recorded_at, event_id, payload FROM (
	SELECT position, type, schema_version, encoding, stream_kind, stream_id, account_id, recorded_at, event_id,
		CASE WHEN type = ANY ($4) THEN payload END AS payload,
		sum(CASE WHEN type = ANY ($4) THEN octet_length(payload) END) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) AS octets
	FROM log.events WHERE journal_id = $1 AND position > ` + checkpoint + `
		AND position <= least(` + checkpoint + ` + ` + strconv.Itoa(limit) + `, $5)
) e WHERE octets IS NULL OR octets <= ` + strconv.Itoa(maxBatchOctets) + ` ORDER BY position`
}

var (
	nextThousand = afterCheckpoint(maxBatch)
	nextOne      = afterCheckpoint(1)
)

// read begins the transaction, locks the checkpoint and reads what comes after it,
// in one round trip.
func (a *attempt[S]) read(ctx context.Context, conn *pgx.Conn) (*batch, error) {
	query := nextThousand
	if a.limit == 1 {
		query = nextOne
	}
	name := a.model.opts.Name
	q := &pgx.Batch{}
	if !a.inner {
		q.Queue("BEGIN")
	}
	q.Queue(sharedLock, name, a.gen.Number)
	q.Queue(checkpointQuery, int64(a.journal), name, a.gen.Number)
	q.Queue(query, int64(a.journal), name, a.gen.Number, a.fold.types, int64(a.until))
	q.Queue(intoGeneration, a.gen.Schema)
	res := conn.SendBatch(ctx, q)
	b := &batch{journal: a.journal}
	err := a.receive(res, q.Len()-3, b)
	if closed := res.Close(); err == nil {
		err = closed
	}
	return b, err
}

func (a *attempt[S]) receive(res pgx.BatchResults, first int, b *batch) error {
	for range first { // BEGIN and the lock
		if _, err := res.Exec(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
	}
	err := res.QueryRow().Scan(&b.checkpoint, &b.attempts, &b.head)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock checkpoint: %w", err)
	}
	b.known = true
	rows, err := res.Query()
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	limit := a.limit
	if b.attempts > 0 {
		limit = 1
	}
	for b.read < limit && rows.Next() {
		if err := b.add(rows); err != nil {
			return err
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	if b.read == 0 && min(b.head, a.until) > b.checkpoint {
		return &eventError{fmt.Errorf("the log is damaged: position %d is missing, the head is %d", b.checkpoint+1, b.head)}
	}
	b.full = b.read == limit || b.octets > maxBatchOctets-events.MaxPayload
	return nil
}

// add takes the row of one event.
func (b *batch) add(rows pgx.Rows) error {
	var (
		rec               events.Recorded
		version, encoding int16
		payload           pgtype.DriverBytes // of the row only
	)
	err := rows.Scan((*int64)(&rec.Position), (*string)(&rec.Type), &version, &encoding, (*int16)(&rec.Stream.Kind),
		&rec.Stream.ID, (*int64)(&rec.Account), &rec.RecordedAt, &rec.ID, &payload)
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	if want := b.last() + 1; rec.Position != want {
		return &eventError{fmt.Errorf("the log is damaged: position %d is followed by %d", want-1, rec.Position)}
	}
	b.read++
	b.octets += int64(len(payload))
	b.erase(&rec)
	if payload == nil {
		return nil // not handled, or erased
	}
	rec.Journal, rec.RecordedAt = b.journal, rec.RecordedAt.UTC()
	if rec.Event, err = storedEvent(string(rec.Type), version, encoding, payload); err != nil {
		return &eventError{err}
	}
	p := &b.parts[len(b.parts)-1]
	p.recs = append(p.recs, rec)
	return nil
}

// erase ends the part at an event after which rows are deleted.
func (b *batch) erase(rec *events.Recorded) {
	if len(b.parts) == 0 {
		b.parts = append(b.parts, part{})
	}
	p := &b.parts[len(b.parts)-1]
	switch {
	case rec.Type == events.TypeAccountErased:
		p.erased = append(p.erased, rec.Account)
	case rec.Type == events.TypeUserErased && b.journal != events.System:
		p.eraseAll = rec.Position
	default:
		return
	}
	b.parts = append(b.parts, part{})
}

// apply folds the batch into the store, in order, and deletes the rows of erased
// accounts where their erasure comes.
func (a *attempt[S]) apply(ctx context.Context, tx pgx.Tx, b *batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &eventError{fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	store := a.model.opts.NewStore(tx, a.journal)
	for _, p := range b.parts {
		if len(p.recs) > 0 {
			if err := a.fold.apply(ctx, store, p.recs); err != nil {
				return err
			}
		}
		erased := p.erased
		if p.eraseAll > 0 {
			if erased, err = accountsBefore(ctx, tx, a.journal, p.eraseAll); err != nil {
				return err
			}
		}
		for _, acc := range erased {
			if err := store.EraseAccount(ctx, acc); err != nil {
				return fmt.Errorf("erase account %d: %w", acc, err)
			}
		}
	}
	return nil
}

const accountsQuery = `
SELECT account_id FROM log.events
WHERE journal_id = $1 AND stream_kind = $2 AND type = $3 AND position < $4 ORDER BY position`

// accountsBefore returns all accounts that were ever added to a journal before a position.
func accountsBefore(ctx context.Context, tx pgx.Tx, j events.JournalID, pos events.Position) ([]domain.AccountID, error) {
	rows, err := tx.Query(ctx, accountsQuery, int64(j), int16(events.StreamAccount), string(events.TypeAccountAdded), int64(pos))
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	accounts, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	out := make([]domain.AccountID, len(accounts))
	for i, id := range accounts {
		out[i] = domain.AccountID(id)
	}
	return out, nil
}
