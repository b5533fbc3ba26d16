package archive

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maildir is a tree as Dovecot's Maildir++: the INBOX at its root, each other folder in a directory
// that begins with a full stop, levels between full stops. A file's time is the internal
// date; keywords are letters, which the file dovecot-keywords of the folder names.
type maildir struct {
	root    string
	folders map[string]*maildirFolder
}

type maildirFolder struct {
	dir      string
	keywords []string // by letter, a first
}

// maxKeywords is how many keywords a folder can have: a to z.
const maxKeywords = 26

func newMaildir(root string) (*maildir, error) {
	w := &maildir{root: root, folders: map[string]*maildirFolder{}}
	if err := os.Mkdir(root, 0o700); err != nil {
		return nil, err
	}
	_, err := w.folder("INBOX")
	return w, err
}

func (w *maildir) put(m *Message) error {
	f, err := w.folder(m.Folder)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d.%d.imap2api,S=%d:2,%s", m.ReceivedAt.Unix(), m.ID, len(m.Octets), f.letters(m.Flags))
	path := filepath.Join(f.dir, "cur", name)
	if err := os.WriteFile(path, m.Octets, 0o600); err != nil {
		return err
	}
	return os.Chtimes(path, m.ReceivedAt, m.ReceivedAt)
}

// letters are the flags in the order of ASCII, as the format wants them.
func (f *maildirFolder) letters(flags []string) string {
	var b strings.Builder
	for _, l := range []struct{ letter, flag string }{
		{"D", `\Draft`}, {"F", `\Flagged`}, {"R", `\Answered`}, {"S", `\Seen`}, {"T", `\Deleted`},
	} {
		if system(flags, l.flag) {
			b.WriteString(l.letter)
		}
	}
	has := map[int]bool{}
	for _, k := range keywords(flags) {
		if i := f.keyword(k); i >= 0 {
			has[i] = true
		}
	}
	for i := range f.keywords {
		if has[i] {
			b.WriteByte(byte('a' + i))
		}
	}
	return b.String()
}

// keyword returns the place of a keyword, -1 if the letters are used up.
func (f *maildirFolder) keyword(name string) int {
	for i, k := range f.keywords {
		if strings.EqualFold(k, name) {
			return i
		}
	}
	if len(f.keywords) == maxKeywords {
		return -1
	}
	f.keywords = append(f.keywords, name)
	return len(f.keywords) - 1
}

func (w *maildir) folder(name string) (*maildirFolder, error) {
	if f := w.folders[name]; f != nil {
		return f, nil
	}
	f := &maildirFolder{dir: w.root}
	if name != "INBOX" {
		f.dir = filepath.Join(w.root, "."+levels(name))
	}
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(f.dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	w.folders[name] = f
	return f, nil
}

// levels makes full stops of the slashes of a folder's name.
func levels(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = fileName(p, ".")
	}
	return strings.Join(parts, ".")
}

// close writes what the letters of keywords mean.
func (w *maildir) close() error {
	var errs []error
	for _, f := range w.folders {
		if len(f.keywords) == 0 {
			continue
		}
		var b strings.Builder
		for i, k := range f.keywords {
			fmt.Fprintf(&b, "%d %s\n", i, k)
		}
		errs = append(errs, os.WriteFile(filepath.Join(f.dir, "dovecot-keywords"), []byte(b.String()), 0o600))
	}
	return errors.Join(errs...)
}
