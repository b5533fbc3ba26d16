package eventlog

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
)

// flips are what changes one value a little, by the type of its column or by the column: COL is its name.
var flips = map[string]string{
	"bytea":                    `set_byte(COL, OCTET % octet_length(COL), get_byte(COL, OCTET % octet_length(COL)) # (1 << BIT))`,
	"bigint":                   `COL # (1::bigint << (20 + OCTET % 20))`,
	"smallint":                 `(COL::int # (1 << BIT))::smallint`,
	"text":                     `overlay(COL placing chr(ascii(substr(COL, 1 + OCTET % length(COL), 1)) # 1) from 1 + OCTET % length(COL) for 1)`,
	"uuid":                     `encode(set_byte(uuid_send(COL), OCTET % 16, get_byte(uuid_send(COL), OCTET % 16) # (1 << BIT)), 'hex')::uuid`,
	"timestamp with time zone": `COL + interval '1 us'`,
	"first_position":           `COL - 1`, // the database takes none above last_position
}

// notContent are columns that are no content: what a flip of them does is seen by nobody, or refused by the database.
var notContent = map[string]string{
	"raw.messages.stored_at": "time of the last Put: when an orphan may go",
	"raw.messages.location":  "null where the octets are in the database",
}

// TestVerifyFindsAnyFlip flips one bit of each column of events, commits and raw messages in turn: each is
// found, and nothing is when it is put back. Of an event that is erased nobody can make the leaf again, so
// what it says beside the leaf is not proved: those are left out.
func TestVerifyFindsAnyFlip(t *testing.T) {
	t.Parallel()
	l, task := erasableLog(t)
	eraseToy(t, l, 0)
	catchUpAll(t, task, live(t, task), 1)
	if err := l.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := l.pool.Query(t.Context(), `SELECT table_schema || '.' || table_name, column_name, data_type FROM information_schema.columns
		WHERE (table_schema, table_name) IN (('log', 'events'), ('log', 'commits'), ('raw', 'messages')) ORDER BY 1, ordinal_position`)
	if err != nil {
		t.Fatal(err)
	}
	type column struct{ Table, Name, Type string }
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil || len(columns) < 28 {
		t.Fatalf("%d columns, %v", len(columns), err)
	}
	if found, sum := verify(t, l, VerifyOptions{}); sum.Damages > 0 {
		t.Fatalf("before: %q", found)
	}
	for _, c := range columns {
		if notContent[c.Table+"."+c.Name] != "" {
			continue
		}
		for range 2 {
			flipOne(t, l, c.Table, c.Name, c.Type)
		}
	}
	if found, sum := verify(t, l, VerifyOptions{}); sum.Damages > 0 {
		t.Errorf("after: %q", found)
	}
}

// flipOne flips a bit of a row where the column is set, and puts it back.
func flipOne(t *testing.T, l *Log, table, name, typ string) {
	t.Helper()
	octet, bit := rand.IntN(1000), rand.IntN(8)
	set := strings.NewReplacer("COL", name, "OCTET", strconv.Itoa(octet), "BIT", strconv.Itoa(bit)).Replace(cmp.Or(flips[name], flips[typ]))
	ctx := t.Context()
	tx, err := l.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it was committed
	exec := func(sql string) int64 {
		tag, err := tx.Exec(ctx, sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return tag.RowsAffected()
	}
	exec(`SET LOCAL session_replication_role = replica`)
	where := name + " IS NOT NULL"
	if table == "log.events" && name != "leaf" {
		where += " AND payload IS NOT NULL"
	}
	exec(fmt.Sprintf(`CREATE TABLE flipped AS SELECT * FROM %s WHERE %s ORDER BY random() LIMIT 1`, table, where))
	key := map[string]string{"log.events": "position", "log.commits": "last_position", "raw.messages": "sha256"}[table]
	exec(fmt.Sprintf(`DELETE FROM %[1]s t USING flipped f WHERE t.journal_id = f.journal_id AND t.%[2]s = f.%[2]s`, table, key))
	exec(fmt.Sprintf(`CREATE TABLE damaged AS SELECT * FROM flipped; UPDATE damaged SET %[1]s = %[2]s`, name, set))
	if exec(fmt.Sprintf(`INSERT INTO %s SELECT * FROM damaged`, table)) != 1 {
		t.Fatalf("%s.%s is set in no row", table, name)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if found, sum := verify(t, l, VerifyOptions{}); sum.Damages == 0 {
		t.Errorf("%s.%s, octet %d, bit %d: nothing is found: %q", table, name, octet, bit, found)
	}
	tamper(t, l, fmt.Sprintf(`DELETE FROM %[1]s t USING damaged f WHERE t.journal_id = f.journal_id AND t.%[2]s = f.%[2]s;
		INSERT INTO %[1]s SELECT * FROM flipped; DROP TABLE flipped, damaged`, table, key))
}

// TestCheckRawBits: whichever bit of a stored message changes, it is found.
func TestCheckRawBits(t *testing.T) {
	t.Parallel()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	dec := rawDecoders.Get().(*zstd.Decoder)
	defer rawDecoders.Put(dec)
	octets := []byte(strings.Repeat("text ", 40))
	sum, frame := sha256.Sum256(octets), enc.EncodeAll(octets, nil)
	data := binary.BigEndian.AppendUint32(frame, crc32.Checksum(frame, castagnoli))
	if err := checkRaw(dec, sum[:], int64(len(octets)), 2, data); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << bit
			if checkRaw(dec, sum[:], int64(len(octets)), 2, damaged) == nil {
				t.Errorf("octet %d, bit %d: nothing is found", i, bit)
			}
		}
	}
}
