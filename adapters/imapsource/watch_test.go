package imapsource

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
	"github.com/imap2api/imap2api/commands"
)

const soon = time.Minute // for what takes milliseconds on an idle machine

// idles starts an Idle on INBOX and returns its outcome.
func idles(t *testing.T, c *Conn, stop <-chan struct{}, span time.Duration) func() (bool, error) {
	t.Helper()
	type outcome struct {
		moved bool
		err   error
	}
	if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	done := make(chan outcome, 1)
	go func() {
		moved, err := c.Idle(t.Context(), stop, span)
		done <- outcome{moved, err}
	}()
	return func() (bool, error) {
		t.Helper()
		select {
		case o := <-done:
			return o.moved, o.err
		case <-time.After(soon):
			t.Fatal("idle does not end")
		}
		return false, nil
	}
}

func TestDovecotIdle(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 3)
	c, _ := examined(t, d, u)
	if a := c.Abilities(); !a.Idle || !a.ListStatus {
		t.Errorf("abilities %+v", a)
	}
	for name, change := range map[string]func(){
		"delivery": func() { u.Deliver(t, "INBOX", mail(7), time.Now()) },
		"flag":     func() { u.AddFlags(t, "INBOX", 2, imap.FlagDraft) },
		"expunge":  func() { u.Expunge(t, "INBOX", 1) },
	} {
		end := idles(t, c, nil, soon)
		change()
		if moved, err := end(); !moved || err != nil {
			t.Errorf("%s: moved %v, error %v", name, moved, err)
		}
	}
	// The connection is good for commands, which others may ask for, or the time.
	stop := make(chan struct{}, 1)
	end := idles(t, c, stop, soon)
	stop <- struct{}{}
	if moved, err := end(); moved || err != nil {
		t.Errorf("stopped: moved %v, error %v", moved, err)
	}
	if moved, err := idles(t, c, nil, time.Millisecond)(); moved || err != nil {
		t.Errorf("after a millisecond: moved %v, error %v", moved, err)
	}
	if uids, err := c.UIDs(t.Context(), time.Time{}); err != nil || uids.Count() != 3 {
		t.Errorf("uids %v, error %v", uids, err)
	}
	// What happens while nobody idles is told at once.
	if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	u.Deliver(t, "INBOX", mail(7), time.Now())
	if moved, err := c.Idle(t.Context(), nil, soon); !moved || err != nil {
		t.Errorf("before idle: moved %v, error %v", moved, err)
	}
	end = idles(t, c, nil, soon)
	d.Kill(t)
	if _, err := end(); err == nil {
		t.Error("no error when the server is killed")
	}
	if _, err := c.Idle(t.Context(), nil, soon); err == nil {
		t.Error("idle connects anew")
	}
}

func TestIdleHazards(t *testing.T) {
	t.Parallel()
	wait := func(c *scriptedConn, tag, command string) bool { // RFC 2177: until DONE
		if command != "IDLE" && tag != "DONE" {
			return false
		}
		c.send(map[bool]string{true: "+ idling\r\n", false: c.tag + " OK done\r\n"}[command == "IDLE"])
		c.tag = tag
		return true
	}
	for name, test := range map[string]struct {
		caps   string
		idle   string // answer to IDLE, TAG in it; "": as it should be
		moved  bool
		reason string
	}{
		"no idle":     {caps: "IMAP4rev1"},
		"refused":     {caps: "IMAP4rev1 IDLE", idle: "TAG NO not now\r\n"},
		"unknown":     {caps: "IMAP4rev1 IDLE", idle: "TAG BAD what\r\n"},
		"silent":      {caps: "IMAP4rev1 IDLE"},
		"still here":  {caps: "IMAP4rev1 IDLE", idle: "+ idling\r\n* OK Still here\r\n* 0 RECENT\r\n* FLAGS (\\Seen OIB-Seen-[Gmail]/All)\r\n"},
		"exists":      {caps: "IMAP4rev1 IDLE", idle: "+ idling\r\n* 2 EXISTS\r\n", moved: true},
		"expunge":     {caps: "IMAP4rev1 IDLE", idle: "+\r\n* 1 EXPUNGE\r\n", moved: true},
		"flags":       {caps: "IMAP4rev1 IDLE", idle: "+ idling\r\n* 1 FETCH (FLAGS (\\Seen ]odd))\r\n", moved: true},
		"bye":         {caps: "IMAP4rev1 IDLE", idle: "+ idling\r\n* BYE Autologout\r\n", reason: commands.ReasonBye},
		"closed":      {caps: "IMAP4rev1 IDLE", idle: "+ idling\r\n", reason: commands.CodeConnectFailed},
		"too many":    {caps: "IMAP4rev1 IDLE", idle: "+ idling\r\n* BYE [LIMIT] Too many connections\r\n", reason: commands.ReasonLimit},
		"never to go": {caps: "IMAP4rev1 IDLE", idle: "TAG NO [THROTTLED] Suggested Backoff Time: 12000 milliseconds\r\n", reason: "12s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{Caps: test.caps, Messages: map[uint32]string{1: raw(1, 90)}}
			s.Answer = func(c *scriptedConn, tag, command string) bool {
				if command != "IDLE" || test.idle == "" {
					return wait(c, tag, command)
				}
				c.send(strings.ReplaceAll(test.idle, "TAG", tag))
				c.tag = tag
				if test.reason != "" && strings.HasPrefix(test.idle, "+") {
					_ = c.Close()
				}
				return true
			}
			c := s.start(t).conn(t, Options{CommandTimeout: soon})
			span := soon
			if !test.moved && test.reason == "" {
				span = 50 * time.Millisecond
			}
			moved, err := idles(t, c, nil, span)()
			e, _ := errors.AsType[*commands.SourceError](err)
			if moved != test.moved || (err == nil) != (test.reason == "") {
				t.Fatalf("moved %v, error %v", moved, err)
			}
			if e != nil && !slices.Contains([]string{e.Reason, e.Code, e.Wait.String()}, test.reason) {
				t.Errorf("error %+v, want %s", e, test.reason)
			}
			if err == nil {
				if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
					t.Errorf("examine afterwards: %v", err)
				}
			}
		})
	}
}
