package mailparse_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/imap2api/imap2api/domain"
)

// listRecord is what other programs say of one message.
type listRecord struct {
	File    string
	Notmuch struct{ Thread string }
	Agree   bool `json:"agree"`
	Headers bool `json:"agree_by_headers"`
}

func TestThreadsOfLists(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(threadShared(t), "corpora")
	archives, err := filepath.Glob(filepath.Join(dir, "lists", "*.maildir.tar.zst"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no lists: %v", err)
	}
	var hints []domain.ThreadHints
	var records []listRecord
	for _, archive := range archives { // all in one account, as one person might read them
		name := strings.TrimSuffix(filepath.Base(archive), ".maildir.tar.zst")
		byFile := listMail(t, archive)
		for text := range strings.Lines(string(unpacked(t, filepath.Join(dir, "threads", name+".jsonl.zst")))) {
			var r listRecord
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				t.Fatal(err)
			}
			h, ok := byFile[r.File]
			if !ok {
				t.Fatalf("%s is not in %s", r.File, name)
			}
			r.Notmuch.Thread = name + " " + r.Notmuch.Thread
			hints, records = append(hints, h), append(records, r)
		}
	}
	here := thread(hints, rand.New(rand.NewPCG(1, 1)).Perm(len(hints)))
	checkLists(t, here, records, "agreed by all", func(r listRecord) bool { return r.Agree && r.Headers })
	checkLists(t, here, records, "agreed by headers", func(r listRecord) bool { return r.Headers })
}

func checkLists(t *testing.T, here []domain.ThreadID, records []listRecord, name string, counts func(listRecord) bool) {
	t.Helper()
	var some []domain.ThreadID
	var truth []string
	last := map[string]domain.ThreadID{}
	neighbours, together := 0, 0
	for i, r := range records {
		if !counts(r) {
			continue
		}
		some, truth = append(some, here[i]), append(truth, r.Notmuch.Thread)
		if before, ok := last[r.Notmuch.Thread]; ok {
			neighbours++
			if before == here[i] {
				together++
			}
		}
		last[r.Notmuch.Thread] = here[i]
	}
	a, share := agree(some, truth), float64(together)/float64(max(neighbours, 1))
	t.Logf("%s: %d messages, neighbours %.4f of %d, pairs %+v, precision %.4f, recall %.4f",
		name, len(some), share, neighbours, a, a.precision(), a.recall())
	if share < 0.99 || a.recall() < 0.99 || neighbours < 100 {
		t.Errorf("%s: neighbours %.4f of %d, recall %.4f", name, share, neighbours, a.recall())
	}
}

// listMail reads a packed Maildir; the keys are file names without flags.
func listMail(t *testing.T, path string) map[string]domain.ThreadHints {
	t.Helper()
	mail, r := map[string]domain.ThreadHints{}, tar.NewReader(bytes.NewReader(unpacked(t, path)))
	for {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return mail
		}
		if err != nil {
			t.Fatal(err)
		}
		if head.Typeflag != tar.TypeReg {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(filepath.Base(head.Name), ":2,")
		mail[name] = threadHints(crlf(raw), head.ModTime)
	}
}

func unpacked(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out, err := r.DecodeAll(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
