package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Loss is a head that was stated earlier and that the log does not go through: an older backup
// was restored, or the journal rewritten.
type Loss struct {
	Stated events.Head
	Ends   events.Position // of the journal, now
}

const lossesQuery = `
SELECT s.nth, coalesce(j.position, 0)
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) WITH ORDINALITY AS s (journal_id, position, link, nth)
LEFT JOIN log.journals j ON j.journal_id = s.journal_id
LEFT JOIN log.commits c ON c.journal_id = s.journal_id AND c.last_position = s.position
WHERE s.position > 0 AND c.link IS DISTINCT FROM s.link
ORDER BY s.journal_id, s.position`

// Losses returns those of the heads that the log does not go through, by journal.
func (l *Log) Losses(ctx context.Context, stated []events.Head) ([]Loss, error) {
	var journals, positions []int64
	var links [][]byte
	for _, h := range stated {
		journals, positions, links = append(journals, int64(h.Journal)), append(positions, int64(h.Position)), append(links, h.Link[:])
	}
	rows, err := l.pool.Query(ctx, lossesQuery, journals, positions, links)
	if err != nil {
		return nil, fmt.Errorf("compare heads: %w", translate(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Loss, error) {
		var nth, ends int64
		err := row.Scan(&nth, &ends)
		return Loss{stated[max(nth, 1)-1], events.Position(ends)}, err
	})
	if err != nil {
		return nil, fmt.Errorf("compare heads: %w", translate(err))
	}
	return out, nil
}

// recorded are the kinds of stream whose ids are drawn from sequences.
var recorded = map[domain.IDKind]events.StreamKind{
	domain.IDAccount: events.StreamAccount,
	domain.IDMailbox: events.StreamMailbox,
	domain.IDMessage: events.StreamMessage,
	domain.IDThread:  events.StreamThread,
	domain.IDSync:    events.StreamSync,
	domain.IDToken:   events.StreamToken,
	domain.IDUser:    events.StreamUser,
	domain.IDWebhook: events.StreamWebhook,
	domain.IDChange:  events.StreamChange,
}

// kinds returns the kinds of ids in one order.
func kinds() []domain.IDKind {
	out := make([]domain.IDKind, 0, len(sequences))
	for k := range sequences {
		out = append(out, k)
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

const lastIDQuery = `SELECT coalesce(pg_sequence_last_value($1::text::regclass), 0)`

// LastIDs returns the last id that was drawn of each kind.
func (l *Log) LastIDs(ctx context.Context) (map[domain.IDKind]int64, error) {
	out := map[domain.IDKind]int64{}
	for _, kind := range kinds() {
		var id int64
		if err := l.pool.QueryRow(ctx, lastIDQuery, sequences[kind]).Scan(&id); err != nil {
			return nil, fmt.Errorf("read last %s id: %w", kind, translate(err))
		}
		out[kind] = id
	}
	return out, nil
}

// The index of streams answers for each journal.
const recordedIDQuery = `
SELECT coalesce(max(e.id), 0) FROM log.journals j
CROSS JOIN LATERAL (SELECT max(stream_id) AS id FROM log.events WHERE journal_id = j.journal_id AND stream_kind = $1) e`

// RecordedIDs returns the highest id of each kind that an event is about.
func (l *Log) RecordedIDs(ctx context.Context) (map[domain.IDKind]int64, error) {
	out := map[domain.IDKind]int64{}
	for _, kind := range kinds() {
		stream, ok := recorded[kind]
		if !ok {
			continue
		}
		var id int64
		if err := l.pool.QueryRow(ctx, recordedIDQuery, int16(stream)).Scan(&id); err != nil {
			return nil, fmt.Errorf("read highest %s id: %w", kind, translate(err))
		}
		out[kind] = id
	}
	return out, nil
}

const raiseIDs = `SELECT setval($1::text::regclass, $2) WHERE coalesce(pg_sequence_last_value($1::text::regclass), 0) < $2`

// RaiseIDs lets the next id of each kind be above the one given, and returns the kinds for which it was not.
func (l *Log) RaiseIDs(ctx context.Context, above map[domain.IDKind]int64) ([]domain.IDKind, error) {
	var raised []domain.IDKind
	for _, kind := range kinds() {
		if above[kind] <= 0 {
			continue
		}
		tag, err := l.pool.Exec(ctx, raiseIDs, sequences[kind], above[kind])
		if err != nil {
			return raised, fmt.Errorf("raise %s ids: %w", kind, translate(err))
		}
		if tag.RowsAffected() > 0 {
			raised = append(raised, kind)
		}
	}
	return raised, nil
}
