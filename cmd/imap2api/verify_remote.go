package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// verifyRemote compares accounts with their servers: a line for each finding and a summary.
func (s *system) verifyRemote(ctx context.Context, in *invocation, user string, only domain.AccountID, content bool) error {
	begin := time.Now()
	targets, err := s.targets(ctx, only)
	if err != nil {
		return err
	}
	if user != "" {
		journals, err := s.journalsOf(ctx, user)
		if err != nil {
			return err
		}
		targets = slices.DeleteFunc(targets, func(t target) bool { return !slices.Contains(journals, t.journal) })
	}
	if len(targets) == 0 && only != 0 {
		return usageError{fmt.Errorf("there is no server %d", only)}
	}
	var sum commands.AccountVerified
	verify := commands.NewVerifyAccount(s.syncAccount())
	for _, t := range targets {
		cmd := commands.VerifyAccount{Journal: t.journal, Account: t.account.ID, Content: content}
		cmd.Finding = func(mailbox domain.MailboxName, what string) {
			if mailbox != "" {
				what = fmt.Sprintf("%q: %s", mailbox, what)
			}
			in.printf("server %d: %s\n", t.account.ID, what)
		}
		one, err := verify.Handle(ctx, cmd)
		if err != nil {
			return err
		}
		sum.CoverageCounts = sum.Plus(one.CoverageCounts)
		sum.Mailboxes, sum.Findings, sum.Compared = sum.Mailboxes+one.Mailboxes, sum.Findings+one.Findings, sum.Compared+one.Compared
		sum.New, sum.Gone = sum.New+one.New, sum.Gone+one.Gone
	}
	printRemote(in, len(targets), sum, content, time.Since(begin))
	if sum.Findings > 0 {
		return errFailed
	}
	return nil
}

func printRemote(in *invocation, servers int, sum commands.AccountVerified, content bool, took time.Duration) {
	state := "complete"
	if sum.Findings > 0 {
		state = fmt.Sprintf("INCOMPLETE: %d findings", sum.Findings)
	}
	in.printf("%s: %d servers, %d folders, %d messages: %d stored, %d excluded, %d in quarantine, %d missing; since the last sync %d new, %d gone",
		state, servers, sum.Mailboxes, sum.OnServer, sum.Stored, sum.Excluded, sum.Quarantined, sum.Missing, sum.New, sum.Gone)
	if content {
		in.printf("; %d equal in every octet", sum.Compared)
	}
	in.printf("; in %s\n", took.Round(time.Millisecond))
}
