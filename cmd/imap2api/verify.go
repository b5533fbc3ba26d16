package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
)

func runVerify(ctx context.Context, in *invocation) error {
	var user, headsFile string
	var heads, remote, content bool
	var server int64
	s, rest, end, err := session(ctx, "verify", in, func(fs *flag.FlagSet) {
		fs.StringVar(&user, "user", "", "only this user's journal; system is that of the installation")
		fs.BoolVar(&heads, "heads", false, "print a signed statement of the end of each chain")
		fs.StringVar(&headsFile, "heads-file", "", "check statements printed earlier, and that the chains still go through them")
		fs.BoolVar(&remote, "remote", false, "compare with the IMAP servers instead: is every message there?")
		fs.Int64Var(&server, "server", 0, "with -remote: only this IMAP server")
		fs.BoolVar(&content, "content", false, "with -remote: fetch every message again and compare its octets")
	})
	if err != nil {
		return err
	}
	defer end()
	if len(rest) > 0 {
		return usageError{fmt.Errorf("verify takes no arguments: %q", rest)}
	}
	if !remote && (server != 0 || content) {
		return usageError{errors.New("-server and -content go with -remote")}
	}
	tuneMemory()
	if remote {
		return s.verifyRemote(ctx, in, user, domain.AccountID(server), content)
	}
	if heads {
		return s.printHeads(ctx, in)
	}
	opts := eventlog.VerifyOptions{Tasks: s.verifiable(ctx), State: true}
	if opts.Journals, err = s.journalsOf(ctx, user); err != nil {
		return err
	}
	if headsFile != "" {
		opts.Heads, err = s.readHeads(in, headsFile)
	} else if _, opts.Heads, err = readWitness(s.witness.path); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return usageError{fmt.Errorf("heads-file: %w", err)}
	}
	return s.verify(ctx, in, opts)
}

// journalsOf returns the journal of a user, nil for all.
func (s *system) journalsOf(ctx context.Context, user string) ([]events.JournalID, error) {
	switch user {
	case "":
		return nil, nil
	case "system":
		return []events.JournalID{events.System}, nil
	}
	u, err := s.userNamed(ctx, user)
	return []events.JournalID{events.JournalID(u.ID)}, err
}

// verify prints a line for each finding and a summary.
func (s *system) verify(ctx context.Context, in *invocation, opts eventlog.VerifyOptions) error {
	opts.Finding = func(f eventlog.Finding) { in.printf("%s\n", f) }
	if isTerminal(in.stderr) {
		bar := newBar(in.stderr, "verify")
		defer bar.finish()
		opts.Progress = func(done, total int64) { bar.set(int(done), int(total)) }
	}
	sum, err := s.events.Verify(ctx, opts)
	if err != nil {
		return err
	}
	state := "sound"
	if sum.Damages > 0 {
		state = fmt.Sprintf("DAMAGED: %d findings", sum.Damages)
	}
	in.printf("%s: %d journals, %d events in %d commits, %d raw messages, %d tables of state, %d read models compared, %d events erased, in %s\n",
		state, sum.Journals, sum.Events, sum.Commits, sum.RawMessages, sum.StateTables, sum.ReadModels, sum.Erased, sum.Took.Round(time.Millisecond))
	if sum.Damages > 0 {
		return errFailed
	}
	return nil
}

// printHeads prints a signed statement of each end, a line each.
func (s *system) printHeads(ctx context.Context, in *invocation) error {
	heads, err := s.events.Heads(ctx)
	if err != nil {
		return err
	}
	for _, h := range heads {
		in.printf("%s\n", public.RenderHead(s.secrets.SignHead(h)))
	}
	return nil
}

// readHeads reads statements that printHeads or the API gave, a line each. Each must hold; those of another
// key than this installation's are told of.
func (s *system) readHeads(in *invocation, path string) ([]events.Head, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	var out []events.Head
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 || isWitnessIDs(lines.Bytes()) {
			continue
		}
		h, err := public.ParseHead(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if !h.PublicKey.Equal(s.secrets.SigningKey()) {
			in.tellf("heads-file, line %d: signed with key %s; that of this installation is %s\n", n, events.KeyID(h.PublicKey), events.KeyID(s.secrets.SigningKey()))
		}
		out = append(out, h.Head)
	}
	return out, lines.Err()
}
