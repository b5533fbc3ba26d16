package mailparse_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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
	const usual = 20_000 // messages that gen spreads over its two years
	count := cmp.Or(os.Getenv("IMAP2API_THREADS_COUNT"), "2000")
	seed := cmp.Or(os.Getenv("IMAP2API_THREADS_SEED"), "1")
	n, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(gen, "--out", dir, "--count", count, "--extra", strconv.Itoa(n/10), "--seed", seed, "--large", "0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	hints, truth := generated(t, dir)
	if n < usual { // fewer in the same time would answer each other after months
		for i := range hints {
			hints[i].Date = time.Unix(hints[i].Date.Unix()*int64(n)/usual, 0)
		}
	}
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

// dumpThreads prints the corpus of the acceptance kit, which is made in Python, as JSON.
const dumpThreads = `
import sys, json, base64
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import corpus
print(json.dumps([{"raw": base64.b64encode(m.raw).decode(), "thread": m.thread, "received_at": corpus.stamp(m.received_at)}
                  for m in corpus.mails()]))`

func TestThreadsOfAcceptance(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("python3", "-c", dumpThreads, filepath.Join(threadShared(t), "acceptance")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var mails []struct {
		Raw        []byte
		Thread     string
		ReceivedAt time.Time `json:"received_at"`
	}
	if err := json.Unmarshal(out, &mails); err != nil {
		t.Fatal(err)
	}
	var hints []domain.ThreadHints
	var truth []string
	for _, m := range mails {
		hints, truth = append(hints, threadHints(m.Raw, m.ReceivedAt)), append(truth, m.Thread)
	}
	for range 5 {
		if a := agree(thread(hints, rand.Perm(len(hints))), truth); a.here != a.both || a.there != a.both || a.both == 0 {
			t.Errorf("%d messages: pairs %+v", len(mails), a)
		}
	}
}
