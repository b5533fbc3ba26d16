package eventlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/klauspost/compress/zstd"

	"github.com/imap2api/imap2api/events"
)

const (
	missingRaws = `
SELECT n.i FROM unnest($2::bytea[]) WITH ORDINALITY n(sha256, i)
WHERE NOT EXISTS (SELECT FROM raw.messages m WHERE m.journal_id = $1 AND m.sha256 = n.sha256)`

	rawsQuery = `
SELECT sha256, size, codec, key_id, data FROM raw.messages
WHERE journal_id = $1 AND sha256 > $2 AND location IS NULL ORDER BY sha256 LIMIT 100`

	endsQuery = `
SELECT j.position, coalesce((SELECT max(last_position) FROM log.commits WHERE journal_id = $1), 0),
	coalesce((SELECT max(position) FROM log.events WHERE journal_id = $1), 0)
FROM log.journals j WHERE j.journal_id = $1`

	checkpointsBeyond = `
SELECT projection, generation, position FROM log.checkpoints c
WHERE journal_id = $1 AND position > (SELECT position FROM log.journals WHERE journal_id = $1)`

	linkAt = `SELECT link FROM log.commits WHERE journal_id = $1 AND last_position = $2`
)

// rawNames are the raw messages that events name.
type rawNames struct {
	sums      [][]byte
	positions []events.Position
}

func (n *rawNames) add(sum []byte, pos events.Position) {
	n.sums, n.positions = append(n.sums, sum), append(n.positions, pos)
}

// rawsThere verifies that the raw messages that events name are stored.
func (c *chainCheck) rawsThere(ctx context.Context, n *rawNames) error {
	if len(n.sums) == 0 {
		return nil
	}
	rows, err := c.log.pool.Query(ctx, missingRaws, int64(c.head.Journal), n.sums)
	if err != nil {
		return fmt.Errorf("read raw messages: %w", err)
	}
	var i int
	_, err = pgx.ForEachRow(rows, []any{&i}, func() error {
		c.damage(n.positions[i-1], 0, "raw message %s is missing", hex.EncodeToString(n.sums[i-1]))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read raw messages: %w", err)
	}
	return nil
}

var rawDecoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic(err) // of constant options
	}
	return d
}}

// raws verifies that stored octets have the hash they are stored under.
func (c *chainCheck) raws(ctx context.Context) error {
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	dec := rawDecoders.Get().(*zstd.Decoder)
	defer rawDecoders.Put(dec)
	after, err := []byte{}, error(nil)
	for after != nil && err == nil {
		after, err = c.rawPage(ctx, dec, after)
	}
	if err != nil {
		return fmt.Errorf("read raw messages: %w", err)
	}
	return nil
}

// rawPage verifies the raw messages that come next, and returns the last, nil if
// there was none.
func (c *chainCheck) rawPage(ctx context.Context, dec *zstd.Decoder, after []byte) (last []byte, err error) {
	rows, err := c.log.pool.Query(ctx, rawsQuery, int64(c.head.Journal), after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			data  pgtype.DriverBytes // of the row only
			size  int64
			codec int16
			key   int16
		)
		last = nil
		if err := rows.Scan(&last, &size, &codec, &key, &data); err != nil {
			return nil, err
		}
		if err := checkRaw(dec, last, size, codec, data); err != nil {
			c.damage(0, 0, "raw message %s: %v", hex.EncodeToString(last), err)
		}
		if key != 0 { // none is encrypted
			c.damage(0, 0, "raw message %s: key %d is unknown", hex.EncodeToString(last), key)
		}
		c.verifier.raws.Add(1)
	}
	return last, rows.Err()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkRaw unpacks octets piece by piece and compares their hash and number. Codec 2 is 1, zstd, with the CRC-32C of it
// behind: some bits of a frame change nothing in what it unpacks to.
func checkRaw(dec *zstd.Decoder, sum []byte, size int64, codec int16, data []byte) error {
	if codec == 2 {
		frame := data[:max(0, len(data)-crc32.Size)]
		if !bytes.Equal(data[len(frame):], binary.BigEndian.AppendUint32(nil, crc32.Checksum(frame, castagnoli))) {
			return errors.New("the stored octets have another checksum")
		}
		data, codec = frame, 1
	}
	var from io.Reader = bytes.NewReader(data)
	switch codec {
	case 0:
	case 1:
		if err := dec.Reset(from); err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		from = dec
	default:
		return fmt.Errorf("codec %d is unknown", codec)
	}
	h := sha256.New()
	n, err := io.Copy(h, from)
	switch {
	case err != nil:
		return fmt.Errorf("unpack: %w", err)
	case !bytes.Equal(h.Sum(nil), sum):
		return errors.New("the octets have another hash")
	case n != size:
		return fmt.Errorf("%d octets, not %d", n, size)
	}
	return nil
}

// ends verifies what lies at and beyond the head, and heads of earlier.
func (c *chainCheck) ends(ctx context.Context) error {
	j := int64(c.head.Journal)
	var head, commit, event int64 // of one moment
	if err := c.log.pool.QueryRow(ctx, endsQuery, j).Scan(&head, &commit, &event); err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	if commit > head {
		c.damage(events.Position(head), 0, "commits go beyond the head, up to %d", commit)
	}
	if event > head {
		c.damage(events.Position(head), 0, "events go beyond the head, up to %d", event)
	}
	rows, err := c.log.pool.Query(ctx, checkpointsBeyond, j)
	if err != nil {
		return fmt.Errorf("read checkpoints: %w", err)
	}
	var (
		name     string
		gen      int
		position int64
	)
	_, err = pgx.ForEachRow(rows, []any{&name, &gen, &position}, func() error {
		c.damage(events.Position(position), 0, "the checkpoint of generation %d of %s is beyond the head", gen, name)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read checkpoints: %w", err)
	}
	for _, h := range c.opts.Heads {
		if h.Journal == c.head.Journal {
			if err := c.earlier(ctx, h); err != nil {
				return err
			}
		}
	}
	return nil
}

// earlier verifies that an end of the chain that was printed earlier is still in it.
func (c *chainCheck) earlier(ctx context.Context, h events.Head) error {
	if h.Position == 0 {
		return nil
	}
	var stored []byte
	err := c.log.pool.QueryRow(ctx, linkAt, int64(h.Journal), int64(h.Position)).Scan(&stored)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		c.damage(h.Position, 0, "the commit that was the head earlier is missing")
	case err != nil:
		return fmt.Errorf("read commit: %w", err)
	case !bytes.Equal(stored, h.Link[:]):
		c.damage(h.Position, 0, "the chain is not the one whose head was printed earlier")
	}
	return nil
}
