package postgres_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
)

// lineParser takes the first line for the subject and the rest for the text.
type lineParser struct{ parsed atomic.Int64 }

func (p *lineParser) Parse(_ context.Context, raw []byte) *domain.Content {
	p.parsed.Add(1)
	subject, text, _ := strings.Cut(string(raw), "\n")
	return &domain.Content{Subject: subject, Text: text, HTML: "<p>" + text, Date: epoch, Defects: []string{"no-header"}}
}
func (*lineParser) ParserVersion() int { return 3 }

func rawOf(text string) commands.RawMessage {
	return commands.RawMessage{SHA256: sha256.Sum256([]byte(text)), Octets: []byte(text)}
}

// randomBase64 has no matches: only entropy coding makes it smaller.
func randomBase64(octets int) string {
	b := make([]byte, octets/4*3)
	src := rand.NewChaCha8([32]byte{1})
	_, _ = src.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

func TestRawStore(t *testing.T) {
	t.Parallel()
	pool := open(t)
	now := epoch
	store := postgres.NewRawStore(pool, 3, func() time.Time { return now })
	noise := make([]byte, 300)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(noise)
	list := []commands.RawMessage{rawOf(""), rawOf("short"), rawOf(string(noise)), rawOf(randomBase64(100_000)), rawOf(strings.Repeat("line\r\n", 5000)), rawOf("short")}
	for range 2 {
		if err := store.Put(t.Context(), 1, list); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	for _, m := range list {
		got, err := store.Raw(t.Context(), 1, m.SHA256[:])
		if err != nil || !bytes.Equal(got, m.Octets) {
			t.Errorf("message of %d octets: got %d, error %v", len(m.Octets), len(got), err)
		}
	}
	if _, err := store.Raw(t.Context(), 2, list[1].SHA256[:]); !errors.Is(err, domain.ErrNotFound) {
		t.Errorf("of another user: got %v, want ErrNotFound", err)
	}
	var rows, late int
	var packed int64
	err := pool.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE stored_at = $1), max(octet_length(data)) FILTER (WHERE size = 100000) FROM raw.messages`,
		epoch.Add(time.Hour)).Scan(&rows, &late, &packed)
	if err != nil || rows != 5 || late != 5 {
		t.Errorf("got %d rows, %d of them stored by the second Put, error %v; want 5 and 5", rows, late, err)
	}
	if packed > 77_000 {
		t.Errorf("base64 of 100000 octets takes %d, want at most 77000", packed)
	}
	exec(t, pool, `UPDATE raw.messages SET size = size + 1`)
	if _, err := store.Raw(t.Context(), 1, list[1].SHA256[:]); err == nil || errors.Is(err, domain.ErrNotFound) {
		t.Errorf("of another length: got %v, want an error", err)
	}
}

// A message of no octets came without a slice, and stopped the sync of its mailbox.
func TestRawOfNoOctets(t *testing.T) {
	t.Parallel()
	store := postgres.NewRawStore(open(t), 3, func() time.Time { return epoch })
	nothing := commands.RawMessage{SHA256: sha256.Sum256(nil)}
	if err := store.Put(t.Context(), 1, []commands.RawMessage{nothing, rawOf("other")}); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Raw(t.Context(), 1, nothing.SHA256[:]); err != nil || len(got) != 0 {
		t.Errorf("got %q, error %v", got, err)
	}
}

func TestOrphans(t *testing.T) {
	t.Parallel()
	pool := open(t)
	addAccount(t, pool, 1, 1)
	addAccount(t, pool, 2, 2)
	now := epoch
	store := postgres.NewRawStore(pool, 3, func() time.Time { return now })
	with := rawOf("orphan with content")
	with.Content = &domain.Content{Subject: "x"}
	for journal := events.JournalID(1); journal <= 2; journal++ {
		if err := store.Put(t.Context(), journal, []commands.RawMessage{rawOf("used"), with}); err != nil {
			t.Fatal(err)
		}
	}
	used := rawOf("used").SHA256
	exec(t, pool, `INSERT INTO raw.uses (journal_id, sha256, account_id) VALUES (1, $1, 1), (2, $1, 2)`, used[:])
	now = epoch.Add(23 * time.Hour)
	if n, err := store.CollectOrphans(t.Context()); n != 0 || err != nil {
		t.Errorf("within a day: got %d, error %v; want 0", n, err)
	}
	if err := store.Put(t.Context(), 2, []commands.RawMessage{with}); err != nil {
		t.Fatal(err)
	}
	now = epoch.Add(25 * time.Hour)
	if n, err := store.CollectOrphans(t.Context()); n != 1 || err != nil {
		t.Errorf("after a day: got %d, error %v; want 1", n, err)
	}
	if got := texts(t, pool, "raw", `SELECT count(*) FROM messages UNION ALL SELECT count(*) FROM contents`); !cmp.Equal(got, []string{"3", "1"}) {
		t.Errorf("left: got %v, want 3 messages and 1 content", got)
	}
}

func TestContents(t *testing.T) {
	t.Parallel()
	pool := open(t)
	parser := &lineParser{}
	store := postgres.NewRawStore(pool, 3, time.Now)
	contents := postgres.NewContents(pool, store, parser)
	put := rawOf("put\nwith its content")
	put.Content = parser.Parse(t.Context(), put.Octets)
	plain, gone := rawOf("plain\nparsed when asked for"), rawOf("gone\n")
	if err := store.Put(t.Context(), 1, []commands.RawMessage{put, plain}); err != nil {
		t.Fatal(err)
	}
	want := map[[32]byte]*domain.Content{put.SHA256: put.Content, plain.SHA256: parser.Parse(t.Context(), plain.Octets)}
	parser.parsed.Store(0)
	for round, parsed := range []int64{1, 1, 2, 2} {
		got, err := contents.Contents(t.Context(), 1, [][]byte{put.SHA256[:], plain.SHA256[:], gone.SHA256[:]})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", round, diff)
		}
		if n := parser.parsed.Load(); n != parsed {
			t.Errorf("round %d: %d were parsed so far, want %d", round, n, parsed)
		}
		if round == 1 { // a damaged row is no row, and made good
			exec(t, pool, `UPDATE raw.contents SET data = '\x01ff' WHERE sha256 = $1`, plain.SHA256[:])
		}
	}
}

func BenchmarkPut(b *testing.B) {
	pool := open(b)
	store := postgres.NewRawStore(pool, 3, time.Now)
	text := randomBase64(50_000)
	n := 0
	b.SetBytes(100 * 50_000)
	for b.Loop() {
		list := make([]commands.RawMessage, 100)
		for i := range list {
			n++
			list[i] = rawOf(fmt.Sprint(n) + text)
		}
		if err := store.Put(b.Context(), 1, list); err != nil {
			b.Fatal(err)
		}
	}
}
