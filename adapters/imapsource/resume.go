package imapsource

import (
	"context"
	"fmt"
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// Resume opens a mailbox read-only as Examine does and, with QRESYNC (RFC 7162 section 3.2.5), learns
// in the same command what has happened since: known are all the UIDs that were there then.
func (c *Conn) Resume(ctx context.Context, name domain.MailboxName, since domain.MailboxStatus, known domain.UIDSet) (commands.Resumed, error) {
	var d delta
	resumed := false
	if since.UIDValidity != 0 && since.ModSeq != 0 && int(since.Messages) == known.Count() {
		c.examined, c.name = false, name
		err := c.retry(ctx, func(s *session) (err error) {
			if resumed = s.enableQResync(c.login.Host); !resumed {
				return nil
			}
			c.status, err = s.resume(name, c.wireName(name), since, &d)
			if text := refusal(err); text != "" && !throttled(text) { // Examine tells why
				resumed, err = false, nil
			}
			return err
		})
		if err != nil {
			return commands.Resumed{}, err
		}
	}
	if !resumed {
		status, err := c.Examine(ctx, name)
		return commands.Resumed{Status: status}, err
	}
	c.examined = true
	return d.apply(since, c.status, known), nil
}

// delta is what has happened to a mailbox by the words of the server.
type delta struct {
	vanished domain.UIDSet
	flags    map[domain.UID]commands.FlagState
	odd      bool // an answer could not be read
}

// maxTold is how many changed flags are kept; more are asked for when they are wanted.
const maxTold = 10_000

// apply returns a mailbox after a delta. A server has answered that a full mailbox had vanished, so what
// takes more than a fifth of one is not believed, nor is what does not add up to the number of messages.
func (d *delta) apply(since, now domain.MailboxStatus, known domain.UIDSet) commands.Resumed {
	var fresh []domain.UID
	for uid := range d.flags {
		if uid >= since.UIDNext {
			fresh = append(fresh, uid)
		}
	}
	left := known.Minus(d.vanished)
	gone := known.Count() - left.Count()
	uids := left.Union(domain.UIDs(fresh...))
	r := commands.Resumed{Status: now}
	r.Sure = !d.odd && now.UIDValidity == since.UIDValidity && now.ModSeq >= since.ModSeq && since.UIDNext > 0 &&
		uids.Max() < now.UIDNext && uids.Count() == int(now.Messages) && gone*5 <= known.Count()
	if r.Sure {
		r.UIDs, r.Flags = uids, d.flags
	}
	if len(d.flags) > maxTold {
		r.Flags = nil
	}
	return r
}

// enableQResync enables QRESYNC once a session and reports whether the server has said that it is:
// some offer it and do not (RFC 5161 section 3.2). iCloud's has lost mail of those who believed it.
func (s *session) enableQResync(host string) bool {
	host = strings.ToLower(host)
	apple := strings.HasSuffix(host, ".me.com") || strings.HasSuffix(host, ".icloud.com") || s.has("XAPPLEPUSHSERVICE")
	if s.enabled || s.refused || apple || !s.has("QRESYNC") || !s.has("ENABLE") {
		return s.enabled
	}
	err := s.run(command{"ENABLE QRESYNC"}, func(a *answer) error {
		if a.word == "ENABLED" {
			s.enabled = capabilities{strings.Fields(string(a.rest))}.has("QRESYNC")
		}
		return nil
	})
	s.enabled = s.enabled && err == nil
	s.refused = !s.enabled
	return s.enabled
}

// resume sends EXAMINE with the parameters of QRESYNC.
func (s *session) resume(name domain.MailboxName, wire string, since domain.MailboxStatus, d *delta) (domain.MailboxStatus, error) {
	unread, switches := s.unread, -1
	begin := func() {
		if s.switches != switches {
			*d, switches = delta{flags: map[domain.UID]commands.FlagState{}}, s.switches
		}
	}
	begin()
	open := command{"EXAMINE"}.arg(wire).text(fmt.Sprintf(" (QRESYNC (%d %d))", since.UIDValidity, since.ModSeq))
	status, err := s.open(name, open, func(a *answer) error {
		begin()
		switch a.word {
		case "VANISHED":
			set, _, err := a.vanished()
			d.vanished = d.vanished.Union(set)
			return err
		case "FETCH":
			p, err := a.fetched(nil)
			if p.uid != 0 && p.hasFlags {
				d.flags[p.uid] = commands.FlagState{UID: p.uid, Flags: p.flags, ModSeq: p.modSeq}
			}
			return err
		}
		return nil
	})
	begin()
	d.odd = s.unread > unread || s.box.ModSeq == 0
	return status, err
}

// vanished reads the answer of this name (RFC 7162 section 3.2.10); earlier is true for
// messages that were not counted any more.
func (a *answer) vanished() (gone domain.UIDSet, earlier bool, err error) {
	if a.peek() == '(' {
		earlier = true
		if err := a.skip(0); err != nil {
			return nil, false, err
		}
	}
	a.spaces()
	gone, err = a.uidSet()
	return gone, earlier, err
}
