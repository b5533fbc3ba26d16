package imapsource

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// List returns all mailboxes with their status, by one LIST where the server
// has LIST-STATUS (RFC 5819), else by a STATUS each. A refused STATUS leaves
// Status nil. A list that cannot be read whole is an error.
func (c *Conn) List(ctx context.Context) ([]domain.Listed, error) {
	var boxes []domain.Listed
	err := c.retry(ctx, func(s *session) error {
		l, err := s.list()
		if err == nil {
			boxes, c.odd = l.shown()
			err = s.askStatus(boxes, c.wireName)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return boxes, nil
}

// listing is what a LIST answered.
type listing struct {
	boxes  []onWire
	status map[string]*domain.MailboxStatus // by the name on the wire
}

// onWire is a mailbox as the server names it.
type onWire struct {
	name string
	domain.Listed
}

func (s *session) list() (*listing, error) {
	options := s.listOptions()
	l, err := s.listWith(options)
	if text := refusal(err); text != "" && options != "" && !throttled(text) {
		l, err = s.listWith("")
	}
	return l, err
}

// listOptions asks for all that comes along (RFC 5258 section 3.2, RFC 5819, RFC 6154).
func (s *session) listOptions() string {
	var options []string
	if s.has("SPECIAL-USE") && s.has("LIST-EXTENDED") {
		options = append(options, "SPECIAL-USE")
	}
	if s.has("LIST-STATUS") {
		options = append(options, "STATUS "+s.statusItems())
	}
	if len(options) == 0 {
		return ""
	}
	return " RETURN (" + strings.Join(options, " ") + ")"
}

func (s *session) listWith(options string) (*listing, error) {
	l := &listing{status: map[string]*domain.MailboxStatus{}}
	before := s.unread
	s.listing, s.stirred = true, false
	defer func() { s.listing = false }()
	err := s.run(command{`LIST "" "*"` + options}, func(a *answer) error {
		switch a.word {
		case "LIST":
			box, err := a.listed()
			if err == nil {
				l.boxes = append(l.boxes, box)
			}
			return err
		case "STATUS":
			name, status, err := a.mailboxStatus()
			l.status[name] = status
			return err
		}
		return nil
	})
	if err == nil && s.unread > before { // one that is not listed would be taken for removed
		err = sourceError(commands.CodeProtocolError, "The server sent a list of folders that cannot be read.", s.doubt)
	}
	return l, err
}

// shown gives the mailboxes their names and their status, and tells which of the names do not
// say what they are on the wire. Some servers list INBOX twice.
func (l *listing) shown() ([]domain.Listed, map[domain.MailboxName]string) {
	n := names{given: map[string]domain.MailboxName{}, taken: map[domain.MailboxName]bool{}, odd: map[domain.MailboxName]string{}}
	for _, right := range []bool{true, false} { // the others take no name from one in the right form
		for _, b := range l.boxes {
			if rightForm(b.name) == right {
				n.give(b.name)
			}
		}
	}
	var boxes []domain.Listed
	for _, b := range l.boxes {
		box := b.Listed
		box.Name, box.Status = n.given[b.name], l.status[b.name]
		if !slices.ContainsFunc(boxes, func(o domain.Listed) bool { return o.Name == box.Name }) {
			boxes = append(boxes, box)
		}
	}
	return boxes, n.odd
}

// listed reads the answer to LIST (RFC 9051 section 7.3.1).
func (a *answer) listed() (onWire, error) {
	var box onWire
	if !a.accept('(') {
		return box, a.bad("attributes")
	}
	for !a.accept(')') {
		attr, _, err := a.str()
		if err != nil {
			return box, err
		}
		box.attribute(string(attr))
	}
	delimiter, _, err := a.str()
	if err != nil {
		return box, err
	}
	box.Delimiter = string(delimiter)
	box.name, err = a.mailbox()
	return box, err
}

// roles are the special uses of RFC 6154 and RFC 8457.
var roles = []domain.Role{
	domain.RoleAll, domain.RoleArchive, domain.RoleDrafts, domain.RoleFlagged,
	domain.RoleImportant, domain.RoleJunk, domain.RoleSent, domain.RoleTrash,
}

func (b *onWire) attribute(attr string) {
	if strings.EqualFold(attr, `\Noselect`) || strings.EqualFold(attr, `\NonExistent`) {
		b.NoSelect = true
	}
	for _, role := range roles {
		if b.Role == "" && strings.EqualFold(attr, string(role)) {
			b.Role = role
		}
	}
}

// mailbox reads the name of a mailbox as it is on the wire, INBOX in capitals.
func (a *answer) mailbox() (string, error) {
	name, err := a.lastName()
	if strings.EqualFold(name, "INBOX") { // RFC 9051 section 5.1
		name = "INBOX"
	}
	return name, err
}

// lastName reads a name that is the last of its answer but for a list. Names with a space and
// without quotes have been seen, and quotes within quotes.
func (a *answer) lastName() (string, error) {
	if a.isNext() {
		name, err := a.octets(a.literal)
		return string(name), err
	}
	end := beforeList(a.rest)
	quoted := a.peek() == '"'
	all := a.rest
	if quoted {
		if name, err := a.quoted(); err == nil && (a.ended() || a.peek() == '(') {
			return string(name), nil
		}
	}
	name := bytes.TrimRight(all[:end], " ")
	if a.rest = all[end:]; len(name) == 0 {
		return "", a.bad("name of a mailbox")
	}
	if quoted {
		name = bytes.TrimSuffix(name[1:], []byte(`"`))
	}
	return string(name), nil
}

// beforeList returns where the list begins that ends a text: items of STATUS, or extended data of
// LIST (RFC 9051 section 7.3.1).
func beforeList(text []byte) int {
	depth := 0
	for i := len(bytes.TrimRight(text, " ")) - 1; i > 0; i-- {
		switch text[i] {
		case ')':
			depth++
		case '(':
			depth--
		}
		if depth == 0 {
			if text[i] == '(' && text[i-1] == ' ' {
				return i
			}
			break
		}
	}
	return len(text)
}

// askStatus asks for what did not come along.
func (s *session) askStatus(boxes []domain.Listed, wire func(domain.MailboxName) string) error {
	s.listing = true
	defer func() { s.listing = false }()
	for i := range boxes {
		if boxes[i].NoSelect || boxes[i].Status != nil {
			continue
		}
		c := command{"STATUS"}.arg(wire(boxes[i].Name)).text(" " + s.statusItems())
		err := s.run(c, func(a *answer) error {
			if a.word != "STATUS" {
				return nil
			}
			_, status, err := a.mailboxStatus()
			boxes[i].Status = status
			return err
		})
		if text := refusal(err); text != "" && !throttled(text) {
			boxes[i].NoSelect = nonexistent(text)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) statusItems() string {
	if s.has("CONDSTORE") {
		return "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"
	}
	return "(MESSAGES UIDNEXT UIDVALIDITY)"
}

// mailboxStatus reads the answer to STATUS (RFC 9051 section 7.3.4). Without the number
// of messages it says nothing.
func (a *answer) mailboxStatus() (name string, status *domain.MailboxStatus, err error) {
	if name, err = a.mailbox(); err != nil {
		return "", nil, err
	}
	if !a.accept('(') {
		return name, nil, a.bad("items of STATUS")
	}
	st, counted := domain.MailboxStatus{}, false
	for !a.accept(')') {
		item, _, err := a.str()
		if err != nil {
			return name, nil, err
		}
		number, ok := a.num(64)
		if !ok {
			if err := a.skip(0); err != nil {
				return name, nil, err
			}
			continue
		}
		switch strings.ToUpper(string(item)) {
		case "MESSAGES":
			st.Messages, counted = uint32(number), true
		case "UIDNEXT":
			st.UIDNext = domain.UID(number)
		case "UIDVALIDITY":
			st.UIDValidity = domain.UIDValidity(number)
		case "HIGHESTMODSEQ":
			st.ModSeq = domain.ModSeq(number)
		}
	}
	if !counted {
		return name, nil, nil
	}
	return name, &st, nil
}
