package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/imap2api/imap2api/adapters/eventlog"
	"github.com/imap2api/imap2api/events"
)

// headJSON is the end of a chain as `verify -heads` prints it, a line each.
type headJSON struct {
	Journal  int64  `json:"journal"`
	Position int64  `json:"position"`
	Link     string `json:"link"`
}

func runVerify(ctx context.Context, in *invocation) error {
	var user, headsFile string
	var heads bool
	s, rest, end, err := session(ctx, "verify", in, func(fs *flag.FlagSet) {
		fs.StringVar(&user, "user", "", "only this user's journal; system is that of the installation")
		fs.BoolVar(&heads, "heads", false, "print the end of each chain")
		fs.StringVar(&headsFile, "heads-file", "", "compare with ends printed earlier")
	})
	if err != nil {
		return err
	}
	defer end()
	if len(rest) > 0 {
		return usageError{fmt.Errorf("verify takes no arguments: %q", rest)}
	}
	tuneMemory()
	if heads {
		return s.printHeads(ctx, in)
	}
	opts := eventlog.VerifyOptions{Tasks: s.verifiable(ctx)}
	if opts.Journals, err = s.journalsOf(ctx, user); err != nil {
		return err
	}
	if headsFile != "" {
		if opts.Heads, err = readHeads(headsFile); err != nil {
			return usageError{fmt.Errorf("heads-file: %w", err)}
		}
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
	in.printf("%s: %d journals, %d events in %d commits, %d raw messages, %d read models compared, %d events erased, in %s\n",
		state, sum.Journals, sum.Events, sum.Commits, sum.RawMessages, sum.ReadModels, sum.Erased, sum.Took.Round(time.Millisecond))
	if sum.Damages > 0 {
		return errFailed
	}
	return nil
}

func (s *system) printHeads(ctx context.Context, in *invocation) error {
	heads, err := s.events.Heads(ctx)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(in.stdout)
	for _, h := range heads {
		if err := enc.Encode(headJSON{int64(h.Journal), int64(h.Position), hex.EncodeToString(h.Link[:])}); err != nil {
			return fmt.Errorf("print heads: %w", err)
		}
	}
	return nil
}

// readHeads reads what printHeads wrote.
func readHeads(path string) ([]eventlog.Head, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	var out []eventlog.Head
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var h headJSON
		err := json.Unmarshal(lines.Bytes(), &h)
		link, err2 := hex.DecodeString(h.Link)
		if err := errors.Join(err, err2); err != nil || len(link) != 32 {
			return nil, fmt.Errorf("line %d is not a head: %w", n, err)
		}
		out = append(out, eventlog.Head{
			Journal: events.JournalID(h.Journal), Position: events.Position(h.Position), Link: events.Hash(link),
		})
	}
	return out, lines.Err()
}
