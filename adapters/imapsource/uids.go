package imapsource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"

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
	criteria := &imap.SearchCriteria{}
	if !since.IsZero() {
		// RFC 9051 section 6.4.4: SINCE disregards time and zone, the server's is unknown.
		since = since.UTC().AddDate(0, 0, -1)
		criteria.Since = since
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

// search asks for UIDs; what the library makes "*" of is an error.
func (s *session) search(criteria *imap.SearchCriteria) (domain.UIDSet, error) {
	var options *imap.SearchOptions
	if s.has("ESEARCH") {
		options = &imap.SearchOptions{ReturnAll: true}
	}
	data, err := s.client.UIDSearch(criteria, options).Wait()
	if err != nil {
		return nil, err
	}
	set, ok := data.All.(imap.UIDSet)
	if !ok && data.All != nil {
		return nil, sourceError(commands.CodeProtocolError, "The server answered a search for UIDs with other numbers.", fmt.Errorf("search data is %T", data.All))
	}
	ranges := make([]domain.UIDRange, 0, len(set))
	for _, r := range set {
		if r.Start == 0 || r.Stop == 0 {
			if r.Start == r.Stop {
				continue // a UID 0
			}
			return nil, sourceError(commands.CodeProtocolError, "The server answered a search without an end.", fmt.Errorf("search range %d:%d", r.Start, r.Stop))
		}
		ranges = append(ranges, domain.UIDRange{Lo: domain.UID(r.Start), Hi: domain.UID(r.Stop)})
	}
	return domain.NewUIDSet(ranges...), nil
}

// plausible reports whether an answer to SEARCH can be all there is: as many
// UIDs as messages, and none from beyond UIDNEXT (iCloud's had such) unless
// mail has just come.
func (s *session) plausible(uids domain.UIDSet, status domain.MailboxStatus, since time.Time) (bool, error) {
	n, all := uids.Count(), since.IsZero()
	if n > s.messages() || all && n < s.messages() {
		if err := s.client.Noop().Wait(); err != nil {
			return false, err
		}
		if n > s.messages() || all && n < s.messages() {
			return false, nil
		}
	}
	return status.UIDNext == 0 || uids.Max() < status.UIDNext || s.messages() > int(status.Messages), nil
}

// messages returns how many there are by EXISTS and EXPUNGE.
func (s *session) messages() int {
	if box := s.client.Mailbox(); box != nil {
		return int(box.NumMessages)
	}
	return 0
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
		for hi := uint32(s.messages()); hi > 0; {
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
		if seen < s.messages() {
			return sourceError(commands.CodeProtocolError, "The server does not list all messages of the folder.",
				fmt.Errorf("%d of %d uids of %q", seen, s.messages(), c.name))
		}
		uids = domain.NewUIDSet(all...)
		return nil
	})
	return uids, err
}

// fetchNumbers returns the UIDs of sequence numbers whose messages are young
// enough, and how many it saw.
func (s *session) fetchNumbers(lo, hi uint32, since time.Time) (ranges []domain.UIDRange, seen int, err error) {
	var set imap.SeqSet
	set.AddRange(lo, hi)
	cmd := s.client.Fetch(set, &imap.FetchOptions{UID: true, InternalDate: !since.IsZero()})
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		p := readPart(msg)
		if p.uid == 0 {
			continue
		}
		seen++
		day := since.UTC().Truncate(24 * time.Hour)
		if since.IsZero() || p.date.IsZero() || !p.date.Before(day) {
			ranges = append(ranges, domain.UIDRange{Lo: p.uid, Hi: p.uid})
		}
	}
	return ranges, seen, cmd.Close()
}
