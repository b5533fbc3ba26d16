package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// putBatch is how many octets, packed, go into one statement.
const putBatch = 8 << 20

// RawStore keeps raw messages, packed, and what was parsed of them when they came.
type RawStore struct {
	pool    *pgxpool.Pool
	version int // of the parser that made the contents
	now     func() time.Time
}

// NewRawStore returns a raw store. version is that of the parser whose contents are put.
func NewRawStore(pool *pgxpool.Pool, version int, now func() time.Time) *RawStore {
	return &RawStore{pool, version, now}
}

// touchRaws notes that messages are wanted that are there already. What another
// transaction holds is left to saveRaws, which waits.
const touchRaws = `
UPDATE raw.messages r SET stored_at = $3
FROM (
	SELECT sha256 FROM raw.messages
	WHERE journal_id = $1 AND sha256 = ANY($2)
	FOR NO KEY UPDATE SKIP LOCKED) there
WHERE r.journal_id = $1 AND r.sha256 = there.sha256
RETURNING r.sha256`

const saveRaws = `
INSERT INTO raw.messages (journal_id, sha256, size, stored_at, codec, data)
SELECT $1, sha256, size, $2, codec, substr($6::bytea, start, length)
FROM unnest($3::bytea[], $4::bigint[], $5::smallint[], $7::int[], $8::int[]) AS x (sha256, size, codec, start, length)
ON CONFLICT (journal_id, sha256) DO UPDATE SET stored_at = excluded.stored_at`

const saveContents = `
INSERT INTO raw.contents (journal_id, sha256, version, data)
SELECT $1, sha256, $2, substr($4::bytea, start, length)
FROM unnest($3::bytea[], $5::int[], $6::int[]) AS x (sha256, start, length)
ON CONFLICT (journal_id, sha256, version) DO UPDATE SET data = excluded.data
WHERE contents.data <> excluded.data` // one that cannot be read is made good

// joined are large values of a column, one after the other: an array of them would be copied
// each time that it grows while it is encoded.
type joined struct {
	octets          []byte
	starts, lengths []int32 // starts from 1, as substr counts
}

// ended notes that the value which begins at an octet is whole.
func (v *joined) ended(begin int) {
	v.starts, v.lengths = append(v.starts, int32(begin+1)), append(v.lengths, int32(len(v.octets)-begin))
}

// packedRaws are columns of raw.messages and raw.contents, for one statement each.
type packedRaws struct {
	sums, contentSums [][]byte
	data, contents    joined
	sizes             []int64
	codecs            []int16
}

// newPackedRaws has room for messages. Octets that are none are no NULL.
func newPackedRaws(msgs []commands.RawMessage) *packedRaws {
	room := 0
	for i := range msgs {
		room += len(msgs[i].Octets)
	}
	return &packedRaws{data: joined{octets: make([]byte, 0, min(room, putBatch))}}
}

func (p *packedRaws) octets() int { return len(p.data.octets) + len(p.contents.octets) }

// Put stores messages and, where given, their contents; those that are there
// already are left and count as stored now. It can be repeated.
func (s *RawStore) Put(ctx context.Context, journal events.JournalID, msgs []commands.RawMessage) error {
	there, err := s.touch(ctx, journal, msgs)
	if err != nil {
		return fmt.Errorf("put %d raw messages: %w", len(msgs), err)
	}
	// One order for all writers, so that two never wait for each other.
	msgs = slices.SortedFunc(slices.Values(msgs), func(a, b commands.RawMessage) int { return bytes.Compare(a.SHA256[:], b.SHA256[:]) })
	p := newPackedRaws(msgs)
	for i := range msgs {
		m := &msgs[i]
		if there[m.SHA256] {
			continue
		}
		there[m.SHA256] = true // a statement may not meet a row twice
		if err := p.add(m); err != nil {
			return fmt.Errorf("put raw message: %w", err)
		}
		if p.octets() < putBatch {
			continue
		}
		if err := s.flush(ctx, journal, p); err != nil {
			return err
		}
		p = newPackedRaws(msgs[i+1:])
	}
	return s.flush(ctx, journal, p)
}

func (s *RawStore) touch(ctx context.Context, journal events.JournalID, msgs []commands.RawMessage) (map[[32]byte]bool, error) {
	there := make(map[[32]byte]bool, len(msgs))
	rows, err := s.pool.Query(ctx, touchRaws, journal, column(msgs, func(m commands.RawMessage) []byte { return m.SHA256[:] }), s.now())
	if err != nil {
		return nil, translate(err)
	}
	var sum []byte
	_, err = pgx.ForEachRow(rows, []any{&sum}, func() error {
		there[[32]byte(sum)] = true
		return nil
	})
	return there, translate(err)
}

func (p *packedRaws) add(m *commands.RawMessage) error {
	var codec int16
	begin := len(p.data.octets)
	p.data.octets, codec = appendPacked(p.data.octets, m.Octets)
	p.data.ended(begin)
	p.sums, p.sizes, p.codecs = append(p.sums, m.SHA256[:]), append(p.sizes, int64(len(m.Octets))), append(p.codecs, codec)
	if m.Content == nil {
		return nil
	}
	return p.addContent(m.SHA256[:], m.Content)
}

func (p *packedRaws) addContent(sum []byte, c *domain.Content) (err error) {
	begin := len(p.contents.octets)
	if p.contents.octets, err = appendContent(p.contents.octets, c); err != nil {
		return err
	}
	p.contents.ended(begin)
	p.contentSums = append(p.contentSums, sum)
	return nil
}

func (s *RawStore) flush(ctx context.Context, journal events.JournalID, p *packedRaws) error {
	if len(p.sums) == 0 {
		return nil
	}
	var b pgx.Batch
	b.Queue(saveRaws, journal, s.now(), p.sums, p.sizes, p.codecs, p.data.octets, p.data.starts, p.data.lengths)
	p.queueContents(&b, journal, s.version)
	if err := s.pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("put %d raw messages of %d octets: %w", len(p.sums), p.octets(), translate(err))
	}
	return nil
}

func (p *packedRaws) queueContents(b *pgx.Batch, journal events.JournalID, version int) {
	if len(p.contentSums) > 0 {
		b.Queue(saveContents, journal, version, p.contentSums, p.contents.octets, p.contents.starts, p.contents.lengths)
	}
}

const loadRaws = `
SELECT sha256, size, codec, data
FROM raw.messages
WHERE journal_id = $1 AND sha256 = ANY($2) AND data IS NOT NULL`

// Raw returns the octets of a message. It returns domain.ErrNotFound if they are not
// stored, an error if they have another length than they had.
func (s *RawStore) Raw(ctx context.Context, journal events.JournalID, sum []byte) ([]byte, error) {
	var out []byte
	err := s.each(ctx, journal, [][]byte{sum}, func(_ [32]byte, octets []byte) { out = octets })
	if err != nil {
		return nil, err
	}
	if out == nil {
		return nil, fmt.Errorf("raw message %x: %w", sum, domain.ErrNotFound)
	}
	return out, nil
}

// Raws returns the octets of each message by its SHA-256; one that is not stored is left out.
func (s *RawStore) Raws(ctx context.Context, journal events.JournalID, sums [][]byte) (map[[32]byte][]byte, error) {
	out := make(map[[32]byte][]byte, len(sums))
	err := s.each(ctx, journal, sums, func(sum [32]byte, octets []byte) { out[sum] = octets })
	return out, err
}

// each calls fn with the octets of each message that is stored, in any order.
func (s *RawStore) each(ctx context.Context, journal events.JournalID, sums [][]byte, fn func([32]byte, []byte)) error {
	rows, err := s.pool.Query(ctx, loadRaws, journal, sums)
	if err != nil {
		return fmt.Errorf("load %d raw messages: %w", len(sums), translate(err))
	}
	var sum, data []byte
	var size int64
	var codec int16
	_, err = pgx.ForEachRow(rows, []any{&sum, &size, &codec, &data}, func() error {
		octets, err := unpack(data, codec, size)
		if err != nil {
			return fmt.Errorf("raw message %x: %w", sum, err)
		}
		fn([32]byte(sum), octets)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load %d raw messages: %w", len(sums), translate(err))
	}
	return nil
}

// orphanAge is how long a raw message may wait for the append that names it.
const orphanAge = 24 * time.Hour

const listJournals = `SELECT journal_id FROM log.journals ORDER BY journal_id`

// deleteOrphans leaves what an append holds at this moment. An append that came
// between makes it fail by the foreign key of raw.uses.
const deleteOrphans = `
WITH orphan AS MATERIALIZED (
	SELECT r.sha256 FROM raw.messages r
	WHERE r.journal_id = $1 AND r.stored_at < $2
		AND NOT EXISTS (SELECT FROM raw.uses u WHERE u.journal_id = $1 AND u.sha256 = r.sha256)
	LIMIT 500
	FOR UPDATE OF r SKIP LOCKED),
parsed AS (
	DELETE FROM raw.contents c USING orphan o WHERE c.journal_id = $1 AND c.sha256 = o.sha256)
DELETE FROM raw.messages r USING orphan o WHERE r.journal_id = $1 AND r.sha256 = o.sha256`

// CollectOrphans deletes raw messages that no event has named within a day: what a
// crash between Put and append left behind. It returns how many.
func (s *RawStore) CollectOrphans(ctx context.Context) (int, error) {
	rows, err := s.pool.Query(ctx, listJournals)
	if err != nil {
		return 0, fmt.Errorf("list journals: %w", translate(err))
	}
	journals, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, fmt.Errorf("list journals: %w", translate(err))
	}
	total := 0
	for _, journal := range journals { // one at a time: each is of its own partition
		for {
			tag, err := s.pool.Exec(ctx, deleteOrphans, journal, s.now().Add(-orphanAge))
			if errors.Is(translate(err), domain.ErrConflict) {
				break // named meanwhile; the others go the next time
			}
			if err != nil {
				return total, fmt.Errorf("delete orphans of journal %d: %w", journal, translate(err))
			}
			total += int(tag.RowsAffected())
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	return total, nil
}
