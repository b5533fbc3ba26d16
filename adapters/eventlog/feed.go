package eventlog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// Log answers what is asked about journals and read models.
var (
	_ queries.EventReader = (*Log)(nil)
	_ queries.ModelReader = (*Log)(nil)
)

const (
	// erasuresQuery returns what erased the accounts of a journal, and -1 for the user.
	erasuresQuery = `
SELECT account_id, min(position) FROM log.events
WHERE journal_id = $1 AND stream_kind = $2 AND stream_id = ANY ($3) AND type = $4 GROUP BY account_id
UNION ALL SELECT -1, erased_by FROM log.journals WHERE journal_id = $1 AND erased_by IS NOT NULL`

	// Time and position grow together, so a moment is found by halving.
	beforeMoment = `
WITH RECURSIVE halving(lo, hi) AS ( -- events up to lo are before the moment, those from hi on are not
	SELECT 0::bigint, position + 1 FROM log.journals WHERE journal_id = $1
	UNION ALL
	SELECT CASE WHEN e.before THEN h.mid ELSE h.lo END, CASE WHEN e.before THEN h.hi ELSE h.mid END
	FROM (SELECT lo, hi, (lo + hi) / 2 AS mid FROM halving WHERE hi - lo > 1) h
	CROSS JOIN LATERAL (
		SELECT CASE WHEN $3 THEN recorded_at <= $2 ELSE recorded_at < $2 END AS before
		FROM log.events WHERE journal_id = $1 AND position = h.mid) e
)
SELECT coalesce(max(lo), 0) FROM halving`
)

// Events answers queries.ListEvents. No item is after Latest, and all up to it can
// be read.
func (l *Log) Events(ctx context.Context, q queries.ListEvents) (queries.EventPage, error) {
	if err := l.moments(ctx, &q); err != nil {
		return queries.EventPage{}, fmt.Errorf("find moment: %w", err)
	}
	sql, args := feedQuery(q)
	b := &pgx.Batch{}
	b.Queue(headQuery, int64(q.Journal)) // first: what is read after it is there
	b.Queue(sql, args...)
	res := l.pool.SendBatch(ctx, b)
	page, err := receivePage(res, q)
	if closed := res.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return queries.EventPage{}, fmt.Errorf("read events: %w", translate(err))
	}
	if err := l.erasures(ctx, q.Journal, page.Items); err != nil {
		return queries.EventPage{}, fmt.Errorf("read erasures: %w", translate(err))
	}
	return page, nil
}

// Event returns one event. It returns domain.ErrNotFound.
func (l *Log) Event(ctx context.Context, journal events.JournalID, pos events.Position) (events.Recorded, error) {
	page, err := l.Events(ctx, queries.ListEvents{Journal: journal, After: pos - 1, Before: pos + 1, Limit: 1})
	if err != nil {
		return events.Recorded{}, err
	}
	if pos < 1 || len(page.Items) == 0 {
		return events.Recorded{}, fmt.Errorf("event %d of journal %d: %w", pos, journal, domain.ErrNotFound)
	}
	return page.Items[0], nil
}

// eachPage is so many events that even the largest stay within 4 MiB.
const eachPage = maxBatchOctets / events.MaxPayload

// Each gives fn all events that q asks for, whatever its Limit, in order; it holds
// at most 4 MiB of them. It ends with the first error of fn.
func (l *Log) Each(ctx context.Context, q queries.ListEvents, fn func(events.Recorded) error) error {
	if err := l.moments(ctx, &q); err != nil {
		return fmt.Errorf("find moment: %w", err)
	}
	q.Limit = eachPage
	for {
		page, err := l.Events(ctx, q)
		if err != nil {
			return err
		}
		for _, rec := range page.Items {
			if err := fn(rec); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		last := page.Items[len(page.Items)-1].Position
		if q.Desc {
			q.Before = last
		} else {
			q.After = last
		}
	}
}

// moments puts positions in the place of moments.
func (l *Log) moments(ctx context.Context, q *queries.ListEvents) error {
	if q.Since != nil {
		pos, err := l.before(ctx, q.Journal, *q.Since, false)
		if err != nil {
			return err
		}
		q.After, q.Since = max(q.After, pos), nil
	}
	if q.Until != nil {
		pos, err := l.before(ctx, q.Journal, *q.Until, true)
		if err != nil {
			return err
		}
		if q.Before == 0 || q.Before > pos+1 {
			q.Before = pos + 1
		}
		q.Until = nil
	}
	return nil
}

// PositionAt returns the position of the last event of a journal that was recorded at a moment or
// before it; 0 if there is none.
func (l *Log) PositionAt(ctx context.Context, journal events.JournalID, at time.Time) (events.Position, error) {
	pos, err := l.before(ctx, journal, at, true)
	if err != nil {
		return 0, fmt.Errorf("find moment: %w", err)
	}
	return pos, nil
}

// before returns the position of the last event of a journal that was recorded before
// a moment, or at it if inclusive; 0 if there is none.
func (l *Log) before(ctx context.Context, journal events.JournalID, at time.Time, inclusive bool) (events.Position, error) {
	var pos int64
	err := l.pool.QueryRow(ctx, beforeMoment, int64(journal), at, inclusive).Scan(&pos)
	if err != nil {
		return 0, translate(err)
	}
	return events.Position(pos), nil
}

func receivePage(res pgx.BatchResults, q queries.ListEvents) (queries.EventPage, error) {
	page := queries.EventPage{Items: []events.Recorded{}}
	if err := res.QueryRow().Scan((*int64)(&page.Latest)); err != nil {
		return page, err
	}
	rows, err := res.Query()
	if err != nil {
		return page, err
	}
	defer rows.Close()
	limit := max(q.Limit, 1)
	for seen := 1; rows.Next(); seen++ {
		rec, err := scanRecorded(rows)
		if err != nil {
			return page, err
		}
		late := rec.Position > page.Latest // appended meanwhile
		if page.More = seen > limit && (q.Desc || !late); late || page.More {
			continue
		}
		rec.Journal = q.Journal
		page.Items = append(page.Items, rec)
	}
	rows.Close()
	return page, rows.Err()
}

// scanRecorded reads a row of feedColumns.
func scanRecorded(row pgx.Rows) (events.Recorded, error) {
	var (
		rec               events.Recorded
		version, encoding int16
		payload, meta     []byte
	)
	err := row.Scan((*int64)(&rec.Position), (*string)(&rec.Type), &version, &encoding, (*int16)(&rec.Stream.Kind),
		&rec.Stream.ID, (*int64)(&rec.Account), &rec.RecordedAt, &rec.ID, &payload, &meta)
	if err != nil {
		return rec, err
	}
	rec.RecordedAt = rec.RecordedAt.UTC()
	if meta != nil {
		if err := json.Unmarshal(meta, &rec.Meta); err != nil {
			return rec, fmt.Errorf("meta of position %d: %w", rec.Position, err)
		}
	}
	if payload != nil {
		if rec.Event, err = storedEvent(string(rec.Type), version, encoding, payload); err != nil {
			return rec, fmt.Errorf("position %d: %w", rec.Position, err)
		}
	}
	return rec, nil
}

// erasures tells of the events without a payload what erased them.
func (l *Log) erasures(ctx context.Context, journal events.JournalID, recs []events.Recorded) error {
	accounts := map[int64]bool{}
	for _, rec := range recs {
		if rec.Event == nil {
			accounts[int64(rec.Account)] = true
		}
	}
	if len(accounts) == 0 {
		return nil
	}
	by, err := erasedBy(ctx, l.pool, journal, accounts)
	if err != nil {
		return err
	}
	for i := range recs {
		if rec := &recs[i]; rec.Event == nil {
			rec.ErasedBy = by.of(int64(rec.Account), rec.Position)
		}
	}
	return nil
}

// erased has the position of the event that erased each account of a journal, and
// under wholeUser that which erased the user.
type erased map[int64]events.Position

const wholeUser = -1

// of returns the event that erased an event of an account, 0 if none covers it.
func (e erased) of(account int64, pos events.Position) events.Position {
	if by := e[account]; account != 0 && by > pos {
		return by
	}
	if by := e[wholeUser]; by > pos {
		return by
	}
	return 0
}

func erasedBy(ctx context.Context, q querier, journal events.JournalID, accounts map[int64]bool) (erased, error) {
	ids := make([]int64, 0, len(accounts))
	for id := range accounts {
		ids = append(ids, id)
	}
	rows, err := q.Query(ctx, erasuresQuery, int64(journal), int16(events.StreamAccount), ids, string(events.TypeAccountErased))
	if err != nil {
		return nil, err
	}
	return collectErased(rows)
}

// collectErased reads rows of an account, or wholeUser, and the event that erased it.
func collectErased(rows pgx.Rows) (erased, error) {
	out := erased{}
	var account, pos int64
	_, err := pgx.ForEachRow(rows, []any{&account, &pos}, func() error {
		out[account] = events.Position(pos)
		return nil
	})
	return out, err
}
