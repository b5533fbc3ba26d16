package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/imap2api/imap2api/adapters/postgres"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/events/public"
	"github.com/imap2api/imap2api/queries"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	user, types, from, to, asOf string
	server                      int64
}

func runReplay(ctx context.Context, in *invocation) error {
	var f replayFlags
	s, rest, end, err := session(ctx, "replay", in, func(fs *flag.FlagSet) {
		fs.StringVar(&f.user, "user", "", "whose journal; system is that of the installation")
		fs.Int64Var(&f.server, "server", 0, "only events of this IMAP server")
		fs.StringVar(&f.types, "type", "", "only these types, comma-separated; email.* is a family")
		fs.StringVar(&f.from, "from", "", "first position, or an RFC 3339 time")
		fs.StringVar(&f.to, "to", "", "last position, or an RFC 3339 time")
		fs.StringVar(&f.asOf, "as-of", "", "the journal as it was at a position or an RFC 3339 time, which must have come")
	})
	if err != nil {
		return err
	}
	defer end()
	if len(rest) > 0 {
		return usageError{fmt.Errorf("replay takes no arguments: %q", rest)}
	}
	q, err := s.replayQuery(ctx, f)
	if err != nil {
		return err
	}
	base, err := postgres.BaseURL(ctx, s.db.pool)
	if err != nil {
		return err
	}
	if base == "" {
		base = s.config.rootURL() + "api/"
	}
	out := bufio.NewWriterSize(in.stdout, 1<<16)
	if err := s.replay(ctx, q, base, out); err != nil {
		return err
	}
	return out.Flush()
}

// replay prints events as JSON lines, oldest first.
func (s *system) replay(ctx context.Context, q queries.ListEvents, base string, out *bufio.Writer) error {
	err := s.events.Each(ctx, q, func(rec events.Recorded) error {
		_, err := out.Write(append(public.Render(rec, base), '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("replay journal %d: %w", q.Journal, err)
	}
	return nil
}

// replayQuery turns the flags into a query. All faults are named.
func (s *system) replayQuery(ctx context.Context, f replayFlags) (queries.ListEvents, error) {
	var q queries.ListEvents
	var faults []error
	journal, err := s.replayJournal(ctx, f)
	if err != nil {
		faults = append(faults, err)
	}
	q.Journal = journal
	if f.server != 0 {
		q.Accounts = []domain.AccountID{domain.AccountID(f.server)}
	}
	for _, name := range splitList(f.types) {
		types, known := public.Stored(name)
		if !known {
			faults = append(faults, fmt.Errorf("type: there is no type %q", name))
		}
		q.Types = append(slices.Clip(q.Types), types...)
	}
	var pos events.Position
	if pos, q.Since, err = place("from", f.from); err != nil {
		faults = append(faults, err)
	}
	q.After = max(pos-1, 0)
	if pos, q.Until, err = place("to", f.to); err != nil {
		faults = append(faults, err)
	}
	if pos > 0 {
		q.Before = pos + 1
	}
	end, err := s.replayAsOf(ctx, q.Journal, f.asOf)
	if err != nil {
		faults = append(faults, err)
	}
	if end > 0 && (q.Before == 0 || end < q.Before) {
		q.Before = end
	}
	if len(faults) > 0 {
		return q, usageError{errors.Join(faults...)}
	}
	return q, nil
}

// replayAsOf returns the position after the last event that the journal had at a moment; 0: no moment is given.
func (s *system) replayAsOf(ctx context.Context, journal events.JournalID, text string) (events.Position, error) {
	pos, at, err := place("as-of", text)
	if err != nil || text == "" {
		return 0, err
	}
	if at != nil {
		if at.After(now()) {
			return 0, fmt.Errorf("as-of: %s is in the future", text)
		}
		pos, err = s.events.PositionAt(ctx, journal, *at)
		return pos + 1, err
	}
	head, err := s.events.Head(ctx, journal)
	if err == nil && pos > head {
		err = fmt.Errorf("as-of: position %d is in the future, the journal ends at %d", pos, head)
	}
	return pos + 1, err
}

// place reads a position or a time.
func place(name, text string) (events.Position, *time.Time, error) {
	if text == "" {
		return 0, nil, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		return events.Position(n), nil, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %q is neither a position nor a time such as 2025-03-04T09:30:00Z", name, text)
	}
	return 0, &t, nil
}

// replayJournal finds the journal: of the user named, of the server's owner, or of the only user.
func (s *system) replayJournal(ctx context.Context, f replayFlags) (events.JournalID, error) {
	if f.user == "system" {
		return events.System, nil
	}
	if f.user == "" && f.server != 0 {
		owner, err := s.accounts.Owner(ctx, domain.AccountID(f.server))
		if err != nil {
			return 0, fmt.Errorf("server: there is no IMAP server %d", f.server)
		}
		return owner, nil
	}
	user, err := s.userNamed(ctx, f.user)
	return events.JournalID(user.ID), err
}
