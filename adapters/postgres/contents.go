package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// Parser reads raw messages. It never fails.
type Parser interface {
	// Parse returns what the octets say.
	Parse(ctx context.Context, raw []byte) *domain.Content
	// ParserVersion returns the version that is kept with what Parse said.
	ParserVersion() int
}

// Contents gives what stored messages say, as the parser of this program reads
// them: from the cache, or parsed now and put there.
type Contents struct {
	pool   *pgxpool.Pool
	raws   *RawStore
	parser Parser
}

// NewContents returns the contents of the messages in raws.
func NewContents(pool *pgxpool.Pool, raws *RawStore, parser Parser) *Contents {
	return &Contents{pool, raws, parser}
}

// ParserVersion returns the version of the parser.
func (c *Contents) ParserVersion() int { return c.parser.ParserVersion() }

// Contents returns the content of each raw message by its SHA-256; one whose octets
// are not stored is left out.
func (c *Contents) Contents(ctx context.Context, journal events.JournalID, sums [][]byte) (map[[32]byte]*domain.Content, error) {
	out := make(map[[32]byte]*domain.Content, len(sums))
	err := c.each(ctx, journal, sums, allParts, func(sum [32]byte, content *domain.Content) { out[sum] = content })
	return out, err
}

// Texts calls fn with the content of each raw message by its SHA-256, without its HTML, in any
// order, one at a time; one whose octets are not stored is left out.
func (c *Contents) Texts(ctx context.Context, journal events.JournalID, sums [][]byte, fn func(sum [32]byte, c *domain.Content) error) error {
	var failed error
	err := c.each(ctx, journal, sums, withoutHTML, func(sum [32]byte, content *domain.Content) {
		if failed == nil {
			failed = fn(sum, content)
		}
	})
	return errors.Join(err, failed)
}

const loadContents = `
SELECT sha256, data
FROM raw.contents
WHERE journal_id = $1 AND version = $2 AND sha256 = ANY($3)`

// each calls fn with the content of each message, in any order, one at a time.
func (c *Contents) each(ctx context.Context, journal events.JournalID, sums [][]byte, parts contentParts, fn func([32]byte, *domain.Content)) error {
	if len(sums) == 0 {
		return nil
	}
	missing := make(map[[32]byte]bool, len(sums))
	for _, sum := range sums {
		missing[[32]byte(sum)] = true
	}
	rows, err := c.pool.Query(ctx, loadContents, journal, c.ParserVersion(), sums)
	if err != nil {
		return fmt.Errorf("load %d contents: %w", len(sums), translate(err))
	}
	var sum, data []byte
	_, err = pgx.ForEachRow(rows, []any{&sum, &data}, func() error {
		content, err := decodeContent(data, parts)
		if err != nil {
			return nil //nolint:nilerr // the cache is damaged, not the message: it is parsed again
		}
		delete(missing, [32]byte(sum))
		fn([32]byte(sum), content)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load %d contents: %w", len(sums), translate(err))
	}
	return c.parse(ctx, journal, missing, fn)
}

const rawSizes = `
SELECT sha256, size
FROM raw.messages
WHERE journal_id = $1 AND sha256 = ANY($2)`

// parseBatch is how many octets are parsed at a time.
const parseBatch = 32 << 20

// parse reads the messages that are not in the cache, and puts them there.
func (c *Contents) parse(ctx context.Context, journal events.JournalID, missing map[[32]byte]bool, fn func([32]byte, *domain.Content)) error {
	if len(missing) == 0 {
		return nil
	}
	sums := make([][]byte, 0, len(missing))
	for sum := range missing {
		sums = append(sums, sum[:])
	}
	rows, err := c.pool.Query(ctx, rawSizes, journal, sums)
	if err != nil {
		return fmt.Errorf("look for %d raw messages: %w", len(sums), translate(err))
	}
	var batches [][][]byte
	var batch [][]byte
	var octets, size int64
	var sum []byte
	_, err = pgx.ForEachRow(rows, []any{&sum, &size}, func() error {
		batch, octets = append(batch, append([]byte(nil), sum...)), octets+size
		if octets >= parseBatch {
			batches, batch, octets = append(batches, batch), nil, 0
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for %d raw messages: %w", len(sums), translate(err))
	}
	for _, batch := range append(batches, batch) {
		if err := c.parseBatch(ctx, journal, batch, fn); err != nil {
			return err
		}
	}
	return nil
}

func (c *Contents) parseBatch(ctx context.Context, journal events.JournalID, sums [][]byte, fn func([32]byte, *domain.Content)) error {
	if len(sums) == 0 {
		return nil
	}
	raws := make(map[[32]byte][]byte, len(sums))
	if err := c.raws.each(ctx, journal, sums, func(sum [32]byte, octets []byte) { raws[sum] = octets }); err != nil {
		return err
	}
	contents := make(map[[32]byte]*domain.Content, len(raws))
	for sum, octets := range raws {
		content := c.parser.Parse(ctx, octets)
		if err := ctx.Err(); err != nil {
			return err // what was parsed under a context that ended may lack a part
		}
		contents[sum] = content
		fn(sum, content)
	}
	return c.PutContents(ctx, journal, c.ParserVersion(), contents)
}

// PutContents keeps contents as a version of the parser made them.
func (c *Contents) PutContents(ctx context.Context, journal events.JournalID, version int, contents map[[32]byte]*domain.Content) error {
	var p packedRaws
	for sum, content := range contents {
		if err := p.addContent(sum[:], content); err != nil {
			return err
		}
	}
	var b pgx.Batch
	p.queueContents(&b, journal, version)
	if err := c.pool.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("put %d contents: %w", len(contents), translate(err))
	}
	return nil
}
