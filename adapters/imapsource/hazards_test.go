package imapsource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// The tests of this file are the answers that servers have given and that the
// library is known to die of or, worse, to lose mail by.

// only makes the message with UID 2 come in another way.
func only(render func(s *scripted, c *scriptedConn, body string) string) *scripted {
	s := &scripted{Messages: messages(5)}
	s.Message = func(c *scriptedConn, uid uint32, items string) (string, bool) {
		if uid != 2 || !strings.Contains(items, "BODY.PEEK[]") {
			return "", false
		}
		return render(s, c, s.Messages[2]), true
	}
	return s
}

// wantAll checks that everything came.
func wantAll(t *testing.T, s *scripted, o outcome) {
	t.Helper()
	if o.Err != nil || len(o.Missing) > 0 || len(o.Got) != len(s.Messages) {
		t.Errorf("got %d messages, missing %v, error %v; want all %d", len(o.Got), o.Missing, o.Err, len(s.Messages))
	}
}

// wantAllBut checks that UID 2 is missing for a reason and the rest came.
func wantAllBut(t *testing.T, s *scripted, o outcome, reason string) {
	t.Helper()
	m, ok := o.Missing[2]
	if o.Err != nil || len(o.Got) != len(s.Messages)-1 || !ok || m.Gone || !strings.Contains(m.Reason, reason) {
		t.Errorf("got %d messages, missing %v, error %v; want 2 missing because of %q", len(o.Got), o.Missing, o.Err, reason)
	}
}

func literal(body string) string { return fmt.Sprintf("{%d}\r\n%s", len(body), body) }

func TestEndOfConnectionInsideLiteralIsHealed(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c *scriptedConn){
		"fin": func(c *scriptedConn) { _ = c.Close() },
		"rst": (*scriptedConn).reset,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{Messages: messages(5)}
			s.Message = func(c *scriptedConn, uid uint32, items string) (string, bool) {
				if uid != 3 || c.N > 1 || !strings.Contains(items, "BODY") {
					return "", false
				}
				text := s.plainMessage(uid, items)
				c.send(text[:len(text)-100])
				end(c)
				return "", true
			}
			s.start(t)
			wantAll(t, s, s.all(t, s.conn(t, Options{})))
		})
	}
}

func TestMessageThatAlwaysEndsTheConnectionIsMissing(t *testing.T) {
	t.Parallel()
	s := only(func(s *scripted, c *scriptedConn, body string) string {
		c.send(fmt.Sprintf("* 2 FETCH (UID 2 FLAGS () BODY[] {%d}\r\n%s", len(body), body[:20]))
		_ = c.Close()
		return ""
	}).start(t)
	wantAllBut(t, s, s.all(t, s.conn(t, Options{})), "connection breaks")
}

func TestUIDAfterBodyIsNotLost(t *testing.T) {
	t.Parallel()
	s := only(func(_ *scripted, _ *scriptedConn, body string) string {
		return fmt.Sprintf("* 2 FETCH (FLAGS (\\Flagged) INTERNALDATE %q BODY[] %s UID 2)\r\n", testDate, literal(body))
	}).start(t)
	o := s.all(t, s.conn(t, Options{}))
	wantAll(t, s, o)
	if got := o.Got[2]; !domain.HasFlag(got.Flags, domain.FlagFlagged) || got.InternalDate.IsZero() {
		t.Errorf("got flags %v, date %v", got.Flags, got.InternalDate)
	}
}

func TestUIDAfterBodyOfAllMessages(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(300)}
	s.Message = func(_ *scriptedConn, uid uint32, items string) (string, bool) {
		return fmt.Sprintf("* %d FETCH (FLAGS () INTERNALDATE %q BODY[] %s UID %d)\r\n", uid, testDate, literal(s.Messages[uid]), uid), strings.Contains(items, "BODY.PEEK[]")
	}
	s.start(t)
	wantAll(t, s, s.all(t, s.conn(t, Options{})))
}

func TestUnsolicitedFlagsBeforeBody(t *testing.T) {
	t.Parallel()
	s := only(func(s *scripted, _ *scriptedConn, body string) string {
		return "* 2 FETCH (UID 2 FLAGS (\\Flagged))\r\n" + s.plainMessage(2, "FLAGS INTERNALDATE BODY.PEEK[]")
	}).start(t)
	wantAll(t, s, s.all(t, s.conn(t, Options{})))
}

func TestMessageInTwoAnswers(t *testing.T) {
	t.Parallel()
	s := only(func(_ *scripted, _ *scriptedConn, body string) string {
		return fmt.Sprintf("* 2 FETCH (UID 2 FLAGS (\\Flagged) INTERNALDATE %q)\r\n* 2 FETCH (UID 2 BODY[] %s)\r\n", testDate, literal(body))
	}).start(t)
	o := s.all(t, s.conn(t, Options{}))
	wantAll(t, s, o)
	if got := o.Got[2]; !domain.HasFlag(got.Flags, domain.FlagFlagged) || got.InternalDate.IsZero() {
		t.Errorf("got flags %v, date %v", got.Flags, got.InternalDate)
	}
}

func TestBodyNIL(t *testing.T) {
	t.Parallel()
	nil2 := func(_ *scripted, _ *scriptedConn, _ string) string {
		return fmt.Sprintf("* 2 FETCH (UID 2 FLAGS () INTERNALDATE %q BODY[] NIL)\r\n", testDate)
	}
	t.Run("still listed", func(t *testing.T) {
		t.Parallel()
		s := only(nil2).start(t)
		wantAllBut(t, s, s.all(t, s.conn(t, Options{})), "without the message")
	})
	t.Run("expunged", func(t *testing.T) {
		t.Parallel()
		s := only(nil2)
		s.Answer = func(c *scriptedConn, tag, command string) bool {
			if strings.HasPrefix(command, "UID SEARCH") {
				c.send(fmt.Sprintf("* ESEARCH (TAG %q) UID\r\n%s OK done\r\n", tag, tag))
				return true
			}
			return false
		}
		s.start(t)
		o := s.all(t, s.conn(t, Options{}))
		if !o.Missing[2].Gone || len(o.Got) != 4 || o.Err != nil {
			t.Errorf("missing %v, error %v", o.Missing, o.Err)
		}
	})
	t.Run("search refused", func(t *testing.T) {
		t.Parallel()
		s := only(nil2)
		s.Answer = func(c *scriptedConn, tag, command string) bool {
			if strings.HasPrefix(command, "UID SEARCH") {
				c.send(tag + " NO search is out of order\r\n")
				return true
			}
			return false
		}
		s.start(t)
		wantAllBut(t, s, s.all(t, s.conn(t, Options{})), "without the message")
	})
}

func TestQuotedAndEmptyBodies(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(5)}
	s.Messages[2], s.Messages[3] = "Subject: x", ""
	s.Message = func(_ *scriptedConn, uid uint32, items string) (string, bool) {
		return fmt.Sprintf("* 2 FETCH (UID 2 FLAGS () INTERNALDATE %q BODY[] \"Subject: x\")\r\n", testDate), uid == 2
	}
	s.start(t)
	wantAll(t, s, s.all(t, s.conn(t, Options{})))
}

func TestPieceThatNobodyAskedForIsNoMessage(t *testing.T) {
	t.Parallel()
	s := only(func(_ *scripted, _ *scriptedConn, body string) string {
		return fmt.Sprintf("* 2 FETCH (UID 2 FLAGS () INTERNALDATE %q BODY[]<0> %s)\r\n", testDate, literal(body[:50]))
	}).start(t)
	wantAllBut(t, s, s.all(t, s.conn(t, Options{})), "without the message")
}

// Names that are not in the one right form are listed, asked for and opened as they are on the wire.
func TestNamesThatAreNoModifiedUTF7(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		listed string
		want   domain.MailboxName
		opened string // as it is sent
	}{
		"right":            {`"/" "&U,BTFw-"`, "台北", `"&U,BTFw-"`},
		"right ampersand":  {`"/" "R&-D"`, "R&D", `"R&-D"`},
		"ampersand":        {`"/" "R&D"`, "R&D", `"R&D"`},
		"ampersand at end": {`"/" R&`, "R&", `"R&"`},
		"encoded ascii":    {`"/" "&AEEAQg-"`, "&AEEAQg-", `"&AEEAQg-"`},
		"null shift":       {`"/" "&AOk-&AOk-"`, "&AOk-&AOk-", `"&AOk-&AOk-"`},
		"latin-1":          {"\"/\" \"Entw\xfcrfe\"", "Entwürfe", "{8}\r\nEntw\xfcrfe"},
		"utf-8":            {`"/" "Größe"`, "Größe", "{7}\r\nGröße"},
		"tab":              {"\"/\" \"a\tb\"", "a\tb", "{3}\r\na\tb"},
		"literal":          {"\"/\" {4}\r\na\"\r\n", "a\"\r\n", "{4}\r\na\"\r\n"},
		"nul":              {"\"/\" {3}\r\na\x00b", "a\ufffdb", "{3}\r\na\x00b"},
		"empty delimiter":  {`"" x`, "x", `"x"`},
		"no hierarchy":     {`NIL x`, "x", `"x"`},
		"unquoted space":   {`"/" Sent Items`, "Sent Items", `"Sent Items"`},
		"quote in quotes":  {`"/" "a "b" c"`, `a "b" c`, `"a \"b\" c"`},
		"backslash":        {`"\\" "a\b"`, `a\b`, `"a\\b"`},
		"extended data":    {`"/" Sent Items ("CHILDINFO" ("SUBSCRIBED"))`, "Sent Items", `"Sent Items"`},
		"brace":            {`"/" x{5}`, "x{5}", `"x{5}"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{Caps: "IMAP4rev1", Boxes: "* LIST () \"/\" INBOX\r\n* LIST () " + test.listed + "\r\n"}
			var asked []string
			s.Answer = func(c *scriptedConn, tag, command string) bool {
				if word, name, _ := strings.Cut(command, " "); word == "STATUS" || word == "EXAMINE" {
					name = c.literals(name)
					asked = append(asked, strings.TrimSuffix(name, " (MESSAGES UIDNEXT UIDVALIDITY)"))
					if word == "STATUS" {
						c.send("* STATUS x (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7)\r\n")
					}
					c.send("* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
					return true
				}
				return false
			}
			s.start(t)
			c, err := New(Options{}).open(t.Context(), s.login())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			boxes, err := c.List(t.Context())
			if err != nil || len(boxes) != 2 || boxes[1].Name != test.want || boxes[1].Status == nil {
				t.Fatalf("got %+v, error %v; want %q", boxes, err, test.want)
			}
			if _, err := c.Examine(t.Context(), test.want); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{`"INBOX"`, test.opened, test.opened}, asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A connection that has not listed them finds them when the right form is refused.
func TestOddNameIsOpenedWithoutAList(t *testing.T) {
	t.Parallel()
	s := &scripted{Boxes: "* LIST () \"/\" INBOX\r\n* LIST () \"/\" \"R&D\"\r\n"}
	s.Answer = func(c *scriptedConn, tag, command string) bool {
		if strings.HasPrefix(command, `EXAMINE "R&-D"`) {
			c.send(tag + " NO [NONEXISTENT] no such mailbox\r\n")
			return true
		}
		return false
	}
	s.start(t)
	c := s.conn(t, Options{})
	if _, err := c.Examine(t.Context(), "R&D"); err != nil {
		t.Error(err)
	}
	if sent := s.seen("EXAMINE"); !strings.HasPrefix(sent[len(sent)-1], `EXAMINE "R&D"`) {
		t.Errorf("sent %q", sent)
	}
}

// Two names may look the same; each is a mailbox of its own, in whatever order they are listed.
func TestNamesThatLookTheSame(t *testing.T) {
	t.Parallel()
	for _, listed := range [][]string{{`"R&D"`, `"R&-D"`, `"&AOk-"`, `"é"`}, {`"é"`, `"&AOk-"`, `"R&-D"`, `"R&D"`}} {
		s := (&scripted{Boxes: "* LIST () \"/\" " + strings.Join(listed, "\r\n* LIST () \"/\" ") + "\r\n"}).start(t)
		c := s.conn(t, Options{})
		boxes, err := c.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[domain.MailboxName]string{}
		for _, b := range boxes {
			got[b.Name] = c.wireName(b.Name)
		}
		want := map[domain.MailboxName]string{"R&D": "R&-D", "R&D\ufffd": "R&D", "é": "&AOk-", "é\ufffd": "é"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestListThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"no name":       `* LIST () "/" `,
		"no delimiter":  `* LIST ()`,
		"no attributes": `* LIST INBOX`,
		"open":          `* LIST (\Sent "/" x`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&scripted{Boxes: "* LIST () \"/\" INBOX\r\n" + answer + "\r\n"}).start(t)
			c := s.conn(t, Options{})
			boxes, err := c.List(t.Context())
			if code(err) != commands.CodeProtocolError || boxes != nil {
				t.Errorf("got %v and error %v, want a protocol error and no list", boxes, err)
			}
			if _, err := c.UIDs(t.Context(), time.Time{}); err != nil || s.connections() != 1 {
				t.Errorf("the connection is lost: %v", err)
			}
		})
	}
}

func TestListOfOddNames(t *testing.T) {
	t.Parallel()
	s := (&scripted{
		Caps:  "IMAP4rev1 SPECIAL-USE",
		Boxes: "* LIST () \"/\" Inbox\r\n* LIST (\\Noselect) NIL \"Größe\"\r\n* XLIST (\\X) \"/\" x\r\n* LIST (\\Sent) \"/\" \"&U,BTFw-\"\r\n",
	}).start(t)
	boxes, err := s.conn(t, Options{}).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []domain.Listed{
		{Name: "INBOX", Delimiter: "/"},
		{Name: "Größe", NoSelect: true},
		{Name: "台北", Delimiter: "/", Role: domain.RoleSent},
	}
	if !slices.Equal(boxes, want) {
		t.Errorf("got %+v, want %+v", boxes, want)
	}
}

func TestFlagsThatAreNoAtoms(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string][]domain.Flag{
		`\Seen OIB-Seen-[Gmail]/All Mail`: {"Mail", "OIB-Seen-[Gmail]/All", `\Seen`},
		`"\\Seen" "\\Deleted"`:            {`\Deleted`, `\Seen`},
		`\ \Seen`:                         {`\Seen`},
		`\Seen `:                          {`\Seen`},
		`\Seen  x`:                        {`\Seen`, "x"},
		`a(b) c`:                          {"a(b)", "c"},
		`a]b {x} %*`:                      {"%*", "a]b", "{x}"},
		"caf\xe9 \\seen x\x01y":           {`\Seen`},
		"":                                nil,
	} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			s := only(func(_ *scripted, _ *scriptedConn, body string) string {
				return fmt.Sprintf("* 2 FETCH (UID 2 FLAGS (%s) INTERNALDATE %q BODY[] %s)\r\n", flags, testDate, literal(body))
			})
			s.Answer = func(c *scriptedConn, _, command string) bool {
				if strings.HasPrefix(command, "EXAMINE") {
					c.send("* FLAGS (" + flags + ")\r\n* OK [PERMANENTFLAGS (" + flags + " \\*)] x\r\n")
				}
				return false
			}
			s.start(t)
			o := s.all(t, s.conn(t, Options{}))
			wantAll(t, s, o)
			if !slices.Equal(o.Got[2].Flags, want) || s.connections() != 1 {
				t.Errorf("got flags %q by %d connections, want %q", o.Got[2].Flags, s.connections(), want)
			}
		})
	}
}

func TestDatesThatAreNone(t *testing.T) {
	t.Parallel()
	known := time.Date(2024, 1, 2, 9, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Time{
		`NIL`:                          {},
		`"00-Jan-0000 00:00:00 +0000"`: {},
		`"31-Feb-2024 00:00:00 +0000"`: {},
		`""`:                           {},
		`"02-Jan-2024 09:00:00 GMT"`:   known,
		`" 2-Jan-2024 10:00:00 +0100"`: known,
		`"2-Jan-2024 10:00:00 +0100"`:  known,
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			s := only(func(_ *scripted, _ *scriptedConn, body string) string {
				return fmt.Sprintf("* 2 FETCH (UID 2 FLAGS () INTERNALDATE %s BODY[] %s)\r\n", value, literal(body))
			}).start(t)
			o := s.all(t, s.conn(t, Options{}))
			wantAll(t, s, o)
			if got := o.Got[2].InternalDate; !got.Equal(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestAnswersNobodyKnows(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"untagged":         "* XYZZY 1 2 3\r\n",
		"with literal":     "* XYZZY {9}\r\n* 2 FETCH\r\n",
		"vanished":         "* VANISHED (EARLIER) 1:3\r\n",
		"numbered":         "* 5 XYZZY\r\n",
		"blank line":       "\r\n",
		"capability":       "* CAPABILITY IMAP4rev1 {x}\r\n",
		"code":             "* OK [XYZZY (] x\r\n",
		"empty ok":         "* OK\r\n",
		"literal in text":  "* OK see {42}\r\n",
		"no":               "* NO [ALERT] disk is full\r\n",
		"flags of another": "* 4 FETCH (UID 99 FLAGS (\\Seen))\r\n",
		"body of another":  "* 4 FETCH (UID 99 BODY[] {4}\r\nabcd)\r\n",
		"body without uid": "* 4 FETCH (BODY[] {4}\r\nabcd)\r\n",
		"exists":           "* 6 EXISTS\r\n* 1 RECENT\r\n",
		"double space":     "*  6  EXISTS\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := only(func(s *scripted, _ *scriptedConn, _ string) string {
				return answer + s.plainMessage(2, "FLAGS INTERNALDATE BODY.PEEK[]")
			}).start(t)
			wantAll(t, s, s.all(t, s.conn(t, Options{})))
		})
	}
}

func TestItemsNobodyAskedFor(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{
		"unknown item":   "* 2 FETCH (UID 2 X-GM-LABELS (\"\\\\Inbox\" \"a)b\") FLAGS () INTERNALDATE %q BODY[] %s)\r\n",
		"after the body": "* 2 FETCH (UID 2 FLAGS () INTERNALDATE %q BODY[] %s X-FOO 17)\r\n",
		"rfc822":         "* 2 FETCH (UID 2 FLAGS () INTERNALDATE %q RFC822 %s)\r\n",
		"double space":   "* 2 FETCH (UID 2  FLAGS ()  INTERNALDATE %q  BODY[]  %s )\r\n",
		"lower case":     "* 2 fetch (uid 2 flags () internaldate %q body[] %s)\r\n",
		"size NIL":       "* 2 FETCH (UID 2 RFC822.SIZE NIL FLAGS () INTERNALDATE %q BODY[] %s)\r\n",
		"envelope":       "* 2 FETCH (UID 2 ENVELOPE (NIL \"a \"b\" c\") FLAGS () INTERNALDATE %q BODY[] %s)\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := only(func(_ *scripted, _ *scriptedConn, body string) string {
				return fmt.Sprintf(format, testDate, literal(body))
			}).start(t)
			wantAll(t, s, s.all(t, s.conn(t, Options{})))
		})
	}
}

func TestGarbageAtOneMessage(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(200)}
	s.Message = func(_ *scriptedConn, uid uint32, items string) (string, bool) {
		return "* 2 FETCH (UID 2 }{ nonsense\r\n", uid == 2 && strings.Contains(items, "BODY")
	}
	s.start(t)
	wantAllBut(t, s, s.all(t, s.conn(t, Options{})), "cannot be read")
	if n := s.connections(); n != 1 {
		t.Errorf("took %d connections", n)
	}
}

func TestParserBombsAreNeverAskedFor(t *testing.T) {
	t.Parallel()
	s := (&scripted{Messages: messages(3)}).start(t)
	c := s.conn(t, Options{})
	wantAll(t, s, s.all(t, c))
	ctx, all := t.Context(), domain.UIDs(1, 2, 3)
	if err := errors.Join(
		c.Flags(ctx, all, 0, func(commands.FlagState) error { return nil }),
		c.Headers(ctx, all, func(commands.MessageHead) error { return nil }),
	); err != nil {
		t.Fatal(err)
	}
	for _, command := range s.seen("") {
		if strings.Contains(command, "ENVELOPE") || strings.Contains(command, "STRUCTURE") ||
			strings.HasPrefix(command, "SELECT") || strings.Contains(command, "BODY[") {
			t.Errorf("sent %q", command)
		}
	}
}

func TestByeIsTold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[UNAVAILABLE] Too many connections": commands.CodeThrottled,
		"[UNAVAILABLE] shutting down":        commands.CodeConnectFailed,
	} {
		s := &scripted{Messages: messages(3)}
		s.Answer = func(c *scriptedConn, _, command string) bool {
			if strings.HasPrefix(command, "UID") {
				c.send("* BYE " + text + "\r\n")
				_ = c.Close()
				return true
			}
			return false
		}
		s.start(t)
		_, err := s.conn(t, Options{}).UIDs(t.Context(), time.Time{})
		if code(err) != want || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %s with the text", err, want)
		}
	}
}

// A literal that is longer or shorter than it is said to be costs a question more, never an octet.
func TestLiteralOfAnotherLength(t *testing.T) {
	t.Parallel()
	for wrong := -20; wrong <= 3; wrong++ {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			t.Parallel()
			first := true
			s := only(func(s *scripted, c *scriptedConn, body string) string {
				said := len(body)
				if first {
					first, said = false, said+wrong
				}
				return fmt.Sprintf("* 2 FETCH (UID 2 FLAGS () INTERNALDATE %q BODY[] {%d}\r\n%s)\r\n", testDate, said, body)
			})
			s.start(t)
			wantAll(t, s, s.all(t, s.conn(t, Options{CommandTimeout: time.Second})))
		})
	}
}

// A literal that swallows what comes behind makes no message of two.
func TestMessageWithTwoBodies(t *testing.T) {
	t.Parallel()
	for name, swallowed := range map[string]string{
		"body": "* 2 FETCH (UID 2 FLAGS () INTERNALDATE %[1]q BODY[] {2}\r\nxx BODY[] %[2]s)\r\n",
		"uid":  "* 2 FETCH (UID 1 FLAGS () INTERNALDATE %[1]q UID 2 BODY[] %[2]s)\r\n",
		"word": "* 2 FETCH (UID 2 FL\xc1GS () FLAGS () INTERNALDATE %[1]q BODY[] %[2]s)\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := true
			s := only(func(s *scripted, c *scriptedConn, body string) string {
				if !first {
					return s.plainMessage(2, "(UID FLAGS INTERNALDATE BODY.PEEK[])")
				}
				first = false
				return fmt.Sprintf(swallowed, testDate, literal("wrong "+body))
			})
			s.start(t)
			wantAll(t, s, s.all(t, s.conn(t, Options{})))
		})
	}
}

// A mailbox that is opened without the number of its messages is not an empty one.
func TestOpenedWithoutExists(t *testing.T) {
	t.Parallel()
	for _, exists := range []string{"", "* 3\r\n", "* 3 EX\r\n", "* 3 EXI\xd3TS\r\n"} {
		s := &scripted{Messages: messages(3)}
		s.Answer = func(c *scriptedConn, tag, command string) bool {
			if strings.HasPrefix(command, "EXAMINE") {
				c.send(exists + "* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
				return true
			}
			return false
		}
		s.start(t)
		c, err := New(Options{}).open(t.Context(), s.login())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // a test's
		if _, err := c.Examine(t.Context(), "INBOX"); code(err) != commands.CodeProtocolError {
			t.Errorf("%q: %v, want protocol_error", exists, err)
		}
	}
}

// The end of a LOGIN that says neither OK nor NO refuses no password.
func TestLoginThatEndsOddly(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"O", "\xcfK done", "", "XYZZY [AUTHENTICATIONFAILED] no"} {
		s := &scripted{}
		s.Answer = func(c *scriptedConn, tag, command string) bool {
			if strings.HasPrefix(command, "LOGIN") || strings.HasPrefix(command, "AUTHENTICATE") {
				c.send(tag + " " + end + "\r\n")
				return true
			}
			return false
		}
		s.start(t)
		if _, err := New(Options{}).open(t.Context(), s.login()); code(err) != commands.CodeProtocolError {
			t.Errorf("%q: %v, want protocol_error", end, err)
		}
	}
}

// Flags that changed are not lost with an answer that has lost something.
func TestChangedFlagsInOddAnswers(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"* 2 FET\r\n", "* 2\r\n", "* 2 FETC\xc8 (UID 2 FLAGS ())\r\n", "* 2 FETCH (UI\xc4 2 FLAGS ())\r\n"} {
		s := &scripted{Messages: messages(3)}
		s.Answer = func(c *scriptedConn, tag, command string) bool {
			if strings.Contains(command, "CHANGEDSINCE") {
				c.send(answer + tag + " OK done\r\n")
				return true
			}
			return false
		}
		s.start(t)
		err := s.conn(t, Options{}).Flags(t.Context(), domain.UIDs(1, 2, 3), 4, func(commands.FlagState) error { return nil })
		if code(err) != commands.CodeProtocolError {
			t.Errorf("%q: %v, want protocol_error", answer, err)
		}
	}
}

func TestEndlessLine(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{
		"flags":   "* 2 FETCH (UID 2 FLAGS (",
		"literal": "* LIST () \"/\" {400000000}\r\n",
		"tagged":  "A",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := only(func(_ *scripted, c *scriptedConn, _ string) string {
				c.send(begin)
				for range 1000 {
					if _, err := c.Write([]byte(strings.Repeat("x", 100000))); err != nil {
						return ""
					}
				}
				t.Error("100 MB were read")
				return ""
			}).start(t)
			wantAllBut(t, s, s.all(t, s.conn(t, Options{MaxLine: 1 << 16})), "too long")
		})
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(3)}
	s.Answer = func(_ *scriptedConn, _, command string) bool { return strings.HasPrefix(command, "UID") }
	s.start(t)
	c := s.conn(t, Options{CommandTimeout: 50 * time.Millisecond})
	if _, err := c.UIDs(t.Context(), time.Time{}); code(err) != commands.CodeTimeout {
		t.Errorf("got %v, want a timeout", err)
	}
	if o := s.all(t, c); code(o.Err) != commands.CodeTimeout || len(o.Got) > 0 {
		t.Errorf("got %v, want a timeout", o.Err)
	}
}

func TestDribble(t *testing.T) {
	t.Parallel()
	s := only(func(s *scripted, c *scriptedConn, _ string) string {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for _, b := range []byte(s.plainMessage(2, "FLAGS INTERNALDATE BODY.PEEK[]")) {
			<-tick.C
			c.send(string([]byte{b}))
		}
		return ""
	})
	s.Messages[2] = "Subject: slow\r\n\r\n"
	s.start(t)
	wantAll(t, s, s.all(t, s.conn(t, Options{CommandTimeout: 400 * time.Millisecond}))) // all of it takes a second
}

func TestSilenceBetweenCommandsIsNoFault(t *testing.T) {
	t.Parallel()
	s := (&scripted{Messages: messages(3)}).start(t)
	c := s.conn(t, Options{CommandTimeout: 20 * time.Millisecond})
	<-time.After(60 * time.Millisecond) // three times what a command may take
	wantAll(t, s, s.all(t, c))
	if n := s.connections(); n != 1 {
		t.Errorf("took %d connections", n)
	}
}

func TestAnswerToIDHarmsNothing(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(3), Caps: "IMAP4rev1 ID"}
	s.Answer = func(c *scriptedConn, _, command string) bool {
		if strings.HasPrefix(command, "ID") {
			c.send("* ID (\"name\" {5}\r\nother \"x\" NIL\r\n")
		}
		return false
	}
	s.Boxes = "* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 3 XYZZY 3)\r\n"
	s.start(t)
	wantAll(t, s, s.all(t, s.conn(t, Options{Version: "1.0"})))
	if diff := cmp.Diff([]string{`ID ("name" "imap2api" "version" "1.0")`}, s.seen("ID")); diff != "" {
		t.Error(diff)
	}
}

func TestContextEndsFetch(t *testing.T) {
	t.Parallel()
	s := &scripted{Messages: messages(3)}
	ctx, cancel := context.WithCancel(t.Context())
	s.Answer = func(_ *scriptedConn, _, command string) bool {
		if strings.HasPrefix(command, "UID FETCH") {
			cancel()
			return true
		}
		return false
	}
	s.start(t)
	_, err := s.conn(t, Options{}).Fetch(ctx, domain.UIDs(1, 2, 3), 0, func(commands.FetchedMessage) error { return nil })
	if code(err) != commands.CodeCancelled || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want cancelled", err)
	}
}
