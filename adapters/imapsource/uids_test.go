package imapsource

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

func TestUIDs(t *testing.T) {
	t.Parallel()
	const plain, extended = "IMAP4rev1", "IMAP4rev1 ESEARCH"
	for name, test := range map[string]struct {
		caps, search string
		refuse       string // the tagged answer
		messages     uint32
		want         string
		numbers      bool // FETCH had to be asked
	}{
		"extended":            {caps: extended, messages: 9, want: "1:9"},
		"plain":               {caps: plain, messages: 9, want: "1:9"},
		"empty":               {caps: extended},
		"empty and plain":     {caps: plain},
		"no answer at all":    {caps: plain, search: "\r\n"},
		"uid 0":               {caps: plain, search: "* SEARCH 0 1 2 3\r\n", messages: 3, want: "1:3"},
		"uid 0 extended":      {caps: extended, search: "* ESEARCH (TAG \"TAG\") UID ALL 0:3\r\n", messages: 3, want: "1:3", numbers: true},
		"sequence numbers":    {caps: extended, search: "* ESEARCH (TAG \"TAG\") ALL 1:3\r\n", messages: 3, want: "1:3", numbers: true},
		"less than there are": {caps: plain, search: "* SEARCH 3\r\n", messages: 3, want: "1:3", numbers: true},
		"beyond uidnext":      {caps: plain, search: "* SEARCH 1 2 3 99\r\n", messages: 3, want: "1:3", numbers: true},
		"refused":             {caps: plain, refuse: "NO [UNAVAILABLE] UID SEARCH Server error", messages: 9, want: "1:9", numbers: true},
		"bad":                 {caps: extended, refuse: "BAD what", messages: 9, want: "1:9", numbers: true},
		"garbage":             {caps: plain, search: "* SEARCH 1 2 x\r\n", messages: 3, want: "1:3", numbers: true},
		"many and refused":    {caps: plain, refuse: "NO", messages: 12000, want: "1:12000", numbers: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{Caps: test.caps, Search: test.search, Messages: messages(test.messages)}
			s.Answer = func(c *scriptedConn, tag, command string) bool {
				if test.refuse == "" || !strings.HasPrefix(command, "UID SEARCH") {
					return false
				}
				c.send(tag + " " + test.refuse + "\r\n")
				return true
			}
			s.start(t)
			uids, err := s.conn(t, Options{}).UIDs(t.Context(), time.Time{})
			if err != nil || uids.String() != test.want {
				t.Errorf("got %v, error %v; want %s", uids, err, test.want)
			}
			if numbers := len(s.seen("FETCH")) > 0; numbers != test.numbers {
				t.Errorf("asked by numbers: %v", numbers)
			}
		})
	}
}

func TestServerThatDoesNotListItsMessages(t *testing.T) {
	t.Parallel()
	s := &scripted{Caps: "IMAP4rev1", Search: "* SEARCH\r\n", Messages: messages(9)}
	s.Message = func(*scriptedConn, uint32, string) (string, bool) { return "", true }
	s.start(t)
	if uids, err := s.conn(t, Options{}).UIDs(t.Context(), time.Time{}); code(err) != commands.CodeProtocolError {
		t.Errorf("got %v, error %v", uids, err)
	}
}

func TestSinceIsADayEarlierInUTC(t *testing.T) {
	t.Parallel()
	s := (&scripted{Messages: messages(3)}).start(t)
	// It is the second of March in UTC already.
	since := time.Date(2024, 3, 1, 22, 0, 0, 0, time.FixedZone("", -5*3600))
	if _, err := s.conn(t, Options{}).UIDs(t.Context(), since); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`UID SEARCH RETURN (ALL) SINCE 1-Mar-2024`}, s.seen("UID SEARCH")); diff != "" {
		t.Error(diff)
	}
}

func TestSinceWithoutSearch(t *testing.T) {
	t.Parallel()
	s := &scripted{Caps: "IMAP4rev1", Messages: messages(9)}
	s.Answer = func(c *scriptedConn, tag, command string) bool {
		if strings.HasPrefix(command, "UID SEARCH") {
			c.send(tag + " NO\r\n")
			return true
		}
		return false
	}
	s.Message = func(_ *scriptedConn, uid uint32, items string) (string, bool) {
		text := strings.Replace(s.plainMessage(uid, items), testDate, "01-Jan-2020 00:00:00 +0000", 1)
		return text, uid < 4
	}
	s.start(t)
	uids, err := s.conn(t, Options{}).UIDs(t.Context(), time.Date(2024, 1, 3, 5, 0, 0, 0, time.UTC))
	if err != nil || uids.String() != "4:9" {
		t.Errorf("got %v, error %v", uids, err)
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		caps, answer, boxes string
		want                domain.MailboxStatus
		code                string
	}{
		"all": {
			answer: "* 5 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\n* OK [UIDNEXT 6] x\r\n* OK [HIGHESTMODSEQ 99] x\r\nTAG OK done\r\n",
			want:   domain.MailboxStatus{UIDValidity: 3, UIDNext: 6, Messages: 5, ModSeq: 99},
		},
		"nothing": {answer: "* 5 EXISTS\r\nTAG OK done\r\n", want: domain.MailboxStatus{Messages: 5}},
		"no modseq": {
			answer: "* 0 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\n* OK [NOMODSEQ] x\r\nTAG OK [READ-ONLY] done\r\n",
			want:   domain.MailboxStatus{UIDValidity: 3},
		},
		"missing":        {answer: "TAG NO [NONEXISTENT] no\r\n", code: commands.CodeFolderMissing},
		"missing, mute":  {answer: "TAG NO Mailbox does not exist\r\n", code: commands.CodeFolderMissing},
		"not to be read": {answer: "TAG NO not today\r\n", boxes: "* LIST () \"/\" Work\r\n", code: commands.CodeProtocolError},
		"throttled":      {answer: "TAG NO [THROTTLED] wait\r\n", code: commands.CodeThrottled},
		"not connected":  {answer: "TAG BAD User is authenticated but not connected.\r\n", code: commands.CodeThrottled},
		"unreadable":     {answer: "* OK [UIDVALIDITY x] x\r\nTAG OK done\r\n", code: commands.CodeProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{Boxes: test.boxes}
			s.Answer = func(c *scriptedConn, tag, command string) bool {
				if !strings.HasPrefix(command, "EXAMINE") {
					return false
				}
				if want := `EXAMINE "Work" (CONDSTORE)`; command != want && !strings.HasPrefix(test.answer, "TAG BAD") {
					t.Errorf("sent %q, want %q", command, want)
				}
				c.send(strings.ReplaceAll(test.answer, "TAG", tag))
				return true
			}
			s.start(t)
			c, err := New(Options{}).Open(t.Context(), s.login())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			got, err := c.Examine(t.Context(), "Work")
			if code(err) != test.code || got != test.want {
				t.Errorf("got %+v, error %v; want %+v, %q", got, err, test.want, test.code)
			}
			if test.code != "" {
				if _, err := c.UIDs(t.Context(), time.Time{}); code(err) != commands.CodeInternal {
					t.Errorf("uids without a mailbox: %v", err)
				}
			}
		})
	}
}

func TestListStatus(t *testing.T) {
	t.Parallel()
	s := &scripted{Boxes: "* LIST () \"/\" INBOX\r\n* LIST (\\Junk) \"/\" Spam\r\n* LIST (\\NonExistent) \"/\" a\r\n* LIST () \"/\" refused\r\n" +
		"* STATUS Spam (MESSAGES 4 UIDNEXT 5 UIDVALIDITY 6 HIGHESTMODSEQ 7)\r\n"}
	s.Answer = func(c *scriptedConn, tag, command string) bool {
		switch {
		case strings.HasPrefix(command, `STATUS "refused"`):
			c.send(tag + " NO [NOPERM] no\r\n")
		case strings.HasPrefix(command, "STATUS"):
			name := strings.Fields(command)[1]
			c.send("* STATUS " + name + " (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3 HIGHESTMODSEQ 4 X-Y (a b))\r\n" + tag + " OK done\r\n")
		default:
			return false
		}
		return true
	}
	s.start(t)
	boxes, err := s.conn(t, Options{}).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	asked := &domain.MailboxStatus{Messages: 1, UIDNext: 2, UIDValidity: 3, ModSeq: 4}
	along := &domain.MailboxStatus{Messages: 4, UIDNext: 5, UIDValidity: 6, ModSeq: 7}
	want := []domain.Listed{
		{Name: "INBOX", Delimiter: "/", Status: asked},
		{Name: "Spam", Delimiter: "/", Role: domain.RoleJunk, Status: along},
		{Name: "a", Delimiter: "/", NoSelect: true},
		{Name: "refused", Delimiter: "/"},
	}
	if diff := cmp.Diff(want, boxes); diff != "" {
		t.Error(diff)
	}
}
