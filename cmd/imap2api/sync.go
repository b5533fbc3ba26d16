package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

// target is an account that a command works on.
type target struct {
	journal events.JournalID
	account queries.Account
}

func runSync(ctx context.Context, in *invocation) error {
	var server int64
	s, rest, end, err := session(ctx, "sync", in, func(fs *flag.FlagSet) {
		fs.Int64Var(&server, "server", 0, "id of an IMAP server; without it all")
	})
	if err != nil {
		return err
	}
	defer end()
	if len(rest) > 0 {
		return usageError{fmt.Errorf("sync takes no arguments: %q", rest)}
	}
	tuneMemory()
	work, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	s.start(work, &running, everything)
	if err := s.events.WaitLive(work); err != nil {
		return fmt.Errorf("wait for read models: %w", err)
	}
	targets, err := s.targets(ctx, domain.AccountID(server))
	if err != nil {
		return err
	}
	if server != 0 && len(targets) == 0 {
		return usageError{fmt.Errorf("there is no IMAP server %d", server)}
	}
	failed := false
	for _, t := range targets {
		ok, err := s.syncOne(ctx, in, t)
		if err != nil {
			return err
		}
		failed = failed || !ok
	}
	if failed {
		return errFailed
	}
	return nil
}

// targets returns the accounts of all users, or one.
func (s *system) targets(ctx context.Context, only domain.AccountID) ([]target, error) {
	users, err := queries.NewListUsers(s.users).Handle(ctx, queries.ListUsers{})
	if err != nil {
		return nil, err
	}
	var out []target
	for _, u := range users {
		accounts, err := s.accounts.Accounts(ctx, events.JournalID(u.ID), nil)
		if err != nil {
			return nil, fmt.Errorf("accounts of %s: %w", u.Name, err)
		}
		for _, a := range accounts {
			if only == 0 || a.ID == only {
				out = append(out, target{events.JournalID(u.ID), a})
			}
		}
	}
	return out, nil
}

// syncOne syncs an account and shows how it goes.
func (s *system) syncOne(ctx context.Context, in *invocation, t target) (bool, error) {
	show, done := context.WithCancel(ctx)
	var shown sync.WaitGroup
	if isTerminal(in.stderr) {
		shown.Go(func() { s.showProgress(show, in, t) })
	}
	out, err := s.requestSync().Handle(ctx, commands.RequestSync{
		Journal: t.journal, Meta: commandLine(), Account: t.account.ID, Cause: "request", Wait: 30 * 24 * time.Hour,
	})
	done()
	shown.Wait()
	if err != nil {
		return false, err
	}
	s.waitForHead(ctx, t.journal)
	name := t.account.Settings.Name
	if out.Status != "success" && out.Status != "partial" {
		reason := out.Status
		if out.Error != nil {
			reason = out.Error.Message
		}
		in.tellf("%s (server %d): %s\n", name, t.account.ID, reason)
		return false, nil
	}
	run, err := s.accounts.SyncRun(ctx, t.journal, t.account.ID, out.Sync)
	if err != nil {
		s.log.Debug("read sync run", slog.Any("err", err))
	}
	in.printf("%s (server %d): %s, %d received, %d changed, %d moved, %d deleted\n",
		name, t.account.ID, out.Status, run.Received, run.FlagsChanged, run.Moved, run.Deleted)
	return true, nil
}

// waitForHead waits until what was synced can be read.
func (s *system) waitForHead(ctx context.Context, journal events.JournalID) {
	if head, err := s.events.Head(ctx, journal); err == nil {
		s.waitFor(ctx, journal, head)
	}
}

// showProgress draws a bar until ctx ends.
func (s *system) showProgress(ctx context.Context, in *invocation, t target) {
	bar := newBar(in.stderr, t.account.Settings.Name)
	defer bar.finish()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			runs, err := s.accounts.SyncRuns(ctx, queries.ListSyncRuns{Journal: t.journal, Account: t.account.ID}, 0, 0, 0, 1)
			if err == nil && len(runs) > 0 {
				bar.set(runs[0].Progress.MessagesDone, runs[0].Progress.MessagesTotal)
			}
		}
	}
}
