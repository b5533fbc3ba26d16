package mailparse

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// TestLists parses some thousand real mails of mailing lists: ids are those of their
// index, each has a sender, a date and text, and all that is said of text holds.
func TestLists(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob(filepath.Join(shared(t, "corpora", "lists"), "*.maildir.tar.zst"))
	if err != nil || len(archives) == 0 {
		t.Skip("no lists")
	}
	p := New(Options{Budget: 10 * time.Second})
	total, bare := 0, 0
	for _, archive := range archives {
		ids := listIDs(t, strings.TrimSuffix(archive, ".maildir.tar.zst")+".tsv.zst")
		for name, raw := range listMails(t, archive) {
			c := p.Parse(t.Context(), raw)
			total++
			checkText(t, c)
			base, _, _ := strings.Cut(filepath.Base(name), ":")
			if want, ok := ids[base]; ok && strings.Join(strings.Fields(strings.Trim(want, "<>")), "") != c.MsgID {
				t.Errorf("%s: message-id %q, want %q", name, c.MsgID, want)
			}
			dated := !c.Date.IsZero() || !bytes.Contains(raw, []byte("\nDate: "))
			if len(c.From) == 0 || !dated || c.Text == "" {
				bare++
				t.Logf("%s: from %v, date %v, %d octets of text, %d attachments, %v", name, c.From, c.Date, len(c.Text), len(c.Attachments), c.Defects)
			}
		}
	}
	t.Logf("%d mails, %d without sender, date or text", total, bare)
	if bare*1000 > total {
		t.Errorf("%d of %d mails lack a sender, a date or text", bare, total)
	}
}

// listMails returns the mails of an archive by name.
func listMails(t *testing.T, archive string) map[string][]byte {
	out := map[string][]byte{}
	for r := tar.NewReader(unpack(t, archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if out[h.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// listIDs returns the Message-ID column of an index by file.
func listIDs(t *testing.T, index string) map[string]string {
	out, column := map[string]string{}, -1
	for lines := bufio.NewScanner(unpack(t, index)); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		if column < 0 {
			for i, f := range fields {
				if strings.Contains(strings.ToLower(f), "message") {
					column = i
				}
			}
			continue
		}
		base, _, _ := strings.Cut(filepath.Base(fields[0]), ":")
		out[base] = fields[column]
	}
	return out
}

func unpack(t *testing.T, path string) io.Reader {
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	plain, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(plain)
}
