package imapsource

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// A scripted server knows one mailbox, INBOX, and answers as a server should,
// except where a test says otherwise.
type scripted struct {
	Greeting string
	Caps     string
	Boxes    string            // untagged answers to LIST
	Messages map[uint32]string // by UID
	Search   string            // untagged answer to UID SEARCH for all; "": the UIDs of Messages

	// Answer may answer a command instead; it reports whether it did.
	Answer func(c *scriptedConn, tag, command string) bool
	// Message may write a message's answer to FETCH instead; it is sent as it is.
	Message func(c *scriptedConn, uid uint32, items string) (string, bool)

	listener net.Listener
	done     sync.WaitGroup

	sorted []uint32

	mu       sync.Mutex
	conns    int
	commands []string
}

// scriptedConn is one connection, of number N from 1.
type scriptedConn struct {
	net.Conn
	N     int
	tag   string // of a login that is going on
	lines *bufio.Reader
}

// literals returns the rest of a command with the literals that it announces.
func (c *scriptedConn) literals(text string) string {
	for strings.HasSuffix(text, "}") {
		size, err := strconv.Atoi(text[strings.LastIndexByte(text, '{')+1 : len(text)-1])
		if err != nil {
			return text
		}
		c.send("+ go on\r\n")
		octets := make([]byte, size)
		_, _ = io.ReadFull(c.lines, octets)
		line, _ := c.lines.ReadString('\n')
		text += "\r\n" + string(octets) + strings.TrimRight(line, "\r\n")
	}
	return text
}

func (c *scriptedConn) send(text string) { _, _ = io.WriteString(c.Conn, text) }

// reset ends the connection by RST.
func (c *scriptedConn) reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// raw returns a message of the given size.
func raw(uid uint32, size int) string {
	head := fmt.Sprintf("Message-ID: <%d@example.org>\r\nSubject: message %d\r\n\r\n", uid, uid)
	return head + strings.Repeat("x", max(0, size-len(head)-2)) + "\r\n"
}

func messages(n uint32) map[uint32]string {
	m := make(map[uint32]string)
	for uid := uint32(1); uid <= n; uid++ {
		m[uid] = raw(uid, 300)
	}
	return m
}

func (s *scripted) start(t *testing.T) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.Greeting == "" {
		s.Greeting = "* OK ready\r\n"
	}
	if s.Caps == "" {
		s.Caps = "IMAP4rev1 ESEARCH CONDSTORE LIST-EXTENDED LIST-STATUS SPECIAL-USE"
	}
	s.listener = l
	s.sorted = slices.Sorted(maps.Keys(s.Messages))
	open := make(map[net.Conn]bool)
	s.done.Go(func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			open[conn], s.conns = true, n
			s.mu.Unlock()
			s.done.Go(func() { s.serve(&scriptedConn{Conn: conn, N: n}) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.done.Wait()
	})
	return s
}

func (s *scripted) serve(c *scriptedConn) {
	defer func() { _ = c.Close() }()
	c.send(s.Greeting)
	c.lines = bufio.NewReader(c)
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		s.mu.Lock()
		s.commands = append(s.commands, command)
		s.mu.Unlock()
		if s.Answer == nil || !s.Answer(c, tag, command) {
			s.answer(c, tag, command)
		}
	}
}

// connections returns how many there were.
func (s *scripted) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// seen returns the commands so far that begin with a word.
func (s *scripted) seen(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.commands), func(c string) bool { return !strings.HasPrefix(c, prefix) })
}

// uids returns the UIDs that were there at the start, ascending.
func (s *scripted) uids() []uint32 {
	return s.sorted
}

func (s *scripted) answer(c *scriptedConn, tag, command string) {
	word, rest, _ := strings.Cut(command, " ")
	switch {
	case word == "CAPABILITY":
		c.send("* CAPABILITY " + s.Caps + "\r\n")
	case word == "LIST":
		c.send(s.Boxes)
	case word == "EXAMINE":
		next := uint32(1)
		if uids := s.uids(); len(uids) > 0 {
			next = uids[len(uids)-1] + 1
		}
		c.send(fmt.Sprintf("* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT %d] x\r\n* OK [HIGHESTMODSEQ 9] x\r\n", len(s.Messages), next))
	case strings.HasPrefix(command, "UID SEARCH"):
		c.send(s.search(tag, command))
	case strings.HasPrefix(command, "UID FETCH"):
		set, items, _ := strings.Cut(strings.TrimPrefix(command, "UID FETCH "), " ")
		s.fetch(c, set, items)
	case word == "FETCH":
		set, items, _ := strings.Cut(rest, " ")
		s.fetchNumbers(c, set, items)
	}
	c.send(tag + " OK done\r\n")
}

// search answers with the UIDs of the messages, or those of them that the
// command names.
func (s *scripted) search(tag, command string) string {
	_, named, narrow := strings.Cut(strings.TrimPrefix(command, "UID SEARCH"), "UID ")
	if s.Search != "" && !narrow {
		return strings.ReplaceAll(s.Search, "TAG", tag)
	}
	set := parseSet(named)
	uids := slices.DeleteFunc(slices.Clone(s.uids()), func(u uint32) bool { return narrow && !contains(set, u) })
	var list []domain.UID
	for _, u := range uids {
		list = append(list, domain.UID(u))
	}
	found := domain.UIDs(list...).String()
	switch {
	case !strings.Contains(command, "RETURN"):
		text := "* SEARCH"
		for _, u := range uids {
			text += fmt.Sprintf(" %d", u)
		}
		return text + "\r\n"
	case found == "":
		return fmt.Sprintf("* ESEARCH (TAG %q) UID\r\n", tag)
	}
	return fmt.Sprintf("* ESEARCH (TAG %q) UID ALL %s\r\n", tag, found)
}

func contains(set domain.UIDSet, uid uint32) bool { return set.Contains(domain.UID(uid)) }

func parseSet(text string) domain.UIDSet {
	set, _ := domain.ParseUIDSet(text)
	return set
}

func (s *scripted) fetch(c *scriptedConn, named, items string) {
	set := parseSet(named)
	for _, uid := range s.uids() {
		if contains(set, uid) {
			c.send(s.message(c, uid, items))
		}
	}
}

func (s *scripted) fetchNumbers(c *scriptedConn, named, items string) {
	set := parseSet(named)
	for i, uid := range s.uids() {
		if contains(set, uint32(i)+1) {
			c.send(s.message(c, uid, items))
		}
	}
}

func (s *scripted) message(c *scriptedConn, uid uint32, items string) string {
	if s.Message != nil {
		if text, ok := s.Message(c, uid, items); ok {
			return text
		}
	}
	return s.plainMessage(uid, items)
}

func (s *scripted) number(uid uint32) int {
	n, _ := slices.BinarySearch(s.sorted, uid)
	return n + 1
}

const testDate = "02-Jan-2024 10:00:00 +0100"

func (s *scripted) plainMessage(uid uint32, items string) string {
	body := s.Messages[uid]
	text := fmt.Sprintf("* %d FETCH (UID %d", s.number(uid), uid)
	for _, item := range []struct{ name, value string }{
		{"FLAGS", `(\Seen)`},
		{"INTERNALDATE", `"` + testDate + `"`},
		{"RFC822.SIZE", fmt.Sprint(len(body))},
		{"MODSEQ", fmt.Sprintf("(%d)", uid)},
	} {
		if strings.Contains(items, item.name) {
			text += " " + item.name + " " + item.value
		}
	}
	switch {
	case strings.Contains(items, "HEADER.FIELDS"):
		head, _, _ := strings.Cut(body, "\r\n")
		text += fmt.Sprintf(" BODY[HEADER.FIELDS (MESSAGE-ID)] {%d}\r\n%s\r\n\r\n", len(head)+4, head)
	case strings.Contains(items, "BODY.PEEK[]<0."):
		part := body[:min(len(body), cutOctets)]
		text += fmt.Sprintf(" BODY[]<0> {%d}\r\n%s", len(part), part)
	case strings.Contains(items, "BODY.PEEK[]"):
		text += fmt.Sprintf(" BODY[] {%d}\r\n%s", len(body), body)
	}
	return text + ")\r\n"
}

// login is how to reach the server.
func (s *scripted) login() commands.Login {
	addr := s.listener.Addr().(*net.TCPAddr)
	return commands.Login{Host: "127.0.0.1", Port: addr.Port, Username: "ann", Password: "s3cret"}
}

// conn opens the server and examines INBOX.
func (s *scripted) conn(t *testing.T, opt Options) *Conn {
	t.Helper()
	if opt.CommandTimeout == 0 {
		opt.CommandTimeout = 5 * time.Second
	}
	src := New(opt)
	src.wait = time.Millisecond
	c, err := src.open(t.Context(), s.login())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatalf("examine: %v", err)
	}
	return c
}

// outcome is what became of the messages asked for.
type outcome struct {
	Got     map[uint32]commands.FetchedMessage
	Missing map[uint32]commands.Missing
	Err     error
}

// fetchAll fetches messages and checks that none is lost without a word: each
// comes whole and once, or is missing for a reason, or the call fails.
func (s *scripted) fetchAll(t *testing.T, c *Conn, uids domain.UIDSet, maxSize int64) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	o := outcome{Got: make(map[uint32]commands.FetchedMessage), Missing: make(map[uint32]commands.Missing)}
	missing, err := c.Fetch(ctx, uids, maxSize, func(m commands.FetchedMessage) error {
		uid := uint32(m.UID)
		if _, twice := o.Got[uid]; twice {
			t.Errorf("uid %d came twice", uid)
		}
		if want := s.Messages[uid]; string(m.Raw) != want && (!m.Truncated || !strings.HasPrefix(want, string(m.Raw))) {
			t.Errorf("uid %d: got %d octets, want %d", uid, len(m.Raw), len(want))
		}
		o.Got[uid] = m
		return nil
	})
	o.Err = err
	for _, m := range missing {
		if _, both := o.Got[uint32(m.UID)]; both || !m.Gone && m.Reason == "" {
			t.Errorf("missing %+v, which came (%v) or has no reason", m, both)
		}
		o.Missing[uint32(m.UID)] = m
	}
	for uid := range uids.All {
		_, came := o.Got[uint32(uid)]
		_, told := o.Missing[uint32(uid)]
		if err == nil && !came && !told {
			t.Errorf("uid %d is lost", uid)
		}
	}
	return o
}

// all fetches every message of the server.
func (s *scripted) all(t *testing.T, c *Conn) outcome {
	t.Helper()
	var uids []domain.UID
	for _, u := range s.uids() {
		uids = append(uids, domain.UID(u))
	}
	return s.fetchAll(t, c, domain.UIDs(uids...), 1<<20)
}

// code returns the code of an error, "" for none.
func code(err error) string {
	if err == nil {
		return ""
	}
	c, _ := codeAndMessage(err)
	return c
}
