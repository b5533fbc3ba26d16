package mailparse

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// A generatedMail is a message of the generator with its line of the manifest.
type generatedMail struct {
	SHA256 string `json:"sha256"`
	Kind   string `json:"kind"`
	MsgID  string `json:"mid"`
	Date   int64  `json:"date"`
	raw    []byte
}

// generate makes messages, a part of them malformed, as a server sends them: lines
// end in CRLF, and NUL is 0x80.
func generate(t testing.TB, args ...string) []generatedMail {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to generate mail with")
	}
	dir := t.TempDir()
	args = append([]string{shared(t, "mailserver", "gen"), "--out", dir, "--no-uidlist", "--user", "t"}, args...)
	if out, err := exec.Command(python, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files := map[string]string{}
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		if _, rest, ok := strings.Cut(filepath.Base(path), ".M"); ok {
			number, _, _ := strings.Cut(rest, "P")
			files[number] = path
		}
		return nil
	})
	manifest, err := os.Open(filepath.Join(dir, "t.manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = manifest.Close() }()
	var out []generatedMail
	for lines := bufio.NewScanner(manifest); lines.Scan(); {
		var m generatedMail
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(files[fmt.Sprint(len(out))])
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		m.raw = bytes.ReplaceAll(raw, []byte{0}, []byte{0x80})
		if sum := sha256.Sum256(m.raw); hex.EncodeToString(sum[:]) != m.SHA256 {
			t.Fatalf("message %d is not the one of the manifest", len(out))
		}
		out = append(out, m)
	}
	return out
}

// survives says for each kind of malformed message what must be there nevertheless.
var survives = map[string]func(c *domain.Content) bool{
	"no_end_boundary":        has("first\n", "second, then nothing"),
	"missing_boundary_param": has("no boundary parameter"),
	"bad_base64":             has("Hello"),
	"bad_qp":                 has("bad =ZZ escape", "ä ok"),
	"long_line":              has(strings.Repeat("A", 200000)),
	"nul_bytes":              has("before", "after"),
	"bare_cr":                has("line one\nline two\n\nline three\n"),
	"utf16_body":             has("hello ünïcode\n"),
	"uuencode":               has("begin 644 a.txt\n#0V%T\n`\nend\n"),
	"charset_lie":            has("Füße größer\n"),
	"unknown_charset":        has("hello Ärger\n"),
	"dsn":                    has("Delivery failed\n"),
	"winmail":                has("see attached\n"),
	"nested_same_boundary":   has("inner", "outer"),
	"no_headers":             has("just a body without any header\n"),
	"deep_nest":              func(c *domain.Content) bool { return len(c.Attachments) == 1 && len(c.Defects) == 1 },
	"many_parts":             func(c *domain.Content) bool { return len(c.Attachments) == 500 },
	"pgp_mime":               file1("encrypted.asc"),
	"smime":                  file1("smime.p7m"),
	"raw8_subject":           func(c *domain.Content) bool { return c.Subject == "Grüße Überraschung" && c.Text != "" },
	"fold_ws_only":           func(c *domain.Content) bool { return c.Subject == "first second" && c.Text != "" },
	"bad_eword": func(c *domain.Content) bool {
		return strings.HasPrefix(c.Subject, "äöü") && strings.Contains(c.Subject, "abc") && c.Text != ""
	},
	"many_recipients": func(c *domain.Content) bool { return len(c.To) == 1500 },
	"many_references": func(c *domain.Content) bool { return len(c.References) == 800 },
	"utf8_local_part": func(c *domain.Content) bool {
		return c.From[0] == domain.Address{Name: "Jürgen", Addr: "jürgen@exämple.com"}
	},
	"empty_body":    func(*domain.Content) bool { return true },
	"empty_message": func(*domain.Content) bool { return true },
}

func has(words ...string) func(*domain.Content) bool {
	return func(c *domain.Content) bool {
		for _, w := range words {
			if !strings.Contains(c.Text, w) {
				return false
			}
		}
		return true
	}
}

func file1(name string) func(*domain.Content) bool {
	return func(c *domain.Content) bool {
		return len(c.Attachments) == 1 && c.Attachments[0].FileName == name && c.Attachments[0].Size > 900
	}
}

// TestGenerated parses 40 kinds of malformed messages among sound ones: their
// message-ids are those of the manifest, and no content is lost.
func TestGenerated(t *testing.T) {
	t.Parallel()
	p := New(Options{Budget: 5 * time.Second})
	kinds := map[string]int{}
	for i, m := range generate(t, "--count", "400", "--extra", "20", "--weird", "40") {
		c := p.Parse(t.Context(), m.raw)
		kinds[m.Kind]++
		kind, weird := strings.CutPrefix(m.Kind, "weird:")
		if kind != "empty_message" && c.MsgID != m.MsgID {
			t.Errorf("%d %s: message-id %q, want %q", i, m.Kind, c.MsgID, m.MsgID)
		}
		if d := c.Date.Unix() - m.Date; !weird && (d < -15*3600 || d > 15*3600) {
			t.Errorf("%d %s: date %v, want %v", i, m.Kind, c.Date, time.Unix(m.Date, 0).UTC())
		}
		check := survives[kind]
		if check == nil {
			check = soundContent(kind, weird)
		}
		if !check(c) {
			t.Errorf("%d %s: lost: subject %q, text %.80q, html %.80q, %d attachments, defects %v", i, m.Kind, c.Subject,
				c.Text, c.HTML, len(c.Attachments), c.Defects)
		}
		for _, a := range c.Attachments {
			if part, ok := p.Part(t.Context(), m.raw, a.Section); !ok || int64(len(part.Octets)) != a.Size {
				t.Errorf("%d %s: part %s has %d octets, want %d", i, m.Kind, a.Section, len(part.Octets), a.Size)
			}
		}
	}
	for kind := range survives {
		if kinds["weird:"+kind] == 0 {
			t.Errorf("no message of the kind %s", kind)
		}
	}
	t.Log(kinds)
}

// soundContent checks a message whose body is sound.
func soundContent(kind string, weird bool) func(*domain.Content) bool {
	return func(c *domain.Content) bool {
		ok := c.Text != "" && c.Snippet != "" && !strings.Contains(c.Text+c.HTML, "\ufffd")
		if weird {
			return ok
		}
		ok = ok && len(c.Defects) == 0 && len(c.From) == 1 && len(c.To) == 1
		switch kind {
		case "html", "alternative":
			ok = ok && c.HTML != "" && !strings.Contains(c.Text, "<not text>")
		case "related", "attachment", "large", "rfc822":
			ok = ok && len(c.Attachments) > 0
		}
		return ok
	}
}

// BenchmarkParse measures whole messages as the generator makes them.
func BenchmarkParse(b *testing.B) {
	mails := generate(b, "--count", "1000", "--extra", "0")
	p := New(Options{})
	octets := 0
	for _, m := range mails {
		octets += len(m.raw)
	}
	b.SetBytes(int64(octets))
	b.ReportAllocs()
	for b.Loop() {
		for _, m := range mails {
			p.Parse(b.Context(), m.raw)
		}
	}
}
