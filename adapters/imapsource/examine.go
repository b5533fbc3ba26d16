package imapsource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// Examine opens a mailbox read-only. A mailbox that is not there is
// folder_missing; one that the server lists and does not open is protocol_error.
func (c *Conn) Examine(ctx context.Context, name domain.MailboxName) (domain.MailboxStatus, error) {
	c.examined, c.name = false, name
	var status domain.MailboxStatus
	err := c.retry(ctx, func(s *session) error {
		var err error
		status, err = s.examine(name, c.wireName(name))
		if text := refusal(err); text != "" && !throttled(text) {
			status, err = c.lookUp(s, name, err)
		}
		return err
	})
	if err != nil {
		return domain.MailboxStatus{}, err
	}
	c.status, c.examined = status, true
	return status, nil
}

// examine opens a mailbox.
func (s *session) examine(name domain.MailboxName, wire string) (domain.MailboxStatus, error) {
	plain, option := command{"EXAMINE"}.arg(wire), ""
	if s.has("CONDSTORE") {
		option = " (CONDSTORE)"
	}
	status, err := s.open(name, slices.Clone(plain).text(option), nil)
	if text := refusal(err); option != "" && strings.HasPrefix(strings.ToUpper(text), "BAD") && !throttled(text) {
		status, err = s.open(name, plain, nil)
	}
	return status, err
}

// open sends EXAMINE, or SELECT to change something, which takes \Recent from others.
func (s *session) open(name domain.MailboxName, examine command, take taker) (domain.MailboxStatus, error) {
	s.opened, s.box = false, box{}
	err := s.run(examine, take)
	if err == nil && !s.box.counted { // RFC 9051 section 6.3.2 wants it; without, a full mailbox would look empty
		err = sourceError(commands.CodeProtocolError, "The server does not tell how many messages the folder has.", errSyntax)
	}
	if err == nil && s.box.odd != nil {
		err = sourceError(commands.CodeProtocolError, "The server numbers the folder with what is no number.", s.box.odd)
	}
	if err != nil {
		return domain.MailboxStatus{}, err
	}
	s.opened, s.moved, s.name = true, false, name
	return s.box.MailboxStatus, nil
}

// lookUp lists the mailboxes after one was refused: it may have another name on the wire than
// it should, be gone, or not be there to be opened. Few servers say which by code.
func (c *Conn) lookUp(s *session, name domain.MailboxName, refused error) (domain.MailboxStatus, error) {
	missing, tried := nonexistent(refusal(refused)), c.wireName(name)
	if l, err := s.listWith(""); err == nil {
		var boxes []domain.Listed
		boxes, c.odd = l.shown()
		if wire := c.wireName(name); wire != tried {
			return s.examine(name, wire)
		}
		missing = missing || !slices.ContainsFunc(boxes, func(b domain.Listed) bool { return b.Name == name })
	}
	if missing {
		return domain.MailboxStatus{}, sourceError(commands.CodeFolderMissing, fmt.Sprintf("The folder %s does not exist.", name), refused)
	}
	return domain.MailboxStatus{}, sourceError(commands.CodeProtocolError, fmt.Sprintf("The folder %s cannot be opened.", name), refused)
}
