package imapsource

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

func TestDovecotResume(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 20)
	c, uids := examined(t, d, u)
	since := c.status
	if r, err := c.Resume(t.Context(), "INBOX", since, uids); !r.Sure || err != nil || r.Status != since || r.UIDs.String() != uids.String() {
		t.Errorf("nothing has changed: got %+v, error %v", r, err)
	}
	u.AddFlags(t, "INBOX", 3, imap.FlagAnswered)
	u.Expunge(t, "INBOX", 5, 7)
	u.Deliver(t, "INBOX", mail(7), time.Now())
	r, err := c.Resume(t.Context(), "INBOX", since, uids)
	if !r.Sure || err != nil || r.UIDs.String() != "1:4,6,8:21" || r.Status.Messages != 19 {
		t.Fatalf("got %+v, error %v", r, err)
	}
	if len(r.Flags) != 2 || !domain.HasFlag(r.Flags[3].Flags, domain.FlagAnswered) || r.Flags[21].ModSeq == 0 {
		t.Errorf("changed %v", r.Flags)
	}
	if r, err := c.Resume(t.Context(), "Sent", since, uids); r.Sure || err != nil {
		t.Errorf("another mailbox: got %+v, error %v", r, err)
	}
	if _, err := c.Resume(t.Context(), "No such", since, uids); code(err) != commands.CodeFolderMissing {
		t.Errorf("missing: %v", err)
	}
	// From now on VANISHED comes in place of EXPUNGE.
	if _, err := c.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	u.Expunge(t, "INBOX", 1)
	if uids, err := c.UIDs(t.Context(), time.Time{}); err != nil || uids.String() != "2:4,6,8:21" {
		t.Errorf("got %v, error %v", uids, err)
	}
}

// What a server says of a mailbox since is believed if it has enabled QRESYNC, and if it adds up.
func TestResumeIsNotBelieved(t *testing.T) {
	t.Parallel()
	const opened = "* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 12] x\r\n* OK [HIGHESTMODSEQ 30] x\r\n"
	for name, test := range map[string]struct {
		caps    string // QRESYNC ENABLE if empty
		enabled string // QRESYNC if empty
		answer  string
		want    string // of the UIDs; "": not sure
		plain   bool   // the mailbox is opened without QRESYNC
	}{
		"sound": {answer: "* 10 EXISTS\r\n" + opened + "* VANISHED (EARLIER) 3,9999\r\n* 10 FETCH (UID 11 FLAGS ())\r\n", want: "1:2,4:11"},
		"split": {answer: "* 9 EXISTS\r\n" + opened + "* VANISHED (EARLIER) 3\r\n* VANISHED (EARLIER) 4\r\n* 10 FETCH (UID 11 FLAGS ())\r\n", want: "1:2,5:11"},
		"of another before": {
			answer: "* 4 FETCH (UID 4 FLAGS (\\Flagged))\r\n* VANISHED 2\r\n* 7 EXISTS\r\n* OK [CLOSED] x\r\n* 10 EXISTS\r\n" + opened +
				"* VANISHED (EARLIER) 3\r\n* 10 FETCH (UID 11 FLAGS ())\r\n",
			want: "1:2,4:11",
		},
		"only of another": {answer: "* 4 FETCH (UID 4 FLAGS ())\r\n* VANISHED 2\r\n* OK [CLOSED] x\r\n* 10 EXISTS\r\n" + opened, want: "1:10"},
		"too many":        {answer: "* 7 EXISTS\r\n" + opened + "* VANISHED (EARLIER) 1:3\r\n"},
		"all":             {answer: "* 0 EXISTS\r\n" + opened + "* VANISHED (EARLIER) 1:26183\r\n"},
		"contradicts":     {answer: "* 10 EXISTS\r\n" + opened + "* VANISHED (EARLIER) 3\r\n"},
		"new not told":    {answer: "* 11 EXISTS\r\n" + opened},
		"other validity":  {answer: "* 10 EXISTS\r\n" + strings.Replace(opened, "VALIDITY 7", "VALIDITY 8", 1)},
		"no modseq":       {answer: "* 10 EXISTS\r\n" + strings.Replace(opened, "[HIGHESTMODSEQ 30]", "[NOMODSEQ]", 1)},
		"garbage":         {answer: "* 10 EXISTS\r\n" + opened + "* VANISHED (EARLIER) 1:x\r\n"},
		"beyond uidnext":  {answer: "* 11 EXISTS\r\n" + opened + "* 11 FETCH (UID 99 FLAGS ())\r\n"},
		"not enabled":     {enabled: "CONDSTORE", plain: true},
		"not offered":     {caps: "CONDSTORE", plain: true},
		"icloud":          {caps: "QRESYNC ENABLE XAPPLEPUSHSERVICE", plain: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.caps == "" {
				test.caps = "QRESYNC ENABLE CONDSTORE"
			}
			if test.enabled == "" {
				test.enabled = "CONDSTORE QRESYNC"
			}
			s := &scripted{Caps: "IMAP4rev1 " + test.caps, Messages: messages(10)}
			s.Answer = func(c *scriptedConn, tag, command string) bool {
				switch {
				case strings.HasPrefix(command, "ENABLE"):
					c.send("* ENABLED " + test.enabled + "\r\n")
				case strings.Contains(command, "(QRESYNC (7 20))"):
					c.send(test.answer)
				default:
					return false
				}
				c.send(tag + " OK done\r\n")
				return true
			}
			s.start(t)
			c := s.conn(t, Options{})
			since := domain.MailboxStatus{UIDValidity: 7, UIDNext: 11, Messages: 10, ModSeq: 20}
			r, err := c.Resume(t.Context(), "INBOX", since, domain.UIDSet{{Lo: 1, Hi: 10}})
			if err != nil || r.Sure != (test.want != "") || r.UIDs.String() != test.want {
				t.Errorf("got %+v, error %v; want %q", r, err, test.want)
			}
			if _, ok := r.Flags[4]; ok {
				t.Error("flags of another mailbox are told")
			}
			if plain := len(s.seen(`EXAMINE "INBOX" (QRESYNC`)) == 0; plain != test.plain {
				t.Errorf("sent %q", s.seen("EXAMINE"))
			}
		})
	}
}
