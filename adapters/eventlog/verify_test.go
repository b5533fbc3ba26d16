package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"

	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/projections"
)

// putToyRaw stores the octets that a toy message names, as the raw store packs them.
func putToyRaw(t testing.TB, l *Log, j events.JournalID, m events.MessageFetched) {
	t.Helper()
	octets := binary.BigEndian.AppendUint64([]byte(m.Summary.Subject), uint64(m.ID))
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	sum, frame := sha256.Sum256(octets), enc.EncodeAll(octets, nil)
	do(t, l, `INSERT INTO raw.messages (journal_id, sha256, size, stored_at, codec, data) VALUES ($1, $2, $3, now(), 2, $4) ON CONFLICT DO NOTHING`,
		int64(j), sum[:], len(octets), binary.BigEndian.AppendUint32(frame, crc32.Checksum(frame, castagnoli)))
	do(t, l, `INSERT INTO raw.uses VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, int64(j), sum[:], int64(m.Account))
}

// soundLog has two journals with commits of several events, raw messages and a live
// read model.
func soundLog(t testing.TB) (*Log, projections.Task) {
	t.Helper()
	l := newTestLog(t)
	_, _, task := newToy(l)
	for j := events.JournalID(1); j <= 2; j++ {
		write(t, l, j, events.AccountAdded{Account: 1}, events.AccountAdded{Account: 2})
		for i := range domain.MessageID(10) {
			m, n := toyMessage(1, 1, 2*i+1, "order"), toyMessage(2, 2, 2*i+2, "order")
			putToyRaw(t, l, j, m)
			putToyRaw(t, l, j, n)
			write(t, l, j, m, n, toySeen(m))
		}
	}
	if _, err := l.Rebuild(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	return l, task
}

func verify(t testing.TB, l *Log, opts VerifyOptions) (found []string, sum Summary) {
	t.Helper()
	opts.Finding = func(f Finding) { found = append(found, f.String()) }
	sum, err := l.Verify(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found, sum
}

func TestVerifySound(t *testing.T) {
	t.Parallel()
	l, task := soundLog(t)
	heads, err := l.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, l, 1, toySeen(toyMessage(2, 2, 2, "order")))
	var told int64
	found, sum := verify(t, l, VerifyOptions{
		Heads: heads, Tasks: []projections.Task{task}, Progress: func(done, total int64) { told = done },
	})
	sum.Took = 0
	want := Summary{Journals: 3, Events: 65, Commits: 23, RawMessages: 40, ReadModels: 1}
	if diff := cmp.Diff(want, sum); len(found) > 0 || diff != "" || told != 65 {
		t.Errorf("found %q, told of %d events (-want +got):\n%s", found, told, diff)
	}
	if got := statuses(t, task); got != "1 live" {
		t.Errorf("left generations: %q", got)
	}
}

// tamper changes the log as one can who owns the database.
func tamper(t testing.TB, l *Log, query string) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SET LOCAL session_replication_role = replica`); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), query)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestVerifyNamesWhatWasTamperedWith(t *testing.T) {
	t.Parallel()
	const event, commit = `UPDATE log.events SET %s WHERE journal_id = 1 AND position = 9`, `UPDATE log.commits SET %s WHERE journal_id = 1 AND last_position = 11`
	for _, tt := range []struct{ name, query, want string }{
		{"payload", fmt.Sprintf(event, `payload = convert_to(replace(convert_from(payload, 'UTF8'), 'Ann', 'Bob'), 'UTF8')`), "positions 9-11: the root does not agree"},
		{"not JSON", fmt.Sprintf(event, `payload = '{'`), "position 9: decode message-fetched"},
		{"type", fmt.Sprintf(event, `type = 'message-expunged'`), "positions 9-11: the root does not agree"},
		{"unknown type", fmt.Sprintf(event, `type = 'message-lost'`), "position 9: decode message-lost version 1: unknown"},
		{"version", fmt.Sprintf(event, `schema_version = 99`), "position 9: decode message-fetched version 99"},
		{"stream", fmt.Sprintf(event, `stream_id = 77`), "positions 9-11: the root does not agree"},
		{"account", fmt.Sprintf(event, `account_id = 2`), "positions 9-11: the root does not agree"},
		{"event id", fmt.Sprintf(event, `event_id = gen_random_uuid()`), "positions 9-11: the root does not agree"},
		{"time of an event", fmt.Sprintf(event, `recorded_at = recorded_at - interval '1 s'`), "position 9: recorded at"},
		{"time of a commit", fmt.Sprintf(commit, `recorded_at = recorded_at + interval '1 us'`), "positions 9-11: the link does not agree"},
		{"time backwards", fmt.Sprintf(commit, `recorded_at = recorded_at - interval '1 h'`), "positions 9-11: time runs backwards"},
		{"meta", fmt.Sprintf(commit, `meta = '{}'`), "positions 9-11: the link does not agree"},
		{"root", fmt.Sprintf(commit, `root = sha256(root)`), "positions 9-11: the link does not agree"},
		{"link", fmt.Sprintf(commit, `link = sha256(link)`), "positions 9-14: the link does not agree"},
		{"append id", fmt.Sprintf(commit, `append_id = gen_random_uuid()`), "positions 9-11: the link does not agree"},
		{"order", `UPDATE log.events SET position = CASE position WHEN 9 THEN 10009 ELSE 9 END WHERE journal_id = 1 AND position IN (9, 10);
			UPDATE log.events SET position = 10 WHERE journal_id = 1 AND position = 10009`, "positions 9-11: the root does not agree"},
		{"missing event", `DELETE FROM log.events WHERE journal_id = 1 AND position = 9`, "position 9: missing"},
		{"missing events", `DELETE FROM log.events WHERE journal_id = 1 AND position BETWEEN 10 AND 14`, "positions 10-14: missing"},
		{"missing commit", `DELETE FROM log.commits WHERE journal_id = 1 AND last_position = 11`, "positions 12-14: the commit does not follow the one before it, which ends at 8"},
		{"missing last commit", `DELETE FROM log.commits WHERE journal_id = 1 AND last_position = 32`, "position 32: the head does not agree with the last commit, which ends at 29"},
		{"all of it", `DELETE FROM log.commits WHERE journal_id = 1; DELETE FROM log.events WHERE journal_id = 1`, "position 32: the head does not agree"},
		{"head back", `UPDATE log.journals SET position = 29 WHERE journal_id = 1`, "position 29: events go beyond the head, up to 32"},
		{"head on", `UPDATE log.journals SET position = 40 WHERE journal_id = 1`, "position 40: the head does not agree"},
		{"link of the head", `UPDATE log.journals SET link = sha256(link) WHERE journal_id = 1`, "position 32: the head does not agree"},
		{"erased by nobody", fmt.Sprintf(event, `payload = NULL, leaf = log.leaf(type, schema_version, encoding, key_id, stream_kind, stream_id, account_id, event_id, payload)`), "position 9: the payload is gone, and no event erased it"},
		{"meta erased by nobody", fmt.Sprintf(commit, `meta = NULL, meta_leaf = sha256('meta\000'::bytea || meta)`), "positions 9-11: meta is gone, and no event erased it"},
		{"raw message gone", `DELETE FROM raw.messages WHERE journal_id = 1 AND sha256 = (SELECT decode(convert_from(payload, 'UTF8')::jsonb ->> 'sha256', 'base64') FROM log.events WHERE journal_id = 1 AND position = 9)`, "position 9: raw message "},
		{"raw message changed", `UPDATE raw.messages SET codec = 0, data = 'x', size = 1 WHERE journal_id = 1 AND sha256 = (SELECT decode(convert_from(payload, 'UTF8')::jsonb ->> 'sha256', 'base64') FROM log.events WHERE journal_id = 1 AND position = 9)`, "the octets have another hash"},
		{"checkpoint", `UPDATE log.checkpoints SET position = 1000 WHERE journal_id = 1`, "position 1000: the checkpoint of generation 1 of toy is beyond the head"},
		{"row of a read model", `UPDATE toy_g1.mail SET subject = 'x' WHERE journal_id = 1 AND id = 5`, "generation 1 of toy: mail has other rows"},
		{"missing row", `DELETE FROM toy_g1.mail WHERE journal_id = 1 AND id = 5`, "generation 1 of toy: mail has 19 rows in place of 20"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, task := soundLog(t)
			tamper(t, l, tt.query)
			opts := VerifyOptions{}
			if strings.Contains(tt.want, "generation 1 of toy: ") {
				opts.Tasks = []projections.Task{task}
			}
			found, sum := verify(t, l, opts)
			if int(sum.Damages) != len(found) {
				t.Errorf("got %d damages, %d findings", sum.Damages, len(found))
			}
			named := false
			for _, f := range found {
				named = named || strings.Contains(f, tt.want)
				if !strings.HasPrefix(f, "journal 1") {
					t.Errorf("found %q in the other journal", f)
				}
			}
			if !named || len(found) > 4 {
				t.Errorf("got %q, want it to name %q, and little else", found, tt.want)
			}
		})
	}
}

// TestVerifyEarlierHeads: a whole new chain is sound, but not the one of which a
// head was printed.
func TestVerifyEarlierHeads(t *testing.T) {
	t.Parallel()
	l, _ := soundLog(t)
	heads, err := l.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tamper(t, l, `DELETE FROM log.commits WHERE journal_id = 1; DELETE FROM log.events WHERE journal_id = 1;
		UPDATE log.journals SET position = 0, link = sha256('journal\000'::bytea || int8send(1)) WHERE journal_id = 1;
		DELETE FROM log.checkpoints WHERE journal_id = 1`)
	for i := range 16 {
		m, n := toyMessage(1, 1, domain.MessageID(2*i+1), "order"), toyMessage(2, 2, domain.MessageID(2*i+2), "order")
		putToyRaw(t, l, 1, m)
		putToyRaw(t, l, 1, n)
		write(t, l, 1, m, n)
	}
	if found, _ := verify(t, l, VerifyOptions{}); len(found) > 0 {
		t.Errorf("a new chain is sound in itself: got %q", found)
	}
	found, _ := verify(t, l, VerifyOptions{Heads: heads})
	if want := []string{"journal 1, position 32: the chain is not the one whose head was printed earlier"}; !slices.Equal(found, want) {
		t.Errorf("got %q, want %q", found, want)
	}
}

func TestVerifyStops(t *testing.T) {
	t.Parallel()
	l, task := soundLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Verify(ctx, VerifyOptions{Tasks: []projections.Task{task}}); err == nil {
		t.Error("got no error of a context that ended")
	}
}
