package mailparse

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/imap2api/imap2api/domain"
)

// FuzzParse checks what holds for any octets: no panic, an end in time, valid text
// without control characters, and each attachment found again with its size.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "Subject: x\n\nbody", "From a\nSubject: =?utf-8?Q?=C3=A4?= =?x?B?w6Q=?=\r\n folded\r\n\r\n",
		"From: \"A, B\" <a@b>, c@d (e); group: f@g;\nTo: <x\nDate: Fri, 1 Jan 21 1:2:3 EST\nReferences: <a> b@c\n\n",
		"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/html; charset=gb18030\n\n<p>\x81\x30&amp;<!--\n" +
			"--a\nContent-Disposition: attachment; filename*0*=utf-8''%41; filename*1=b\nContent-Transfer-Encoding: base64\n\nQQ==QUI\n--a--",
		"Content-Type: multipart/alternative\n\n--zz\nContent-Type: text/plain; charset=utf-7\n\n+AOQ-\n--zz--\n",
		"Content-Transfer-Encoding: x-uuencode\nContent-Disposition: attachment\n\nbegin 644 a\n#0V%T\n`\nend\n",
		"Content-Type: text/plain; charset=iso-2022-kr\nContent-Transfer-Encoding: quoted-printable\n\n\x0e=41=\n=\n=E",
		"Content-Type: text/plain; charset=utf-16\n\n\xff\xfea\x00", "Content-Type: text/plain; charset=utf-32le\n\n\x01",
		"Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: inner\n\n--d--\nThread-Index: AQ==\n",
	} {
		f.Add([]byte(seed))
	}
	p := New(Options{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		start := computed(t)
		c := p.Parse(context.Background(), raw)
		if took := computed(t) - start; took > time.Second {
			t.Errorf("computed for %v", took)
		}
		for _, d := range c.Defects {
			if d == "panic" {
				t.Error("panicked")
			}
		}
		checkText(t, c)
		for _, a := range c.Attachments {
			part, ok := p.Part(t.Context(), raw, a.Section)
			if !ok || int64(len(part.Octets)) != a.Size || part.FileName != a.FileName {
				t.Errorf("part %s: %v, %d octets of %d", a.Section, ok, len(part.Octets), a.Size)
			}
		}
		if safe := strings.ToLower(Sanitize(c.HTML)); strings.Contains(safe, "<script") || strings.Contains(safe, "<form") {
			t.Errorf("not safe: %q", safe)
		}
	})
}

// checkText checks the promises of domain.Content on text.
func checkText(t *testing.T, c *domain.Content) {
	t.Helper()
	oneLine := []string{c.Subject, c.MsgID, c.Snippet, c.ListID, c.DeliveredTo}
	oneLine = append(append(oneLine, c.InReplyTo...), c.References...)
	for _, list := range [][]domain.Address{c.From, c.To, c.Cc, c.Bcc, c.ReplyTo} {
		for _, a := range list {
			oneLine = append(oneLine, a.Name, a.Addr)
			if a.Name == "" && a.Addr == "" {
				t.Error("empty address")
			}
		}
	}
	sections := map[string]bool{}
	for _, a := range c.Attachments {
		oneLine = append(oneLine, a.FileName, a.ContentType, a.ContentID)
		if sections[a.Section] || a.Section == "" || strings.ContainsAny(a.FileName, `/\`) {
			t.Errorf("attachment %+v", a)
		}
		sections[a.Section] = true
	}
	for i, s := range append(oneLine, c.Text, c.HTML) {
		bad := func(r rune) bool {
			return r < ' ' && (i < len(oneLine) || r != '\n' && r != '\t') || 0x7f <= r && r < 0xa0
		}
		if !utf8.ValidString(s) || strings.ContainsFunc(s, bad) {
			t.Errorf("text %d: %q", i, s)
		}
	}
	if utf8.RuneCountInString(c.Snippet) > 200 || strings.Contains(c.Snippet, "  ") {
		t.Errorf("snippet %q", c.Snippet)
	}
	if !c.Date.IsZero() && (c.Date.Year() < 1970 || c.Date.Year() > 9999 || c.Date.Nanosecond() != 0) {
		t.Errorf("date %v", c.Date)
	}
}
