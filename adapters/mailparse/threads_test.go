package mailparse_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/imap2api/imap2api/adapters/mailparse"
	"github.com/imap2api/imap2api/domain"
)

// The tests of this file measure threads on mail that was not written for them.

// threadShared returns the directory with the corpora, or skips the test.
func threadShared(t *testing.T) string {
	t.Helper()
	dir := cmp.Or(os.Getenv("IMAP2API_SHARED"), filepath.Join("..", "..", "..", "shared"))
	if _, err := os.Stat(dir); err != nil {
		t.Skip("there is no ../shared")
	}
	return dir
}

func threadHints(raw []byte, received time.Time) domain.ThreadHints {
	content := mailparse.New(mailparse.Options{}).Parse(context.Background(), raw)
	return domain.HintsOf(content, sha256.Sum256(raw), received)
}

// thread places messages in the given order and returns the thread of each in the end.
func thread(hints []domain.ThreadHints, order []int) []domain.ThreadID {
	x, last := domain.NewThreadIndex(nil), domain.ThreadID(0)
	threads, into := make([]domain.ThreadID, len(hints)), map[domain.ThreadID]domain.ThreadID{}
	for _, i := range order {
		p := x.Place(hints[i], func() domain.ThreadID { last++; return last })
		threads[i] = p.Thread
		for _, m := range p.Merged {
			into[m] = p.Thread
		}
	}
	for i := range threads {
		for into[threads[i]] != 0 {
			threads[i] = into[threads[i]]
		}
	}
	return threads
}

// agreement counts the pairs of messages that are together.
type agreement struct{ here, there, both int }

func (a agreement) precision() float64 { return float64(a.both) / float64(max(a.here, 1)) }
func (a agreement) recall() float64    { return float64(a.both) / float64(max(a.there, 1)) }

func agree[T comparable](here []domain.ThreadID, there []T) agreement {
	type place struct {
		here  domain.ThreadID
		there T
	}
	rows, columns, cells := map[domain.ThreadID]int{}, map[T]int{}, map[place]int{}
	var a agreement
	for i, h := range here {
		a.here += rows[h]
		a.there += columns[there[i]]
		a.both += cells[place{h, there[i]}]
		rows[h]++
		columns[there[i]]++
		cells[place{h, there[i]}]++
	}
	return a
}

func TestThreadsOfGeneratedMail(t *testing.T) {
	t.Parallel()
	gen, dir := filepath.Join(threadShared(t), "mailserver", "gen"), t.TempDir()
	count := cmp.Or(os.Getenv("IMAP2API_THREADS_COUNT"), "4000")
	seed := cmp.Or(os.Getenv("IMAP2API_THREADS_SEED"), "1")
	if out, err := exec.Command(gen, "--out", dir, "--count", count, "--extra", count[:len(count)-1], "--seed", seed, "--large", "0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	hints, truth := generated(t, dir)
	order := rand.New(rand.NewPCG(1, 1)).Perm(len(hints))
	a := agree(thread(hints, order), truth)
	t.Logf("%d messages: pairs %+v, precision %.4f, recall %.4f", len(hints), a, a.precision(), a.recall())
	if a.precision() < 0.99 || a.recall() < 0.99 {
		t.Errorf("precision %.4f, recall %.4f", a.precision(), a.recall())
	}
}

// generated reads what gen has written, as an IMAP server sends it.
func generated(t *testing.T, dir string) (hints []domain.ThreadHints, truth []int) {
	t.Helper()
	type line struct {
		Sha256 string
		Thread int
		Date   int64
	}
	lines := map[string][]line{}
	data, err := os.ReadFile(filepath.Join(dir, "test.manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(data)) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		lines[l.Sha256] = append(lines[l.Sha256], l)
	}
	err = filepath.WalkDir(filepath.Join(dir, "test"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Base(filepath.Dir(path)) != "cur" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		raw = bytes.ReplaceAll(crlf(raw), []byte{0}, []byte{0x80})
		sum := sha256.Sum256(raw)
		key := hex.EncodeToString(sum[:])
		if len(lines[key]) == 0 {
			return errors.New(path + " is not in the manifest")
		}
		l := lines[key][0]
		lines[key] = lines[key][1:]
		hints, truth = append(hints, threadHints(raw, time.Unix(l.Date, 0))), append(truth, l.Thread)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hints, truth
}

func crlf(raw []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

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

func TestThreadsOfImaptest(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(threadShared(t), "corpora", "threads", "imaptest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Case, Algorithm string
			InternalDates   []string `json:"internal_dates"`
			Messages        []string
			Threads         [][]struct{ N int }
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	// Where the rules differ from RFC 5256, and what comes of it.
	other := map[string][]int{
		"thread":                 {0, 0, 0}, // a loop is no reason to part what refers to each other
		"thread2":                {0, 0},    // copies of a message are together
		"thread4":                {0, 1},    // a subject of three letters, no people
		"thread-orderedsubject":  {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
		"thread-orderedsubject2": {0, 1, 2, 3, 4, 5, 6, 7}, // equal subjects alone say nothing
	}
	for _, c := range file.Cases {
		var hints []domain.ThreadHints
		truth := make([]int, len(c.Messages))
		for i, m := range c.Messages {
			date, err := time.Parse("2-Jan-2006 15:04:05 -0700", c.InternalDates[i])
			if err != nil {
				t.Fatal(err)
			}
			hints = append(hints, threadHints(crlf([]byte(m)), date))
		}
		for k, members := range c.Threads {
			for _, m := range members {
				truth[m.N-1] = k
			}
		}
		if o, ok := other[c.Case]; ok {
			truth = o
		}
		if a := agree(thread(hints, rand.Perm(len(hints))), truth); a.here != a.both || a.there != a.both {
			t.Errorf("%s: pairs %+v", c.Case, a)
		}
	}
}
