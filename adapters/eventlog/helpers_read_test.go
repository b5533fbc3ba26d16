package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

func newTestLog(t testing.TB) *Log {
	t.Helper()
	return New(pgtest.Pool(t), Options{Logger: testLogger(t)})
}

// testLogger shows what is logged when a test fails.
func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// write appends events to a journal as one commit, by SQL of its own.
func write(t testing.TB, l *Log, j events.JournalID, list ...events.Event) events.Position {
	t.Helper()
	pos, err := writeTo(t.Context(), l.pool, j, list)
	if err != nil {
		t.Fatalf("append %d events to journal %d: %v", len(list), j, err)
	}
	l.hints.grown(j)
	return pos
}

func writeTo(ctx context.Context, pool *pgxpool.Pool, j events.JournalID, list []events.Event) (events.Position, error) {
	var pos events.Position
	first := events.FirstLink(j)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO log.journals (journal_id, link, recorded_at) VALUES ($1, $2, clock_timestamp()) ON CONFLICT DO NOTHING`, int64(j), first[:])
		if err != nil {
			return err
		}
		var (
			before []byte
			at     time.Time
			head   int64
		)
		err = tx.QueryRow(ctx, `SELECT position, link, greatest(recorded_at, clock_timestamp()) FROM log.journals WHERE journal_id = $1 FOR UPDATE`, int64(j)).
			Scan(&head, &before, &at)
		if err != nil {
			return err
		}
		meta, err := json.Marshal(events.Meta{Actor: events.Actor{Kind: events.ActorSystem, Name: "sync"}})
		if err != nil {
			return err
		}
		rows := make([][]any, len(list))
		leaves := make([]events.Hash, len(list))
		for i, e := range list {
			payload, err := events.Encode(e)
			if err != nil {
				return err
			}
			typ, version := e.EventType()
			stream, id := e.EventStream(), uuid.Must(uuid.NewV7())
			rows[i] = []any{
				int64(j), head + int64(i) + 1, stream.ID, int64(e.EventAccount()), at, int16(stream.Kind),
				int16(version), int16(0), [16]byte(id), string(typ), payload,
			}
			leaves[i] = events.Leaf(typ, int16(version), 0, 0, stream, int64(e.EventAccount()), id, payload)
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"log", "events"}, []string{
			"journal_id", "position", "stream_id", "account_id", "recorded_at", "stream_kind",
			"schema_version", "encoding", "event_id", "type", "payload",
		}, pgx.CopyFromRows(rows))
		if err != nil {
			return err
		}
		c := events.Commit{
			Journal: j, First: events.Position(head + 1), Last: events.Position(head) + events.Position(len(list)), RecordedAt: at,
			AppendID: uuid.New(), MetaLeaf: events.MetaLeaf(meta), Root: events.Root(leaves),
		}
		link := c.Link(events.Hash(before))
		_, err = tx.Exec(ctx, `INSERT INTO log.commits (journal_id, first_position, last_position, recorded_at, append_id, meta, root, link)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, int64(j), int64(c.First), int64(c.Last), at, c.AppendID, meta, c.Root[:], link[:])
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE log.journals SET position = $2, link = $3, recorded_at = $4 WHERE journal_id = $1`,
			int64(j), int64(c.Last), link[:], at)
		pos = c.Last
		return err
	})
	return pos, err
}

var testAt = time.Date(2025, 3, 4, 10, 10, 2, 0, time.UTC)

// toyMessage is a message of account acc in one of its mailboxes.
func toyMessage(acc domain.AccountID, box domain.MailboxID, id domain.MessageID, subject string) events.MessageFetched {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(subject), uint64(id)))
	return events.MessageFetched{
		Message: events.Message{
			ID: id, Account: acc, Thread: domain.ThreadID(id), MsgID: fmt.Sprintf("%d.1741080600@shop.example", id),
			Place: events.Place{Mailbox: box, Folder: "INBOX", UIDValidity: 1, UID: domain.UID(id)},
		},
		SHA256: sum[:], Size: 1000 + int64(id), InternalDate: testAt, Flags: []domain.Flag{}, Parser: 1,
		Summary: events.Summary{
			Subject: subject, Sender: "ann@example.org", SenderName: "Ann Example", Recipient: "bob@example.org", Date: testAt,
			Snippet: "Thank you for your order. It will be sent tomorrow and should be with you within three working days, unless it rains.",
		},
	}
}

func toySeen(m events.MessageFetched) events.FlagsChanged {
	return events.FlagsChanged{
		Message: m.Message, Added: []domain.Flag{domain.FlagSeen}, Removed: []domain.Flag{}, Flags: []domain.Flag{domain.FlagSeen},
	}
}

func toyExpunged(m events.MessageFetched) events.MessageExpunged {
	return events.MessageExpunged{Message: m.Message, Reason: events.ReasonExpunged, Flags: m.Flags, Size: m.Size}
}

// toyStore is the store of a read model with one row for each mailbox and one for
// each message.
type toyStore struct {
	tx      pgx.Tx
	journal events.JournalID
}

const toyTables = `
CREATE TABLE box (journal_id bigint, mailbox_id bigint, account_id bigint, messages int NOT NULL, unseen int NOT NULL, size bigint NOT NULL,
	PRIMARY KEY (journal_id, mailbox_id));
CREATE TABLE mail (journal_id bigint, id bigint, account_id bigint, subject text, seen boolean NOT NULL, position bigint NOT NULL,
	PRIMARY KEY (journal_id, id));`

const toyIndexes = `CREATE INDEX mail_account ON mail (journal_id, account_id); CREATE INDEX box_account ON box (journal_id, account_id);`

func (s toyStore) EraseAccount(ctx context.Context, acc domain.AccountID) error {
	for _, q := range []string{`DELETE FROM box WHERE journal_id = $1 AND account_id = $2`, `DELETE FROM mail WHERE journal_id = $1 AND account_id = $2`} {
		if _, err := s.tx.Exec(ctx, q, int64(s.journal), int64(acc)); err != nil {
			return err
		}
	}
	return nil
}

type toyBox struct {
	account          int64
	messages, unseen int
	size             int64
}

// save adds to the rows of boxes and writes those of messages: nil deletes.
func (s toyStore) save(ctx context.Context, boxes map[int64]*toyBox, put []toyMail, seen, gone []int64) error {
	var box, acc, size []int64
	var messages, unseen []int
	for id, b := range boxes {
		box, acc, size = append(box, id), append(acc, b.account), append(size, b.size)
		messages, unseen = append(messages, b.messages), append(unseen, b.unseen)
	}
	var id, macc, pos []int64
	var subject []string
	for _, m := range put {
		id, macc, pos, subject = append(id, m.id), append(macc, m.account), append(pos, m.position), append(subject, m.subject)
	}
	q := &pgx.Batch{}
	j := int64(s.journal)
	q.Queue(`INSERT INTO box SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::bigint[])
		ON CONFLICT (journal_id, mailbox_id) DO UPDATE SET messages = box.messages + excluded.messages,
		unseen = box.unseen + excluded.unseen, size = box.size + excluded.size`, j, box, acc, messages, unseen, size)
	if len(put) > 0 {
		q.Queue(`INSERT INTO mail SELECT $1, i, a, s, false, p FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) u(i, a, s, p)`, j, id, macc, subject, pos)
	}
	if len(seen) > 0 {
		q.Queue(`UPDATE mail SET seen = true WHERE journal_id = $1 AND id = ANY ($2)`, j, seen)
	}
	if len(gone) > 0 {
		q.Queue(`DELETE FROM mail WHERE journal_id = $1 AND id = ANY ($2)`, j, gone)
	}
	return s.tx.SendBatch(ctx, q).Close()
}

type toyMail struct {
	id, account, position int64
	subject               string
}

var errPoison = errors.New("poison")

// toy is a projection whose fold refuses messages with the subject "poison" while
// it is not mended.
type toy struct {
	mended  atomic.Bool
	batches atomic.Int64
	version int
}

func (p *toy) projection() projections.Projection[toyStore] {
	return projections.Projection[toyStore]{
		Name: "toy", Version: max(p.version, 1),
		Handles: []events.Type{events.TypeMessageFetched, events.TypeFlagsChanged, events.TypeMessageExpunged},
		Apply:   p.apply,
	}
}

func (p *toy) apply(ctx context.Context, s toyStore, batch []events.Recorded) error {
	p.batches.Add(1)
	boxes := map[int64]*toyBox{}
	box := func(m events.Message) *toyBox {
		b := boxes[int64(m.Mailbox)]
		if b == nil {
			b = &toyBox{account: int64(m.Account)}
			boxes[int64(m.Mailbox)] = b
		}
		return b
	}
	var put []toyMail
	var seen, gone []int64
	for _, rec := range batch {
		switch e := rec.Event.(type) {
		case events.MessageFetched:
			if e.Summary.Subject == "poison" && !p.mended.Load() {
				return errPoison
			}
			b := box(e.Message)
			b.messages, b.unseen, b.size = b.messages+1, b.unseen+1, b.size+e.Size
			put = append(put, toyMail{int64(e.ID), int64(e.Account), int64(rec.Position), e.Summary.Subject})
		case events.FlagsChanged:
			box(e.Message).unseen--
			seen = append(seen, int64(e.ID))
		case events.MessageExpunged:
			b := box(e.Message)
			b.messages, b.size = b.messages-1, b.size-e.Size
			if !domain.HasFlag(e.Flags, domain.FlagSeen) {
				b.unseen--
			}
			gone = append(gone, int64(e.ID))
		}
	}
	return s.save(ctx, boxes, put, seen, gone)
}

func toyModel(l *Log) *ReadModel[toyStore] {
	return NewReadModel(l, ModelOptions[toyStore]{
		Name: "toy", Tables: toyTables, Indexes: toyIndexes, HashTables: []string{"box", "mail"},
		NewStore: func(tx pgx.Tx, j events.JournalID) toyStore { return toyStore{tx, j} },
	})
}

// newToy returns a task over the read model toy.
func newToy(l *Log) (*toy, *ReadModel[toyStore], projections.Task) {
	p := &toy{}
	m := toyModel(l)
	return p, m, projections.Bind(p.projection(), m)
}

// live returns the live generation of a task.
func live(t testing.TB, task projections.Task) projections.Generation {
	t.Helper()
	gens, err := task.Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, ok := find(gens, task.Version, "live")
	if !ok {
		t.Fatalf("no live generation among %v", gens)
	}
	return g
}

// catchUpAll catches up in a journal until there is no more.
func catchUpAll(t testing.TB, task projections.Task, g projections.Generation, j events.JournalID) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = task.CatchUp(t.Context(), g, j); err != nil {
			t.Fatalf("catch up: %v", err)
		}
	}
}

// scan returns one row of a query as text.
func scan(t testing.TB, l *Log, query string, args ...any) string {
	t.Helper()
	var out string
	if err := l.pool.QueryRow(t.Context(), query, args...).Scan(&out); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

func do(t testing.TB, l *Log, query string, args ...any) {
	t.Helper()
	if _, err := l.pool.Exec(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// dump returns all rows of a generation, in order.
func dump(t testing.TB, l *Log, g projections.Generation) string {
	t.Helper()
	return scan(t, l, fmt.Sprintf(`SELECT (SELECT coalesce(string_agg(b::text, E'\n' ORDER BY journal_id, mailbox_id), '') FROM %[1]s.box b) || E'\n--\n' ||
		(SELECT coalesce(string_agg(m::text, E'\n' ORDER BY journal_id, id), '') FROM %[1]s.mail m)`, pgx.Identifier{g.Schema}.Sanitize()))
}
