package main

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// A searchSource gives generated mail, and the corpora if they are there, to the program's own
// sync in place of an IMAP server, which would take longer than all that is measured.
type searchSource struct {
	mail    *searchMail
	shared  string // the directory with the corpora
	corpora []corpusMessage
	boxes   map[domain.MailboxName][]int // numbers of messages, by UID less one
}

// corpusMessage is somebody's mail.
type corpusMessage struct {
	raw []byte
	at  time.Time
}

var searchFolders = []domain.MailboxName{"INBOX", "Archive", "Sent", "Corpora"}

func newSearchSource(mail *searchMail, shared string) (*searchSource, error) {
	s := &searchSource{mail: mail, shared: shared, boxes: map[domain.MailboxName][]int{}}
	for n := range mail.count {
		box := searchFolders[[]int{0, 0, 0, 0, 0, 0, 1, 1, 1, 2}[n*7%10]]
		s.boxes[box] = append(s.boxes[box], n)
	}
	if err := s.readCorpora(filepath.Join(shared, "corpora")); err != nil {
		return nil, err
	}
	for n := range s.corpora {
		s.boxes["Corpora"] = append(s.boxes["Corpora"], mail.count+n)
	}
	return s, nil
}

// readCorpora reads lists and single messages, of which there may be none.
func (s *searchSource) readCorpora(dir string) error {
	single, err := filepath.Glob(filepath.Join(dir, "mime", "*.eml"))
	if err != nil {
		return err
	}
	for _, path := range single {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s.corpora = append(s.corpora, corpusMessage{raw, time.Unix(latestMail, 0).AddDate(-8, 0, 0)})
	}
	lists, err := filepath.Glob(filepath.Join(dir, "lists", "*.tar.zst"))
	if err != nil {
		return err
	}
	for _, path := range lists {
		if err := s.readList(path); err != nil {
			return err
		}
	}
	return nil
}

func (s *searchSource) readList(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	plain, err := zstd.NewReader(f)
	if err != nil {
		return err
	}
	defer plain.Close()
	for list := tar.NewReader(plain); ; {
		h, err := list.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || filepath.Base(h.Name) == "dovecot-uidlist" {
			continue
		}
		raw, err := io.ReadAll(list)
		if err != nil {
			return err
		}
		s.corpora = append(s.corpora, corpusMessage{raw, h.ModTime.UTC()})
	}
}

// total is how many messages there are.
func (s *searchSource) total() int { return s.mail.count + len(s.corpora) }

func (s *searchSource) message(n int) ([]byte, time.Time) {
	if n < s.mail.count {
		return s.mail.message(n)
	}
	c := s.corpora[n-s.mail.count]
	return c.raw, c.at
}

// Open returns a connection.
func (s *searchSource) Open(context.Context, commands.Login) (commands.MailConn, error) {
	return &searchConn{searchSource: s}, nil
}

// Probe is not asked for.
func (s *searchSource) Probe(context.Context, commands.Login) commands.Probe { return commands.Probe{} }

// searchConn is one connection to a searchSource; what is not below is not asked for.
type searchConn struct {
	commands.MailConn
	*searchSource
	open domain.MailboxName
}

func (c *searchConn) status(name domain.MailboxName) domain.MailboxStatus {
	n := len(c.boxes[name])
	return domain.MailboxStatus{UIDValidity: 1, UIDNext: domain.UID(n + 1), Messages: uint32(n)}
}

// List returns all mailboxes.
func (c *searchConn) List(context.Context) ([]domain.Listed, error) {
	var out []domain.Listed
	for _, name := range searchFolders {
		if len(c.boxes[name]) > 0 {
			status := c.status(name)
			out = append(out, domain.Listed{Name: name, Delimiter: "/", Status: &status})
		}
	}
	return out, nil
}

// Examine opens a mailbox.
func (c *searchConn) Examine(_ context.Context, name domain.MailboxName) (domain.MailboxStatus, error) {
	c.open = name
	return c.status(name), nil
}

// Resume opens a mailbox and tells nothing else.
func (c *searchConn) Resume(ctx context.Context, name domain.MailboxName, _ domain.MailboxStatus, _ domain.UIDSet) (commands.Resumed, error) {
	status, err := c.Examine(ctx, name)
	return commands.Resumed{Status: status}, err
}

// UIDs are those from 1 on.
func (c *searchConn) UIDs(context.Context, time.Time) (domain.UIDSet, error) {
	return domain.NewUIDSet(domain.UIDRange{Lo: 1, Hi: domain.UID(len(c.boxes[c.open]))}), nil
}

// Flags never change.
func (c *searchConn) Flags(context.Context, domain.UIDSet, domain.ModSeq, func(commands.FlagState) error) error {
	return nil
}

// Fetch gives the newest first.
func (c *searchConn) Fetch(_ context.Context, uids domain.UIDSet, _ int64, fn func(commands.FetchedMessage) error) ([]commands.Missing, error) {
	for _, uid := range slices.Backward(slices.Collect(uids.All)) {
		n := c.boxes[c.open][uid-1]
		raw, at := c.message(n)
		rng := rand.New(rand.NewPCG(4, uint64(n)))
		var flags []domain.Flag
		if rng.IntN(2) == 0 {
			flags = append(flags, domain.FlagSeen)
		}
		if rng.IntN(20) == 0 {
			flags = append(flags, domain.FlagFlagged)
		}
		err := fn(commands.FetchedMessage{UID: uid, Flags: flags, InternalDate: at, Raw: raw, Size: int64(len(raw))})
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// Close does nothing.
func (c *searchConn) Close() error { return nil }
