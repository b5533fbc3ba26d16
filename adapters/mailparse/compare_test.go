package mailparse

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
	gomail "github.com/emersion/go-message/mail"
	"github.com/jhillyerd/enmime/v2"
	"golang.org/x/text/unicode/norm"
)

// A reading is what one parser says of a message, in the words of the corpus.
type reading map[string]any

// A candidate is one of the parsers of ADR 4.
type candidate struct {
	name string
	read func([]byte) (reading, error)
	skim func([]byte) // reads header and all content, for the clock
}

var candidates = []candidate{
	{"own", readOwn, func(raw []byte) { New(Options{}).Parse(context.Background(), raw) }},
	{"go-message", readGoMessage, func(raw []byte) { _, _ = readGoMessage(raw) }},
	{"enmime", readEnmime, func(raw []byte) { _, _ = readEnmime(raw) }},
}

// smallBombs cost the libraries seconds, not minutes; one of them reads some without
// an end, so they are read only if IMAP2API_BOMBS is set.
func smallBombs() []bomb {
	return []bomb{
		{"depth 1,000", nested(1000, "b%d")},
		{"depth 3,000", nested(3000, "b%d")},
		{"comment 50 K", []byte("Message-ID: (" + strings.Repeat("a", 50<<10) + ") <a@b>\r\n\r\nBody.\r\n")},
		{"300 K parts", []byte("Content-Type: multipart/mixed; boundary=abcdefgh\r\n\r\n" + strings.Repeat("--abcdefgh\r\n\r\n\r\n", 300000))},
	}
}

// explode adds a row for each bomb. A parser gets 5 s; what runs on is left behind.
func explode(table *strings.Builder) {
	for _, b := range smallBombs() {
		fmt.Fprintf(table, "%-12s", b.name)
		for _, c := range candidates {
			start, done := time.Now(), make(chan struct{})
			go func() {
				c.skim(b.raw)
				close(done)
			}()
			select {
			case <-done:
				fmt.Fprintf(table, " %16s", time.Since(start).Round(100*time.Microsecond))
			case <-time.After(5 * time.Second):
				fmt.Fprintf(table, " %16s", "over 5s")
			}
		}
		table.WriteByte('\n')
	}
}

// comparedFields are the fields of the table; the aim of ADR 4 is about all of them.
var comparedFields = []string{
	"subject", "from_addr", "from_name", "to_addr", "to_name", "cc_addr", "date", "message_id",
	"text", "html", "file_names", "files",
}

// An expectation is a line of expected.jsonl.
type expectation struct {
	File     string         `json:"file"`
	Expected map[string]any `json:"expected"`
	Strong   []string       `json:"strong"`
	raw      []byte
}

func loadCorpus(t testing.TB) []expectation {
	dir := shared(t, "corpora", "mime")
	f, err := os.Open(filepath.Join(dir, "expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []expectation
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e expectation
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.raw, err = os.ReadFile(filepath.Join(dir, e.File)); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// A score is one column of the table.
type score struct {
	right, asked map[string]int
	failed       int // messages with an error, or with nothing read
	took         time.Duration
	octets       int
	misses       []string
}

func judge(c candidate, corpus []expectation) score {
	s := score{right: map[string]int{}, asked: map[string]int{}}
	for _, e := range corpus {
		start := time.Now()
		c.skim(e.raw)
		s.took += time.Since(start)
		r, err := c.read(e.raw)
		s.octets += len(e.raw)
		if err != nil && r == nil {
			s.failed++
		}
		for _, field := range e.Strong {
			if !slices.Contains(comparedFields, field) {
				continue
			}
			s.asked[field]++
			have, want := canonical(field, r[field]), canonical(field, e.Expected[field])
			if reflect.DeepEqual(have, want) {
				s.right[field]++
				continue
			}
			s.misses = append(s.misses, fmt.Sprintf("%s %s\n\twant %q\n\thave %q", e.File, field, want, have))
		}
	}
	return s
}

func (s score) share() float64 {
	right, asked := 0, 0
	for _, f := range comparedFields {
		right, asked = right+s.right[f], asked+s.asked[f]
	}
	return float64(right) / float64(asked)
}

// canonical brings a value into the form in which the corpus compares it.
func canonical(field string, v any) any {
	b, _ := json.Marshal(v)
	switch field {
	case "subject", "text", "html", "message_id":
		var s string
		_ = json.Unmarshal(b, &s)
		r := []rune(strings.Join(strings.Fields(norm.NFC.String(s)), " "))
		return strings.TrimSpace(string(r[:min(len(r), 200)]))
	case "date":
		var n int64
		_ = json.Unmarshal(b, &n)
		return n
	case "files":
		var files [][]any
		_ = json.Unmarshal(b, &files)
		for _, f := range files {
			f[0] = strings.Join(strings.Fields(fileName(f[0].(string))), " ")
		}
		return append([][]any{}, files...)
	}
	var list []string
	_ = json.Unmarshal(b, &list)
	for i := range list {
		list[i] = strings.Join(strings.Fields(norm.NFC.String(list[i])), " ")
		switch field {
		case "from_addr", "to_addr", "cc_addr":
			list[i] = strings.ToLower(list[i])
		case "file_names":
			list[i] = fileName(list[i])
		}
	}
	return append([]string{}, list...)
}

func file(name string, octets []byte) []any {
	sum := sha256.Sum256(octets)
	return []any{name, len(octets), hex.EncodeToString(sum[:])}
}

func readOwn(raw []byte) (reading, error) {
	p := New(Options{})
	c := p.Parse(context.Background(), raw)
	r := reading{"subject": c.Subject, "message_id": c.MsgID}
	if !c.Date.IsZero() {
		r["date"] = c.Date.Unix()
	}
	var from, fromNames, to, toNames, cc []string
	for _, a := range c.From {
		from, fromNames = append(from, a.Addr), append(fromNames, a.Name)
	}
	for _, a := range c.To {
		to, toNames = append(to, a.Addr), append(toNames, a.Name)
	}
	for _, a := range c.Cc {
		cc = append(cc, a.Addr)
	}
	r["from_addr"], r["from_name"], r["to_addr"], r["to_name"], r["cc_addr"] = from, fromNames, to, toNames, cc
	var fileNames []string
	files := [][]any{}
	for _, a := range c.Attachments {
		if a.FileName == "" || a.FileName == "message.eml" && !bytes.Contains(raw, []byte("message.eml")) {
			continue
		}
		fileNames = append(fileNames, a.FileName)
		if !strings.HasPrefix(a.ContentType, "text/") && !strings.HasPrefix(a.ContentType, "message/") {
			part, _ := p.Part(context.Background(), raw, a.Section)
			files = append(files, file(a.FileName, part.Octets))
		}
	}
	r["file_names"], r["files"] = fileNames, files
	r["text"], r["html"] = firstBodies(p, raw)
	return r, nil
}

// firstBodies returns the first plain text and HTML that is no attachment: the
// content has them joined with the others.
func firstBodies(p *Parser, raw []byte) (text, html string) {
	w := p.newWalker(context.Background(), raw)
	w.walk()
	seen := map[string]bool{}
	for i := range w.leaves {
		l := &w.leaves[i]
		if l.attachment && !l.named || seen[l.media] {
			continue
		}
		seen[l.media] = true
		switch l.media {
		case "text/plain":
			text = string(w.bodyText(l, false))
		case "text/html":
			html = string(w.bodyText(l, true))
		}
	}
	return text, html
}

func readGoMessage(raw []byte) (reading, error) {
	e, err := message.Read(bytes.NewReader(raw))
	if e == nil {
		return nil, err
	}
	h := gomail.Header{Header: e.Header}
	r := reading{}
	r["subject"], _ = h.Subject()
	r["message_id"], _ = h.MessageID()
	if d, err := h.Date(); err == nil && !d.IsZero() {
		r["date"] = d.Unix()
	}
	for _, f := range []string{"From", "To", "Cc"} {
		list, _ := h.AddressList(f)
		var addrs, names []string
		for _, a := range list {
			addrs, names = append(addrs, a.Address), append(names, a.Name)
		}
		low := strings.ToLower(f)
		r[low+"_addr"], r[low+"_name"] = addrs, names
	}
	var names []string
	files := [][]any{}
	walkErr := e.Walk(func(_ []int, part *message.Entity, err error) error {
		if err != nil && part == nil {
			return err
		}
		media, _, _ := part.Header.ContentType()
		if strings.HasPrefix(media, "multipart/") {
			return nil
		}
		ah := gomail.AttachmentHeader{Header: part.Header}
		name, _ := ah.Filename()
		disposition, _, _ := part.Header.ContentDisposition()
		body, _ := io.ReadAll(part.Body)
		if name != "" {
			names = append(names, name)
			if !strings.HasPrefix(media, "text/") && !strings.HasPrefix(media, "message/") {
				files = append(files, file(name, body))
			}
		}
		key := map[string]string{"text/plain": "text", "text/html": "html", "": "text"}[media]
		if key != "" && disposition != "attachment" && r[key] == nil {
			r[key] = string(body)
		}
		return nil
	})
	r["file_names"], r["files"] = names, files
	return r, cmp.Or(err, walkErr)
}

func readEnmime(raw []byte) (reading, error) {
	e, err := enmime.ReadEnvelope(bytes.NewReader(raw))
	if e == nil {
		return nil, err
	}
	r := reading{"subject": e.GetHeader("Subject"), "message_id": strings.Trim(e.GetHeader("Message-ID"), "<> ")}
	if d, err := e.Date(); err == nil && !d.IsZero() {
		r["date"] = d.Unix()
	}
	for _, f := range []string{"From", "To", "Cc"} {
		list, _ := e.AddressList(f)
		var addrs, names []string
		for _, a := range list {
			addrs, names = append(addrs, a.Address), append(names, a.Name)
		}
		low := strings.ToLower(f)
		r[low+"_addr"], r[low+"_name"] = addrs, names
	}
	var names []string
	files := [][]any{}
	e.Root.DepthMatchAll(func(p *enmime.Part) bool {
		if strings.HasPrefix(p.ContentType, "multipart/") {
			return false
		}
		if p.FileName != "" {
			names = append(names, p.FileName)
			if !strings.HasPrefix(p.ContentType, "text/") && !strings.HasPrefix(p.ContentType, "message/") {
				files = append(files, file(p.FileName, p.Content))
			}
		}
		key := map[string]string{"text/plain": "text", "text/html": "html", "": "text"}[p.ContentType]
		if key != "" && p.Disposition != "attachment" && r[key] == nil {
			r[key] = string(p.Content)
		}
		return false
	})
	r["file_names"], r["files"] = names, files
	return r, err
}

// TestCompareParsers asks of the own parser that it agrees with at least 98 % of what other
// programs agree on, and loses no message. With IMAP2API_BOMBS it prints the table of ADR 4.
func TestCompareParsers(t *testing.T) {
	corpus, bombs := loadCorpus(t), os.Getenv("IMAP2API_BOMBS") != ""
	candidates := candidates
	if !bombs {
		candidates = candidates[:1]
	}
	scores := make([]score, len(candidates))
	for i, c := range candidates {
		scores[i] = judge(c, corpus)
	}
	var table strings.Builder
	row := func(name string, cell func(score) string) {
		fmt.Fprintf(&table, "%-12s", name)
		for _, s := range scores {
			fmt.Fprintf(&table, " %16s", cell(s))
		}
		table.WriteByte('\n')
	}
	fmt.Fprintf(&table, "\n%-12s", "")
	for _, c := range candidates {
		fmt.Fprintf(&table, " %16s", c.name)
	}
	table.WriteByte('\n')
	for _, f := range comparedFields {
		row(f, func(s score) string { return fmt.Sprintf("%d/%d", s.right[f], s.asked[f]) })
	}
	row("all", func(s score) string { return fmt.Sprintf("%.2f %%", 100*s.share()) })
	row("lost", func(s score) string { return fmt.Sprint(s.failed) })
	row("MB/s", func(s score) string { return fmt.Sprintf("%.0f", float64(s.octets)/1e6/s.took.Seconds()) })
	if bombs {
		explode(&table)
	}
	t.Log(table.String())
	if os.Getenv("IMAP2API_MISSES") != "" {
		t.Log(strings.Join(scores[0].misses, "\n"))
	}
	if scores[0].share() < 0.98 || scores[0].failed > 0 {
		t.Errorf("own parser: %.2f %% agreement, %d messages lost", 100*scores[0].share(), scores[0].failed)
	}
}
