package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var received = time.Date(2025, 3, 4, 9, 30, 4, 0, time.UTC)

func messages() []*Message {
	return []*Message{
		{
			ID: 1, Folder: "INBOX", Flags: []string{`\Seen`, `\answered`, "$Junk", "b"}, ReceivedAt: received, MessageID: "one@x", Thread: 7,
			Sender: "ann@example.org", SHA256: []byte{1, 2}, Octets: []byte("Subject: one\r\n\r\nFrom here\r\n>From there\r\nFromage\r\nno end"),
		},
		{ID: 2, Folder: "Work/Deep.er", Flags: nil, ReceivedAt: received.Add(time.Hour), Octets: []byte("Subject: two\r\n\r\n\xff\x00\r\n")},
		{ID: 3, Folder: "../evil%", Flags: []string{`\Flagged`}, ReceivedAt: received, Sender: "a b", Octets: []byte("x: y\r\n\r\n")},
	}
}

// write makes an archive of the messages and returns its files with what is in them.
func write(t *testing.T, format string) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	a, err := Create(format, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages() {
		if err := a.Put(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there before it is whole: %v", err)
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	return files(t, path)
}

func files(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMbox(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"INBOX.mbox": "From ann@example.org Tue Mar  4 09:30:04 2025\nStatus: RO\nX-Status: A\nX-Keywords: $Junk b\n" +
			"Subject: one\n\n>From here\n>>From there\nFromage\nno end\n\n",
		"Work%2FDeep.er.mbox": "From MAILER-DAEMON Tue Mar  4 10:30:04 2025\nStatus: O\nSubject: two\n\n\xff\x00\n\n",
		"%2E.%2Fevil%25.mbox": "From MAILER-DAEMON Tue Mar  4 09:30:04 2025\nStatus: O\nX-Status: F\nx: y\n\n\n",
	}
	if d := cmp.Diff(want, write(t, "mbox")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestMboxManyFolders has more folders than files are open at once.
func TestMboxManyFolders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	a, err := Create("mbox", path)
	if err != nil {
		t.Fatal(err)
	}
	const folders = maxOpen + 5
	for i := range 3 * folders {
		if err := a.Put(&Message{ID: int64(i), Folder: strings.Repeat("x", i%folders+1), Octets: []byte("a: b\r\n\r\n")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	got := files(t, path)
	for name, text := range got {
		if n := strings.Count(text, "From MAILER-DAEMON"); n != 3 {
			t.Errorf("%s has %d messages, want 3", name, n)
		}
	}
	if len(got) != folders {
		t.Errorf("%d files, want %d", len(got), folders)
	}
}

func TestMaildir(t *testing.T) {
	t.Parallel()
	m := messages()
	want := map[string]string{
		"cur/1741080604.1.imap2api,S=55:2,RSab":             string(m[0].Octets),
		"dovecot-keywords":                                  "0 $Junk\n1 b\n",
		".Work.Deep%2Eer/cur/1741084204.2.imap2api,S=20:2,": string(m[1].Octets),
		".%2E%2E.evil%25/cur/1741080604.3.imap2api,S=8:2,F": string(m[2].Octets),
	}
	if d := cmp.Diff(want, write(t, "maildir")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	got := write(t, "jsonl")["."]
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	const first = `{"id":1,"folder":"INBOX","flags":["\\Seen","\\answered","$Junk","b"],"received_at":"2025-03-04T09:30:04Z","message_id":"<one@x>",` +
		`"thread_id":"thread-7","size":55,"sha256":"0102","raw":"`
	if len(lines) != 3 || !strings.HasPrefix(lines[0], first) {
		t.Fatalf("got %d lines:\n%s", len(lines), got)
	}
	for i, line := range lines {
		var m struct{ Raw []byte }
		if err := json.Unmarshal([]byte(line), &m); err != nil || !bytes.Equal(m.Raw, messages()[i].Octets) {
			t.Errorf("line %d: %q, %v", i, m.Raw, err)
		}
	}
}

// TestBrokenOff: what is not whole has another name, and is gone after the next run.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	for _, format := range Formats {
		path := filepath.Join(t.TempDir(), "out")
		for range 2 {
			a, err := Create(format, path) // and then the program dies
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if err := a.Put(messages()[0]); err != nil {
				t.Fatal(err)
			}
		}
		a, err := Create(format, path)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Discard(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) > 0 {
			t.Errorf("%s leaves %v, %v", format, left, err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(format, path); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s over a file: got %v, want ErrExist", format, err)
		}
	}
	if _, err := Create("pst", filepath.Join(t.TempDir(), "out")); err == nil || slices.Contains(Formats, "pst") {
		t.Error("an unknown format is written")
	}
}
