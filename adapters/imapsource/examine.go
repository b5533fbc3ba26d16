package imapsource

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"

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
		status, err = s.examine(name)
		if text := refusal(err); text != "" && !throttled(text) {
			return c.refusedMailbox(s, name, err)
		}
		return err
	})
	if err != nil {
		return domain.MailboxStatus{}, err
	}
	c.status, c.examined = status, true
	return status, nil
}

// examine sends EXAMINE, never SELECT, which would take \Recent from others.
func (s *session) examine(name domain.MailboxName) (domain.MailboxStatus, error) {
	s.opened = false
	options := &imap.SelectOptions{ReadOnly: true, CondStore: s.has("CONDSTORE")}
	data, err := s.client.Select(string(name), options).Wait()
	if e, ok := errors.AsType[*imap.Error](err); ok && e.Type == imap.StatusResponseTypeBad && options.CondStore && !throttled(e.Text) {
		options.CondStore = false
		data, err = s.client.Select(string(name), options).Wait()
	}
	if err != nil {
		return domain.MailboxStatus{}, err
	}
	s.opened, s.name = true, name
	return domain.MailboxStatus{
		UIDValidity: domain.UIDValidity(data.UIDValidity),
		UIDNext:     domain.UID(data.UIDNext),
		Messages:    data.NumMessages,
		ModSeq:      domain.ModSeq(data.HighestModSeq),
	}, nil
}

// refusedMailbox tells a mailbox that is gone from one that cannot be opened:
// few servers say which by code.
func (c *Conn) refusedMailbox(s *session, name domain.MailboxName, refused error) error {
	missing := nonexistent(refusal(refused))
	if !missing {
		boxes, err := s.client.List("", string(name), nil).Collect()
		missing = err == nil && !slices.ContainsFunc(boxes, func(d *imap.ListData) bool { return mailboxName(d.Mailbox) == name })
	}
	if missing {
		return sourceError(commands.CodeFolderMissing, fmt.Sprintf("The folder %s does not exist.", name), refused)
	}
	return sourceError(commands.CodeProtocolError, fmt.Sprintf("The folder %s cannot be opened.", name), refused)
}
