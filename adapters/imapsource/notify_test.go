package imapsource

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// One connection that idles on INBOX is told of every mailbox.
func TestDovecotNotify(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 1)
	u.Create(t, "Größe")
	u.Append(t, "Größe", mail(1), time.Now())
	c, _ := examined(t, d, u)
	if !c.sess.has("NOTIFY") {
		t.Fatal("this Dovecot has no NOTIFY")
	}
	for _, what := range []struct {
		name   string
		change func()
	}{
		{"new in another", func() { u.Append(t, "Größe", mail(2), time.Now()) }},
		{"flags in another", func() { u.AddFlags(t, "Größe", 1, imap.FlagAnswered) }},
		{"expunged in another", func() { u.Expunge(t, "Größe", 1) }},
		{"new mailbox", func() { u.Create(t, "R&D") }},
		{"new in the open one", func() { u.Append(t, "INBOX", mail(2), time.Now()) }},
	} {
		if _, err := c.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
			t.Fatal(err)
		}
		if moved, err := c.Idle(t.Context(), nil, 10*time.Millisecond); moved || err != nil {
			t.Errorf("before %s: moved %v, error %v", what.name, moved, err)
		}
		what.change()
		if moved, err := c.Idle(t.Context(), nil, time.Minute); !moved || err != nil {
			t.Errorf("%s: moved %v, error %v", what.name, moved, err)
		}
	}
}

// What is told while another command runs is not forgotten when a mailbox is opened.
func TestNotifiedWhileBusy(t *testing.T) {
	t.Parallel()
	s := &scripted{Caps: "IMAP4rev1 IDLE NOTIFY LIST-STATUS", Messages: messages(3), Boxes: "* LIST () \"/\" INBOX\r\n"}
	s.Answer = func(c *scriptedConn, tag, command string) bool {
		if strings.HasPrefix(command, "UID FETCH") {
			c.send("* STATUS \"R&D\" (MESSAGES 3)\r\n")
		}
		if command == "IDLE" {
			c.send("+ idling\r\n")
			c.tag = tag
		}
		if tag == "DONE" {
			c.send(c.tag + " OK done\r\n")
		}
		return command == "IDLE" || tag == "DONE"
	}
	s.start(t)
	c := s.conn(t, Options{})
	if moved, err := c.Idle(t.Context(), nil, time.Millisecond); moved || err != nil {
		t.Errorf("moved %v, error %v", moved, err)
	}
	wantAll(t, s, s.all(t, c))
	if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	if moved, err := c.Idle(t.Context(), nil, time.Minute); !moved || err != nil {
		t.Errorf("after a STATUS: moved %v, error %v", moved, err)
	}
	if _, err := c.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if moved, err := c.Idle(t.Context(), nil, time.Millisecond); moved || err != nil {
		t.Errorf("after the list: moved %v, error %v", moved, err)
	}
	if n := len(s.seen("NOTIFY SET")); n != 1 {
		t.Errorf("asked %d times", n)
	}
}
