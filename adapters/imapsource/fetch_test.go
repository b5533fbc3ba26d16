package imapsource

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// The server sends the data of the second FETCH before it says that the first
// is done, as Dovecot does: reading one command after the other hangs.
func TestPipelinedCommandsEndTogether(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(150)}
	held := ""
	s.Answer = func(c *scriptedConn, tag, command string) bool {
		set, items, ok := strings.Cut(strings.TrimPrefix(command, "UID FETCH "), " ")
		if !ok || !strings.HasPrefix(command, "UID FETCH") {
			return false
		}
		s.fetch(c, set, items)
		if held == "" && set == "101:150" {
			held = tag
			return true
		}
		c.send(tag + " OK done\r\n")
		if held != "" {
			c.send(held + " OK done\r\n")
			held = ""
		}
		return true
	}
	s.start(t)
	wantAll(t, s, s.all(t, s.conn(t, Options{})))
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	s := (&scripted{Messages: messages(400)}).start(t)
	var order []domain.UID
	_, err := s.conn(t, Options{}).Fetch(t.Context(), domain.UIDSet{{Lo: 1, Hi: 400}}, 0, func(m commands.FetchedMessage) error {
		order = append(order, m.UID)
		return nil
	})
	if err != nil || len(order) != 400 {
		t.Fatalf("got %d messages, error %v", len(order), err)
	}
	// Two batches are in flight, of 50 and of 100; their answers may mix.
	for i, uid := range order {
		if uid > 350 && i >= 150 || uid <= 200 && i < 100 {
			t.Errorf("uid %d is number %d", uid, i)
		}
	}
}

func TestConsumerErrorEndsFetchAndCloseIsQuick(t *testing.T) {
	t.Parallel()
	s := (&scripted{Messages: messages(500)}).start(t)
	c := s.conn(t, Options{})
	full := errors.New("disk is full")
	calls := 0
	_, err := c.Fetch(t.Context(), domain.UIDSet{{Lo: 1, Hi: 500}}, 0, func(commands.FetchedMessage) error {
		if calls++; calls == 7 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || calls != 7 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	wantAll(t, s, s.all(t, c)) // and the connection is usable, by being a new one
	begin := time.Now()
	if _ = c.Close(); time.Since(begin) > 3*time.Second {
		t.Errorf("close took %v", time.Since(begin))
	}
}

func TestCloseDoesNotWaitForServer(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(1)}
	s.Answer = func(_ *scriptedConn, _, command string) bool { return command == "LOGOUT" }
	s.start(t)
	c := s.conn(t, Options{})
	begin := time.Now()
	if _ = c.Close(); time.Since(begin) > 3*time.Second {
		t.Errorf("close took %v", time.Since(begin))
	}
}

func TestSlowConsumerStopsServer(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: make(map[uint32]string)}
	for uid := uint32(1); uid <= 200; uid++ {
		s.Messages[uid] = raw(uid, 200_000)
	}
	var mu sync.Mutex
	sent := 0
	s.Message = func(_ *scriptedConn, _ uint32, _ string) (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		sent++
		return "", false
	}
	s.start(t)
	c := s.conn(t, Options{CommandTimeout: 100 * time.Millisecond})
	got := 0
	_, err := c.Fetch(t.Context(), domain.UIDSet{{Lo: 1, Hi: 200}}, 0, func(commands.FetchedMessage) error {
		if got++; got == 1 {
			<-time.After(300 * time.Millisecond) // longer than a command may be silent
			mu.Lock()
			defer mu.Unlock()
			// What socket buffers hold is not ours to bound.
			if sent > 100 {
				t.Errorf("the server has sent %d messages ahead", sent)
			}
		}
		return nil
	})
	if err != nil || got != 200 {
		t.Errorf("got %d messages, error %v", got, err)
	}
}

func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	refuse := func(bad string, answer string) *scripted {
		s := &scripted{Messages: messages(120)}
		s.Answer = func(c *scriptedConn, tag, command string) bool {
			set, _, _ := strings.Cut(strings.TrimPrefix(command, "UID FETCH "), " ")
			refused, _ := domain.ParseUIDSet(bad)
			asked, err := domain.ParseUIDSet(set)
			if err != nil || !strings.HasPrefix(command, "UID FETCH") || len(asked.Intersect(refused)) == 0 {
				return false
			}
			c.send(tag + " " + answer + "\r\n")
			return true
		}
		return s
	}
	t.Run("one", func(t *testing.T) {
		t.Parallel()
		s := refuse("2", "NO [SERVERBUG] internal error").start(t)
		wantAllBut(t, s, s.all(t, s.conn(t, Options{})), "NO [SERVERBUG] internal error")
		if n := s.connections(); n != 1 {
			t.Errorf("took %d connections", n)
		}
	})
	t.Run("some", func(t *testing.T) {
		t.Parallel()
		s := refuse("3,50:60,119", "NO [UNAVAILABLE] Server error while fetching messages").start(t)
		o := s.all(t, s.conn(t, Options{}))
		if o.Err != nil || len(o.Missing) != 13 {
			t.Errorf("missing %d, error %v", len(o.Missing), o.Err)
		}
	})
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		s := refuse("1:120", "NO out of order").start(t)
		o := s.all(t, s.conn(t, Options{}))
		if code(o.Err) != commands.CodeProtocolError || len(o.Missing) != maxRefused+1 {
			t.Errorf("got %v, missing %d", o.Err, len(o.Missing))
		}
	})
	t.Run("throttled", func(t *testing.T) {
		t.Parallel()
		s := refuse("2", "NO [THROTTLED] Suggested Backoff Time: 90000 milliseconds").start(t)
		o := s.all(t, s.conn(t, Options{}))
		if code(o.Err) != commands.CodeThrottled || !strings.Contains(o.Err.Error(), "90000") {
			t.Errorf("got %v", o.Err)
		}
	})
}

func TestNoAnswerIsNoProofOfDeletion(t *testing.T) {
	t.Parallel()
	s := only(func(*scripted, *scriptedConn, string) string { return "" }).start(t)
	wantAllBut(t, s, s.all(t, s.conn(t, Options{})), "without the message")
	if n := len(s.seen("UID FETCH 2 ")); n != 1 {
		t.Errorf("asked alone %d times", n)
	}
}

func TestExpungedMessagesAreGone(t *testing.T) {
	t.Parallel()
	s := (&scripted{Messages: messages(10)}).start(t)
	c := s.conn(t, Options{})
	o := s.fetchAll(t, c, domain.UIDSet{{Lo: 1, Hi: 300}}, 0)
	gone := 0
	for _, m := range o.Missing {
		if m.Gone {
			gone++
		}
	}
	if o.Err != nil || len(o.Got) != 10 || gone != 290 {
		t.Errorf("got %d messages, %d gone, error %v", len(o.Got), gone, o.Err)
	}
}

func TestLargeMessageIsCut(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(5)}
	s.Messages[2] = raw(2, 1<<20)
	s.start(t)
	o := s.fetchAll(t, s.conn(t, Options{}), domain.UIDSet{{Lo: 1, Hi: 5}}, 1000)
	wantAll(t, s, o)
	if m := o.Got[2]; !m.Truncated || m.Size != 1<<20 || len(m.Raw) != cutOctets {
		t.Errorf("got truncated %v, size %d, %d octets", m.Truncated, m.Size, len(m.Raw))
	}
	if m := o.Got[1]; m.Truncated || m.Size != 300 {
		t.Errorf("uid 1: got truncated %v, size %d", m.Truncated, m.Size)
	}
}

func TestHugeMessageIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	const huge = 5 << 30
	s := &scripted{Messages: messages(120)}
	s.Messages[2] = raw(2, cutOctets+100)
	s.Message = func(c *scriptedConn, uid uint32, items string) (string, bool) {
		if uid != 2 || !strings.HasSuffix(strings.TrimSuffix(items, ")"), "BODY.PEEK[]") {
			return "", false
		}
		c.send(fmt.Sprintf("* 2 FETCH (UID 2 FLAGS () INTERNALDATE %q BODY[] {%d}\r\n%s", testDate, int64(huge), s.Messages[2]))
		for range 10_000 {
			if _, err := c.Write(make([]byte, 100_000)); err != nil {
				return "", true
			}
		}
		t.Error("a gigabyte was read")
		return "", true
	}
	s.start(t)
	o := s.fetchAll(t, s.conn(t, Options{}), domain.UIDSet{{Lo: 1, Hi: 120}}, 1<<20)
	wantAll(t, s, o)
	if m := o.Got[2]; !m.Truncated || m.Size != huge || len(m.Raw) != cutOctets {
		t.Errorf("got truncated %v, size %d, %d octets", m.Truncated, m.Size, len(m.Raw))
	}
}

func TestUIDValidityChangedAtReconnect(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(5)}
	s.Message = func(c *scriptedConn, uid uint32, _ string) (string, bool) {
		if uid == 3 {
			_ = c.Close()
		}
		return "", uid == 3
	}
	s.Answer = func(c *scriptedConn, tag, command string) bool {
		if c.N == 1 || !strings.HasPrefix(command, "EXAMINE") {
			return false
		}
		c.send("* 5 EXISTS\r\n* OK [UIDVALIDITY 8] x\r\n" + tag + " OK done\r\n")
		return true
	}
	s.start(t)
	o := s.all(t, s.conn(t, Options{}))
	if code(o.Err) != commands.CodeProtocolError || !strings.Contains(o.Err.Error(), "uidvalidity") {
		t.Errorf("got %v", o.Err)
	}
}

func TestEveryConnectionBreaks(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(100)}
	s.Message = func(c *scriptedConn, _ uint32, _ string) (string, bool) {
		_ = c.Close()
		return "", true
	}
	s.start(t)
	o := s.all(t, s.conn(t, Options{}))
	if code(o.Err) != commands.CodeConnectFailed || len(o.Got) > 0 {
		t.Errorf("got %v", o.Err)
	}
}

func TestFlagsAndHeaders(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(30)}
	s.Message = func(c *scriptedConn, uid uint32, _ string) (string, bool) {
		if uid == 20 && c.N == 1 {
			_ = c.Close() // once, in the middle
			return "", true
		}
		return "* 5 FETCH (UID 5 }{\r\n", uid == 5 // always
	}
	s.start(t)
	c := s.conn(t, Options{})
	seen := make(map[domain.UID]int)
	err := c.Flags(t.Context(), domain.UIDSet{{Lo: 1, Hi: 30}}, 0, func(f commands.FlagState) error {
		if seen[f.UID]++; !domain.HasFlag(f.Flags, domain.FlagSeen) || f.ModSeq != domain.ModSeq(f.UID) {
			t.Errorf("got %+v", f)
		}
		return nil
	})
	if len(seen) != 29 || code(err) != commands.CodeProtocolError {
		t.Errorf("got flags of %d messages, error %v; want 29 and a protocol error", len(seen), err)
	}
	heads := 0
	err = c.Headers(t.Context(), domain.UIDSet{{Lo: 6, Hi: 30}}, func(h commands.MessageHead) error {
		if heads++; h.MsgID != fmt.Sprintf("<%d@example.org>", h.UID) || h.Size != 300 || h.InternalDate.IsZero() {
			t.Errorf("got %+v", h)
		}
		return nil
	})
	if heads != 25 || err != nil {
		t.Errorf("got headers of %d messages, error %v", heads, err)
	}
	if commands := s.seen("UID FETCH"); strings.Contains(commands[0], "CHANGEDSINCE") {
		t.Errorf("sent %s", commands[0])
	}
	if err := c.Flags(t.Context(), domain.UIDs(7), 12, func(commands.FlagState) error { return nil }); err != nil {
		t.Error(err)
	}
	if sent := s.seen("UID FETCH 7 "); len(sent) == 0 || !strings.HasSuffix(sent[len(sent)-1], "(CHANGEDSINCE 12)") {
		t.Errorf("sent %v", sent)
	}
}

func TestCommandLinesAreShort(t *testing.T) {
	t.Parallel()
	s := (&scripted{Messages: messages(6000)}).start(t)
	var odd []domain.UID
	for u := domain.UID(1); u < 6000; u += 2 {
		odd = append(odd, u)
	}
	seen := 0
	err := s.conn(t, Options{}).Flags(t.Context(), domain.UIDs(odd...), 0, func(commands.FlagState) error {
		seen++
		return nil
	})
	if err != nil || seen != len(odd) {
		t.Errorf("got %d flags, error %v", seen, err)
	}
	for _, line := range s.seen("") {
		if len(line) > 8000 {
			t.Errorf("a command has %d octets", len(line))
		}
	}
}
