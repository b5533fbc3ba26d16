package commands

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/imap2api/imap2api/domain"
)

// memMessage is a message on the model server. Its number stays with it wherever it goes.
type memMessage struct {
	number int
	raw    []byte
	msgID  string
	flags  []domain.Flag
	date   time.Time
	modSeq domain.ModSeq
	refuse int // so many more times the server does not give it
	hops   int // since its id was checked
}

type memBox struct {
	validity domain.UIDValidity
	next     domain.UID
	modSeq   domain.ModSeq
	role     domain.Role
	noSelect bool
	messages map[domain.UID]*memMessage
	reset    bool // since ids were checked
}

// memServer is a plain model of an IMAP server.
type memServer struct {
	boxes     map[domain.MailboxName]*memBox
	unlisted  domain.MailboxName // LIST leaves it out
	condstore bool
	qresync   bool
	noMove    bool
	validity  domain.UIDValidity
	number    int
	failed    bool // it refused a command on one mailbox
	conns     int
	commands  []string // that the last connection sent
	// meanwhile is called before each command: others change mailboxes.
	meanwhile func()
	// fail is asked at each command; what it returns is the answer.
	fail func(command string, name domain.MailboxName) error
}

func newMemServer(names ...domain.MailboxName) *memServer {
	s := &memServer{boxes: map[domain.MailboxName]*memBox{}, condstore: true}
	for _, name := range names {
		s.create(name)
	}
	return s
}

func (s *memServer) create(name domain.MailboxName) *memBox {
	s.validity++
	s.boxes[name] = &memBox{validity: s.validity, next: 1, modSeq: 1, messages: map[domain.UID]*memMessage{}}
	return s.boxes[name]
}

// append puts a message into a mailbox.
func (s *memServer) append(name domain.MailboxName, m *memMessage) domain.UID {
	b := s.boxes[name]
	uid := b.next
	b.next++
	b.modSeq++
	m.modSeq = b.modSeq
	b.messages[uid] = m
	return uid
}

// newMessage makes a message; without a Message-ID for an empty one.
func (s *memServer) newMessage(msgID, subject string) *memMessage {
	s.number++
	raw := fmt.Sprintf("From: <ann@example.org>\nTo: <bob@example.org>\nSubject: %s\n", subject)
	if msgID != "" {
		raw += "Message-ID: <" + msgID + ">\n"
	}
	raw += fmt.Sprintf("\nText %d of %s.\n", s.number, strings.Repeat("x", s.number%50))
	return &memMessage{
		number: s.number, raw: []byte(raw), msgID: msgID, flags: []domain.Flag{},
		date: modelStart.Add(time.Duration(s.number) * time.Minute),
	}
}

// add appends a new message with a Message-ID.
func (s *memServer) add(name domain.MailboxName, subject string) (domain.UID, *memMessage) {
	m := s.newMessage(fmt.Sprintf("m%d@example.org", s.number+1), subject)
	return s.append(name, m), m
}

func (s *memServer) setFlags(name domain.MailboxName, uid domain.UID, flags ...domain.Flag) {
	b := s.boxes[name]
	b.modSeq++
	b.messages[uid].flags, b.messages[uid].modSeq = domain.Flags(flags), b.modSeq
}

func (s *memServer) expunge(name domain.MailboxName, uid domain.UID) {
	s.boxes[name].modSeq++
	delete(s.boxes[name].messages, uid)
}

func (s *memServer) move(from domain.MailboxName, uid domain.UID, to domain.MailboxName) {
	m := s.boxes[from].messages[uid]
	s.expunge(from, uid)
	m.hops++
	s.append(to, m)
}

func (s *memServer) rename(from, to domain.MailboxName) {
	s.boxes[to] = s.boxes[from]
	delete(s.boxes, from)
	for _, m := range s.boxes[to].messages {
		m.hops++
	}
}

// newValidity gives a mailbox another UIDVALIDITY and its messages other UIDs.
func (s *memServer) newValidity(name domain.MailboxName, shift domain.UID) {
	b := s.boxes[name]
	s.validity++
	old := b.messages
	b.validity, b.next, b.messages, b.modSeq, b.reset = s.validity, 1+shift, map[domain.UID]*memMessage{}, 1, true
	for _, uid := range slices.Sorted(maps.Keys(old)) {
		s.append(name, old[uid])
	}
}

// Open is MailSource.Open.
func (s *memServer) Open(context.Context, Login) (MailConn, error) {
	c := &memConn{s: s}
	s.commands = nil
	s.conns++
	return c, c.command("OPEN")
}

// Probe is MailSource.Probe.
func (s *memServer) Probe(context.Context, Login) Probe { return Probe{Code: CodeOK} }

func (s *memServer) status(b *memBox) domain.MailboxStatus {
	st := domain.MailboxStatus{UIDValidity: b.validity, UIDNext: b.next, Messages: uint32(len(b.messages))}
	if s.condstore {
		st.ModSeq = b.modSeq
	}
	return st
}

// memConn is a login on a memServer.
type memConn struct {
	s        *memServer
	open     domain.MailboxName
	validity domain.UIDValidity // of the mailbox when it was opened; 0 while it is being opened
}

func (c *memConn) command(name string) error {
	if c.s.meanwhile != nil {
		c.s.meanwhile()
	}
	c.s.commands = append(c.s.commands, name+" "+string(c.open))
	return c.refuse(name)
}

// refuse returns the injected answer to a command.
func (c *memConn) refuse(name string) error {
	if c.s.fail == nil {
		return nil
	}
	err := c.s.fail(name, c.open)
	c.s.failed = c.s.failed || err != nil
	return err
}

// box returns the mailbox that is open.
func (c *memConn) box() (*memBox, error) {
	b := c.s.boxes[c.open]
	c.s.failed = c.s.failed || b == nil || c.validity != 0 && c.validity != b.validity
	if b == nil || b.noSelect {
		return nil, &SourceError{Code: CodeFolderMissing, Message: "The folder is gone."}
	}
	if c.validity != 0 && c.validity != b.validity { // no server goes on with other UIDs
		return nil, &SourceError{Code: CodeProtocolError, Message: "The folder was replaced while it was read."}
	}
	return b, nil
}

func (c *memConn) List(context.Context) ([]domain.Listed, error) {
	if err := c.command("LIST"); err != nil {
		return nil, err
	}
	var out []domain.Listed
	for _, name := range slices.Sorted(maps.Keys(c.s.boxes)) {
		if name == c.s.unlisted {
			continue
		}
		b := c.s.boxes[name]
		st := c.s.status(b)
		out = append(out, domain.Listed{Name: name, Delimiter: "/", Role: b.role, NoSelect: b.noSelect, Status: &st})
	}
	return out, nil
}

func (c *memConn) Examine(_ context.Context, name domain.MailboxName) (domain.MailboxStatus, error) {
	c.open, c.validity = name, 0
	if err := c.command("EXAMINE"); err != nil {
		return domain.MailboxStatus{}, err
	}
	b, err := c.box()
	if err != nil {
		return domain.MailboxStatus{}, err
	}
	c.validity = b.validity
	return c.s.status(b), nil
}

// Resume tells what has happened if the server has QRESYNC.
func (c *memConn) Resume(ctx context.Context, name domain.MailboxName, since domain.MailboxStatus, known domain.UIDSet) (Resumed, error) {
	status, err := c.Examine(ctx, name)
	r := Resumed{Status: status}
	if err != nil || !c.s.qresync || since.UIDValidity != status.UIDValidity || since.ModSeq == 0 || int(since.Messages) != known.Count() {
		return r, err
	}
	r.Sure, r.Flags = true, map[domain.UID]FlagState{}
	for uid, m := range c.s.boxes[name].messages {
		r.UIDs = r.UIDs.Union(domain.UIDs(uid))
		if m.modSeq > since.ModSeq {
			r.Flags[uid] = FlagState{UID: uid, Flags: slices.Clone(m.flags), ModSeq: m.modSeq}
		}
	}
	return r, nil
}

func (c *memConn) UIDs(_ context.Context, since time.Time) (domain.UIDSet, error) {
	if err := c.command("SEARCH"); err != nil {
		return nil, err
	}
	b, err := c.box()
	if err != nil {
		return nil, err
	}
	var uids []domain.UID
	for uid, m := range b.messages {
		if since.IsZero() || !m.date.Before(since.Add(-24*time.Hour)) {
			uids = append(uids, uid)
		}
	}
	return domain.UIDs(uids...), nil
}

// each calls fn with the messages of a set that are there, highest UID first.
func (c *memConn) each(command string, uids domain.UIDSet, fn func(domain.UID, *memMessage) error) error {
	if err := c.command(command + " " + uids.String()); err != nil {
		return err
	}
	b, err := c.box()
	if err != nil {
		return err
	}
	there := slices.SortedFunc(maps.Keys(b.messages), func(a, b domain.UID) int { return cmp.Compare(b, a) })
	for _, uid := range there {
		if !uids.Contains(uid) {
			continue
		}
		if err := fn(uid, b.messages[uid]); err != nil {
			return err
		}
	}
	return nil
}

func (c *memConn) Flags(_ context.Context, uids domain.UIDSet, after domain.ModSeq, fn func(FlagState) error) error {
	return c.each("FLAGS", uids, func(uid domain.UID, m *memMessage) error {
		if m.modSeq <= after {
			return nil
		}
		return fn(FlagState{UID: uid, Flags: slices.Clone(m.flags), ModSeq: m.modSeq})
	})
}

func (c *memConn) Headers(_ context.Context, uids domain.UIDSet, fn func(MessageHead) error) error {
	return c.each("HEADERS", uids, func(uid domain.UID, m *memMessage) error {
		return fn(MessageHead{UID: uid, InternalDate: m.date, Size: int64(len(m.raw)), MsgID: m.msgID})
	})
}

func (c *memConn) Fetch(ctx context.Context, uids domain.UIDSet, maxSize int64, fn func(FetchedMessage) error) ([]Missing, error) {
	var missing []Missing
	came := map[domain.UID]bool{}
	err := c.each("FETCH", uids, func(uid domain.UID, m *memMessage) error {
		came[uid] = true
		if m.refuse > 0 {
			m.refuse--
			missing = append(missing, Missing{UID: uid, Reason: "Server error while fetching."})
			return nil
		}
		if err := c.refuse("BODY"); err != nil {
			return err
		}
		return fn(FetchedMessage{
			UID: uid, Flags: slices.Clone(m.flags), InternalDate: m.date, ModSeq: m.modSeq,
			Raw: bytes.Clone(m.raw[:min(len(m.raw), int(maxSize))]), Size: int64(len(m.raw)), Truncated: len(m.raw) > int(maxSize),
		})
	})
	for uid := range uids.All {
		if !came[uid] && err == nil {
			missing = append(missing, Missing{UID: uid, Gone: true})
		}
	}
	return missing, err
}

// Change is broken off before or after each of its steps if fail says so.
func (c *memConn) Change(_ context.Context, of MailboxChange) (out Changed, err error) {
	step := func(name string, do func(uid domain.UID, m *memMessage)) {
		if err != nil {
			return
		}
		if err = c.command(name); err != nil {
			return
		}
		b := c.s.boxes[of.Mailbox]
		for uid := range of.UIDs.All {
			if m := b.messages[uid]; m != nil {
				do(uid, m)
				b.modSeq++
				m.modSeq = b.modSeq
			}
		}
		err = c.refuse(name + " done")
	}
	c.open, c.validity = of.Mailbox, 0
	if err := c.command("SELECT"); err != nil {
		return out, err
	}
	if c.s.boxes[of.Mailbox].validity != of.UIDValidity {
		return Changed{Another: true}, nil
	}
	if of.MoveTo != "" && c.s.noMove {
		return Changed{NoMove: true}, nil
	}
	if len(of.Add)+len(of.Remove) > 0 {
		step("STORE", func(_ domain.UID, m *memMessage) {
			m.flags = domain.Flags(slices.DeleteFunc(slices.Concat(m.flags, of.Add), func(f domain.Flag) bool { return slices.Contains(of.Remove, f) }))
		})
	}
	if to := cmp.Or(of.MoveTo, of.CopyTo); to != "" {
		out.Validity, out.UIDs = c.s.boxes[to].validity, map[domain.UID]domain.UID{}
		step("MOVE", func(uid domain.UID, m *memMessage) {
			moved := *m
			out.UIDs[uid] = c.s.append(to, &moved)
			if of.MoveTo != "" {
				delete(c.s.boxes[of.Mailbox].messages, uid)
			}
		})
	}
	if of.Expunge {
		step("EXPUNGE", func(uid domain.UID, _ *memMessage) { delete(c.s.boxes[of.Mailbox].messages, uid) })
	}
	return out, err
}

func (c *memConn) Abilities() Abilities { return Abilities{Idle: true, ListStatus: true} }

func (c *memConn) Idle(context.Context, <-chan struct{}, time.Duration) (bool, error) {
	return false, c.command("IDLE")
}

func (c *memConn) Close() error { return nil }

// memParser reads what the model server's messages are made of.
type memParser struct{}

func (memParser) ParserVersion() int { return 1 }

func (memParser) Parse(_ context.Context, raw []byte) *domain.Content {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return &domain.Content{}
	}
	c := &domain.Content{
		Subject: msg.Header.Get("Subject"), MsgID: strings.Trim(msg.Header.Get("Message-Id"), "<>"),
		From: []domain.Address{{Addr: "ann@example.org"}}, To: []domain.Address{{Addr: "bob@example.org"}},
	}
	if ref := strings.Trim(msg.Header.Get("In-Reply-To"), "<>"); ref != "" {
		c.InReplyTo = []string{ref}
	}
	return c
}
