package imapsource

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// TestDovecotChange changes messages on a real server, and looks with another client.
func TestDovecotChange(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	u := account(t, d, 6) // UIDs 1 to 6; 2 and 5 are seen, 3 and 6 seen and flagged
	u.Create(t, "Übung")
	u.AddFlags(t, "INBOX", 4, imap.FlagDeleted) // by somebody else: nobody may take it away
	c, _ := examined(t, d, u)
	validity := c.status.UIDValidity
	change := func(of commands.MailboxChange) commands.Changed {
		t.Helper()
		of.Mailbox, of.UIDValidity = "INBOX", validity
		out, err := c.Change(t.Context(), of)
		if err != nil || out.Refused != "" {
			t.Fatalf("change %+v: %q, %v", of, out.Refused, err)
		}
		return out
	}
	change(commands.MailboxChange{
		UIDs: domain.UIDs(1, 2, 99), Add: []domain.Flag{domain.FlagFlagged, domain.KeywordImportant}, Remove: []domain.Flag{domain.FlagSeen},
	})
	moved := change(commands.MailboxChange{UIDs: domain.UIDs(3, 2, 99), Add: []domain.Flag{domain.FlagAnswered}, MoveTo: "Übung"})
	other := domain.UIDValidity(u.UIDValidity(t, "Übung"))
	if diff := cmp.Diff(commands.Changed{Validity: other, UIDs: map[domain.UID]domain.UID{2: 1, 3: 2}}, moved); diff != "" {
		t.Errorf("moved (-want +got):\n%s", diff)
	}
	change(commands.MailboxChange{UIDs: domain.UIDs(5), CopyTo: "Übung"})
	change(commands.MailboxChange{UIDs: domain.UIDs(5), Expunge: true})
	if out, err := c.Change(t.Context(), commands.MailboxChange{
		Mailbox: "INBOX", UIDValidity: validity + 1, UIDs: domain.UIDs(6), MoveTo: "Übung",
	}); err != nil || !out.Another {
		t.Errorf("another mailbox: %+v, %v", out, err)
	}
	if out, err := c.Change(t.Context(), commands.MailboxChange{
		Mailbox: "INBOX", UIDValidity: validity, UIDs: domain.UIDs(6), MoveTo: "Nowhere",
	}); err != nil || !strings.Contains(out.Refused, "TRYCREATE") {
		t.Errorf("move to nowhere: %+v, %v", out, err)
	}
	var got []string
	for _, box := range []string{"INBOX", "Übung"} {
		for _, m := range u.Messages(t, box) {
			got = append(got, fmt.Sprintln(box, m.UID, flagsOf(m.Flags)))
		}
	}
	want := []string{
		"INBOX 1 [$Important \\Flagged]\n", "INBOX 4 [\\Deleted]\n", "INBOX 6 [\\Flagged \\Seen]\n",
		"Übung 1 [$Important \\Answered \\Flagged]\n", "Übung 2 [\\Answered \\Flagged \\Seen]\n", "Übung 3 [\\Seen]\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("on the server (-want +got):\n%s", diff)
	}
	if _, err := c.Examine(t.Context(), "INBOX"); err != nil { // reading goes on, on the same connection
		t.Fatal(err)
	}
	if uids, err := c.UIDs(t.Context(), time.Time{}); err != nil || uids.Count() != 3 {
		t.Errorf("uids afterwards: %v, %v", uids, err)
	}
}

// TestChangeRefused: what a server refuses, leaves out or says wrongly is told; nothing is sent after a refusal, and a connection
// that breaks in the middle is not taken up again.
func TestChangeRefused(t *testing.T) {
	t.Parallel()
	of := commands.MailboxChange{
		Mailbox: "INBOX", UIDValidity: 7, UIDs: domain.UIDs(1, 2), Add: []domain.Flag{domain.FlagSeen}, MoveTo: "Archive",
	}
	opened := "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n"
	for _, tc := range []struct {
		name   string
		script map[string]string // answers by command; TAG stands for the tag, an empty one breaks the connection
		want   commands.Changed
		sent   []string // of the commands that change
		code   string
	}{
		{
			"store refused",
			map[string]string{"SELECT": opened + "TAG OK\r\n", "UID STORE": "TAG NO [NOPERM] not yours, s3cret\r\n"},
			commands.Changed{Refused: "NO [NOPERM] not yours, ***"},
			[]string{"UID STORE 1:2 +FLAGS (\\Seen)"},
			"",
		},
		{"select refused", map[string]string{"SELECT": "TAG NO gone\r\n"}, commands.Changed{Refused: "NO gone"}, nil, ""},
		{"another", map[string]string{"SELECT": "* 2 EXISTS\r\n* OK [UIDVALIDITY 8] x\r\nTAG OK\r\n"}, commands.Changed{Another: true}, nil, ""},
		{
			"not kept",
			map[string]string{"SELECT": opened + "TAG OK\r\n", "UID STORE": "* 2 FETCH (UID 2 FLAGS ())\r\nTAG OK\r\n"},
			commands.Changed{Refused: `The flag \Seen of UID 2 stays as it is.`},
			[]string{"UID STORE 1:2 +FLAGS (\\Seen)"},
			"",
		},
		{
			"flags of others",
			map[string]string{
				"SELECT": opened + "TAG OK\r\n", "UID STORE": "* 1 FETCH (FLAGS ())\r\n* 9 FETCH (UID 9 FLAGS ())\r\nTAG OK\r\n", "UID MOVE": "TAG OK\r\n",
			},
			commands.Changed{},
			[]string{"UID STORE 1:2 +FLAGS (\\Seen)", `UID MOVE 1:2 "Archive"`},
			"",
		},
		{
			"copyuid of others",
			map[string]string{"SELECT": opened + "TAG OK\r\n", "UID MOVE": "* OK [COPYUID 9 1,5 3:4] x\r\nTAG OK\r\n"},
			commands.Changed{},
			[]string{"UID STORE 1:2 +FLAGS (\\Seen)", `UID MOVE 1:2 "Archive"`},
			"",
		},
		{
			"copyuid without end",
			map[string]string{"SELECT": opened + "TAG OK\r\n", "UID MOVE": "TAG OK [COPYUID 9 1:4294967295 1:4294967295] x\r\n"},
			commands.Changed{},
			[]string{"UID STORE 1:2 +FLAGS (\\Seen)", `UID MOVE 1:2 "Archive"`},
			"",
		},
		{
			"copyuid out of order",
			map[string]string{"SELECT": opened + "TAG OK\r\n", "UID MOVE": "TAG OK [COPYUID 9 2,1 3:4] x\r\n"},
			commands.Changed{Validity: 9, UIDs: map[domain.UID]domain.UID{2: 3, 1: 4}},
			[]string{"UID STORE 1:2 +FLAGS (\\Seen)", `UID MOVE 1:2 "Archive"`},
			"",
		},
		{
			"broken off",
			map[string]string{"SELECT": opened + "TAG OK\r\n", "UID MOVE": ""},
			commands.Changed{},
			[]string{"UID STORE 1:2 +FLAGS (\\Seen)", `UID MOVE 1:2 "Archive"`},
			commands.CodeConnectFailed,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := (&scripted{Caps: "IMAP4rev1 MOVE UIDPLUS UNSELECT", Messages: messages(2), Answer: func(c *scriptedConn, tag, command string) bool {
				for prefix, text := range tc.script {
					if !strings.HasPrefix(command, prefix) {
						continue
					}
					if text == "" {
						c.reset()
					}
					c.send(strings.ReplaceAll(text, "TAG", tag))
					return true
				}
				return false
			}}).start(t)
			got, err := s.conn(t, Options{}).Change(t.Context(), of)
			if diff := cmp.Diff(tc.want, got); diff != "" || code(err) != tc.code {
				t.Errorf("error %v, want %q; changed (-want +got):\n%s", err, tc.code, diff)
			}
			if sent := slices.Concat(s.seen("UID STORE"), s.seen("UID MOVE")); !slices.Equal(sent, tc.sent) {
				t.Errorf("sent %q, want %q", sent, tc.sent)
			}
		})
	}
}

// TestChangeOfMany changes messages whose UIDs do not fit into one line: all are moved, and no command is longer than
// RFC 7162 section 4 says that a server takes.
func TestChangeOfMany(t *testing.T) {
	t.Parallel()
	var uids []domain.UID
	for uid := domain.UID(1_000_000_001); len(uids) < 1500; uid += 2 {
		uids = append(uids, uid)
	}
	var sent []string
	s := (&scripted{Caps: "IMAP4rev1 MOVE UIDPLUS", Messages: messages(2), Answer: func(c *scriptedConn, tag, command string) bool {
		words := strings.Fields(command)
		switch {
		case strings.HasPrefix(command, "SELECT"):
			c.send("* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK\r\n")
		case strings.HasPrefix(command, "UID MOVE"):
			sent = append(sent, command)
			c.send("* OK [COPYUID 9 " + words[2] + " " + words[2] + "] x\r\n" + tag + " OK\r\n")
		case strings.HasPrefix(command, "UID STORE"):
			sent = append(sent, command)
			c.send(tag + " OK\r\n")
		default:
			return false
		}
		return true
	}}).start(t)
	out, err := s.conn(t, Options{}).Change(t.Context(), commands.MailboxChange{
		Mailbox: "INBOX", UIDValidity: 7, UIDs: domain.UIDs(uids...), Add: []domain.Flag{domain.FlagSeen}, MoveTo: "Archive",
	})
	if err != nil || out.Refused != "" || out.Validity != 9 || len(out.UIDs) != len(uids) {
		t.Fatalf("%d of %d moved, refused %q, error %v", len(out.UIDs), len(uids), out.Refused, err)
	}
	if len(sent) < 4 {
		t.Errorf("%d commands", len(sent))
	}
	for _, command := range sent {
		if len(command) > 8000 {
			t.Errorf("a command of %d octets", len(command))
		}
	}
}
