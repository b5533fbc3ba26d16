package eventlog

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	watersql "github.com/ThreeDotsLabs/watermill-sql/v3/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
)

// Keys of the metadata of a message: the columns of log.events. The message's
// UUID is the event id, its payload the stored octets.
const (
	metaJournal    = "journal"
	metaPosition   = "position"
	metaRecordedAt = "recorded_at" // microseconds since 1970
	metaType       = "type"
	metaVersion    = "schema_version"
	metaEncoding   = "encoding"
	metaStream     = "stream" // kind/id
	metaAccount    = "account"
)

const topic = "log.events"

// publish inserts the events of a commit through Watermill's publisher, inside
// the transaction that is open on conn.
func publish(ctx context.Context, conn *pgx.Conn, c *pendingCommit) error {
	p, err := watersql.NewPublisher(execer{ctx: ctx, conn: conn},
		watersql.PublisherConfig{SchemaAdapter: eventSchema{}}, watermill.NopLogger{})
	if err != nil {
		return fmt.Errorf("make publisher: %w", err)
	}
	if err := p.Publish(topic, messages(c)...); err != nil {
		return fmt.Errorf("publish events of journal %d: %w", c.commit.Journal, err)
	}
	return nil
}

func messages(c *pendingCommit) []*message.Message {
	journal := strconv.FormatInt(int64(c.commit.Journal), 10)
	at := strconv.FormatInt(c.commit.RecordedAt.UnixMicro(), 10)
	out := make([]*message.Message, len(c.events))
	for i := range c.events {
		e := &c.events[i]
		// Eight keys fill one group of a map; a ninth would double the time of this loop.
		out[i] = &message.Message{UUID: e.id.String(), Payload: e.payload, Metadata: message.Metadata{
			metaJournal:    journal,
			metaPosition:   strconv.FormatInt(int64(e.position), 10),
			metaRecordedAt: at,
			metaType:       string(e.typ),
			metaVersion:    strconv.Itoa(int(e.version)),
			metaEncoding:   strconv.Itoa(int(e.encoding)),
			metaStream:     strconv.Itoa(int(e.stream.Kind)) + "/" + strconv.FormatInt(e.stream.ID, 10),
			metaAccount:    strconv.FormatInt(e.account, 10),
		}}
	}
	return out
}

// execer lends Watermill's publisher the transaction that is open on a pgx
// connection. Publish takes no context, so it carries one. The publisher calls
// nothing but ExecContext; the embedded interface stands for the rest.
type execer struct {
	watersql.ContextExecutor
	ctx  context.Context
	conn *pgx.Conn
}

// ExecContext runs query in the open transaction, under the context of the append.
func (e execer) ExecContext(_ context.Context, query string, args ...any) (stdsql.Result, error) {
	tag, err := e.conn.Exec(e.ctx, query, args...) //nolint:contextcheck // the publisher has none to pass on
	return stdsql.Result(rowsAffected(tag.RowsAffected())), err
}

type rowsAffected int64

func (rowsAffected) LastInsertId() (int64, error)   { return 0, errors.ErrUnsupported }
func (r rowsAffected) RowsAffected() (int64, error) { return int64(r), nil }

// eventSchema is how Watermill writes log.events. It reads nothing: consumers
// are woken by journals that lag, not by events.
type eventSchema struct{}

var _ watersql.SchemaAdapter = eventSchema{}

// The payloads travel as one run of octets: as an array of a megabyte they would
// take three times as long to encode, send and take apart.
const insertEvents = `
INSERT INTO log.events (journal_id, recorded_at, position, event_id, type, schema_version, encoding,
	stream_kind, stream_id, account_id, payload)
SELECT $1, $2, u.position, u.event_id, u.type, u.schema_version, u.encoding, u.stream_kind, u.stream_id, u.account_id,
	substr($13::bytea, u.start, u.length)
FROM unnest($3::bigint[], $4::uuid[], $5::text[], $6::smallint[], $7::smallint[], $8::smallint[], $9::bigint[],
	$10::bigint[], $11::int[], $12::int[])
	AS u (position, event_id, type, schema_version, encoding, stream_kind, stream_id, account_id, start, length)`

// InsertQuery returns one insert for all messages, which must be of one journal
// and commit.
func (eventSchema) InsertQuery(_ string, msgs message.Messages) (watersql.Query, error) {
	if len(msgs) == 0 {
		return watersql.Query{}, errors.New("no messages")
	}
	journal, recordedAt := msgs[0].Metadata[metaJournal], msgs[0].Metadata[metaRecordedAt]
	c := newEventColumns(msgs)
	for _, m := range msgs {
		if m.Metadata[metaJournal] != journal || m.Metadata[metaRecordedAt] != recordedAt {
			return watersql.Query{}, fmt.Errorf("message %s is not of journal %s at %s", m.UUID, journal, recordedAt)
		}
		if err := c.add(m); err != nil {
			return watersql.Query{}, fmt.Errorf("message %s: %w", m.UUID, err)
		}
	}
	var n numbers
	id, at := n.parse(journal, 64), n.parse(recordedAt, 64)
	if n.err != nil {
		return watersql.Query{}, n.err
	}
	return watersql.Query{Query: insertEvents, Args: []any{
		id, time.UnixMicro(at).UTC(), c.position, c.id, c.typ, c.version, c.encoding, c.kind, c.stream, c.account,
		c.start, c.length, c.payloads, // last: pgx copies what it has when its buffer grows
	}}, nil
}

// eventColumns are the rows of log.events, one array a column.
type eventColumns struct {
	position, stream, account []int64
	version, encoding, kind   []int16
	id                        [][16]byte
	typ                       []string
	start, length             []int32 // of a payload in payloads, counted from 1
	payloads                  []byte
}

func newEventColumns(msgs message.Messages) *eventColumns {
	n, octets := len(msgs), 0
	for _, m := range msgs {
		octets += len(m.Payload)
	}
	return &eventColumns{
		position: make([]int64, 0, n), stream: make([]int64, 0, n), account: make([]int64, 0, n),
		version: make([]int16, 0, n), encoding: make([]int16, 0, n), kind: make([]int16, 0, n),
		id: make([][16]byte, 0, n), typ: make([]string, 0, n),
		start: make([]int32, 0, n), length: make([]int32, 0, n), payloads: make([]byte, 0, octets),
	}
}

func (c *eventColumns) add(m *message.Message) error {
	id, err := ulid.ParseStrict(m.UUID)
	if err != nil {
		return fmt.Errorf("event id: %w", err)
	}
	kind, stream, _ := strings.Cut(m.Metadata[metaStream], "/")
	var n numbers
	c.id = append(c.id, id)
	c.typ = append(c.typ, m.Metadata[metaType])
	c.start = append(c.start, int32(len(c.payloads)+1))
	c.length = append(c.length, int32(len(m.Payload)))
	c.payloads = append(c.payloads, m.Payload...)
	c.position = append(c.position, n.parse(m.Metadata[metaPosition], 64))
	c.version = append(c.version, int16(n.parse(m.Metadata[metaVersion], 16)))
	c.encoding = append(c.encoding, int16(n.parse(m.Metadata[metaEncoding], 16)))
	c.kind = append(c.kind, int16(n.parse(kind, 16)))
	c.stream = append(c.stream, n.parse(stream, 64))
	c.account = append(c.account, n.parse(m.Metadata[metaAccount], 64))
	return n.err
}

// numbers parses numbers and keeps the first error.
type numbers struct{ err error }

func (n *numbers) parse(text string, bits int) int64 {
	v, err := strconv.ParseInt(text, 10, bits)
	if err != nil && n.err == nil {
		n.err = err
	}
	return v
}

// SelectQuery is not used.
func (eventSchema) SelectQuery(string, string, watersql.OffsetsAdapter) watersql.Query {
	return watersql.Query{}
}

// UnmarshalMessage is not used.
func (eventSchema) UnmarshalMessage(watersql.Scanner) (watersql.Row, error) {
	return watersql.Row{}, fmt.Errorf("read %s: %w", topic, errors.ErrUnsupported)
}

// SchemaInitializingQueries returns none: migrations own the tables.
func (eventSchema) SchemaInitializingQueries(string) []watersql.Query { return nil }

// SubscribeIsolationLevel returns the isolation of all our transactions.
func (eventSchema) SubscribeIsolationLevel() stdsql.IsolationLevel {
	return stdsql.LevelReadCommitted
}
