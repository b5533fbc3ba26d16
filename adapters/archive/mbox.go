package archive

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mbox is a directory with a file for each folder, in the variant mboxrd: a line "From " in a
// message, behind any number of ">", gets one more (RFC 4155 leaves that open). Flags are in
// the fields Status, X-Status and X-Keywords before the header's own, as mutt and
// Dovecot read them; all else is octet for octet as IMAP sent it, with LF for CRLF.
type mbox struct {
	dir   string
	files map[string]*os.File // by folder, those that are open
	known map[string]string   // names of files by folder
}

// maxOpen is how many files are open at once.
const maxOpen = 100

func newMbox(dir string) (*mbox, error) {
	return &mbox{dir: dir, files: map[string]*os.File{}, known: map[string]string{}}, os.Mkdir(dir, 0o700)
}

func (w *mbox) put(m *Message) error {
	f, err := w.file(m.Folder)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	sender := m.Sender
	if sender == "" || strings.ContainsAny(sender, " \t\r\n") {
		sender = "MAILER-DAEMON"
	}
	fmt.Fprintf(&b, "From %s %s\n", sender, m.ReceivedAt.UTC().Format("Mon Jan _2 15:04:05 2006"))
	statusFields(&b, m.Flags)
	for line := range bytes.Lines(m.Octets) {
		if bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
			b.WriteByte('>')
		}
		if text, ok := bytes.CutSuffix(line, []byte("\r\n")); ok {
			b.Write(text)
			b.WriteByte('\n')
			continue
		}
		b.Write(line)
	}
	if !bytes.HasSuffix(m.Octets, []byte("\n")) {
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	_, err = f.Write(b.Bytes())
	return err
}

// statusFields writes what flags say.
func statusFields(b *bytes.Buffer, flags []string) {
	status := "O"
	if system(flags, `\Seen`) {
		status = "RO"
	}
	fmt.Fprintf(b, "Status: %s\n", status)
	var more strings.Builder
	for _, f := range []struct{ flag, letter string }{{`\Answered`, "A"}, {`\Flagged`, "F"}, {`\Draft`, "T"}, {`\Deleted`, "D"}} {
		if system(flags, f.flag) {
			more.WriteString(f.letter)
		}
	}
	if more.Len() > 0 {
		fmt.Fprintf(b, "X-Status: %s\n", &more)
	}
	if words := keywords(flags); len(words) > 0 {
		fmt.Fprintf(b, "X-Keywords: %s\n", strings.Join(words, " "))
	}
}

// keywords are the flags that are no system flags.
func keywords(flags []string) (out []string) {
	for _, f := range flags {
		if !strings.HasPrefix(f, `\`) {
			out = append(out, f)
		}
	}
	return out
}

// file returns the open file of a folder.
func (w *mbox) file(folder string) (*os.File, error) {
	if f := w.files[folder]; f != nil {
		return f, nil
	}
	if len(w.files) >= maxOpen {
		if err := w.closeFiles(); err != nil {
			return nil, err
		}
	}
	name, again := w.known[folder]
	if !again {
		name = fileName(folder, "") + ".mbox"
		w.known[folder] = name
	}
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		w.files[folder] = f
	}
	return f, err
}

func (w *mbox) closeFiles() error {
	var errs []error
	for folder, f := range w.files {
		errs = append(errs, sync(f))
		delete(w.files, folder)
	}
	return errors.Join(errs...)
}

func (w *mbox) close() error { return w.closeFiles() }
