package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/imap2api/imap2api/adapters/archive"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/queries"
)

// exportFlags are the flags of export.
type exportFlags struct {
	server       int64
	format, path string
}

func runExport(ctx context.Context, in *invocation) error {
	var f exportFlags
	s, rest, end, err := session(ctx, "export", in, func(fs *flag.FlagSet) {
		fs.Int64Var(&f.server, "server", 0, "id of the IMAP server")
		fs.StringVar(&f.format, "format", "", "mbox (a directory with a file for each folder), maildir, or jsonl (a file)")
		fs.StringVar(&f.path, "o", "", "where it is written; must not be there yet. Unset: server-ID.FORMAT")
	})
	if err != nil {
		return err
	}
	defer end()
	tuneMemory()
	var faults []error
	if len(rest) > 0 {
		faults = append(faults, fmt.Errorf("export takes no arguments: %q", rest))
	}
	if !slices.Contains(archive.Formats, f.format) {
		faults = append(faults, fmt.Errorf("format: %q is none of %s", f.format, strings.Join(archive.Formats, ", ")))
	}
	targets, err := s.targets(ctx, domain.AccountID(f.server))
	if err != nil {
		return err
	}
	if f.server == 0 || len(targets) == 0 {
		faults = append(faults, fmt.Errorf("server: there is no IMAP server %d", f.server))
	}
	if len(faults) > 0 {
		return usageError{errors.Join(faults...)}
	}
	if f.path == "" {
		f.path = fmt.Sprintf("server-%d.%s", f.server, f.format)
	}
	return s.export(ctx, in, targets[0], f)
}

// export writes the mail of an account, all of it or nothing.
func (s *system) export(ctx context.Context, in *invocation, t target, f exportFlags) error {
	out, err := archive.Create(f.format, f.path)
	if errors.Is(err, fs.ErrExist) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	e := &exporting{out: out, folders: map[domain.MailboxName]bool{}}
	if err := s.write(ctx, in, t, f, e); err != nil {
		return errors.Join(err, out.Discard())
	}
	if err := out.Commit(); err != nil {
		return errors.Join(err, out.Discard())
	}
	in.printf("%s (server %d): %d emails, %d octets, %d folders in %s\n", t.account.Settings.Name, t.account.ID, e.emails, e.octets, len(e.folders), f.path)
	if len(e.missing) > 0 {
		in.tellf("%d emails have no octets: %v\n", len(e.missing), e.missing[:min(10, len(e.missing))])
		return errFailed
	}
	return nil
}

// exporting counts what is written.
type exporting struct {
	out     *archive.Archive
	emails  int
	octets  int64
	folders map[domain.MailboxName]bool
	missing []domain.MessageID
}

// write records who takes the mail, and then writes it.
func (s *system) write(ctx context.Context, in *invocation, t target, f exportFlags, e *exporting) error {
	_, err := commands.NewExportAccount(s.journal).Handle(ctx, commands.ExportAccount{
		Journal: t.journal, Meta: commandLine(), Account: t.account.ID, Format: f.format,
	})
	if err != nil {
		return err
	}
	total, err := s.stored(ctx, t)
	if err != nil {
		return err
	}
	show := func() {}
	if isTerminal(in.stderr) {
		b := newBar(in.stderr, t.account.Settings.Name)
		defer b.finish()
		shown := time.Time{}
		show = func() {
			if time.Since(shown) > 100*time.Millisecond {
				shown = time.Now()
				b.set(e.emails, total)
			}
		}
	}
	q := queries.ExportMessages{Journal: t.journal, Account: t.account.ID}
	return queries.NewExportMessages(s.mail, s.raws).Handle(ctx, q, func(m *queries.ExportedMessage) error {
		defer show()
		return e.put(m)
	})
}

func (e *exporting) put(m *queries.ExportedMessage) error {
	if m.Octets == nil {
		e.missing = append(e.missing, m.ID)
		return nil
	}
	e.emails, e.octets, e.folders[m.Folder] = e.emails+1, e.octets+int64(len(m.Octets)), true
	flags := make([]string, len(m.Flags))
	for i, f := range m.Flags {
		flags[i] = string(f)
	}
	return e.out.Put(&archive.Message{
		ID: int64(m.ID), Folder: string(m.Folder), Flags: flags, ReceivedAt: m.InternalDate, MessageID: m.MsgID, Thread: int64(m.Thread),
		Sender: m.Sender, SHA256: m.SHA256, Octets: m.Octets,
	})
}

// stored returns how many emails an account has.
func (s *system) stored(ctx context.Context, t target) (int, error) {
	folders, err := s.mailboxes.Folders(ctx, t.journal, t.account.ID)
	if err != nil {
		return 0, fmt.Errorf("folders of server %d: %w", t.account.ID, err)
	}
	total := 0
	for _, f := range folders {
		total += f.Messages
	}
	return total, nil
}
