package imapsource

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/imap2api/imap2api/domain"
)

// List returns all mailboxes with their status, by one LIST where the server
// has LIST-STATUS (RFC 5819), else by a STATUS each. A refused STATUS leaves
// Status nil. A list that cannot be read whole is an error.
func (c *Conn) List(ctx context.Context) ([]domain.Listed, error) {
	var boxes []domain.Listed
	err := c.retry(ctx, func(s *session) error {
		var err error
		boxes, err = s.list()
		return err
	})
	if err != nil {
		return nil, err
	}
	return boxes, nil
}

func (s *session) list() ([]domain.Listed, error) {
	var options *imap.ListOptions
	if s.has("LIST-EXTENDED") || s.has("LIST-STATUS") || s.has("SPECIAL-USE") {
		options = &imap.ListOptions{ReturnSpecialUse: s.has("SPECIAL-USE") && s.has("LIST-EXTENDED")}
		if s.has("LIST-STATUS") {
			options.ReturnStatus = s.statusOptions()
		}
	}
	answers, err := s.client.List("", "*", options).Collect()
	if text := refusal(err); text != "" && options != nil && !throttled(text) {
		answers, err = s.client.List("", "*", nil).Collect()
	}
	if err != nil {
		return nil, err
	}
	boxes := make([]domain.Listed, 0, len(answers))
	for _, a := range answers {
		box := listed(a)
		if box.Name == "" || slices.ContainsFunc(boxes, func(b domain.Listed) bool { return b.Name == box.Name }) {
			continue // some servers list INBOX twice
		}
		if a.Status != nil {
			box.Status = s.mailboxStatus(a.Status)
		}
		boxes = append(boxes, box)
	}
	return boxes, s.askStatus(boxes)
}

// askStatus asks for what did not come along.
func (s *session) askStatus(boxes []domain.Listed) error {
	for i := range boxes {
		if boxes[i].NoSelect || boxes[i].Status != nil {
			continue
		}
		data, err := s.client.Status(string(boxes[i].Name), s.statusOptions()).Wait()
		if text := refusal(err); text != "" && !throttled(text) {
			boxes[i].NoSelect = nonexistent(text)
			continue
		}
		if err != nil {
			return err
		}
		// An OK without the answer leaves the library's data empty.
		if data.Mailbox != "" {
			boxes[i].Status = s.mailboxStatus(data)
		}
	}
	return nil
}

func (s *session) statusOptions() *imap.StatusOptions {
	return &imap.StatusOptions{NumMessages: true, UIDNext: true, UIDValidity: true, HighestModSeq: s.has("CONDSTORE")}
}

func (s *session) mailboxStatus(data *imap.StatusData) *domain.MailboxStatus {
	st := &domain.MailboxStatus{
		UIDValidity: domain.UIDValidity(data.UIDValidity),
		UIDNext:     domain.UID(data.UIDNext),
		ModSeq:      domain.ModSeq(data.HighestModSeq),
	}
	if data.NumMessages == nil {
		return nil
	}
	st.Messages = *data.NumMessages
	return st
}

// mailboxName normalises INBOX (RFC 9051 section 5.1).
func mailboxName(name string) domain.MailboxName {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return domain.MailboxName(name)
}

// roles are the special uses of RFC 6154 and RFC 8457.
var roles = []domain.Role{
	domain.RoleAll, domain.RoleArchive, domain.RoleDrafts, domain.RoleFlagged,
	domain.RoleImportant, domain.RoleJunk, domain.RoleSent, domain.RoleTrash,
}

func listed(data *imap.ListData) domain.Listed {
	box := domain.Listed{Name: mailboxName(data.Mailbox)}
	if data.Delim != 0 {
		box.Delimiter = string(data.Delim)
	}
	for _, attr := range data.Attrs {
		if attr == imap.MailboxAttrNoSelect || attr == imap.MailboxAttrNonExistent {
			box.NoSelect = true
		}
		for _, role := range roles {
			if box.Role == "" && strings.EqualFold(string(attr), string(role)) {
				box.Role = role
			}
		}
	}
	return box
}
