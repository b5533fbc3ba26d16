package eventlog

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/imap2api/imap2api/adapters/postgres/pgtest"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// checkChain computes the chain of a journal again from its rows, in Go alone,
// and compares it with what is stored. It returns the types of the events.
func checkChain(t testing.TB, pool *pgxpool.Pool, journal events.JournalID) []events.Type {
	t.Helper()
	leaves, types := leavesOf(t, pool, journal)
	link, next, at := events.FirstLink(journal), events.Position(1), time.Time{}
	rows, err := pool.Query(t.Context(), `SELECT first_position, last_position, recorded_at, append_id, meta, root, link
		FROM log.commits WHERE journal_id = $1 ORDER BY last_position`, int64(journal))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		c := events.Commit{Journal: journal}
		var meta, root, stored []byte
		if err := rows.Scan(&c.First, &c.Last, &c.RecordedAt, &c.AppendID, &meta, &root, &stored); err != nil {
			t.Fatal(err)
		}
		if c.First != next || int(c.Last) > len(leaves) || c.RecordedAt.Before(at) {
			t.Fatalf("journal %d: commit of %d to %d at %v after position %d at %v, %d events",
				journal, c.First, c.Last, c.RecordedAt, next-1, at, len(leaves))
		}
		c.MetaLeaf, c.Root = events.MetaLeaf(meta), events.Root(leaves[c.First-1:c.Last])
		link, next, at = c.Link(link), c.Last+1, c.RecordedAt
		if events.Hash(root) != c.Root || events.Hash(stored) != link {
			t.Errorf("journal %d: root or link of the commit at %d is not that of its events", journal, c.Last)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	var head events.Position
	var headLink []byte
	err = pool.QueryRow(t.Context(), `SELECT position, link FROM log.journals WHERE journal_id = $1`, int64(journal)).
		Scan(&head, &headLink)
	if err != nil {
		t.Fatal(err)
	}
	if head != next-1 || int(head) != len(leaves) || events.Hash(headLink) != link {
		t.Errorf("journal %d: head is at %d, commits end at %d, events at %d; or the links differ",
			journal, head, next-1, len(leaves))
	}
	return types
}

// leavesOf returns the leaves of a journal's events as Go computes them, after
// comparing them with those of Postgres.
func leavesOf(t testing.TB, pool *pgxpool.Pool, journal events.JournalID) (leaves []events.Hash, types []events.Type) {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT position, type, schema_version, encoding, key_id, stream_kind, stream_id,
			account_id, event_id, payload,
			log.leaf(type, schema_version, encoding, key_id, stream_kind, stream_id, account_id, event_id, payload)
		FROM log.events WHERE journal_id = $1 ORDER BY position`, int64(journal))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s storedRow
		var key int16
		var id [16]byte
		var inSQL []byte
		if err := rows.Scan(&s.position, &s.typ, &s.version, &s.encoding, &key, &s.stream.Kind, &s.stream.ID, &s.account,
			&id, &s.payload, &inSQL); err != nil {
			t.Fatal(err)
		}
		s.id = id
		if int(s.position) != len(leaves)+1 {
			t.Fatalf("journal %d: position %d after %d", journal, s.position, len(leaves))
		}
		if s.leaf() != events.Hash(inSQL) {
			t.Errorf("journal %d: leaf of %s at %d in Go is not that of log.leaf", journal, s.typ, s.position)
		}
		if _, err := storedEvent(string(s.typ), s.version, s.encoding, s.payload); err != nil {
			t.Errorf("journal %d: event at %d: %v", journal, s.position, err)
		}
		leaves, types = append(leaves, s.leaf()), append(types, s.typ)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return leaves, types
}

// The leaf in Go equals log.leaf in SQL, also for numbers and texts at their limits.
func TestLeaf(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for _, s := range []storedRow{
		{typ: events.TypeLoggedIn, version: 1, payload: []byte(`{}`)},
		{typ: "", version: 0, payload: []byte{}},
		{
			typ: "größe", version: math.MaxInt16, encoding: math.MinInt16, id: [16]byte{0xff, 1, 15: 0x80},
			stream:  events.Stream{Kind: math.MaxInt16, ID: math.MaxInt64},
			account: math.MinInt64, payload: []byte("\x00\xff" + strings.Repeat("x", 1<<16)),
		},
	} {
		inSQL := scalar[[]byte](t, pool, `SELECT log.leaf($1, $2, $3, 0::smallint, $4, $5, $6, $7, $8)`,
			string(s.typ), s.version, s.encoding, int16(s.stream.Kind), s.stream.ID, s.account, [16]byte(s.id), s.payload)
		if diff := cmp.Diff(inSQL, func() []byte { h := s.leaf(); return h[:] }()); diff != "" {
			t.Errorf("leaf of %q: %s", s.typ, diff)
		}
	}
}

// Events are read back as they were recorded, packed or not.
func TestEncodings(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	long := strings.Repeat("a subject that packs well, ", 50)
	for i, compress := range []bool{false, true} {
		j := New(pool, Options{Compress: compress}).Journal()
		journal := addUser(t, j, int64(i+1))
		want := []events.Event{
			events.LoggedIn{User: 1, Name: "nul \x00 and line\u2028end", Remote: "127.0.0.1"},
			events.ThreadUpdated{Thread: 1, Latest: &events.LatestMessage{Subject: long}, Causes: []string{}, IDs: []domain.MessageID{}, Merged: []domain.ThreadID{}},
		}
		must(t, j, scopeOf(journal), decisionOf(want...))
		checkChain(t, pool, journal)
		rows, err := pool.Query(t.Context(), `SELECT type, schema_version, encoding, payload FROM log.events
			WHERE journal_id = $1 ORDER BY position`, int64(journal))
		if err != nil {
			t.Fatal(err)
		}
		var got []events.Event
		var packed int
		for rows.Next() {
			var typ string
			var version, encoding int16
			var payload []byte
			if err := rows.Scan(&typ, &version, &encoding, &payload); err != nil {
				t.Fatal(err)
			}
			e, err := storedEvent(typ, version, encoding, payload)
			if err != nil {
				t.Fatal(err)
			}
			got, packed = append(got, e), packed+int(encoding)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("compress %v: %s", compress, diff)
		}
		if wantPacked := map[bool]int{false: 0, true: 1}[compress]; packed != wantPacked {
			t.Errorf("compress %v: %d events are packed, want %d: only what gets smaller", compress, packed, wantPacked)
		}
	}
}
