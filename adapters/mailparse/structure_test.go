package mailparse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imap2api/imap2api/queries"
)

// outline writes a tree of parts, a line for each.
func outline(p *queries.MIMEPart, depth int) string {
	line := strings.Repeat(" ", depth) + p.ContentType
	if p.Octets != nil {
		line += fmt.Sprintf(" %s %q %d", p.Section, p.Text(), p.Size)
	}
	if p.FileName != "" {
		line += " " + p.FileName
	}
	line += "\n"
	for _, inner := range p.Parts {
		line += outline(inner, depth+1)
	}
	return line
}

func TestStructure(t *testing.T) {
	t.Parallel()
	const deep = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Fold: a\r\n b\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" +
		"--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n" +
		"--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n" +
		"--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n" +
		"--c\r\n\r\none\r\n--c\r\nContent-Type: image/png; name=x.png\r\nContent-Transfer-Encoding: base64\r\n\r\nAQID\r\n--c--\r\n" +
		"--a\r\nContent-Type: text/plain; name=n.txt\r\n\r\nlast\r\n--a--\r\n"
	for _, c := range []struct{ raw, want string }{
		{"Subject: x\r\n\r\nhello\r\n", "text/plain 1 \"hello\\r\\n\" 7\n"},
		{"", "text/plain 1 \"\" 0\n"},
		{"Content-Type: application/pdf\r\n\r\nx", "application/pdf 1 \"x\" 1\n"},
		{"Content-Type: multipart/mixed\r\n\r\nno boundary", "text/plain 1 \"no boundary\" 11\n"},
		{deep, "multipart/mixed\n multipart/alternative\n  text/plain 1.1 \"ü\" 1\n  text/html 1.2 \"<p>\" 3\n" +
			" message/rfc822 2 " + fmt.Sprintf("%q %d", deep[strings.Index(deep, "Subject: inner"):strings.LastIndex(deep, "\r\n--a\r\n")],
			strings.LastIndex(deep, "\r\n--a\r\n")-strings.Index(deep, "Subject: inner")) + " message.eml\n" +
			"  multipart/mixed\n   text/plain 2.1 \"one\" 3\n   image/png 2.2 \"\\x01\\x02\\x03\" 3 x.png\n text/plain 3 \"last\" 4 n.txt\n"},
	} {
		root := New(Options{}).Structure(t.Context(), []byte(c.raw))
		if got := outline(root, 0); got != c.want {
			t.Errorf("%.40q: got\n%swant\n%s", c.raw, got, c.want)
		}
	}
	p := New(Options{})
	for name, root := range map[string]*queries.MIMEPart{"whole": p.Structure(t.Context(), []byte(deep)), "header": p.Header(t.Context(), []byte(deep))} {
		if root.ContentType != "multipart/mixed" || len(root.Header) != 3 || root.Header[0] != (queries.HeaderField{Name: "Subject", Value: "Grüße"}) ||
			root.Header[1] != (queries.HeaderField{Name: "X-Fold", Value: "a b"}) {
			t.Errorf("%s: %s %q", name, root.ContentType, root.Header)
		}
	}
	root := p.Structure(t.Context(), []byte(deep))
	if part := root.Find("2.2"); part == nil || string(part.Octets()) != "\x01\x02\x03" {
		t.Errorf("2.2: %+v", part)
	}
	if part := root.Find("2.3"); part != nil {
		t.Errorf("2.3: %+v", part)
	}
}

// FuzzStructure: any octets give a tree, all of whose content can be read, and the attachments of Parse are in it.
func FuzzStructure(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\ny\n--b--"))
	f.Add([]byte("Content-Type: multipart/digest; boundary=b\n\n--b\n\n--b\n\n--b"))
	p := New(Options{MaxDepth: 4, MaxParts: 20})
	f.Fuzz(func(t *testing.T, raw []byte) {
		root := p.Structure(t.Context(), raw)
		_ = outline(root, 0)
		for _, a := range p.Parse(t.Context(), raw).Attachments {
			if root.Find(a.Section) == nil {
				t.Errorf("attachment %s is not in the structure", a.Section)
			}
		}
	})
}
