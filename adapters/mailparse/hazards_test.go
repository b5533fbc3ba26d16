package mailparse

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/imap2api/imap2api/domain"
)

// The tests of this file are the messages on which the usual reader of go-message
// loses content, time or memory, one by one.

func parse(t testing.TB, raw string) *domain.Content {
	t.Helper()
	return New(Options{Budget: 10 * time.Second}).Parse(context.Background(), []byte(raw))
}

// crlf writes a message with the line ends of the wire.
func crlf(raw string) string { return strings.ReplaceAll(raw, "\n", "\r\n") }

func TestCharsetsUnknownToTheLibrary(t *testing.T) {
	t.Parallel()
	tests := []struct{ charset, octets, want string }{
		{"utf-7", "Hi Mom +Jjo--!+AOQ-", "Hi Mom ☺-!ä"},
		{"unicode-1-1-utf-7", "1 +- 1 +2D3eAA-", "1 + 1 😀"},
		{"ks_c_5601", "\xc8\xb8\xc0\xc7", "회의"},
		{"ks_c_5601-1987", "\xc8\xb8\xc0\xc7", "회의"},
		{"cp-1252", "\x93a\x94 \x80", "“a” €"},
		{"win-1251", "\xcf\xf0\xe8", "При"},
		{"iso-2022-jp-2", "\x1b$B2q5D\x1b(B", "会議"},
		{"iso-2022-jp-ms", "\x1b$B2q5D\x1b(B", "会議"},
		{"iso-2022-kr", "\x1b$)C\x0eH8@G\x0f ok", "회의 ok"},
		{"euc-tw", "plain \xe4", "plain ä"},
		{"cp874", "\xbb\xc3\xd0", "ประ"},
		{"cp-850", "\x84", "ä"},
		{"iso8859_1", "\xe4", "ä"},
		{"latin-1", "\xe4", "ä"},
		{"8859_1", "\xe4", "ä"},
		{"iso8859-2", "\xb1", "ą"},
		{"unknown-8bit", "\xe4", "ä"},
		{"x-unknown", "\xc3\xa4", "ä"},
		{"default", "\xe4", "ä"},
		{"ansi", "\x80", "€"},
		{"646", "ok", "ok"},
		{"utf-32", "\x00\x00\x00a\x00\x00\x00\xe4", "aä"},
		{"utf-16", "\xff\xfea\x00\xe4\x00", "aä"},
		{"viscii", "plain \xe4", "plain ä"},
		{"x-windows-949", "\xc8\xb8", "회"},
		{"cp949", "\xc8\xb8", "회"},
		{"ms949", "\xc8\xb8", "회"},
		{"cp932", "\x89\xef", "会"},
		{"windows-31j", "\x89\xef", "会"},
		{"x-sjis", "\x89\xef", "会"},
		{"x-gbk", "\xbb\xe1", "会"},
		{"gb2312", "\xbb\xe1", "会"},
		{"binary", "\xc3\xa4", "ä"},
		{"eucjp", "\xb2\xf1", "会"},
		{"windows-28592", "\xb1", "ą"},
		{"windows-28605", "\xa4", "€"},
		{"cp65001", "\xc3\xa4", "ä"},
		{"ibm437", "\x84", "ä"},
		{"koi8-u", "\xa4", "є"},
		{"mac", "\x8a", "ä"},
		{"x-mac-cyrillic", "\x80", "А"},
		{"\"utf-8\"", "ä", "ä"},
		{"utf-8 format=flowed", "ä", "ä"},
		{"hz-gb-2312", "~{;aRi~}", "会议"},
	}
	for _, test := range tests {
		t.Run(test.charset, func(t *testing.T) {
			t.Parallel()
			c := parse(t, "Content-Type: text/plain; charset="+test.charset+"\r\n\r\n"+test.octets)
			if c.Text != test.want {
				t.Errorf("%q, want %q", c.Text, test.want)
			}
		})
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	t.Parallel()
	c := parse(t, "Content-Type: text/plain; charset=utf-8\r\n\r\na\xff\xfeb")
	if c.Text != "a\ufffdb" || !cmp.Equal(c.Defects, []string{"bad-charset"}) {
		t.Errorf("%q %v", c.Text, c.Defects)
	}
}

// TestWholeMessageLost: one bad line, and nothing was read.
func TestWholeMessageLost(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, before string }{
		{"line without colon", "this line has no colon\n"},
		{"several lines without colon", "no colon\nnor here <x>\nnor here\n"},
		{"mbox From line", "From a@example.org Mon Feb  3 10:00:00 2025\n"},
		{"quoted mbox From line", ">From a@example.org Mon Feb  3 10:00:00 2025\n"},
		{"leading space", " starts with a space\n"},
		{"leading blank line", "\n"},
		{"8-bit header name", "X-Gr\xfc\xdfe: yes\n"},
		{"space before colon", "X-Space : yes\n"},
		{"header block of 1.2 MB", "X-Huge: " + strings.Repeat("x", 1200) + strings.Repeat("\n "+strings.Repeat("y", 70), 100) + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := parse(t, crlf(test.before+"Subject: Hello\nMessage-ID: <a@b>\nX-After: yes\n\nBody.\n"))
			if c.Subject != "Hello" || c.MsgID != "a@b" || c.Text != "Body.\n" {
				t.Errorf("%q %q %q", c.Subject, c.MsgID, c.Text)
			}
		})
	}
}

func TestHeaderLimit(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("X-Huge: "+strings.Repeat("y", 70)+"\r\n", 20000)
	c := parse(t, "Subject: first\r\n"+huge+"To: late@example.org\r\n\r\nBody.\r\n")
	if c.Subject != "first" || c.To != nil || c.Text != "Body.\n" || !cmp.Equal(c.Defects, []string{"header-limit"}) {
		t.Errorf("%q %v %q %v", c.Subject, c.To, c.Text, c.Defects)
	}
	part := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + huge + "\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"
	if c := parse(t, part); c.Text != "one\ntwo" || !cmp.Equal(c.Defects, []string{"header-limit"}) {
		t.Errorf("in a part: %.40q %v", c.Text, c.Defects)
	}
}

// TestAllPartsLost: parameters that mime.ParseMediaType rejects.
func TestAllPartsLost(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, boundary string }{
		{"type without quotes", `multipart/related; boundary="b"; type=multipart/alternative`, "b"},
		{"boundary without quotes", `multipart/mixed; boundary=----=_x`, "----=_x"},
		{"parameter without value", `multipart/mixed; foo; boundary=b`, "b"},
		{"comment", `multipart/mixed (really; mixed); boundary=b (yes)`, "b"},
		{"unclosed comment", `multipart/mixed; (boundary=q; boundary=b`, "b"},
		{"unclosed quote", `multipart/mixed; boundary="b`, "b"},
		{"no semicolon", `multipart/mixed boundary="b"`, "b"},
		{"two semicolons", `multipart/mixed;; boundary="b";`, "b"},
		{"spaces around", `multipart / mixed ; boundary = "b"`, "b"},
		{"twice", `multipart/mixed; boundary=b; boundary=c`, "b"},
		{"no parameter", `multipart/mixed`, "guess"},
		{"empty", `multipart/mixed; boundary=""`, "guess"},
		{"wrong", `multipart/mixed; boundary=other`, "guess"},
		{"no subtype", `multipart; boundary=b`, "b"},
		{"in pieces", `multipart/mixed; boundary*0=a; boundary*1=b`, "ab"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := "--" + test.boundary
			c := parse(t, crlf("Content-Type: "+test.value+"\n\n"+b+"\nContent-Type: text/plain\n\none\n"+b+
				"\nContent-Type: text/html\n\n<p>two</p>\n"+b+"--\n"))
			if c.Text != "one\ntwo\n" || c.HTML != "<p>two</p>" {
				t.Errorf("%q %q %v", c.Text, c.HTML, c.Defects)
			}
		})
	}
}

func TestNoEndBoundaryAfterNesting(t *testing.T) {
	t.Parallel()
	c := parse(t, crlf("Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n"+
		"--b\n\none\n--a\n\ntwo\n--a\nContent-Type: text/plain; name=x.txt\nContent-Disposition: attachment\n\nthree"))
	want := []domain.Attachment{{Section: "3", FileName: "x.txt", ContentType: "text/plain", Size: 5}}
	if c.Text != "one\ntwo" || !cmp.Equal(c.Attachments, want) || !cmp.Equal(c.Defects, []string{"no-end-boundary"}) {
		t.Errorf("%q %+v %v", c.Text, c.Attachments, c.Defects)
	}
}

func TestBadHeaderLineInPart(t *testing.T) {
	t.Parallel()
	c := parse(t, crlf("Content-Type: multipart/mixed; boundary=a\n\n--a\nno colon here\nContent-Type: text/plain\n\none\n"+
		"--a\nContent-Type: text/plain\nno colon, no blank line\n--a\n\nthree\n--a--\n"))
	if c.Text != "one\nno colon, no blank line\nthree" {
		t.Errorf("%q %v", c.Text, c.Defects)
	}
}

// TestBrokenContentTypeOfText: the octets were left undecoded.
func TestBrokenContentTypeOfText(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`text/plain; charset="iso-8859-1"; x`, `text/plain charset=iso-8859-1`, `text; charset=iso-8859-1`,
		`text/plain>; charset=iso-8859-1`, `; charset=iso-8859-1`, `plain; charset=iso-8859-1`, `TEXT/PLAIN;CHARSET=ISO-8859-1;;`,
	} {
		c := parse(t, "Content-Type: "+value+"\r\nContent-Transfer-Encoding: Quoted-Printable \r\n\r\n=E4=\r\n=\r\n\r\n")
		if c.Text != "ä\n" {
			t.Errorf("%s: %q %v", value, c.Text, c.Defects)
		}
	}
}

func TestBase64WithIllegalCharacters(t *testing.T) {
	t.Parallel()
	tests := []struct{ body, want string }{
		{"SGVsbG8g*d29y\r\n!!bGQ=\r\n", "Hello world"},
		{"SGVsbG8gd29ybGQ", "Hello world"},
		{"SGVs bG8g\r\n\r\n d29ybGQ=", "Hello world"},
		{"SGVsbG8=\r\nIHdvcmxk\r\n", "Hello world"},
		{"SGVsbG8=\r\n\r\n-- \r\nA list's footer, in plain words\r\n", "Hello"},
		{"", ""},
		{"=", ""},
		{"A", ""},
		{"SGVsbG8gd29ybGQh\r\nA", "Hello world!"},
	}
	for _, test := range tests {
		raw := "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + test.body
		if c := parse(t, raw); c.Text != test.want {
			t.Errorf("%q: %q, want %q", test.body, c.Text, test.want)
		}
		attached := "Content-Disposition: attachment\r\n" + raw
		part, ok := New(Options{}).Part(t.Context(), []byte(attached), "1")
		if c := parse(t, attached); !ok || c.Attachments[0].Size != int64(len(part.Octets)) {
			t.Errorf("%q: %d octets, size %d", test.body, len(part.Octets), c.Attachments[0].Size)
		}
	}
}

func TestUnknownCharsetInOneWord(t *testing.T) {
	t.Parallel()
	c := parse(t, "Subject: =?utf-8?Q?=C3=A4?= =?x-nope?Q?b?= =?koi8-r?B?8NLJ18XU?= end\r\n\r\n")
	if c.Subject != "äbПривет end" {
		t.Errorf("%q", c.Subject)
	}
}

// TestCPUBombs: messages that cost the usual readers seconds to minutes. What grows with the square of the
// input takes minutes; the bound allows for the race detector. Nothing else runs beside this test, so that no
// load of the machine counts.
func TestCPUBombs(t *testing.T) {
	for _, bomb := range bombs() {
		t.Run(bomb.name, func(t *testing.T) {
			start := computed(t)
			c := New(Options{Budget: time.Hour}).Parse(t.Context(), bomb.raw)
			if len(c.Attachments) > 0 {
				New(Options{}).Part(t.Context(), bomb.raw, c.Attachments[len(c.Attachments)-1].Section)
			}
			took := computed(t) - start
			t.Logf("%.1f MB in %v, defects %v", float64(len(bomb.raw))/1e6, took.Round(time.Millisecond/10), c.Defects)
			if took > 8*time.Second {
				t.Errorf("computed for %v", took)
			}
		})
	}
}

// computed is the time that processors have worked on this process.
func computed(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

type bomb struct {
	name string
	raw  []byte
}

// nested returns multiparts in one another, each with its own boundary or all with the same.
func nested(depth int, boundary string) []byte {
	var b bytes.Buffer
	b.WriteString("Subject: x\r\n")
	for i := range depth {
		name := fmt.Sprintf(boundary, i)
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\r\n\r\n--%s\r\n", name, name)
	}
	b.WriteString("\r\ninside\r\n")
	return b.Bytes()
}

func bombs() []bomb {
	header := func(s string) []byte { return []byte(s + "\r\n\r\nBody.\r\n") }
	fill := strings.Repeat
	html := func(s string) []byte { return []byte("Content-Type: text/html\r\n\r\n" + s) }
	mixed := "Content-Type: multipart/mixed; boundary=abcdefgh\r\n\r\n"
	return []bomb{
		{"nested multiparts, 1,000", nested(1000, "b%d")},
		{"nested multiparts, 3,000", nested(3000, "b%d")},
		{"nested multiparts, 10,000", nested(10000, "b%d")},
		{"nested multiparts, one boundary", nested(10000, "b%.0d")},
		{"nested, then 2 MB", append(nested(49, "b%d"), fill("--bx\r\n", 300<<10)...)},
		{"Message-ID comment of 800 KB", header("Message-ID: (" + fill("a", 800<<10) + ") <a@b>")},
		{"Message-ID comments", header("Message-ID: " + fill("(", 800<<10) + "<a@b>")},
		{"300,000 empty parts", []byte(mixed + fill("--abcdefgh\r\n\r\n\r\n", 300000))},
		{"part limit, then 3 MB", []byte(mixed + fill("--abcdefgh\r\n\r\n\r\n", 1000) + fill("--abcdefgh\r\nx", 200<<10))},
		{"attachment of 3 MB", []byte("Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n" + fill(fill("A", 76)+"\r\n", 40<<10))},
		{"quoted-printable of 3 MB", []byte("Content-Disposition: attachment\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + fill("=41=\r\n", 500<<10))},
		{"references of 900 KB", header("References: " + fill("<a@b> ", 150<<10))},
		{"references, unclosed", header("References: " + fill("<", 900<<10))},
		{"recipients of 900 KB", header("To: " + fill("a@b, ", 180<<10))},
		{"recipients in 100,000 fields", header(fill("To: a@b\r\n", 100<<10) + "X-End: 1")},
		{"recipients, quotes", header("To: " + fill(`"`, 900<<10-1))},
		{"recipients, escaped quotes", header("To: " + fill(`"\`, 450<<10))},
		{"recipients, angles", header("To: " + fill("<", 900<<10))},
		{"recipients, angles and quotes", header("To: " + fill(`<"`, 450<<10))},
		{"recipients, parentheses", header("To: " + fill("(", 900<<10))},
		{"recipients, comments in angles", header("To: " + fill("<(a)(>", 150<<10))},
		{"recipients, brackets", header("To: " + fill("@[", 450<<10))},
		{"recipients, at signs", header("To: " + fill("a @ ", 225<<10))},
		{"recipients, dots", header("To: a@b" + fill(" .", 450<<10))},
		{"recipients, colons", header("To: " + fill("a:", 450<<10))},
		{"recipients, held names", header("To: " + fill("a,", 450<<10) + "<a@b>")},
		{"recipients, no end", header("To: " + fill("=?a?q?", 150<<10))},
		{"words of 900 KB", header("Subject: " + fill("=?utf-8?Q?=C3=A4?= ", 50<<10))},
		{"words, one half each", header("Subject: " + fill("=?utf-8?B?w6Q=?= =?x-y?Q?a?=", 30<<10))},
		{"words, not finished", header("Subject: " + fill("=?a?q?", 150<<10))},
		{"words, finished far away", header("Subject: " + fill("=?a?q?", 150<<10) + "?=")},
		{"words, unknown sets", header("Subject: " + fill("=?x-nope?q?=ff?= x ", 45<<10))},
		{"parameters of 900 KB", header("Content-Type: text/plain" + fill("; a=b", 180<<10))},
		{"parameters, sections", header("Content-Type: text/plain" + fill("; name*1*=%41", 70<<10))},
		{"parameters, parentheses", header("Content-Type: text/plain" + fill("(", 900<<10))},
		{"parameters, comments", header("Content-Type: text/plain; name=x" + fill(" (a) ;", 150<<10))},
		{"parameters, quotes", header("Content-Type: text/plain" + fill(`;a="\"`, 150<<10))},
		{"parameters, blanks", header("Content-Type: text/plain" + fill("; a ", 225<<10))},
		{"lines without colon", []byte(fill("junk\r\n", 300<<10) + "X-Y: z")},
		{"lines without colon, then fields", []byte(fill("junk\r\nX-Y: z\r\n", 100<<10))},
		{"folds", header("Subject: x" + fill("\r\n ", 300<<10))},
		{"date", header("Date: " + fill("(", 900<<10))},
		{"hyphens", []byte(mixed + fill("--", 1<<20))},
		{"hyphen lines", []byte(mixed + fill("--\r\n", 500<<10))},
		{"boundaries to guess", []byte("Content-Type: multipart/mixed\r\n\r\n" + fill("--a\r\nContent-Type: x\r\n", 100<<10))},
		{"html comments", html(fill("<!--", 500<<10))},
		{"html tags", html(fill("<a ", 500<<10))},
		{"html quotes", html(fill(`<a b="`, 300<<10))},
		{"html mixed quotes", html(fill(`<a b="c' d='>`, 200<<10))},
		{"html less-than", html(fill("<", 2<<20))},
		{"html scripts", html(fill("<script>", 200<<10))},
		{"html titles", html(fill("<title></", 200<<10))},
		{"html entities", html(fill("&amp", 500<<10))},
		{"html ampersands", html(fill("&", 2<<20))},
		{"html pre", html(fill("<pre>", 400<<10))},
		{"html blocks", html(fill("<p>a", 400<<10))},
		{"html items", html(fill("<li>", 400<<10))},
		{"text of 3 MB", []byte("Content-Type: text/plain; charset=utf-8\r\n\r\n" + fill("äöü \r\n", 300<<10))},
		{"gb18030 of 2 MB", []byte("Content-Type: text/plain; charset=gb18030\r\n\r\n" + fill("\x81\x30\x81\x30", 500<<10))},
		{"utf-7 of 2 MB", []byte("Content-Type: text/plain; charset=utf-7\r\n\r\n" + fill("+", 2<<20))},
		{"alternatives", []byte("Content-Type: multipart/alternative; boundary=abcdefgh\r\n\r\n" +
			fill("--abcdefgh\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b--\r\n", 600))},
	}
}
