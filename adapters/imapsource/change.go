package imapsource

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// Change changes messages of a mailbox, the only thing here that opens one with SELECT. What the server refuses is told
// in its words. A connection that breaks is not taken up again, as nobody knows then what was done: the error says so.
func (c *Conn) Change(ctx context.Context, of commands.MailboxChange) (commands.Changed, error) {
	c.examined = false // who reads next opens a mailbox again, with EXAMINE
	if c.odd == nil {  // some have other names on the wire
		if _, err := c.List(ctx); err != nil {
			return commands.Changed{}, err
		}
	}
	s, err := c.ready(ctx)
	if err != nil {
		return commands.Changed{}, plain(err)
	}
	var out commands.Changed
	err = c.watch(ctx, s, func() error {
		var err error
		out, err = s.change(of, c.wireName)
		return err
	})
	if err != nil {
		return out, plain(err)
	}
	return out, nil
}

// change opens the mailbox, carries out the steps of a change in order until one is refused, and closes it without EXPUNGE.
func (s *session) change(of commands.MailboxChange, wireName func(domain.MailboxName) string) (out commands.Changed, err error) {
	defer func() {
		s.opened = false // it is not open for reading
		if err == nil && s.has("UNSELECT") {
			err = notRefused(s.run(command{"UNSELECT"}, nil))
		}
	}()
	status, err := s.open(of.Mailbox, command{"SELECT"}.arg(wireName(of.Mailbox)), nil)
	if err != nil {
		return refusedOr(out, err)
	}
	switch {
	case status.UIDValidity != of.UIDValidity:
		out.Another = true
		return out, nil
	case of.MoveTo != "" && !s.has("MOVE"):
		out.NoMove = true
		return out, nil
	case (of.CopyTo != "" || of.Expunge) && !s.has("UIDPLUS"): // a plain EXPUNGE takes what others have marked, too
		out.Refused = "It has neither MOVE nor UIDPLUS."
		return out, nil
	}
	for _, store := range []struct {
		sign  string
		flags []domain.Flag
	}{{"+", of.Add}, {"-", of.Remove}} {
		if len(store.flags) == 0 {
			continue
		}
		if err := s.store(of.UIDs, store.sign, store.flags); err != nil {
			return refusedOr(out, err)
		}
	}
	if err := s.place(of, wireName, &out); err != nil {
		return refusedOr(out, err)
	}
	return out, nil
}

// place moves, copies or takes away.
func (s *session) place(of commands.MailboxChange, wireName func(domain.MailboxName) string, out *commands.Changed) error {
	switch {
	case of.MoveTo != "": // RFC 6851 section 3.2
		return inLines(of.UIDs, func(uids domain.UIDSet) error {
			s.copied = ""
			if err := s.run(command{"UID MOVE " + uids.String()}.arg(wireName(of.MoveTo)), s.ignore); err != nil {
				return err
			}
			validity, to := copyUID(s.copied, uids)
			if to == nil {
				return nil
			}
			if out.UIDs == nil {
				out.Validity, out.UIDs = validity, to
			} else if validity == out.Validity {
				maps.Copy(out.UIDs, to)
			}
			return nil
		})
	case of.CopyTo != "":
		return inLines(of.UIDs, func(uids domain.UIDSet) error {
			return s.run(command{"UID COPY " + uids.String()}.arg(wireName(of.CopyTo)), s.ignore)
		})
	case of.Expunge:
		if err := s.store(of.UIDs, "+", []domain.Flag{domain.FlagDeleted}); err != nil {
			return err
		}
		return inLines(of.UIDs, func(uids domain.UIDSet) error {
			return s.run(command{"UID EXPUNGE " + uids.String()}, s.ignore) // RFC 4315 section 2.1
		})
	}
	return nil
}

// inLines calls fn with parts of a set, each of which fits into a line.
func inLines(uids domain.UIDSet, fn func(domain.UIDSet) error) error {
	p := plan{rest: slices.Clone(uids), size: streamChunk}
	for b := p.next(); b != nil; b = p.next() {
		if err := fn(b.set()); err != nil {
			return err
		}
	}
	return nil
}

// store sets or clears flags (RFC 9051 section 6.4.6). A server may take the command and leave a keyword out, as where
// PERMANENTFLAGS has no \*: what it tells of the flags is looked at.
func (s *session) store(uids domain.UIDSet, sign string, flags []domain.Flag) error {
	list := make([]string, len(flags))
	for i, f := range flags {
		list[i] = string(f)
	}
	return inLines(uids, func(uids domain.UIDSet) error {
		var kept error
		err := s.run(command{fmt.Sprintf("UID STORE %s %sFLAGS (%s)", uids, sign, strings.Join(list, " "))}, func(a *answer) error {
			if a.word != "FETCH" {
				return nil
			}
			p, err := a.fetched(nil)
			if err != nil || !p.hasFlags || !uids.Contains(p.uid) { // others change other messages meanwhile
				return err
			}
			for _, f := range flags {
				if domain.HasFlag(p.flags, f) != (sign == "+") {
					kept = &refusedError{text: fmt.Sprintf("The flag %s of UID %d stays as it is.", f, p.uid)}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return kept
	})
}

// ignore takes data that a command brings along and that the next look at the mailbox shows.
func (s *session) ignore(*answer) error { return nil }

// refusedOr returns a refusal as what came of the change, another error as it is.
func refusedOr(out commands.Changed, err error) (commands.Changed, error) {
	if text := refusal(err); text != "" {
		out.Refused = text
		return out, nil
	}
	return out, err
}

// notRefused returns errors but refusals.
func notRefused(err error) error {
	if refusal(err) != "" {
		return nil
	}
	return err
}

// copyUID reads what COPYUID says (RFC 4315 section 3): the UIDVALIDITY there, and the new UIDs in the order of the old ones.
// What does not add up, or is not about the messages asked for, says nothing.
func copyUID(value string, asked domain.UIDSet) (domain.UIDValidity, map[domain.UID]domain.UID) {
	words := strings.Fields(value)
	if len(words) != 3 {
		return 0, nil
	}
	validity, err := strconv.ParseUint(words[0], 10, 32)
	from, fromOK := ordered(words[1], asked.Count())
	to, toOK := ordered(words[2], asked.Count())
	if err != nil || !fromOK || !toOK || len(from) != len(to) {
		return 0, nil
	}
	out := make(map[domain.UID]domain.UID, len(from))
	for i, uid := range from {
		if !asked.Contains(uid) {
			return 0, nil
		}
		out[uid] = to[i]
	}
	return domain.UIDValidity(validity), out
}

// ordered returns the UIDs of a set as it is written, at most so many.
func ordered(set string, most int) ([]domain.UID, bool) {
	var out []domain.UID
	for _, part := range strings.Split(set, ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseUint(first, 10, 32)
		b, err2 := strconv.ParseUint(last, 10, 32)
		lo, hi := min(a, b), max(a, b)
		if err1 != nil || err2 != nil || lo == 0 || hi-lo >= uint64(most-len(out)) {
			return nil, false
		}
		for uid := lo; uid <= hi; uid++ {
			out = append(out, domain.UID(uid))
		}
	}
	return out, true
}
