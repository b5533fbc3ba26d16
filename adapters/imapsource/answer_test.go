package imapsource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
)

// octets is a connection that only delivers.
type octets struct {
	net.Conn
	io.Reader
}

func (o octets) Read(p []byte) (int, error)      { return o.Reader.Read(p) }
func (octets) SetReadDeadline(_ time.Time) error { return nil }

// heard returns what a session makes of answers: a line for each that is not empty, with what was
// taken of it, and what ended the reading.
func heard(answers io.Reader, maxLine int) (lines []string, err error) {
	s := &session{wire: newWire(octets{Reader: answers}, New(Options{MaxLine: maxLine}).opt, commands.Login{}), listing: true}
	for {
		taken := ""
		unread := s.unread
		r, err := s.read(func(a *answer) (err error) {
			taken = fmt.Sprint(a.number, " ", a.word)
			switch a.word {
			case "FETCH":
				var p part
				p, err = a.fetched(nil)
				taken += fmt.Sprintf(" %d %q %d %q %q", p.uid, p.flags, p.modSeq, p.body, p.header)
			case "LIST":
				var box onWire
				box, err = a.listed()
				taken += fmt.Sprintf(" %q %q %q", box.name, box.Delimiter, box.Role)
			case "STATUS":
				name, status, e := a.mailboxStatus()
				taken, err = taken+fmt.Sprintf(" %q %+v", name, status), e
			case "SEARCH":
				var set domain.UIDSet
				set, err = a.numbers()
				taken += " " + set.String()
			case "ESEARCH":
				var set domain.UIDSet
				set, err = a.esearch()
				taken += " " + set.String()
			}
			return err
		})
		switch {
		case err != nil:
			return lines, err
		case s.unread > unread:
			lines = append(lines, "unread "+fmt.Sprint(s.doubt))
		default:
			lines = append(lines, r.tag+" "+r.text+taken)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1234 ", 40_000)
	for name, test := range map[string]struct {
		in   string
		want []string
		err  error // io.EOF if nil
	}{
		"tagged and not": {
			in:   "* 3 EXISTS\r\n+ go\r\n+\r\nT1 OK [X] done\r\n* OK [UIDNEXT 4] x\r\n*  4  EXPUNGE\r\n",
			want: []string{"* ", "+ go", "+ ", "T1 OK [X] done", "* OK [UIDNEXT 4] x", "* "},
		},
		"literal":          {in: "* 1 FETCH (UID 1 BODY[] {10}\r\n* XYZ x\r\n\r FLAGS ())\r\nT1 OK\r\n", want: []string{`* 1 FETCH 1 [] 0 "* XYZ x\r\n\r" ""`, "T1 OK"}},
		"literal of none":  {in: "* 1 FETCH (UID 1 BODY[] {0}\r\n FLAGS ())\r\n", want: []string{`* 1 FETCH 1 [] 0 "" ""`}},
		"binary literal":   {in: "* 1 FETCH (BODY[] ~{2+}\r\nab UID 1)\r\n", want: []string{`* 1 FETCH 1 [] 0 "ab" ""`}},
		"two literals":     {in: "* 1 FETCH (BODY[HEADER] {2}\r\nab BODY[] {3}\r\n(\r\n)\r\nT1 OK\r\n", want: []string{`* 1 FETCH 0 [] 0 "(\r\n" ""`, "T1 OK"}},
		"literal name":     {in: "* LIST () \"/\" {5}\r\na\r\nbc\r\nT1 OK\r\n", want: []string{`* 0 LIST "a\r\nbc" "/" ""`, "T1 OK"}},
		"unknown":          {in: "\r\n* X {3}\r\n* 1 y\r\n* VANISHED 1\r\nT1 OK\r\n", want: []string{"* 0 X", "* 0 VANISHED", "T1 OK"}},
		"text, no literal": {in: "* OK {3}\r\n* BYE {4}\r\nT1 OK {5}\r\n* 3 EXISTS\r\n", want: []string{"* OK {3}", "* BYE {4}", "T1 OK {5}", "* "}},
		"bare lf":          {in: "* 1 FETCH (UID 1 BODY[] {3}\nabc)\nT1 OK\n", want: []string{`* 1 FETCH 1 [] 0 "abc" ""`, "T1 OK"}},
		"long search":      {in: "* SEARCH " + long + "\r\nT1 OK\r\n", want: []string{"* 0 SEARCH 1234", "T1 OK"}},
		"long unknown":     {in: "* XYZZY " + long + "{3}\r\nabc\r\nT1 OK\r\n", want: []string{"* 0 X", "T1 OK"}},
		"long list":        {in: "* LIST () \"/\" " + long + "\r\n", err: errLine},
		"large literal":    {in: "* LIST () \"/\" {1000000}\r\n", err: errLine},
		"ends in a line":   {in: "* LIST () \"/\"", err: io.ErrUnexpectedEOF},
		"ends after one":   {in: "* LIST () NIL {1}\r\n\n", err: io.ErrUnexpectedEOF},
		"ends in literal":  {in: "* 1 FETCH (UID 1 BODY[] {5}\r\nab", err: io.ErrUnexpectedEOF},
		"goes on after": {
			in:   "* 1 FETCH (UID x {3}\r\na)b)\r\n* LIST () \"/\r\n* SEARCH 1 b\r\n* 1 FETCH (((\r\n* STATUS a\r\n* 2 FETCH (UID 2)\r\n",
			want: []string{"unread answer cannot be read: UID expected at \"x \"", "unread answer cannot be read: end of a quoted string expected at \"\\\"/\"", "unread answer cannot be read: UID expected at \"b\"", "unread answer cannot be read: item of FETCH expected at \"((\"", "unread answer cannot be read: items of STATUS expected at \"\"", `* 2 FETCH 2 [] 0 "" ""`},
		},
		"deep list": {in: "* 1 FETCH (X " + strings.Repeat("(", 5000) + "\r\nT1 OK\r\n", want: []string{"unread answer cannot be read: shallower list expected at \"" + strings.Repeat("(", 30) + "\"", "T1 OK"}},
		"items": {
			in:   "* 1 fetch (X-A (1 (2 \")\")) uid 1 X-B \"a\\\"b\" MODSEQ (7) FLAGS ( \\Seen  a ) ENVELOPE (NIL \"a \"b\" c\" {2}\r\n)( x))\r\n",
			want: []string{`* 1 FETCH 1 ["\\Seen" "a"] 7 "" ""`},
		},
		"header":  {in: "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (\"MESSAGE-ID\")] \"x\")\r\n", want: []string{`* 1 FETCH 1 [] 0 "" "x"`}},
		"status":  {in: "* STATUS \"a b\" (MESSAGES 1 X (2) UIDNEXT 5)\r\n", want: []string{`* 0 STATUS "a b" &{UIDValidity:0 UIDNext:5 Messages:1 ModSeq:0}`}},
		"esearch": {in: "* ESEARCH (TAG \"A\") UID COUNT 3 ALL 9,1:3\r\n* ESEARCH (TAG \"A\") UID ALL 1:*\r\n", want: []string{"* 0 ESEARCH 1:3,9", `unread answer cannot be read: uid set "1:*": invalid`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, reader := range map[string]io.Reader{
				"at once": strings.NewReader(test.in),
				"octets":  iotest.OneByteReader(strings.NewReader(test.in)),
			} {
				got, err := heard(reader, 20_000)
				if want := test.err; want == nil && !errors.Is(err, io.EOF) || want != nil && !errors.Is(err, want) {
					t.Errorf("%s: got error %v, want %v", how, err, want)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s: %s", how, diff)
				}
			}
		})
	}
}

var sixDigits = regexp.MustCompile(`[0-9]{6}`)

// Whatever a server sends, and in whatever pieces, is understood in one way, and what follows
// an answer that cannot be read is.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("* 1 FETCH (UID 1 FLAGS (a]b) INTERNALDATE NIL BODY[] {3}\r\nabc X (y))\r\nT1 OK done\r\n"))
	f.Add([]byte("* OK {3}\r\n* X {3}\r\nabc\r\n* SEARCH 1\r\n* 3 EXISTS\r\n* ESEARCH (TAG \"x\") UID ALL 1:3,7\r\n"))
	f.Add([]byte("* LIST (\\Sent) \"/\" a (b) ((c))\r\n* STATUS \"a\"b\" (MESSAGES 3)\r\n+ \r\n* LIST () NIL ~{2}\r\n\"\\\r\n"))
	f.Add([]byte("* STATUS \"\" {0}\n"))
	f.Add([]byte("* A {2}\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if sixDigits.Match(in) { // literals longer than the input say nothing
			return
		}
		whole, err := heard(bytes.NewReader(in), 4096)
		pieces, pieceErr := heard(iotest.OneByteReader(bytes.NewReader(in)), 4096)
		if diff := cmp.Diff(whole, pieces); diff != "" || errors.Is(err, errLine) != errors.Is(pieceErr, errLine) {
			t.Errorf("%v, %v: %s", err, pieceErr, diff)
		}
		if errors.Is(err, errLine) || !bytes.HasSuffix(in, []byte("\n")) {
			return
		}
		after, _ := heard(io.MultiReader(bytes.NewReader(in), strings.NewReader("\r\n* 7 FETCH (UID 7)\r\n")), 1<<20)
		if !errors.Is(err, io.ErrUnexpectedEOF) && len(after) != len(whole)+1 {
			t.Errorf("%d answers, and %d with another one after them", len(whole), len(after))
		}
	})
}

func FuzzName(f *testing.F) {
	for _, name := range []string{"R&D", "&AEEAQg-", "&AOk-&AOk-", "&U,BTFw-", "Größe", "\xff", "&2D3eAA-", "a&-b"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		name := shownName(wire)
		if !strings.Contains(wire, "\x00") && strings.Contains(string(name), "\x00") || strings.ToValidUTF8(string(name), "") != string(name) {
			t.Errorf("%q is shown as %q", wire, name)
		}
		n := names{given: map[string]domain.MailboxName{}, taken: map[domain.MailboxName]bool{}, odd: map[domain.MailboxName]string{}}
		n.give(wire)
		if back := (&Conn{odd: n.odd}).wireName(n.given[wire]); back != wire {
			t.Errorf("%q is shown as %q, which is %q", wire, name, back)
		}
	})
}
