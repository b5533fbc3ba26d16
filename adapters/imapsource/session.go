package imapsource

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/imap2api/imap2api/domain"
)

// session is one connection as commands see it. Answers are read by whoever
// waits for one, so a connection at rest has no goroutine.
type session struct {
	wire *wire
	caps capabilities
	tags int

	name     domain.MailboxName // that is open on it
	opened   bool
	box      box
	moved    bool   // something in the open mailbox has moved since it was opened
	switches int    // from one mailbox to another, that the server has told
	listing  bool   // LIST and STATUS are answers to a command
	stirred  bool   // something in another mailbox has moved since they were listed, by NOTIFY
	notified bool   // it was asked for
	enabled  bool   // QRESYNC is
	refused  bool   // or will not be
	noIdle   bool   // IDLE is offered and not had
	copied   string // the value of the last COPYUID
	unread   int    // answers that could not be read so far
	doubt    error  // the last of them
}

// box is what the answers about the open mailbox have said.
type box struct {
	domain.MailboxStatus
	counted bool  // EXISTS has come
	odd     error // a number of it that is none
}

// capabilities are what a server says it can, as it spells it.
type capabilities struct {
	list []string
}

func (c capabilities) has(name string) bool {
	return slices.ContainsFunc(c.list, func(s string) bool { return strings.EqualFold(s, name) })
}

// has reports whether the server has an extension; IMAP4rev2 includes some.
func (s *session) has(name string) bool {
	included := []string{"ESEARCH", "IDLE", "LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE", "ENABLE", "NAMESPACE", "MOVE", "UIDPLUS", "UNSELECT"}
	return s.caps.has(name) || s.caps.has("IMAP4rev2") && slices.Contains(included, name)
}

// closed reports whether the connection is known to have ended.
func (s *session) closed() bool { return s.wire.why() != nil || s.wire.farewell() != "" }

// command is a command as it goes out: lines, each of which but the last announces
// a literal that the next begins with (RFC 9051 section 4.3).
type command []string

// text adds text to a command.
func (c command) text(text string) command {
	c[len(c)-1] += text
	return c
}

// arg adds a string, quoted if it is printable ASCII.
func (c command) arg(value string) command {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return append(c.text(fmt.Sprintf(" {%d}", len(value))), value)
	}
	return c.text(` "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`)
}

// refusedError is a NO, BAD or BYE of the server.
type refusedError struct {
	text  string // in the server's words
	login bool   // to our credentials
}

func (e *refusedError) Error() string { return "server says: " + e.text }

// refusal returns the words of a NO or BAD, "" if err is none.
func refusal(err error) string {
	if e, ok := errors.AsType[*refusedError](err); ok {
		return e.text
	}
	return ""
}

// taker takes the data that a command asks for; what it does not know it leaves.
// Its errors other than errSyntax end the connection.
type taker func(a *answer) error

// run sends a command and reads until it is done.
func (s *session) run(c command, take taker) error {
	rest := c[1:]
	return s.converse(c[0], take, func(string) (string, error) {
		if len(rest) == 0 {
			return "", fmt.Errorf("%w: continuation request that nothing waits for", errSyntax)
		}
		line := rest[0]
		rest = rest[1:]
		return line, nil
	})
}

// converse sends a command and reads until it is done; next answers continuation requests.
func (s *session) converse(text string, take taker, next func(challenge string) (string, error)) error {
	tag, err := s.send(text)
	for err == nil {
		var r reply
		if r, err = s.read(take); err != nil {
			break
		}
		switch r.tag {
		case "*":
		case "+":
			if text, err = next(r.text); err == nil {
				err = s.wire.write(text + "\r\n")
			}
		case tag:
			return s.outcome(r)
		default:
			err = fmt.Errorf("%w: answer to %q, which nobody asked", errSyntax, r.tag)
		}
	}
	return err
}

// send sends a command of one line and returns its tag.
func (s *session) send(text string) (tag string, err error) {
	s.tags++
	tag = "A" + strconv.Itoa(s.tags)
	return tag, s.wire.write(tag + " " + text + "\r\n")
}

// reply is an answer that was read: the tag of one that ends a command, "+" of a
// continuation request, "*" of data that was taken.
type reply struct{ tag, text string }

// outcome returns what a reply that ends a command says, nil for OK. Nothing but NO and BAD is a refusal, which might
// be one of a password.
func (s *session) outcome(r reply) error {
	switch word, _, _ := strings.Cut(r.text, " "); strings.ToUpper(word) {
	case "OK":
		if name, value := responseCode(r.text); name == "COPYUID" {
			s.copied = value
		}
		return nil
	case "NO", "BAD":
		return &refusedError{text: s.wire.told(r.text)}
	}
	return fmt.Errorf("%w: end of a command: %s", errSyntax, words(r.text))
}

// read reads one answer. Data goes to take, unless it is about the open mailbox.
func (s *session) read(take taker) (reply, error) {
	a, err := s.wire.next()
	if err != nil {
		return reply{}, err
	}
	if a.kind != untagged {
		if a.kind == status {
			s.status(string(a.rest))
		}
		return reply{a.tag, string(a.rest)}, nil
	}
	err = s.data(a, take)
	if errors.Is(err, errSyntax) && s.wire.why() == nil {
		s.unread, s.doubt = s.unread+1, err
		s.wire.log.Debug("answer cannot be read", slog.String("answer", a.word), slog.String("err", words(err.Error())))
		err = nil
	}
	if err != nil {
		return reply{}, err
	}
	return reply{tag: "*"}, a.finish()
}

func (s *session) data(a *answer, take taker) error {
	switch {
	case a.word == "EXISTS":
		s.moved = s.moved || s.box.Messages != a.number
		s.box.Messages, s.box.counted = a.number, true
	case a.word == "EXPUNGE":
		s.moved = true
		s.box.Messages -= min(1, s.box.Messages)
	case a.word == "VANISHED" && s.opened: // in place of EXPUNGE, once QRESYNC is enabled
		gone, earlier, err := a.vanished()
		if !earlier {
			s.moved = true
			s.box.Messages -= min(uint32(gone.Count()), s.box.Messages)
		}
		return err
	case !s.listing && (a.word == "STATUS" || a.word == "LIST"):
		s.stirred = true
	case !a.known():
		return a.bad("answer")
	case take != nil:
		return take(a)
	case a.word == "FETCH":
		s.moved = true
	}
	return nil
}

// status reads the code of an untagged OK (RFC 9051 section 7.1, RFC 7162 section 3.1.2).
func (s *session) status(text string) {
	name, value := responseCode(text)
	number := func(bits int) uint64 {
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, bits)
		if err != nil {
			s.box.odd = fmt.Errorf("%w: %s %s", errSyntax, name, words(value))
		}
		return n
	}
	switch name {
	case "CLOSED": // what came until here was about the mailbox before (RFC 7162 section 3.2.11)
		s.box = box{}
		s.switches++
	case "UIDVALIDITY":
		s.box.UIDValidity = domain.UIDValidity(number(32))
	case "UIDNEXT":
		s.box.UIDNext = domain.UID(number(32))
	case "HIGHESTMODSEQ":
		s.box.ModSeq = domain.ModSeq(number(64))
	case "COPYUID": // before a MOVE ends (RFC 6851 section 4.3)
		s.copied = value
	}
}

// responseCode returns the response code in the text of an OK: its name in capitals, "" if there is none, and what follows.
func responseCode(text string) (name, value string) {
	_, code, found := strings.Cut(text, "[")
	code, _, closed := strings.Cut(code, "]")
	if !found || !closed {
		return "", ""
	}
	name, value, _ = strings.Cut(code, " ")
	return strings.ToUpper(name), value
}
