package imapsource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// errNotExamined is a fault of the caller.
func errNotExamined() error {
	return sourceError(commands.CodeInternal, "No folder is open.", errors.New("no mailbox examined"))
}

// UIDs returns the UIDs of the mailbox, those of messages with an internal date
// on or after the day before since (in UTC) if it is not zero. It asks by
// SEARCH and, where that is refused, cannot be read or tells less than the
// mailbox holds, by FETCH.
func (c *Conn) UIDs(ctx context.Context, since time.Time) (domain.UIDSet, error) {
	if !c.examined {
		return nil, errNotExamined()
	}
	criteria := "ALL"
	if !since.IsZero() {
		// RFC 9051 section 6.4.4: SINCE disregards time and zone, the server's is unknown.
		since = since.UTC().AddDate(0, 0, -1)
		criteria = "SINCE " + since.Format("2-Jan-2006")
	}
	var uids domain.UIDSet
	complete := false
	err := c.retry(ctx, func(s *session) error {
		var err error
		uids, err = s.search(criteria)
		if err != nil {
			return err
		}
		complete, err = s.plausible(uids, c.status, since)
		return err
	})
	if e, ok := errors.AsType[*commands.SourceError](err); ok && e.Code != commands.CodeProtocolError || err == nil && complete {
		return uids, err
	}
	return c.numberUIDs(ctx, since)
}

// search asks for the UIDs of messages that meet criteria (RFC 9051 section 6.4.4).
func (s *session) search(criteria string) (domain.UIDSet, error) {
	option := ""
	if s.has("ESEARCH") { // RFC 4731: ranges, not numbers
		option = "RETURN (ALL) "
	}
	var found domain.UIDSet
	unread := s.unread
	err := s.run(command{"UID SEARCH " + option + criteria}, func(a *answer) (err error) {
		switch a.word {
		case "SEARCH":
			found, err = a.numbers()
		case "ESEARCH":
			found, err = a.esearch()
		}
		return err
	})
	if err == nil && s.unread > unread {
		err = sourceError(commands.CodeProtocolError, "The server answered a search with what is no list of UIDs.", s.doubt)
	}
	return found, err
}

// numbers reads the answer to SEARCH: UIDs, perhaps with a mod-sequence behind (RFC 7162
// section 3.1.5). There is no UID 0; servers have sent it.
func (a *answer) numbers() (domain.UIDSet, error) {
	var uids []domain.UID
	for !a.ended() && a.peek() != '(' {
		n, ok := a.num(32)
		if !ok {
			return nil, a.bad("UID")
		}
		uids = append(uids, domain.UID(n))
	}
	return domain.UIDs(uids...), nil
}

// esearch reads the answer to SEARCH RETURN (RFC 9051 section 7.3.4).
func (a *answer) esearch() (found domain.UIDSet, err error) {
	byUID := false
	for !a.ended() {
		name := ""
		if a.peek() != '(' { // the tag it answers
			name = string(bytes.ToUpper(a.upTo(" ")))
		}
		switch {
		case name == "UID":
			byUID = true
		case name == "ALL" && byUID:
			a.spaces()
			found, err = a.uidSet()
		case name == "ALL":
			err = a.bad("UIDs, not numbers of messages,")
		default:
			err = a.skip(0)
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// uidSet reads a set of UIDs. One with an asterisk or a zero as its end says nothing.
func (a *answer) uidSet() (domain.UIDSet, error) {
	set, err := domain.ParseUIDSet(string(a.upTo(" )")))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSyntax, err)
	}
	return set, nil
}

// plausible reports whether an answer to SEARCH can be all there is: as many
// UIDs as messages, and none from beyond UIDNEXT (iCloud's had such) unless
// mail has just come.
func (s *session) plausible(uids domain.UIDSet, status domain.MailboxStatus, since time.Time) (bool, error) {
	n, all := uids.Count(), since.IsZero()
	if n > int(s.box.Messages) || all && n < int(s.box.Messages) {
		if err := s.run(command{"NOOP"}, nil); err != nil {
			return false, err
		}
		if n > int(s.box.Messages) || all && n < int(s.box.Messages) {
			return false, nil
		}
	}
	return status.UIDNext == 0 || uids.Max() < status.UIDNext || int(s.box.Messages) > int(status.Messages), nil
}

// numberChunk is how many sequence numbers one FETCH asks for.
const numberChunk = 5000

// numberUIDs asks for the UIDs of all sequence numbers. The highest come first:
// an expunge between two chunks moves messages down, into numbers that are
// still to be asked, so none slips through.
func (c *Conn) numberUIDs(ctx context.Context, since time.Time) (domain.UIDSet, error) {
	var uids domain.UIDSet
	err := c.retry(ctx, func(s *session) error {
		var all []domain.UIDRange
		seen := 0
		for hi := s.box.Messages; hi > 0; {
			lo := uint32(1)
			if hi > numberChunk {
				lo = hi - numberChunk + 1
			}
			ranges, n, err := s.fetchNumbers(lo, hi, since)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			all, seen, hi = append(all, ranges...), seen+n, lo-1
		}
		if seen < int(s.box.Messages) {
			return sourceError(commands.CodeProtocolError, "The server does not list all messages of the folder.",
				fmt.Errorf("%d of %d uids of %q", seen, int(s.box.Messages), c.name))
		}
		uids = domain.NewUIDSet(all...)
		return nil
	})
	return uids, err
}

// fetchNumbers returns the UIDs of sequence numbers whose messages are young
// enough, and how many it saw.
func (s *session) fetchNumbers(lo, hi uint32, since time.Time) (ranges []domain.UIDRange, seen int, err error) {
	items, day := "(UID)", since.UTC().Truncate(24*time.Hour)
	if !since.IsZero() {
		items = "(UID INTERNALDATE)"
	}
	err = s.run(command{fmt.Sprintf("FETCH %d:%d %s", lo, hi, items)}, func(a *answer) error {
		if a.word != "FETCH" {
			return nil
		}
		p, err := a.fetched(nil)
		if err != nil || p.uid == 0 {
			return err
		}
		seen++
		if since.IsZero() || p.date.IsZero() || !p.date.Before(day) {
			ranges = append(ranges, domain.UIDRange{Lo: p.uid, Hi: p.uid})
		}
		return nil
	})
	return ranges, seen, err
}
