package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Formats are the names of the formats.
var Formats = []string{"mbox", "maildir", "jsonl"}

// Message is one message of an archive.
type Message struct {
	ID         int64
	Folder     string // as the server names it
	Flags      []string
	ReceivedAt time.Time // internal date
	MessageID  string    // without brackets, "" without one
	Thread     int64
	Sender     string // address, "" without one
	SHA256     []byte
	Octets     []byte // as IMAP sent them
}

// Archive is a file or directory that is being written. Put is called one after the other.
type Archive struct {
	path, partial string // partial becomes path at the end
	writer        writer
}

// writer writes one format below or at a path.
type writer interface {
	put(m *Message) error
	close() error
}

// partialSuffix marks what is not whole: a broken-off run leaves it, the next removes it.
const partialSuffix = ".imap2api-partial"

// Create begins an archive at path: a file for jsonl, a directory for mbox, with a file for each
// folder, and for maildir. It returns an error wrapping fs.ErrExist if something is there.
func Create(format, path string) (*Archive, error) {
	path = filepath.Clean(path)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, errors.Join(fs.ErrExist, err))
	}
	a := &Archive{path: path, partial: path + partialSuffix}
	if err := os.RemoveAll(a.partial); err != nil {
		return nil, fmt.Errorf("remove what an earlier run has left: %w", err)
	}
	var err error
	switch format {
	case "mbox":
		a.writer, err = newMbox(a.partial)
	case "maildir":
		a.writer, err = newMaildir(a.partial)
	case "jsonl":
		a.writer, err = newJSONLines(a.partial)
	default:
		return nil, fmt.Errorf("format %q is none of %s", format, strings.Join(Formats, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("begin archive: %w", err)
	}
	return a, nil
}

// Put adds a message. It keeps nothing of m.
func (a *Archive) Put(m *Message) error {
	if err := a.writer.put(m); err != nil {
		return fmt.Errorf("write message %d: %w", m.ID, err)
	}
	return nil
}

// Commit gives the archive its name: all of it is there.
func (a *Archive) Commit() error {
	if err := a.writer.close(); err != nil {
		return fmt.Errorf("finish archive: %w", err)
	}
	if err := os.Rename(a.partial, a.path); err != nil {
		return fmt.Errorf("finish archive: %w", err)
	}
	return nil
}

// Discard removes what was written without Commit.
func (a *Archive) Discard() error {
	return errors.Join(a.writer.close(), os.RemoveAll(a.partial))
}

// fileName makes one name of a file of a folder's: what a file system would take otherwise, and
// what is in also, is escaped as in URLs.
func fileName(folder, also string) string {
	var b strings.Builder
	for i := range len(folder) {
		c := folder[i]
		if c < ' ' || c == 0x7f || c == '/' || c == '\\' || c == '%' || c == '.' && i == 0 || strings.IndexByte(also, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// system reports whether flags hold a system flag, in any case (RFC 9051 section 2.3.2).
func system(flags []string, name string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.EqualFold(f, name) })
}

// sync brings a file to the disk and closes it.
func sync(f *os.File) error { return errors.Join(f.Sync(), f.Close()) }
