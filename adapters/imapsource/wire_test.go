package imapsource

import (
	"bytes"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/imap2api/imap2api/commands"
)

// octets is a connection that only delivers.
type octets struct {
	net.Conn
	io.Reader
}

func (o octets) Read(p []byte) (int, error)      { return o.Reader.Read(p) }
func (octets) SetReadDeadline(_ time.Time) error { return nil }

// through returns what the library would see of an answer.
func through(answer io.Reader, maxLine int) (string, error) {
	opt := New(Options{MaxLine: maxLine}).opt
	w := newWire(octets{Reader: answer}, opt, commands.Login{})
	var out bytes.Buffer
	_, err := io.Copy(&out, struct{ io.Reader }{w})
	return out.String(), err
}

func TestWire(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1234 ", 40_000)
	for name, test := range map[string]struct {
		in, out string // out is in if empty
		err     error
	}{
		"data":             {in: "* LIST () \"/\" INBOX\r\n* SEARCH 1 2\r\nT1 OK done\r\n+ go\r\n"},
		"literal":          {in: "* 1 FETCH (UID 1 BODY[] {10}\r\n* XYZ x\r\n\r FLAGS ())\r\nT1 OK done\r\n"},
		"literal of none":  {in: "* 1 FETCH (UID 1 BODY[] {0}\r\n FLAGS ())\r\nT1 OK done\r\n"},
		"two literals":     {in: "* 1 FETCH (BODY[HEADER] {2}\r\nab BODY[] {3}\r\n(\r\n)\r\nT1 OK done\r\n"},
		"literal name":     {in: "* LIST () \"/\" {5}\r\na\r\nbc\r\nT1 OK done\r\n"},
		"left out":         {in: "* FLAGS (\\*)\r\n\r\n* VANISHED 1\r\n* X {3}\r\n* 1 y\r\nT1 OK done\r\n", out: "T1 OK done\r\n"},
		"text, no literal": {in: "* OK {3}\r\n* BYE {4}\r\nT1 OK {5}\r\n* 3 EXISTS\r\n", out: "T1 OK {5}\r\n* 3 EXISTS\r\n"},
		"codes":            {in: "* OK [UIDNEXT 4] x\r\n* ok [uidvalidity 4]\r\n* OK [HIGHESTMODSEQ 4] x\r\n"},
		"bare lf":          {in: "* 3 EXISTS\n* 1 FETCH (UID 1 BODY[] {3}\nabc)\n", out: "* 3 EXISTS\r\n* 1 FETCH (UID 1 BODY[] {3}\nabc)\n"},
		"long search":      {in: "* SEARCH " + long + "\r\nT1 OK done\r\n"},
		"long unknown":     {in: "* XYZZY " + long + "{3}\r\nabc\r\nT1 OK done\r\n", out: "T1 OK done\r\n"},
		"long list":        {in: "* LIST () \"/\" " + long + "\r\n", err: errLine},
		"large literal":    {in: "* LIST () \"/\" {1000000}\r\n", err: errLine},
		"ends in a line":   {in: "* LIST () \"/\""},
		"ends in literal":  {in: "* 1 FETCH (UID 1 BODY[] {5}\r\nab", out: "* 1 FETCH (UID 1 BODY[] {5}\r\nab\x00\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, reader := range map[string]io.Reader{
				"at once": strings.NewReader(test.in),
				"octets":  iotest.OneByteReader(strings.NewReader(test.in)),
			} {
				want := test.out
				if want == "" {
					want = test.in
				}
				out, err := through(reader, 20_000)
				if test.err != nil {
					if !errors.Is(err, test.err) {
						t.Errorf("%s: got error %v, want %v", how, err, test.err)
					}
					continue
				}
				if err != nil || out != want {
					t.Errorf("%s: got %.200q, error %v; want %.200q", how, out, err, want)
				}
			}
		})
	}
}

func TestRepair(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"* 1 FETCH (UID 1 FLAGS (\\Seen $x))\r\n":                                       "",
		"*  1  FETCH  (UID 1  FLAGS ( \\Seen  a]b ) )\r\n":                              "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n",
		"* 1 FETCH (X-A (1 (2 \")\")) UID 1 X-B \"a\\\"b\" X-C)\r\n":                    "",
		"* 1 FETCH (X-A (1 (2 \")\")) UID 1 X-B \"a\\\"b\")\r\n":                        "* 1 FETCH (UID 1)\r\n",
		"* 1 FETCH (X-A 1)\r\n":                                                         "* 1 FETCH ()\r\n",
		"* 1 FETCH (UID 1 INTERNALDATE NIL MODSEQ (3))\r\n":                             "* 1 FETCH (UID 1 INTERNALDATE " + unreadableDate + " MODSEQ (3))\r\n",
		"* 1 FETCH (UID 1 INTERNALDATE \"1-Feb-2024 00:00:00 EST\")\r\n":                "* 1 FETCH (UID 1 INTERNALDATE " + unreadableDate + ")\r\n",
		"* 1 FETCH (RFC822 {3}\r\nabc UID 1 INTERNALDATE \"1-Feb-2024 01:02:03 UT\")\n": "* 1 FETCH (BODY[] {3}\r\nabc UID 1 INTERNALDATE \" 1-Feb-2024 01:02:03 +0000\")\n",
		"* 1 FETCH (BODY[HEADER.FIELDS (\"A\" B)] \"x\" UID 1)\r\n":                     "",
		"* 1 FETCH (BODY[]<0> NIL UID 1)\r\n":                                           "",
		"* 1 FETCH (FLAGS (a (b) c) UID 1)\r\n":                                         "",
		"* 1 FETCH (FLAGS (a\r\n":                                                       "",
		"* 1 FETCH (RFC822.HEADER {3}\r\nabc UID 1)\r\n":                                "",
		"* 1 FETCH UID 1\r\n":                                                           "",
		"* 1 FETCH (\r\n":                                                               "",
		"* 1 FETCH ()\r\n":                                                              "",
		"* 1 FETCH (UID 1) x\r\n":                                                       "",
	} {
		if want == "" {
			want = in // not to be understood or nothing to be done
		}
		if got, err := through(strings.NewReader(in), 20_000); err != nil || got != want {
			t.Errorf("%q: got %q, error %v; want %q", in, got, err, want)
		}
	}
}

var fiveDigits = regexp.MustCompile(`[0-9]{5}`)

func FuzzWire(f *testing.F) {
	f.Add([]byte("* 1 FETCH (UID 1 FLAGS (a]b) INTERNALDATE NIL BODY[] {3}\r\nabc X (y))\r\nT1 OK done\r\n"))
	f.Add([]byte("* OK {3}\r\n* X {3}\r\nabc\r\n* SEARCH 1\r\n* 3 EXISTS\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		// The literal of a connection that ended is filled up, however long it is.
		if fiveDigits.Match(in) {
			return
		}
		whole, err := through(bytes.NewReader(in), 4096)
		pieces, pieceErr := through(iotest.OneByteReader(bytes.NewReader(in)), 4096)
		if whole != pieces || (err == nil) != (pieceErr == nil) {
			t.Errorf("at once %q, %v; in pieces %q, %v", whole, err, pieces, pieceErr)
		}
		// What was repaired needs no repair.
		again, againErr := through(strings.NewReader(whole), 8192)
		if err == nil && againErr == nil && again != whole {
			t.Errorf("%q became %q", whole, again)
		}
	})
}
